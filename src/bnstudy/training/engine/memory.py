"""How much memory of a GPU a training needs (thesis 7.1.5: it bounds the batch size of the CNN)."""

import torch


class PeakMemory:
    """The most bytes that torch has allocated on a device since this object was made, minus those allocated then.

    `bytes` of an earlier attempt count after `put_back`; they are None on a CPU. If several trainings share a GPU in
    one process, each counts what all of them allocate.
    """

    def __init__(self, device: str):
        self._device = device
        self._earlier: int | None = None
        if self._reads:
            torch.cuda.reset_peak_memory_stats(device)
            self._held = torch.cuda.memory_allocated(device)

    @property
    def _reads(self) -> bool:
        return self._device.startswith("cuda")

    @property
    def bytes(self) -> int | None:
        if not self._reads:
            return None
        return max(torch.cuda.max_memory_allocated(self._device) - self._held, self._earlier or 0)

    def put_back(self, earlier: int | None) -> None:
        """Include the `bytes` of an earlier attempt at the same training."""
        self._earlier = earlier
