"""What figures show is what the frames hold: averages over seeds, ended runs, numbers that are not finite."""

import dataclasses

import numpy as np
import pandas as pd
import pytest

import synthetic
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import SETTINGS
from bnstudy.design.rules import steps_of_epoch
from bnstudy.figures import (
    FAMILIES,
    KINDS,
    REGISTRY,
    batch_sizes,
    find,
    mean_gradients,
    render,
    series,
    training_curves,
)
from bnstudy.results import frames

NAN = float("nan")


def run(setting="relu", norm="none", seed=0, dataset="mnist", model="mlp", **fields) -> Run:
    return Run(Cell(dataset=dataset, model=model, norm=norm, **SETTINGS[setting], **fields), seed)


def rows(*seeds: list[float]) -> pd.DataFrame:
    """One curve's rows: a list of values per seed, from epoch 1."""
    named = {"dataset": "mnist", "setting": "relu", "norm": "none"}
    return pd.DataFrame(
        [named | {"seed": s, "epoch": e, "v": v} for s, values in enumerate(seeds) for e, v in enumerate(values, 1)]
    )


def plotted(id: str, records, datasets=("mnist",), reading="default", **options) -> pd.DataFrame:
    return render.plotted(series.select(find(id), frames.build(records), datasets, reading, **options))


def test_mean_lowest_and_highest_over_seeds():
    table = series.over_seeds(rows([1.0, 2.0], [3.0, 6.0], [5.0, 1.0]), "v")
    assert table[["epoch", "mean", "low", "high", "seeds", "running"]].to_numpy().tolist() == [
        [1, 3, 1, 5, 3, 3],
        [2, 3, 1, 6, 3, 3],
    ]


def test_a_run_that_ended_keeps_its_last_value_so_that_the_mean_does_not_jump():
    table = series.over_seeds(rows([90.0], [10.0, 20.0, 30.0]), "v")
    assert table["mean"].tolist() == [50.0, 55.0, 60.0]
    assert table["running"].tolist() == [2, 1, 1]
    assert table["seeds"].tolist() == [2, 2, 2]


def test_what_is_not_finite_leaves_the_mean_and_is_counted():
    table = series.over_seeds(rows([1.0, NAN, NAN], [3.0, 3.0, float("inf")], [5.0, 4.0, 2.0]), "v")
    assert table["mean"].tolist() == [3.0, 3.5, 2.0]
    assert table["seeds"].tolist() == [3, 2, 1]
    assert series.over_seeds(rows([NAN], [NAN]), "v")["mean"].isna().all()


def test_an_ended_run_without_a_finite_last_value_is_not_revived():
    table = series.over_seeds(rows([1.0, NAN], [2.0, 2.0, 2.0]), "v")
    assert table["mean"].tolist() == [1.5, 2.0, 2.0]


def test_curves_are_loss_with_penalty_from_epoch_1_and_accuracy_from_epoch_0():
    records = synthetic.records([run("weight_decay", n, s) for n in ("none", "batch") for s in (0, 1)], epochs_run=5)
    table = plotted("7.13", records)
    loss = table[(table.quantity == "loss") & (table.norm == "batch")]
    own = [r for r in records if r.cell.norm == "batch"]
    want = np.mean([np.add(r.epochs["data_loss"], r.epochs["penalty"]) for r in own], axis=0)
    assert np.array(own[0].epochs["penalty"]).min() > 0
    assert loss["epoch"].tolist() == [1, 2, 3, 4, 5]
    np.testing.assert_allclose(loss["mean"], want[1:])
    accuracy = table[(table.quantity == "validation_accuracy") & (table.norm == "none")]
    want = np.mean([r.epochs["validation_accuracy"] for r in records if r.cell.norm == "none"], axis=0)
    np.testing.assert_allclose(accuracy["mean"], want)


def test_gradients_weigh_layers_by_their_number_of_weights():
    records = synthetic.records([run("relu", n, 0, model="cnn") for n in ("none", "batch")], epochs_run=3)
    for signed, column in ((False, "weight_grad.mean_abs"), (True, "weight_grad.mean")):
        table = plotted("7.17", records, signed=signed)
        table = table[table["epoch"] >= 1]
        for record in records:
            sizes = np.array(record.layers["sizes"], float)
            want = (np.array(record.layers[column]) * sizes).sum(axis=1) / sizes.sum()
            np.testing.assert_allclose(table.loc[table.norm == record.cell.norm, "mean"], want, rtol=1e-6)


def test_a_layer_without_a_finite_gradient_leaves_no_mean():
    record = synthetic.record(run(model="cnn"), epochs_run=2)
    columns = [list(layer) for layer in record.layers["weight_grad.mean_abs"]]
    columns[1][3] = NAN
    record = dataclasses.replace(record, layers=record.layers | {"weight_grad.mean_abs": columns})
    table = plotted("7.17", [record])
    assert np.isfinite(table.loc[table["epoch"] >= 1, "mean"]).tolist() == [True, False]


def test_steps_of_the_first_epoch_are_a_share_of_its_steps():
    record = synthetic.record(run(model="cnn"), epochs_run=2)
    table = plotted("7.17", [record]).iloc[:-2]
    np.testing.assert_allclose(table["epoch"], np.array(record.early["step"]) / 843)  # 54,000 images by 64
    sizes = np.array(record.layers["sizes"], float)
    want = (np.array(record.early["weight_grad.mean_abs"]) * sizes).sum(axis=1) / sizes.sum()
    np.testing.assert_allclose(table["mean"], want, rtol=1e-6)
    assert (plotted("7.17", [record], signed=True)["epoch"] >= 1).all()  # of steps, only absolute values


def test_batch_sizes_show_the_tested_accuracy_and_the_broken():
    runs = [run(s, n, i) for s in ("batch_32", "relu", "batch_1024") for n in ("none", "batch") for i in (0, 1)]
    records = [*synthetic.records(runs[:-1]), synthetic.record(runs[-1], fate="stuck")]
    table = plotted("7.15", records)
    assert table[table.norm == "none"]["batch_size"].tolist() == [32, 64, 1024]
    own = [r.test_accuracy for r in records if r.cell == runs[0].cell]
    assert table.iloc[-3]["mean"] == pytest.approx(np.mean(own))
    assert table[(table.norm == "batch") & (table.batch_size == 1024)]["broken"].tolist() == [1]


def test_figures_take_their_own_cells_only():
    runs = [
        run(),
        run(norm="batch"),
        run(norm="layer"),
        run("elu"),
        run(model="cnn"),
        run(dataset="svhn"),
        run(grad_clip=1.0),
    ]
    runs += [run(gamma_init="ones", norm="batch"), run(epochs=10)]
    selection = series.select(find("7.1"), frames.build(synthetic.records(runs, epochs_run=2)), ["mnist"], "default")
    assert set(selection.runs["key"]) == {runs[0].cell.key, runs[1].cell.key}


def test_two_reduced_protocols_are_not_averaged():
    small, large = run(width=0.125, epochs=10), run(width=0.25, epochs=10)
    built = frames.build(synthetic.records([small, large]))
    selection = series.select(find("7.1"), built, ["mnist"], "reduced")
    assert set(selection.runs["key"]) == {large.cell.key}
    assert series.protocol(selection) == "reduced protocol: width 1/4, at most 10 epochs"


def test_notes_say_what_diverged_and_what_was_not_run():
    records = [synthetic.record(run("lr_high", seed=s), fate="diverges" if s else "learns") for s in (0, 1, 2)]
    gone = run("lr_high", dataset="svhn")
    built = frames.build(records, [gone], {gone: "no data set svhn"})
    said = render.notes(series.select(find("7.5"), built, ["mnist", "svhn"]))
    assert said["mnist"] == ("vanilla diverged (2 of 3 seeds), epoch 2", "batch norm: not run")
    assert said["svhn"] == ("no data set svhn",)


def test_notes_say_when_a_mean_is_over_seeds_that_learn_and_seeds_that_do_not():
    records = [synthetic.record(run("dropout", seed=s), fate="stuck" if s == 1 else "learns") for s in (0, 1)]
    said = render.notes(series.select(find("7.12"), frames.build(records), ["mnist"]))
    assert said["mnist"] == ("vanilla: 1 of 2 seeds answer one class", "batch norm: not run")
    none_learns = [synthetic.record(run("dropout", seed=s), fate=f) for s, f in enumerate(("stuck", "diverges"))]
    said = render.notes(series.select(find("7.12"), frames.build(none_learns), ["mnist"]))
    assert said["mnist"] == ("vanilla diverged (1 of 2 seeds), epoch 2", "batch norm: not run")
    all_stuck = [synthetic.record(run("dropout", seed=s), fate="stuck") for s in (0, 1)]
    said = render.notes(series.select(find("7.12"), frames.build(all_stuck), ["mnist"]))
    assert said["mnist"] == ("batch norm: not run",)  # its curve says so


def test_notes_name_the_batch_sizes_that_were_not_run():
    sizes = ("batch_32", "relu", "batch_1024")
    records = synthetic.records([run(s, n) for n, of in (("none", sizes), ("batch", sizes[:1])) for s in of])
    said = render.notes(series.select(find("7.15"), frames.build(records), ["mnist"]))
    assert said["mnist"] == (
        "vanilla: not run with 128, 256, 512", "batch norm: not run with 64, 128, 256, 512, 1,024",
    )  # fmt: skip


def test_notes_tell_when_versions_of_the_data_are_mixed():
    other = {"data_digest": "f" * 64}
    records = [synthetic.record(run()), synthetic.record(run(norm="batch"), provenance=other)]
    assert render.notes(series.select(find("7.1"), frames.build(records), ["mnist"]))["mnist"] == (
        "different versions of the data",
    )


@pytest.mark.parametrize("kind", KINDS)
def test_without_runs_every_figure_still_has_its_columns(kind):
    figure = next(f for f in (REGISTRY | FAMILIES).values() if f.kind == kind)
    full = synthetic.records(
        [run(s, n, model=figure.model) for s in figure.settings for n in figure.norms], epochs_run=2
    )
    empty, table = (render.plotted(series.select(figure, frames.build(records), ["mnist"])) for records in ([], full))
    assert empty.empty
    assert list(empty.columns) == list(table.columns)


def test_state_is_complete_partial_or_not_run():
    def state(records, expected=(), datasets=("mnist",), reading="default"):
        return series.state(series.select(find("7.1"), frames.build(records, expected), datasets, reading))

    both = [run(), run(norm="batch")]
    records = synthetic.records(both, epochs_run=2)
    assert state([]) == "not run"
    assert state(records) == "complete"
    assert state(records[:1]) == "partial"
    assert state(records, datasets=["mnist", "svhn"]) == "partial"
    assert state(records, [*both, run(seed=1)]) == "partial"
    assert state(records, [*both, run("elu")]) == "complete"
    assert state(records, reading="reduced") == "not run"


def loss(**tops: float) -> pd.DataFrame:
    return pd.DataFrame([{"norm": n, "high": v} for n, top in tops.items() for v in (top, 0.1)])


def test_an_exploded_loss_does_not_squash_the_other_curve():
    assert training_curves.loss_top(loss(none=2000.0, batch=1.5), 2.3) == pytest.approx(1.04 * 1.5)
    assert training_curves.loss_top(loss(none=2.3, batch=0.2), 2.3) == pytest.approx(1.04 * 2.3)
    assert training_curves.loss_top(loss(none=30.0, batch=20.0), 2.3) == pytest.approx(1.04 * 30)
    assert training_curves.loss_top(loss(none=2000.0), 2.3) == pytest.approx(1.04 * 2000)
    assert training_curves.loss_top(loss(none=NAN), 2.3) > 0


def test_points_by_batch_size_are_those_of_single_seeds():
    records = synthetic.records([run("batch_32", seed=s) for s in (0, 1, 2)])
    selection = series.select(find("7.15"), frames.build(records), ["mnist"], "default")
    row = batch_sizes.plotted(selection).iloc[0]
    accuracies = [r.test_accuracy for r in records]
    assert (row["low"], row["high"], row["seeds"]) == (min(accuracies), max(accuracies), 3)


@pytest.mark.parametrize("fields", [{}, {"folds": 2, "fold": 1}, {"train_size": 1_000, "folds": 4}], ids=str)
def test_an_epoch_has_the_steps_of_its_cell(fields):
    built = frames.build([synthetic.record(run(**fields), epochs_run=1)])
    setting, reading = built.runs[["setting", "reading"]].iloc[0]
    figure = dataclasses.replace(FAMILIES["A.2"], settings=(setting,))
    cell = run(**fields).cell
    expected = {cell.key: steps_of_epoch(cell, cell.train_size or 60_000)}
    assert mean_gradients._steps(series.select(figure, built, ["mnist"], reading)) == expected
