"""The packed engine: MLPs of one shape trained side by side on one CPU core, by a hand-derived step.

A run has the same bits alone and in any pack, in any order and position, after repacking and after a resume
(docs/derivation.md explains why). So packing is continuous: a run that stops leaves its stack, and the next one
of the same shape enters with its epoch 1.
"""

from collections.abc import Callable, Iterator, Sequence

import torch

from bnstudy.design.cell import Cell, Run
from bnstudy.design.study import shape
from bnstudy.training.engine import scope
from bnstudy.training.engine.contract import Keeper, Trained
from bnstudy.training.engine.inputs import Inputs
from bnstudy.training.engine.packed.activations import NAMES
from bnstudy.training.engine.packed.member import BY_VALUE, BY_VELOCITY, Member
from bnstudy.training.engine.packed.stack import Stack

STACK = 6  # runs side by side: enough to hide Python's time, few enough for the caches (docs/performance.md)


class Packed:
    name = "packed"

    def supports(self, cell: Cell, device: str) -> bool:
        return (
            device == "cpu"
            and scope.is_known(cell, self.name)
            and cell.activation in NAMES
            and cell.optimizer in (*BY_VELOCITY, *BY_VALUE)
            and cell.precision in ("default", "fp32")
            and cell.population == "running"
            and cell.norm_bias
            and not cell.output_norm
            and not cell.grad_clip
        )

    def train(
        self, runs: Sequence[Run], inputs: Callable[[Run], Inputs], keeper: Keeper, device: str
    ) -> Iterator[tuple[Run, Trained]]:
        stacks: dict[tuple[str, int], list[Run]] = {}
        for run in runs:
            own_split = run.seed if run.cell.split_seed == "run" else -1
            stacks.setdefault((shape(run.cell), own_split), []).append(run)
        for members in stacks.values():
            yield from _train(sorted(members, key=lambda r: r.seed), inputs(members[0]), keeper)


@torch.inference_mode()
def _train(waiting: list[Run], data: Inputs, keeper: Keeper) -> Iterator[tuple[Run, Trained]]:
    """Train runs of one shape on the same images, at most STACK at a time."""
    waiting, members, stack = list(waiting), [], None
    while waiting or members:
        if waiting and len(members) < STACK:
            admitted = [_start(run, data, keeper) for run in waiting[: STACK - len(members)]]
            waiting, members, stack = waiting[len(admitted) :], members + admitted, None
            if new := [m for m in admitted if not m.protocol.epoch]:
                Stack(new, data).untrained()
        if going := [m for m in members if not m.protocol.stopped]:
            stack = stack or Stack(going, data)
            stack.epoch(keeper)
        for member in [m for m in members if m.protocol.stopped]:
            members.remove(member)
            stack = None
            keeper.finished(member.run, member.weights)
            yield member.run, member.finish(data)


def _start(run: Run, data: Inputs, keeper: Keeper) -> Member:
    member = Member(run, data)
    if (state := keeper.restore(run)) is not None:
        member.restore(state)
    return member
