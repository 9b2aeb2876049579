"""Final weights of a run as a safetensors file, kept on request (`--weights`); records hold none.

from safetensors.torch import load_file

network = models.build(cell, shape)
network.load_state_dict(load_file("results/weights/<key>/<seed>.safetensors"))
"""

import json
from typing import Any

from bnstudy.design.cell import Run
from bnstudy.design.labels import name


def content(run: Run, state: dict[str, Any]) -> bytes:
    """Return the bytes of the file: tensors by name; metadata name, key, seed, tested_weights and the cell's fields."""
    from safetensors.torch import save

    about = {
        "name": name(run.cell), "key": run.cell.key, "seed": str(run.seed), "tested_weights": run.cell.tested_weights,
        "cell": json.dumps(run.cell.non_default(), sort_keys=True), "format": "pt",
    }  # fmt: skip
    tensors = {n: tensor.detach().cpu().contiguous().clone() for n, tensor in state.items()}  # no two share memory
    return save(tensors, metadata=about)
