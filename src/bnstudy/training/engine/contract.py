"""The interface of engines: an engine trains runs and yields the measured part of their records; it accesses no files.

`Keeper` is its only connection to the outside: progress, checkpoints and requests to stop.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from bnstudy.design.cell import Cell, Run
from bnstudy.results.record import Trained

if TYPE_CHECKING:
    from bnstudy.training.engine.inputs import Inputs


class Keeper:
    """The calls an engine makes while it trains; this base keeps nothing and never stops."""

    def restore(self, run: Run) -> dict[str, Any] | None:
        """Return the state of the newest epoch boundary of this run (tensors and plain values), or None."""

    def epoch_done(self, run: Run, row: dict[str, Any], state: Callable[[], dict[str, Any]]) -> None:
        """Called at every epoch boundary with the epoch's row, whose `weights_digest` may be a Future; `state()` is
        what `restore` returns."""

    def finished(self, run: Run, weights: Callable[[], dict[str, Any]]) -> None:
        """Called once when a run has ended, before it is yielded; `weights()` are those that its cell's reading tests,
        named as in the reference network's `state_dict()`."""

    def stopping(self) -> bool:
        """Return True to stop: polled at every batch; the engine then raises TryAgain, and the last boundary stays."""
        return False


class Engine(Protocol):
    """One way to train. `train` yields each run as it finishes; runs it gets are all supported."""

    name: str

    def supports(self, cell: Cell, device: str) -> bool: ...

    def train(
        self, runs: Sequence[Run], inputs: "Callable[[Run], Inputs]", keeper: Keeper, device: str
    ) -> Iterator[tuple[Run, Trained]]: ...
