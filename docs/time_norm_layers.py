"""What a norm in only some hidden layers of the MLP costs: a step of each, in alternated rounds, on random pixels.

    OMP_NUM_THREADS=1 python docs/time_norm_layers.py [ROUNDS]

Prints processor microseconds of a step and run by the packed engine, six runs side by side: the median over rounds, the
range over rounds as a share of it, and the median ratio to no norm in the same round.
"""

import sys
from statistics import median

from bnstudy.bench.subject import Reading, Subject, clock
from bnstudy.design.cell import Run, make_cell
from bnstudy.questions.cells import LAYERS
from bnstudy.training.engine.packed import STACK
from bnstudy.training.timing import epochs, pixels

IMAGES, VALIDATION = 20_000, 1_000


def subjects(dataset: str) -> dict[str, Subject]:
    cells = {
        name: make_cell({"model": "mlp", "dataset": dataset, "norm": norm} | changes)
        for name, (norm, changes) in LAYERS.items()
    }
    data = pixels.random(cells["none"], pixels.extent(cells["none"], IMAGES, VALIDATION))
    stacks = {name: epochs.stack([Run(cell, seed) for seed in range(STACK)], data) for name, cell in cells.items()}
    return {
        name: Subject(lambda stack=stack: stack.over(measuring=False), IMAGES // 64, STACK)
        for name, stack in stacks.items()
    }


def main(rounds: int) -> None:
    for dataset in ("mnist", "cifar10"):
        timed = subjects(dataset)
        for subject in timed.values():
            clock(subject, "cpu")  # warm-up
        readings: list[dict[str, Reading]] = [
            {name: clock(subject, "cpu") for name, subject in timed.items()} for _ in range(rounds)
        ]
        for name, subject in timed.items():
            own = [1e6 * each[name].cpu / (subject.steps * subject.cells) for each in readings]
            ratio = median(each[name].cpu / each["none"].cpu for each in readings)
            print(
                f"{dataset:8} {name:13} {median(own):7.0f} us  {(max(own) - min(own)) / median(own):4.0%}  {ratio:.3f}"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 7)
