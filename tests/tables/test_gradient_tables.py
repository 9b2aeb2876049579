"""Tables G.1 and G.2 from frames made by hand."""

import numpy as np
import pandas as pd
import pytest

from bnstudy import tables
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import SETTINGS
from bnstudy.results import frames
from bnstudy.tables.gradients import of_run
from synthetic import record


def layers(*epochs, sizes=(6, 2)) -> pd.DataFrame:
    """Rows of the frame `layers`: for each epoch (of any number) the mean absolute gradient of each layer."""
    rows = [
        {
            "epoch": epoch, "position": i, "size": size, "weight_grad.mean_abs": value, "weight_grad.min": -3 * value,
            "weight_grad.max": 2 * value, "dead_share": 0.25 * (i + 1) if i < len(sizes) - 1 else np.nan,
            "saturated_share": np.nan,
        }
        for epoch, values in epochs for i, (value, size) in enumerate(zip(values, sizes, strict=True))
    ]  # fmt: skip
    return pd.DataFrame(rows)


def test_the_statistics_of_a_run():
    found = of_run(layers((1, (4.0, 8.0)), (5, (2.0, 2.0)), (8, (1.0, 2.0))))
    assert (found["first_epoch"], found["middle_epoch"], found["last_epoch"]) == (5.0, 2.0, 1.25)  # weighted by size
    assert found["first_to_last_layer"] == 0.5
    assert found["largest"] == 24.0  # the smallest entry counts by its absolute value
    assert found["dead_share"] == 0.25  # the output layer has no units that die
    assert np.isnan(found["saturated_share"])
    assert np.isnan(found["died_epoch"])


def test_a_run_that_explodes_keeps_what_was_finite():
    found = of_run(layers((1, (4.0, 8.0)), (2, (np.nan, np.inf))))
    assert found["first_epoch"] == 5.0
    assert found["largest"] == 24.0
    assert all(np.isnan(found[q]) for q in ("last_epoch", "first_to_last_layer", "dead_share", "died_epoch"))


@pytest.mark.parametrize(("second", "third", "died"), [(0.0, 0.0, 2), (0.0, 1.0, None), (1.0, 0.0, 3)])
def test_a_run_died_if_its_gradient_is_zero_to_the_end(second, third, died):
    found = of_run(layers((1, (1.0, 1.0)), (2, (second, second)), (3, (third, third))))
    assert found["died_epoch"] == died if died else np.isnan(found["died_epoch"])


def of_cells(*cells: Cell) -> dict[str, tables.Shown]:
    built = frames.build([record(Run(cell, seed)) for cell in cells for seed in (0, 1)])
    plan = tables.planned([*cells, mlp("batch", dropout=0.5)], (0, 1))
    return {one.id: one for one in tables.shown(plan, built.runs, layers=built.layers)}


def mlp(norm: str = "none", **fields) -> Cell:
    return Cell(dataset="mnist", model="mlp", norm=norm, **fields)


def test_a_table_has_the_cells_of_the_study_and_all_formats():
    found = of_cells(mlp(), mlp("batch"), mlp(**SETTINGS["lr_high"]), mlp("layer"))
    assert "G.2" not in found  # the study has no CNN
    one = found["G.1"]
    assert list(one.content["setting"].unique()) == ["relu", "lr_high", "dropout"]
    assert one.content.set_index(["setting", "norm"])["n"].to_dict() == {
        ("relu", "none"): 2, ("relu", "batch"): 2, ("lr_high", "none"): 2, ("dropout", "batch"): 0,
    }  # fmt: skip
    assert one.state == "partial"
    relu = next(row for row in one.grid.rows if row.label == "mean, first epoch")
    assert [float(entry.own) > 0 for entry in relu.entries] == [True, True]
    texts = one.texts()
    assert set(texts) == set(tables.FORMATS)
    assert "mean, first epoch" in texts["md"]
    assert "not run" in texts["html"]
    assert not one.grid.compared


def test_accuracies_alone_are_judged():
    found = of_cells(mlp(), mlp("batch"))
    assert set(tables.numbers(found.values())["model"]) == {"mlp", "cnn"}
    assert len(tables.numbers(found.values())) == 18 + 72  # the MLP on MNIST, and the CNN, which this study lacks
