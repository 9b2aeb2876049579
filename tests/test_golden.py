"""A loss curve that must not move. A change here is a bug, or a new `recipe` told in CHANGELOG.md.

`python tests/test_golden.py` writes golden/curve.json anew.
"""

import contextlib
import json
from pathlib import Path

import pytest
import torch

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.results import provenance
from bnstudy.training import engine
from bnstudy.training.engine.contract import Keeper
from bnstudy.training.engine.inputs import prepare

GOLDEN = Path(__file__).parent / "golden" / "curve.json"
CURVES = ("data_loss", "validation_loss")
CASES = [(name, norm) for name in ("reference", "packed") for norm in ("none", "batch")]


def machine() -> dict[str, str]:
    """What the last bits depend on; a processor's name alone may stand for several generations."""
    found = provenance.machine("cpu")
    with contextlib.suppress(OSError):
        lines = Path("/proc/cpuinfo").read_text().split("\n\n")[0].splitlines()
        listed = dict(line.replace("\t", "").split(":", 1) for line in lines if ":" in line)
        found["model"] = " ".join(listed.get(key, "").strip() for key in ("cpu family", "model", "stepping"))
    return {key: found.get(key, "") for key in ("cpu", "model", "instruction_set", "torch")}


def measure(name: str, norm: str) -> dict[str, list]:
    """Three epochs of the baseline MLP on toy, seed 0, as a training process computes them."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    try:
        run = Run(Cell(dataset="toy", model="mlp", norm=norm, epochs=3), 0)
        arrays = datasets.load("toy")
        chosen = engine.choose(run.cell, name, "cpu")
        [(_, trained)] = chosen.train([run], lambda r: prepare(r.cell, r.seed, arrays), Keeper(), "cpu")
        return {column: trained.epochs[column] for column in (*CURVES, "weights_digest")}
    finally:
        torch.set_num_threads(before)
        torch.set_flush_denormal(False)


@pytest.fixture(scope="module")
def golden():
    return json.loads(GOLDEN.read_text())


@pytest.mark.parametrize(("name", "norm"), CASES)
def test_the_curve_has_not_moved(golden, name, norm):
    """And it is that of a network that learns: of one that does not, much could change unseen."""
    found, want = measure(name, norm), golden["curves"][f"{name}-{norm}"]
    assert found["data_loss"][-1] < 0.9 * found["data_loss"][1]
    for column in CURVES:
        assert found[column] == pytest.approx(want[column], rel=1e-4)
    if golden["machine"] == machine():
        assert found["weights_digest"] == want["weights_digest"]


if __name__ == "__main__":
    curves = {f"{name}-{norm}": measure(name, norm) for name, norm in CASES}
    GOLDEN.write_text(json.dumps({"machine": machine(), "curves": curves}, indent=1) + "\n")
