"""The statements of the open questions, each on made-up runs that answer it with yes and with no."""

import dataclasses
import math

import numpy as np
import pytest

import synthetic
from bnstudy.claims.questions import judged, registry
from bnstudy.design.cell import Run
from bnstudy.questions import cells as asked
from bnstudy.questions import registry as questions
from bnstudy.questions.cells import BASELINE, LARGE, LONG, Point, at, decay, penalty, scale, sized
from bnstudy.results import frames
from claims.frames_of import runs

LEVELS = {"mnist": 97.0, "cifar10": 50.0}
GUESS = {"mnist": 9.8, "cifar10": 10.0}


def accuracies(id, value, missing=()):
    """Frames of a question's cells. `value(point)`: points above LEVELS, or None for a constant guess. Cells of the
    data sets in `missing` have no runs."""
    found, broken = {}, {}
    for dataset in questions()[id].datasets:
        for point in asked.points(id) if dataset not in missing else ():
            above, cell = value(point), asked.cell(point, dataset)
            level = GUESS[dataset] if above is None else LEVELS[dataset] + above
            found[cell] = [level] * 3 if above is None else [level - 0.02, level, level + 0.02]
            broken[cell] = [above is None] * 3
    return runs(found, broken)


def answered(id, built, datasets=None):
    (one,) = judged(built, {id: datasets or questions()[id].datasets})
    return one


def by_scale(point: Point, batch_to: float, falls: float = 0.0):
    """Points by scale: batch norm learns down to `batch_to` and falls with each scale; vanilla between 0.1 and 0.01."""
    s = point.x
    if "norm_eps" in point.changes:
        return 0.0
    if point.norm == "none":
        return 0.0 if 0.01 <= s <= 0.1 else None
    return falls * math.log10(s) if s >= batch_to else None


def by_rate(point: Point, batch_to: float, best: float = 0.5):
    return (
        (best if point.norm == "batch" else 0.0) if point.x <= (batch_to if point.norm == "batch" else 0.03) else None
    )


def by_optimizer(point: Point, adagrad: float):
    return 0.0 if point.norm == "none" else adagrad if point.changes["optimizer"] == "adagrad" else 1.0


def by_activation(point: Point, tanh: float):
    return {"tanh": tanh, "softplus": -1.0}.get(point.changes.get("activation", ""), 0.0)


def by_batch(point: Point, root: float):
    """Points with batches of 1,024: 1 below with the constant rate, `root` below if it grows by root."""
    if point.x != 1024:
        return 0.0
    return {"constant": -1.0, "root": -root, "linear": -2.0}[point.line.split()[-1]]


def by_start(point: Point, long: float):
    return {at(): 0.0, at(**LARGE): -2.0, at(**LONG): long}[point.at]


def by_strength(point: Point, batch: float):
    return 1.0 if point.x == (batch if point.norm == "batch" else 3e-4) else 0.0


def by_layers(point: Point, fewer: float):
    return {"none": 0.0, "all": 2.0}.get(point.x, fewer)


def by_place(point: Point, vanilla: float):
    """Points above batch norm with dropout after each activation; the best place is before the output alone."""
    if point.norm == "none":
        return vanilla
    return 0.5 if point.changes.get("dropout_at") == "last" else 0.0


def by_norm(point: Point, others: float, rescued: bool = True):
    """Vanilla makes a constant guess at the high rate; batch norm gains 2 points, the `others` so many."""
    if point.x == "lr_high" and (point.norm == "none" or not (rescued or point.norm == "batch")):
        return None
    return {"none": 0.0, "batch": 2.0}.get(point.norm, others)


ACCURACIES = [
    ("Q01", lambda p: by_scale(p, 0.0), "holds"),
    ("Q01", lambda p: by_scale(p, 1e-5), "fails"),
    ("Q01", lambda p: by_scale(p, 0.0, falls=0.3), "fails"),
    ("Q02", lambda p: by_rate(p, 1.0), "holds"),
    ("Q02", lambda p: by_rate(p, 0.03), "fails"),
    ("Q02", lambda p: by_rate(p, 1.0, best=-0.5), "fails"),
    ("Q04", lambda p: by_optimizer(p, 1.0), "holds"),
    ("Q04", lambda p: by_optimizer(p, -1.0), "fails"),
    ("Q05", lambda p: by_activation(p, -1.0), "holds"),
    ("Q05", lambda p: by_activation(p, 1.0), "fails"),
    ("Q06", lambda p: by_layers(p, 1.5), "holds"),
    ("Q06", lambda p: by_layers(p, 0.5), "fails"),
    ("Q07", lambda p: by_batch(p, 0.2), "holds"),
    ("Q07", lambda p: by_batch(p, 0.9), "fails"),
    ("Q08", lambda p: by_start(p, -0.5), "holds"),
    ("Q08", lambda p: by_start(p, -1.8), "fails"),
    ("Q09", lambda p: by_place(p, 1.0), "holds"),
    ("Q09", lambda p: by_place(p, 0.2), "fails"),
    ("Q10", lambda p: by_strength(p, 1e-4), "holds"),
    ("Q10", lambda p: by_strength(p, 3e-4), "fails"),
    ("Q11", lambda p: by_norm(p, 1.5), "holds"),
    ("Q11", lambda p: by_norm(p, 0.5), "fails"),
    ("Q11", lambda p: by_norm(p, 1.5, rescued=False), "fails"),
]


@pytest.mark.parametrize(("id", "value", "expected"), ACCURACIES)
def test_a_statement_on_accuracy_holds_and_fails(id, value, expected):
    found = answered(id, accuracies(id, value))
    assert (found.verdict.verdict, found.verdict.state) == (expected, "complete")
    assert len(found.answer) == 2
    assert "nan" not in " ".join(found.answer)


@pytest.mark.parametrize("id", sorted({id for id, *_ in ACCURACIES}))
def test_without_runs_there_is_neither_answer_nor_verdict(id):
    found = answered(id, accuracies(id, lambda p: 0.0, missing=("mnist", "cifar10")))
    assert (found.verdict.verdict, found.answer) == ("not run", ())


def test_with_the_runs_of_one_data_set_the_verdict_is_partial():
    built = accuracies("Q02", lambda p: by_rate(p, 1.0), missing=("mnist",))
    found = answered("Q02", built)
    assert (found.verdict.verdict, found.verdict.state) == ("holds", "partial")
    (text,) = found.answer
    assert text.startswith("On CIFAR10 vanilla learns up to a rate of 0.03 and is best at 0.0003 (50.0 %)")
    half = dataclasses.replace(built, runs=built.runs[built.runs["lr"] < 0.1])
    assert answered("Q02", half).answer[0].startswith("So far, on CIFAR10")
    alone = answered("Q02", built, ("cifar10",))
    assert alone.verdict.state == "complete"


@pytest.mark.parametrize(
    ("guess", "told"), [(0, "learns up to a rate of 1 and"), (1, "learns up to a rate of 1 (2 of 3 seeds)")]
)
def test_the_answer_says_how_many_seeds_learn_at_the_highest_rate(guess, told):
    built = accuracies("Q02", lambda p: by_rate(p, 1.0))
    rows = (built.runs["lr"] == 1) & (built.runs["norm"] == "batch") & (built.runs["seed"] < guess)
    frame = built.runs.assign(
        test_accuracy=built.runs["test_accuracy"].mask(rows, 10.0), broken=built.runs["broken"] | rows
    )
    (*_, text) = answered("Q02", dataclasses.replace(built, runs=frame)).answer
    assert f"batch norm {told}" in text


ANSWERS = [
    ("Q04", lambda p: by_optimizer(p, -1.0),
     "if each norm has its best rate, batch norm gains in points: +1.0 with Adam, +1.0 with RMSProp, −1.0"),
    ("Q05", lambda p: by_activation(p, -1.0), "batch norm reaches 50.0 % with ReLU, 50.0 % with leaky ReLU"),
    ("Q05", lambda p: by_activation(p, -1.0), "its gain in points is 0.0 with ReLU"),
    ("Q06", lambda p: by_layers(p, 1.5), "+2.0 with a norm in all hidden layers, +1.5 in the last alone"),
    ("Q07", lambda p: by_batch(p, 0.2), "batch norm changes in points by −1.0 at the constant rate, −0.2 if it grows"),
    ("Q08", lambda p: by_start(p, -0.5),
     "48.0 % in at most 100 epochs and 49.5 % in 300; from Kaiming's weights it reaches 50.0 %"),
    ("Q09", lambda p: by_place(p, 1.0), "before the output alone (50.5 %; vanilla, after each activation: 51.0 %)"),
    ("Q10", lambda p: by_strength(p, 1e-4), "the best strength for batch norm is 0.0001 (51.0 %, 50.0 without)"),
    ("Q11", lambda p: by_norm(p, 1.5, rescued=False),
     "a constant guess in 1 of 9 settings; of these, the norms learn in: batch norm 1, layer norm 0"),
    ("Q11", lambda p: by_norm(p, 1.5), "learn (8), the mean gain in points is batch norm +2.0, layer norm +1.5"),
]  # fmt: skip


def test_the_answer_gives_what_there_is_of_it():
    begun = accuracies("Q08", lambda p: by_start(p, -0.5))
    begun = dataclasses.replace(begun, runs=begun.runs[begun.runs["epochs"] != 300])
    assert (
        answered("Q08", begun)
        .answer[1]
        .endswith("batch norm reaches 48.0 % in at most 100 epochs; from Kaiming's weights it reaches 50.0 %.")
    )
    some = accuracies("Q10", lambda p: by_strength(p, 1e-4))
    some = dataclasses.replace(some, runs=some.runs[some.runs["penalty_strength"] > 0])
    assert "the best strength for batch norm is 0.0001 (51.0 %)" in answered("Q10", some).answer[1]


@pytest.mark.parametrize(("id", "value", "said"), ANSWERS)
def test_the_answer_gives_what_came_out(id, value, said):
    assert said in answered(id, accuracies(id, value)).answer[1]


def test_the_answer_names_epsilon_where_a_smaller_one_makes_the_smallest_weights_learn():
    cured = answered("Q01", accuracies("Q01", lambda p: by_scale(p, 1e-5))).answer[0]
    assert "batch norm learns from the deviations 1, 0.1, 0.01, 0.001, 0.0001, 1e-5;" in cured
    assert "it learns from 1e-6, 1e-7, 1e-8 too: what stops it there is the usual epsilon" in cured
    not_cured = accuracies("Q01", lambda p: None if "norm_eps" in p.changes else by_scale(p, 1e-5))
    assert "still does not learn from 1e-6, 1e-7, 1e-8" in answered("Q01", not_cured).answer[0]


def test_the_answer_on_norms_counts_the_settings_in_which_all_norms_were_run():
    built = accuracies("Q11", lambda p: by_norm(p, 1.5))
    lacks = (built.runs["norm"] == "group") & (built.runs["setting"] == "dropout")
    text = answered("Q11", dataclasses.replace(built, runs=built.runs[~lacks])).answer[0]
    assert "a constant guess in 1 of 8 settings; of these, the norms learn in: batch norm 1, layer norm 1" in text


# curves


def records(id, **columns):
    """Frames of a question's cells with these functions of (point, epoch) as epoch columns; three seeds."""
    built = []
    for dataset in questions()[id].datasets:
        for point in asked.points(id):
            for seed in range(3):
                made = synthetic.record(Run(asked.cell(point, dataset), seed), fate="learns", epochs_run=12)
                own = {name: [float(value(point, e)) for e in range(13)] for name, value in columns.items()}
                built.append(dataclasses.replace(made, epochs=made.epochs | own))
    return frames.build(built)


def rising(point: Point, epoch: int, fastest: float):
    """Accuracy reaches 90 after 8 epochs, after `fastest` ones at a high rate with the fastest decay."""
    fast = point.changes["lr"] > 0.01 and point.changes["decay_patience"] == 1 and point.changes["decay_factor"] == 0.2
    return min(90.0, 40 + 50 * epoch / (fastest if fast else 8))


@pytest.mark.parametrize(("fastest", "expected"), [(4, "holds"), (10, "fails")])
def test_a_faster_decay_makes_high_rates_fast_or_not(fastest, expected):
    built = records("Q03", validation_accuracy=lambda p, e: rising(p, e, fastest))
    found = answered("Q03", built)
    assert (found.verdict.verdict, found.verdict.state) == (expected, "complete")
    assert f"rate 0.1 with the fastest decay {0.99 * 90 / 50 * fastest - 40 / 50 * fastest:.1f}" in found.answer[0]


@pytest.mark.parametrize(("slope", "expected"), [(-1.0, "holds"), (0.5, "fails")])
def test_gradients_follow_the_scale_or_not(slope, expected):
    built = []
    for dataset in questions()["Q12"].datasets:
        for point in asked.points("Q12"):
            for seed in range(3):
                made = synthetic.record(Run(asked.cell(point, dataset), seed), fate="learns", epochs_run=2)
                steps = np.full((len(made.early["step"]), 4), 0.01 * point.x ** (slope if point.norm == "batch" else 1))
                steps[:, -1] = 5.0  # the output layer, whose weights keep their scale
                early = made.early | {"weight_grad.mean_abs": steps.tolist()}
                built.append(dataclasses.replace(made, early=early))
    found = answered("Q12", frames.build(built))
    assert (found.verdict.verdict, found.verdict.state) == (expected, "complete")
    assert f"1.00 for vanilla and {slope:.2f} for batch norm".replace("-", "−") in found.answer[0]


# addresses


def test_a_cell_has_one_address_whichever_question_asks_for_it():
    assert at() == at(lr=0.01) == at(**penalty(0.0)) == at(**sized(64, "root")) == at(**decay(0.5, 5)) == BASELINE
    assert at(lr=0.1) == "lr=0.1"
    assert at(**scale(1.0)) == "init=normal init_std=1"
    for id in asked.POINTS:
        assert len({(p.at, p.norm) for p in asked.points(id)}) == len(asked.cells(id)["mnist"])


@pytest.mark.parametrize("id", asked.POINTS)
def test_a_predicate_reads_only_cells_of_its_question(id):
    """Its places in the study are those of its points, and no point is for nothing but a line of its figure."""
    claim = registry()[id]
    assert claim.title == questions()[id].statement
    assert all(part.check.endswith(".") for part in claim.parts)
    own = {(asked.MODEL, p.at, d, p.norm) for p in asked.points(id) for d in questions()[id].datasets}
    built = records(id) if claim.parts[0].kind != "accuracy" else accuracies(id, lambda p: 1.0)
    read = {at[-4:] for part in answered(id, built).verdict.parts for at in part.numbers}
    assert read
    assert read <= own
