import random
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bnstudy.design.cell import Cell, Run
from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import name
from bnstudy.design.study import Study, describe, plan
from bnstudy.errors import UsageError
from bnstudy.studies.config import load
from bnstudy.studies.selection import find, where

ROOT = Path(__file__).parents[2]
CONFIG = load(ROOT / "config.yaml")
THESIS, DEMO = CONFIG.study("thesis"), CONFIG.study("demo")


def test_counts():
    assert (len(THESIS.cells), len(DEMO.cells)) == (228, 38)
    assert (len(THESIS.runs()), len(DEMO.runs())) == (684, 76)
    assert len(set(THESIS.runs())) == 684


def test_a_description_has_labels_seeds_and_every_field():
    row = describe(THESIS.cells[0], (0, 2))
    assert {"name", "key", "setting", "reading", "seeds", *FIELDS} == set(row)
    assert row["seeds"] == [0, 2]
    assert row["name"] == name(THESIS.cells[0])


@pytest.mark.parametrize(
    ("conditions", "count"),
    [
        ([], 228),
        (["model=mlp"], 116),
        (["model=mlp", "model=cnn"], 228),
        (["dataset=mnist,svhn"], 114),
        (["dataset=mnist", "dataset=svhn"], 114),
        (["dataset=mnist,svhn", "dataset=svhn", "norm=none"], 56),
        (["setting=relu", "norm=batch", "model=cnn"], 4),
        (["lr=0.1"], 16),
        (["lr=1e-1"], 16),
        (["lr=0.10,1e-3"], 32),
        (["batch_size=1024"], 16),
        (["width=1"], 228),
        (["norm_bias=True"], 228),
        (["norm_bias=true"], 228),
        (["init_std=1e-4"], 16),
        (["reading=default", "norm_placement=post_activation"], 4),
    ],
)
def test_where_selects(conditions, count):
    assert len(where(THESIS.cells, conditions)) == count


def test_where_by_name_and_key():
    cell = THESIS.cells[17]
    assert where(THESIS.cells, [f"key={cell.key}"]) == (cell,) == where(THESIS.cells, [f"name={name(cell)}"])


@pytest.mark.parametrize(
    ("condition", "told"),
    [
        ("model", "not of the form key=value"),
        ("modle=mlp", r"modle: no such key \(nearest: model\)"),
        ("dataset=minst", r"dataset=minst: no cell of this study has this value \(nearest: mnist\)"),
        ("dataset=mnist,", "dataset=: no cell"),
        ("lr=fast", "lr=fast: no cell"),
        ("seeds=0", "seeds: no such key"),
    ],
)
def test_where_names_what_is_wrong(condition, told):
    with pytest.raises(UsageError, match=told) as error:
        where(THESIS.cells, ["norm=batch", condition])
    assert error.value.exit_code == 2


def test_find_by_name_or_key():
    for cell in THESIS.cells[::40]:
        assert find(THESIS.cells, name(cell)) is cell
        assert find(THESIS.cells, cell.key) is cell
    wrong = name(THESIS.cells[0])[:-1] + "x"
    with pytest.raises(UsageError, match=f"nearest: {name(THESIS.cells[0])}"):
        find(THESIS.cells, wrong)


def listing(packs):
    return [(pack.id, pack.runs) for pack in packs]


def test_a_plan_holds_every_run_once_in_packs_of_one_data_set_and_model():
    packs = plan(THESIS.runs())
    assert Counter(run for pack in packs for run in pack.runs) == Counter(THESIS.runs())
    assert len({pack.id for pack in packs}) == len(packs)
    for pack in packs:
        assert len({(run.cell.model, run.cell.dataset) for run in pack.runs}) == 1


def test_pack_sizes():
    sizes = {
        model: {len(p.runs) for p in plan(THESIS.runs()) if p.runs[0].cell.model == model} for model in ("mlp", "cnn")
    }
    assert min(sizes["mlp"]) >= 3
    assert max(sizes["mlp"]) <= 18
    assert sizes["cnn"] == {6}


def test_cells_of_one_shape_are_neighbours():
    """lr_high differs from relu in the rate alone: one stack trains both."""
    relu, low = where(THESIS.cells, ["setting=relu,lr_low", "model=mlp", "dataset=mnist", "norm=none"])
    runs = [Run(cell, seed) for cell in THESIS.cells for seed in (0, 1, 2)]
    together = [{run.cell for run in pack.runs} for pack in plan(runs)]
    assert any({relu, low} <= cells for cells in together)


@settings(max_examples=20, deadline=None)
@given(st.randoms(use_true_random=False))
def test_a_plan_ignores_the_order_of_its_runs(rng: random.Random):
    runs = DEMO.runs()
    rng.shuffle(runs)
    assert listing(plan(runs + runs[:3])) == listing(plan(DEMO.runs()))


def test_pack_ids_are_pinned():
    cells = [Cell(dataset="mnist", model="mlp", norm=norm) for norm in ("none", "batch")]
    packs = plan([Run(cell, seed) for cell in cells for seed in (0, 1)])
    assert [pack.id for pack in packs] == ["f2f080054d05"]
    assert plan([]) == []


def test_a_study_is_hashable_and_frozen():
    assert Study("a", "b", DEMO.cells, (0,)) == Study("a", "b", DEMO.cells, (0,))
    assert hash(DEMO)
    with pytest.raises(AttributeError):
        DEMO.name = "other"  # type: ignore[misc]


HEAVY = ("torch", "pandas", "matplotlib", "torchvision", "numpy", "scipy", "snakemake")


@pytest.mark.parametrize(
    ("module", "unwanted"),
    [
        ("design.study", (*HEAVY, "pydantic", "yaml", "ruamel.yaml")),
        ("studies.choices", (*HEAVY, "pydantic", "yaml", "ruamel.yaml")),
        ("results.record", (*HEAVY, "pydantic", "yaml", "ruamel.yaml")),
        ("studies.config", HEAVY),
    ],
)
def test_planning_loads_no_heavy_library(module, unwanted):
    code = f"import sys, bnstudy.{module}; print([m for m in {unwanted!r} if m in sys.modules])"
    environment = {"PYTHONPATH": str(ROOT / "src")}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.strip() == "[]"
