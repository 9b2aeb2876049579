"""What is recorded of a run, epoch by epoch: the columns of `Record.epochs`, `Record.layers` and `Record.early`.

Every engine fills the same `History`, so their records agree in columns, in rounding and in what counts as
diverged.
"""

import math
from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from typing import Any

import numpy as np
from torch import Tensor

from bnstudy.results.record import EPOCH_COLUMNS


class History:
    """Epoch rows from epoch 0, layer columns from epoch 1, and the sampled steps of epoch 1 of one run.

    layers  names in forward order, the output layer last; sizes, the number of weights of each
    """

    def __init__(self, layers: Sequence[str], sizes: Sequence[int]):
        self.names, self.sizes = list(layers), [int(n) for n in sizes]
        self._rows: list[dict[str, Any]] = []
        self._layers: list[dict[str, list[float]]] = []
        self.diverged_at: dict[str, Any] | None = None
        self.early: dict[str, list[Any]] | None = None

    def add_epoch(self, row: Mapping[str, Any], loss_was_finite: bool = True, bad_step: int | None = None) -> None:
        """Add the row of one epoch: EPOCH_COLUMNS. `loss_was_finite`: at every training step of the epoch; if not,
        `bad_step` is the number (from 1, over the whole training) of the first step at which it was not.

        `weights_digest` may be a Future; `epochs` and `state` wait for it and raise its error.

        An epoch's layer columns must be added before its row: they show in which layer a divergence began.
        """
        self._rows.append({name: row[name] for name in EPOCH_COLUMNS})
        if not loss_was_finite and self.diverged_at is None:
            self.diverged_at = {"epoch": int(row["epoch"]), "layer": self._first_not_finite()}
            self.diverged_at |= {} if bad_step is None else {"step": bad_step}

    def add_layers(self, columns: Mapping[str, Tensor]) -> None:
        """Add LAYER_COLUMNS of one epoch, each of shape (layers,)."""
        self._layers.append({name: shortest(values) for name, values in columns.items()})

    def add_early(self, columns: Mapping[str, Tensor]) -> None:
        """Add `Record.early`, once, after the first epoch: `Early.columns` of this run."""
        self.early = {name: _early_values(values) for name, values in columns.items()}

    def _first_not_finite(self) -> str:
        """Return the first layer whose sampled pre-activations were not finite in the newest epoch, else the last."""
        norms = self._layers[-1]["pre_activation.l2"] if self._layers else []
        bad = (name for name, norm in zip(self.names, norms, strict=False) if not math.isfinite(norm))
        return next(bad, self.names[-1])

    @property
    def outcome(self) -> str:
        return "finished" if self.diverged_at is None else "diverged"

    def epochs(self) -> dict[str, list[Any]]:
        """Return `Record.epochs`."""
        self._await_digests()
        return {name: [row[name] for row in self._rows] for name in EPOCH_COLUMNS}

    def layers(self) -> dict[str, Any]:
        """Return `Record.layers`."""
        columns = self._layers[0] if self._layers else {}
        head = {"names": self.names, "sizes": self.sizes, "epoch": [row["epoch"] for row in self._rows if row["epoch"]]}
        return head | {name: [epoch[name] for epoch in self._layers] for name in columns}

    def state(self) -> dict[str, Any]:
        """Return plain values for a checkpoint; `restore` takes them back."""
        self._await_digests()
        rows = [dict(row) for row in self._rows]
        return {"rows": rows, "layers": list(self._layers), "diverged_at": self.diverged_at, "early": self.early}

    def restore(self, state: Mapping[str, Any]) -> None:
        self._rows, self._layers = [dict(r) for r in state["rows"]], list(state["layers"])
        self.diverged_at, self.early = state["diverged_at"], state["early"]

    def _await_digests(self) -> None:
        for row in self._rows:
            if isinstance(digest := row["weights_digest"], Future):
                row["weights_digest"] = digest.result()


def _early_values(values: Tensor) -> list[Any]:
    return values.tolist() if values.dim() == 1 else [shortest(row) for row in values]


def shortest(values: Tensor) -> list[float]:
    """Return floats whose shortest decimal form gives the float32 values: 0.1, not 0.10000000149011612."""
    array = values.detach().to("cpu").float().numpy()
    return [float(str(v)) for v in array.astype(np.float32).ravel()]
