"""The digest of a network's weights: equal digests mean equal bits."""

import hashlib
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor

import torch
from torch import Tensor


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """Return 12 hex of SHA-256 over all tensors of a network's state, sorted by name, as little-endian float32.

    `state` is what `state_dict()` of the reference network gives at the stored parameters (not at Nesterov's
    look-ahead point); the counter `num_batches_tracked` is not a weight and is left out.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        if not name.endswith("num_batches_tracked"):
            values = state[name].detach().contiguous().to("cpu", torch.float32).numpy()  # made contiguous on its device
            digest.update(values.astype("<f4", copy=False).data)
    return digest.hexdigest()[:12]


class Beside:
    """Hashes the weights of one network on a thread, while the network trains on.

    The full CNN has 40 MB of weights: hashing them takes about a fifth of an epoch on a GPU. The thread gets a copy in
    the host's memory and makes no CUDA call, which could end up in the capture of another run's step. At most one
    digest is under way, so at most one copy exists.
    """

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1, "weights-digest")
        self._last: Future[str] | None = None

    def digest(self, state: Mapping[str, Tensor]) -> Future[str]:
        """Return the `weights_digest` of what `state` holds now. Waits for the previous digest and raises its error."""
        if self._last is not None:
            self._last.result()
        copy = {name: values.detach().contiguous().to("cpu", copy=True) for name, values in state.items()}
        self._last = self._thread.submit(weights_digest, copy)
        return self._last
