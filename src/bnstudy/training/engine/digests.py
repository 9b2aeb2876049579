"""The digest of a network's weights: equal digests mean equal bits."""

import hashlib
from collections.abc import Mapping

import torch
from torch import Tensor


def weights_digest(state: Mapping[str, Tensor]) -> str:
    """12 hex of SHA-256 over all tensors of a network's state, sorted by name, as little-endian float32.

    `state` is what `state_dict()` of the reference network gives at the stored parameters (not at Nesterov's
    look-ahead point); the counter `num_batches_tracked` is no weight and left out.
    """
    digest = hashlib.sha256()
    for name in sorted(state):
        if not name.endswith("num_batches_tracked"):
            values = state[name].detach().contiguous().to("cpu", torch.float32).numpy()  # reordered where it lies
            digest.update(values.astype("<f4", copy=False).data)
    return digest.hexdigest()[:12]
