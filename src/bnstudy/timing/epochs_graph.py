"""The parts of an epoch of the graph engine."""

from bnstudy.cell import Run
from bnstudy.engine import graph
from bnstudy.engine.graph.resident import Resident
from bnstudy.engine.inputs import Inputs
from bnstudy.engine.observation import dead_share
from bnstudy.timing.epochs import Parts, evaluated


class GraphPass(graph.Training):
    """A training of the graph engine whose passes may go without statistics."""

    def __init__(self, run: Run, data: Inputs, device: str):
        super().__init__(run, Resident(data, device), device)
        self._all_kinds = self._kinds
        self.protocol.epoch = 1  # the row of the untrained network is no part of an epoch

    def over(self, measuring: bool) -> None:
        """One pass over the training part."""
        self._kinds = self._all_kinds if measuring else [(size, False) for size, _ in self._all_kinds]
        self.begin()
        for index in range(self.batches):
            self.launch(index)
        with self._on_stream():
            self._means(self._totals)
        self.step += self.batches

    def _probe(self) -> None:
        with self._on_stream():
            dead_share(self.model, self.validation[0])

    def _validate(self) -> None:
        with self._on_stream():
            evaluated(self)

    def parts(self) -> Parts:
        return {
            "training": lambda: self.over(False), "sampled": lambda: self.over(True),
            "probe": self._probe, "validation": self._validate,
        }  # fmt: skip
