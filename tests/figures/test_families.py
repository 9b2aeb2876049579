"""Figures beside those of the thesis: data loss and penalty, activations by layer and epoch, answers by class."""

import dataclasses

import numpy as np
import pytest

import synthetic
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import SETTINGS
from bnstudy.figures import FAMILIES, activations, confusion, kinds, penalties, render, series
from bnstudy.results import frames


def cell(setting="relu", norm="none", **more):
    return Cell(dataset="mnist", model="mlp", norm=norm, **SETTINGS[setting], **more)


def selection(id, records):
    return series.select(FAMILIES[id], frames.build(records), ["mnist"])


def records(setting, **changes):
    runs = [Run(cell(setting, norm), seed) for norm in ("none", "batch") for seed in (0, 1)]
    return [synthetic.record(run, epochs_run=4, **changes) for run in runs]


def test_every_family_has_a_figure_for_each_model_and_setting():
    by_letter = {letter: [f for id, f in FAMILIES.items() if id[0] == letter] for letter in "DAC"}
    assert [len(found) for found in by_letter.values()] == [2, 18, 18]
    assert len({(f.kind, f.model, f.settings) for f in FAMILIES.values()}) == len(FAMILIES)
    assert FAMILIES["D.2"].title == "Data loss and penalty apart: CNN, weight decay 0.0005"


def test_data_loss_and_penalty_are_drawn_as_recorded():
    found = records("weight_decay")
    table = penalties.plotted(selection("D.1", found))
    for quantity in ("data_loss", "penalty"):
        mine = table[(table["quantity"] == quantity) & (table["norm"] == "batch")]
        assert mine["epoch"].tolist() == [1, 2, 3, 4]
        recorded = np.mean([r.epochs[quantity][1:] for r in found if r.cell.norm == "batch"], axis=0)
        assert mine["mean"].tolist() == pytest.approx(recorded.tolist())


def test_activations_leave_out_the_output_layer_and_what_is_zero_throughout():
    found = records("relu")
    for one in found:
        one.layers["dead_share"] = [[0.0] * 4] * 4
    table = activations.plotted(selection("A.2", found))
    assert list(dict.fromkeys(table["layer"])) == ["dense1", "dense2", "dense3"]
    assert set(table["quantity"]) == {"activation.mean", "activation.std", "zero_share"}  # of ReLU, nothing saturates
    mine = table[(table["layer"] == "dense2") & (table["quantity"] == "activation.std") & (table["norm"] == "none")]
    recorded = np.mean([np.array(r.layers["activation.std"])[:, 1] for r in found if r.cell.norm == "none"], axis=0)
    assert mine["mean"].tolist() == pytest.approx(recorded.tolist())


def test_a_layer_that_is_not_finite_has_no_share_of_zeros_or_dead_units():
    found = records("relu")
    broken = next(one for one in found if one.cell.norm == "none")
    broken.layers["activation.mean"] = [[float("nan")] * 4] * 4
    for share in ("zero_share", "dead_share"):
        broken.layers[share] = [[0.0] * 4] * 4
        whole = next(one for one in found if one.cell.norm == "none" and one is not broken)
        whole.layers[share] = [[0.5] * 4] * 4
    table = activations.plotted(selection("A.2", found))
    mine = table[(table["norm"] == "none") & table["quantity"].isin(["zero_share", "dead_share"])]
    assert len(mine) == 2 * 3 * 4  # quantities, layers, epochs
    assert set(mine["mean"]) == {0.5}  # of the seed that is finite alone


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("id", ["A.2", "C.2"])
def test_notes_cover_no_map(id, narrow):
    found = [
        dataclasses.replace(one, outcome="diverged", diverged_at={"epoch": 1, "layer": "output", "step": 1})
        for one in records("relu")
    ]
    page = render.draw(selection(id, found), narrow)
    (panel,) = [ax for ax in page.axes if ax.get_label() == "mnist"]
    (note,) = [text for text in panel.texts if "diverged" in text.get_text()]
    assert note.get_window_extent().y1 <= min(one.get_tightbbox().y0 for one in panel.child_axes)
    assert note.get_window_extent().y0 > 0


def test_a_norm_that_was_not_run_is_noted_once():
    found = [one for one in records("relu") if one.cell.norm == "none"]
    page = render.draw(selection("C.2", found))
    (panel,) = [ax for ax in page.axes if ax.get_label() == "mnist"]
    assert [text.get_text() for text in panel.texts] == ["batch norm: not run"]


def test_sigmoids_have_a_map_of_saturated_units():
    assert "saturated_share" in set(activations.plotted(selection("A.1", records("sigmoid")))["quantity"])


def with_answers(setting, *matrices):
    found = records(setting)
    for one, matrix in zip(found, matrices, strict=True):
        one.test["confusion"] = matrix
    return found


def test_answers_by_class_are_means_over_seeds_in_percent_of_the_class():
    two_seeds = [[8, 2], [0, 30]], [[6, 4], [3, 27]]
    table = confusion.plotted(selection("C.2", with_answers("relu", *two_seeds, *two_seeds)))
    shares = confusion.matrix(table[table["norm"] == "none"])
    assert shares.to_numpy() == pytest.approx(np.array([[70.0, 30.0], [5.0, 95.0]]))


def test_seeds_without_recorded_answers_are_not_counted():
    two_seeds = [[8, 2], [0, 30]], [[6, 4], [3, 27]]
    found = with_answers("relu", *two_seeds, *two_seeds)
    for one in found:
        if one.seed == 1:
            del one.test["confusion"]
    chosen = selection("C.2", found)
    assert chosen.figure.drawn_by.function("state")(chosen) == "partial"
    assert confusion.footer(chosen).startswith("One seed.")


def test_without_recorded_answers_there_is_nothing_to_draw():
    old = records("relu")
    for one in old:
        del one.test["confusion"]
    chosen = selection("C.2", old)
    assert chosen.figure.drawn_by.function("state")(chosen) == "not run"
    assert len(confusion.plotted(chosen)) == 0
    page = render.draw(chosen)
    assert "not recorded" in [text.get_text() for ax in page.axes for text in ax.texts]
    assert kinds.state(chosen) == "complete"  # the runs are there


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize(("id", "setting"), [("A.2", "relu"), ("C.2", "relu"), ("D.1", "weight_decay")])
def test_every_kind_draws_a_map_or_curve_for_each_norm(id, setting, narrow):
    page = render.draw(selection(id, records(setting)), narrow)
    (panel,) = [ax for ax in page.axes if ax.get_label() == "mnist"]
    drawn = [one for one in panel.child_axes if one.collections] if id[0] != "D" else panel.lines
    assert len(drawn) >= 2
