"""Single predicates where a plausible run could mislead them: networks that learn nothing, noise, half a comparison."""

import dataclasses
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from bnstudy.claims import REGISTRY, Measured, verdict
from bnstudy.claims.evidence import Evidence
from bnstudy.claims.history import History
from bnstudy.claims.measured import timings
from bnstudy.claims.predicates import activations, batch_sizes, general, inits, rates, regularizers, times
from bnstudy.claims.terms import ROWS, NotGiven, weakest
from bnstudy.claims.verdicts import together
from bnstudy.design.cell import make_cell
from bnstudy.design.labels import BATCH_SIZES, NORMS, THESIS_DATASETS
from claims.frames_of import cells, runs

LEARNS, STUCK = [40.0, 60.0, 70.0, 71.0], [10.0, 10.0, 10.0, 10.0]


class Runs:
    """A source of given curves: (model, setting, data set, norm) -> columns; gradients are of one hidden layer."""

    def __init__(self, curves):
        self.curves = curves

    def epochs(self, slot, seed):
        columns = {"validation_accuracy": LEARNS, "data_loss": [1.0] * 4, "penalty": [0.0] * 4, "lr": [0.1] * 4}
        columns |= self.curves[slot]
        return {name: np.append(np.nan, values) for name, values in columns.items() if name != "gradient"}

    def layers(self, slot, seed):
        gradient = np.array(self.curves[slot].get("gradient", [1.0] * 4), float)
        full = np.ones((len(gradient), 2))
        return {"weight_grad.mean_abs": np.stack([gradient] * 2, 1), "saturated_share": full, "size": np.array([1, 1])}


def history(curves) -> History:
    return History(dict.fromkeys((m, d) for m, _, d, _ in curves), Runs(curves), 0)


def pair(setting, none, batch, model="cnn", dataset="cifar10"):
    return {(model, setting, dataset, "none"): none, (model, setting, dataset, "batch"): batch}


# ---- networks that learn nothing


def test_a_network_that_stays_at_chance_never_converges():
    none, batch = {"validation_accuracy": STUCK}, {"validation_accuracy": LEARNS}
    assert rates.k20(history(pair("lr_low", none, batch)))  # 95 % of a constant guess is no level
    jumps = {"data_loss": [3.0, 1.0, 3.0, 1.0]}
    assert batch_sizes.k42(history(pair("batch_1024", none | jumps, batch)))


def test_where_no_norm_learns_neither_is_faster():
    stuck = {"validation_accuracy": STUCK}
    for claim, setting in ((activations.k10_no_faster, "elu"), (rates.k20, "lr_low")):
        with pytest.raises(NotGiven):
            claim(history(pair(setting, stuck, stuck)))


def test_a_network_that_learned_once_did_not_stay_at_chance():
    at = ("mlp", "init_low", "svhn", "none")
    assert inits.m30_stays(history({at: {"validation_accuracy": [18.4, 18.9, 18.9, 21.0]}}))
    assert not inits.m30_stays(history({at: {"validation_accuracy": [18.9, 40.0, 80.0, 18.9]}}))


def test_the_untrained_network_has_no_start():
    """Both learn within an epoch; what they knew before, 30 or 5 %, does not decide."""
    curves = pair("elu", {"validation_accuracy": [95.3, 95.3]}, {"validation_accuracy": [95.2, 95.3]}, "mlp", "mnist")
    before = {"none": 5.0, "batch": 30.0}
    source = Runs(curves)
    plain = source.epochs
    source.epochs = lambda slot, seed: {k: np.append(before[slot[3]], v[1:]) for k, v in plain(slot, seed).items()}
    assert activations.m13(History([("mlp", "mnist")], source, 0))


@pytest.mark.parametrize("stuck", ["dropout", "relu", "elu", "weight_decay"])
def test_gradients_of_a_network_that_learns_nothing_are_not_compared(stuck):
    slots = [("cnn", c, "cifar10", n) for c in ("dropout", "relu", "weight_decay", "elu") for n in NORMS]
    curves = {slot: {} for slot in slots}
    for predicate in (general.g16, regularizers.k32, regularizers.k38, activations.k11):
        predicate(history(curves))
    stays = curves | {("cnn", stuck, "cifar10", "none"): {"validation_accuracy": STUCK}}
    asking = {"dropout": (general.g16, regularizers.k32), "relu": (general.g16, regularizers.k32, regularizers.k38),
              "elu": (activations.k11,), "weight_decay": (regularizers.k38,)}  # fmt: skip
    for predicate in asking[stuck]:
        with pytest.raises(NotGiven) as lack:
            predicate(history(stays))
        assert lack.value.place == ("cnn", "cifar10")


def test_a_gradient_that_is_no_number_varies_without_end():
    curves = {("cnn", c, "cifar10", n): {} for c in ("elu", "relu") for n in NORMS}
    curves["cnn", "relu", "cifar10", "none"] = {"gradient": [1.0, np.nan, 1.0, 1.0]}
    ev = history(curves)
    assert ev.gradient_variation("cnn", "relu", "cifar10", "none") == np.inf
    assert ev.early_layers_gradient("cnn", "relu", "cifar10", "none") == np.inf


def test_gradients_that_are_all_no_number_do_not_hide_their_data_set():
    none = {"gradient": [np.nan] * 4}
    assert not activations.k09(history(pair("sigmoid", none, {})))


def test_a_loss_that_nobody_reaches_is_not_asked_for():
    at = {s: ("cnn", s, "cifar10", "batch") for s in ("init_low", "init_high")}
    losses = {"init_low": [1.0, 0.2, 0.1, 0.04], "init_high": [9.0, 5.0, 2.0, 1.0]}
    assert inits.k26(history({at[s]: {"data_loss": losses[s]} for s in at}))
    with pytest.raises(NotGiven):
        inits.k26(history({at[s]: {"data_loss": losses["init_high"]} for s in at}))


def test_changes_are_set_beside_gradients_only_where_each_epoch_is_kept():
    """Two curves alike to epoch 20, of which later only every fifth gradient is known."""
    noise = np.random.default_rng(1).random(60) + 1
    gradient = np.where(np.arange(60) < 20, noise, 1.5)
    at = ("cnn", "batch_1024", "mnist", "none")
    ev = history({at: {"data_loss": noise, "gradient": gradient, "validation_accuracy": [50.0] * 60,
                       "penalty": [0.0] * 60, "lr": [0.1] * 60}})  # fmt: skip
    assert ev.gradient_follows_loss(*at) == pytest.approx(1)


def test_vanilla_must_learn_in_one_of_the_first_nine_epochs():
    at = ("mlp", "lr_high", "mnist", "none")
    late = {"validation_accuracy": [70.0] * 8 + [79.0, 85.0, 11.3]}
    early = {"validation_accuracy": [70.0] * 8 + [80.1, 85.0, 11.3]}
    assert not rates.m20(history({at: late}))
    assert rates.m20(history({at: early}))


def test_a_loss_that_no_cut_lowers_does_not_drop():
    rate = {"lr": [0.1, 0.1, 0.05, 0.05]}
    slower, slow = {"data_loss": [8.0, 4.0, 2.2, 1.2]}, {"data_loss": [8.0, 4.0, 2.4, 1.5]}
    drops = {"data_loss": [8.0, 8.0, 4.0, 2.0]}
    assert not activations.m04(history(pair("relu", rate | slower, rate | slow, "mlp")))
    assert activations.m04(history(pair("relu", rate | drops, rate | slow, "mlp")))


# ---- one side of a comparison


@pytest.mark.parametrize(
    ("claim", "setting", "alone"),
    [("K16", ("lr_high", "relu"), "cifar100"), ("K16", ("lr_high", "relu"), "mnist"),
     ("K29", ("dropout", "relu"), "cifar100"), ("M14", ("elu", "relu"), "mnist"), ("M08", ("sigmoid", "relu"), "svhn")],
)  # fmt: skip
def test_a_contrast_between_data_sets_needs_both_sides(claim, setting, alone):
    model = next(iter(REGISTRY[claim].places))[0]

    def parts(datasets):
        frames = runs({c: [50.0, 50.2, 49.8] for c in cells(model, datasets, setting)})
        return {p.kind: p.verdict for p in verdict(REGISTRY[claim], Measured(frames)).parts}

    assert parts((alone,))["accuracy"] == "not run"
    assert parts(THESIS_DATASETS)["accuracy"] != "not run"


# ---- noise


def test_of_many_equal_values_the_weakest_is_not_always_low():
    stream = np.random.default_rng(3)
    gaps = [1.0 + stream.standard_normal(4000) for _ in range(24)]  # each ahead by one standard error
    assert np.mean(np.min(gaps, axis=0) <= 0) > 0.95
    assert np.mean(weakest(gaps) <= 0) < 0.25
    assert weakest([3.0, 1.0, 2.0]) == 1.0
    clear, blurred = -0.4 + 0.06 * stream.standard_normal(4000), -0.5 + stream.standard_normal(4000)
    assert weakest([gaps[0], blurred, clear]) is not gaps[0]
    assert np.mean(weakest([gaps[0], blurred, clear]) <= 0) == 1


def test_noise_alone_does_not_speak_against_the_mlp():
    """G17: batch norm is ahead in the MLP too, by a little everywhere; that it is not must not hold."""
    sizes = ("relu", *(f"batch_{b}" for b in BATCH_SIZES if b != 64))

    def asked(mlp):
        gap = {"cnn": [5.0] * 24, "mlp": mlp}
        found = {}
        for model, gaps in gap.items():
            for i, c in enumerate(cells(model, settings=sizes)):
                level = 50.0 + gaps[i // 2] * (c.norm == "batch")
                found[c] = [level - 0.4, level, level + 0.4]
        made = runs(found)
        curves = made.runs[["key", "seed"]].assign(epoch=1, validation_accuracy=made.runs["test_accuracy"])
        (part,) = verdict(REGISTRY["G17"], Measured(dataclasses.replace(made, epochs=curves))).parts
        return part.verdict

    assert asked([0.4] * 24) in ("fails", "undecided")
    assert asked([0.4] * 23 + [-3.0]) == "holds"


@pytest.mark.parametrize(("rising", "expected"), [((), "holds"), (("cifar10",), "fails")])
def test_a_gain_without_a_trend_over_batch_sizes_can_hold(rising, expected):
    """K41: gains in no order on every data set, or rising with the batch size on one of them."""
    sizes = tuple("relu" if b == 64 else f"batch_{b}" for b in BATCH_SIZES)
    found = {}
    for c in cells("cnn", settings=sizes):
        place = BATCH_SIZES.index(c.batch_size)
        gain = place if c.dataset in rising else (3, 5, 1, 4, 2, 3.5)[place]
        found[c] = [50.0 + gain * (c.norm == "batch") + offset for offset in (-0.05, 0, 0.05)]
    assert verdict(REGISTRY["K41"], Measured(runs(found))).verdict == expected


def test_a_broken_cell_has_the_freedom_of_its_own_seeds():
    found = {c: [50.0, 50.2, 49.8] for c in cells(datasets=("cifar10",))}
    hit = next(c for c in found if c.norm == "none")
    found[hit] = [9.7, 11.4, 10.3]
    measured = Measured(runs(found, {hit: [True] * 3}))
    freedoms = {mean.broken: mean.freedom for mean in measured.test.values()}
    assert freedoms == {True: 2, False: 2 * (len(found) - 1)}


def test_equal_means_are_no_change():
    """M37: 0.0, 1.5, 2.8 and 0.1, 1.5, 2.7 have one mean, of which binary fractions make two."""
    gaps = {"weight_decay": (0.0, 1.5, 2.8), "relu": (0.1, 1.5, 2.7)}
    at = {("mlp", c, d, n): 50.0 + (gaps[c][i] if n == "batch" else 0)
          for c in gaps for i, d in enumerate(THESIS_DATASETS[1:]) for n in NORMS}  # fmt: skip
    ev = Evidence([("mlp", d) for d in THESIS_DATASETS[1:]], at)
    assert not regularizers.m37(ev)


def test_a_tie_is_no_lead_and_no_improvement():
    """Strict sentences (K01, K12, K29) break on it; that dropout does not improve (M33) allows it."""

    def level(model, *settings):
        at = {(model, c, d, n): 90.0 for c in settings for d in THESIS_DATASETS for n in NORMS}
        return Evidence([(model, d) for d in THESIS_DATASETS], at)

    cnn = level("cnn", "relu", "elu", "dropout")
    assert not any(rule(cnn) for rule in (activations.k01, activations.k12, regularizers.k29))
    assert regularizers.m33(level("mlp", "relu", "dropout"))


def test_a_mean_gain_from_networks_that_never_learn_is_told_apart():
    """G01: batch norm rescues one setting and costs accuracy in the others."""
    place = ("mlp", "cifar10")
    at = {("mlp", c, "cifar10", n): 50.0 - (n == "batch") for c in ROWS for n in NORMS}
    rescued = at | {("mlp", "lr_high", "cifar10", "none"): 10.0}
    assert general.g01(Evidence([place], rescued))
    assert not general.g01_learning(Evidence([place], rescued))


@pytest.mark.parametrize(("slow", "lead"), [(2.0, False), (6.0, True)])
def test_batch_norm_leads_by_more_epochs_at_the_low_rate(slow, lead):
    """K47: vanilla needs `slow` times as many epochs there as at the base rate, batch norm twice as many."""

    def to_90(epochs):
        return {"validation_accuracy": [90.0 * min(1, (i + 1) / epochs) for i in range(30)], "data_loss": [1.0] * 30,
                "penalty": [0.0] * 30, "lr": [0.1] * 30}  # fmt: skip

    curves = pair("relu", to_90(4), to_90(2)) | pair("lr_low", to_90(4 * slow), to_90(4))
    assert bool(rates.k47_speed(history(curves))) is lead


def test_sigmoid_learns_even_where_vanilla_does_too():
    ev = Evidence([("cnn", "mnist")], {("cnn", "sigmoid", "mnist", n): 98.0 for n in NORMS})
    assert activations.k07(ev)


def test_of_vanilla_cells_on_svhn_only_those_that_fail_score_its_share():
    scores = {("mlp", c, "svhn", "none"): 80.0 for c in ROWS}
    place = [("mlp", "svhn")]
    assert not general.g23(Evidence(place, scores))  # nothing failed
    assert general.g23(Evidence(place, scores | {("mlp", "init_low", "svhn", "none"): 19.6}))
    one = ("mlp", "sigmoid", "svhn", "none")
    assert not general.g23(Evidence(place, scores | {one: 6.1}, broken={one: True}))  # always another digit


def test_a_missing_seed_of_a_cell_of_no_table_makes_a_verdict_partial():
    study = [make_cell({"dataset": d, "model": "mlp", "norm": n, "lr": 0.1, "grad_clip": 1.0})
             for d in THESIS_DATASETS for n in NORMS]  # fmt: skip
    frames = runs({c: [90.0, 90.2] for c in study})
    assert verdict(REGISTRY["M23"], Measured(frames)).state == "complete"
    gone = frames.runs.iloc[[0]].assign(setting="adhoc", reason="not run yet", seed=2)
    frames = replace(frames, missing=gone[list(frames.missing.columns)])
    assert verdict(REGISTRY["M23"], Measured(frames)).state == "partial"


def measured_missing(found, width: float) -> str:
    """The state of K12 where a seed of one cell of this width is missing."""
    frames = runs({c: v for c, v in found.items() if c.model == "cnn"})
    gone = frames.runs[(frames.runs["width"] == width) & (frames.runs["setting"] == "relu")].iloc[[0]]
    gone = gone.assign(reason="not run yet", seed=3)[list(frames.missing.columns)]
    return verdict(REGISTRY["K01"], Measured(replace(frames, missing=gone), reading="reduced")).state


def test_networks_of_two_sizes_are_not_compared():
    """Batch norm is ahead at width 1/4, and behind at 1/8."""
    found = {}
    for width, gap in (0.125, -5.0), (0.25, 5.0):
        for c in cells("cnn", settings=("sigmoid", "relu")):
            level = 50.0 + gap * (c.norm == "batch") - 40 * (c.activation == "sigmoid" and c.norm == "none")
            found[replace(c, width=width)] = [level - 0.1, level, level + 0.1]
    measured = Measured(runs(found), reading="reduced")
    assert set(measured.runs["width"]) == {0.25}
    smaller = measured_missing(found, 0.125)
    assert (measured_missing(found, 0.25), smaller) == ("partial", "complete")
    other = {replace(c, width=0.125): v for c, v in found.items() if c.dataset == "mnist" and c.width == 0.25}
    both = {c: v for c, v in found.items() if c.dataset == "cifar10" and c.width == 0.25} | other
    assert len(Measured(runs(both), reading="reduced").runs) == 3 * len(both)  # of another data set nothing is compared
    assert {p.kind: p.verdict for p in verdict(REGISTRY["K01"], measured).parts}["accuracy"] == "holds"


# ---- times


def timed(datasets=THESIS_DATASETS, models=("mlp", "cnn"), overhead=lambda model, d, b: 1.2, **machine):
    return pd.DataFrame(
        {"model": m, "dataset": d, "norm": n, "batch_size": b, "kind": "with_validation", "iqr": 1e-6,
         "median_seconds": 100 / b * (overhead(m, d, b) if n == "batch" else 1)}
        | {"engine": "reference", "device": "cpu", "hardware": "Tesla K40c", "threads": 1, "torch": "2"} | machine
        for m in models for d in datasets for n in NORMS for b in BATCH_SIZES
    )  # fmt: skip


def asked_of_times(claim, *frames):
    frame = pd.concat(frames, ignore_index=True)
    return verdict(REGISTRY[claim], Measured(runs({}), frame))


def test_a_mean_over_data_sets_is_not_taken_over_what_remains():
    falls = timed(models=("cnn",), overhead=lambda m, d, b: 1.3 - b / 10_000)
    assert asked_of_times("K45", falls).verdict == "holds"
    assert asked_of_times("K45", falls[falls["dataset"] != "svhn"]).verdict == "not run"


def test_two_models_are_compared_on_the_data_sets_of_both():
    """K46: the MLP's overhead is larger on each data set, but over all of them smaller than the CNN's on CIFAR100."""
    mlp = timed(models=("mlp",), overhead=lambda m, d, b: 1.24 if d == "cifar100" else 1.1)
    cnn = timed(("cifar100",), ("cnn",), overhead=lambda m, d, b: 1.21)
    assert asked_of_times("K46", mlp, cnn).verdict == "holds"


def test_times_of_two_machines_are_not_compared():
    mlp, cnn = timed(models=("mlp",)), timed(models=("cnn",), overhead=lambda m, d, b: 1.1)
    assert asked_of_times("K46", mlp, cnn).verdict == "holds"
    assert asked_of_times("K46", mlp, cnn.assign(hardware="K40c, another")).verdict == "not run"
    assert asked_of_times("K45", mlp, cnn.assign(device="cuda")).verdict == "fails"


def test_seconds_of_other_hardware_decide_nothing():
    here = {"hardware": "a CPU"}
    for overhead in (lambda m, d, b: 1.2, lambda m, d, b: 1.3 - b / 10_000):
        found = asked_of_times("K45", timed(models=("cnn",), overhead=overhead, **here))
        assert (found.verdict, found.parts[0].verdict) == ("other hardware", "other hardware")
        assert found.parts[0].true_in["redraws"] in (0.0, 1.0)
    assert together(["holds", "other hardware"]) == "other hardware"
    assert together(["fails", "other hardware"]) == "fails"
    assert together(["holds", "other hardware", "not run"]) == "undecided"


def test_the_machine_that_timed_most_cells_counts():
    """One size timed again on a machine twice as fast would be a dip."""
    most, again = timed(models=("mlp",)), timed(models=("mlp",), hardware="b")
    again["median_seconds"] /= 2
    mixed = pd.concat([most[most["batch_size"] != 64], again[again["batch_size"] == 64]])
    found, machines = timings(mixed)
    assert machines["mlp"][2] == "Tesla K40c"
    assert {size for _, size, *_ in found} == set(BATCH_SIZES) - {64}
    both, machines = timings(pd.concat([most, again.assign(device="cuda")]))
    assert machines["mlp"][1] == "cuda"
    assert len(both) == len(most)


def test_what_print_would_not_show_is_no_rise():
    flat = {("mlp", b, "mnist", n): 1.20 + 0.01 * i for i, b in enumerate(BATCH_SIZES) for n in NORMS}
    assert times.m46(Evidence([("mlp", "mnist")], seconds=flat))
    assert not times.m46(Evidence([("mlp", "mnist")], seconds=flat, exact=True))
    rises = flat | {("mlp", 1024, "mnist", "none"): 1.4}
    assert not times.m46(Evidence([("mlp", "mnist")], seconds=rises))
