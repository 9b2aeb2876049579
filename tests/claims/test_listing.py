"""`rows` without any result, for a whole study of synthetic records, and with a third of them gone."""

import json

import pandas as pd
import pytest

from bnstudy import printed
from bnstudy.claims import REGISTRY, rows
from bnstudy.claims.listing import number
from bnstudy.design.cell import Run
from bnstudy.design.labels import SETTINGS, THESIS_DATASETS
from bnstudy.results import frames
from claims.frames_of import cells
from claims.frames_of import runs as accuracies_only
from synthetic import record
from work import calls

STUDY = cells("mlp", settings=[s for s in SETTINGS if s != "relu_norm_after"]) + cells(
    "cnn", settings=("relu", "sigmoid", "lr_high", "elu")
)
RUNS = [Run(cell, seed) for cell in STUDY for seed in range(3)]


def timed() -> pd.DataFrame:
    """The printed seconds as if measured here."""
    table = printed.seconds().rename(columns={"printed": "median_seconds"})
    return table.assign(iqr=0.001, kind="with_validation", engine="reference", device="cuda", hardware="Tesla K40c")


@pytest.fixture(scope="module")
def records():
    return {run: record(run, 100 if run.cell.dataset == "cifar100" else 10, epochs_run=12) for run in RUNS}


@pytest.fixture(scope="module")
def listed(records):
    return {row["id"]: row for row in rows(frames.build(records.values(), RUNS), timed())}


def test_numbers_are_rounded_as_in_the_tables():
    assert number([11.35, None, float("inf"), 0.0123]) == "11.4 – inf 0.0123"


def test_without_results_every_claim_is_listed():
    found = rows()
    assert [row["id"] for row in found] == list(REGISTRY)
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    run = {row["id"]: (row["state"], row["verdict"]) for row in found if row["state"] != "not run"}
    assert run == {"G22": ("complete", "holds"), "G24": ("complete", "holds"), "G25": ("complete", "holds")}


def test_an_empty_study_is_as_good_as_none():
    assert rows(frames.build([], RUNS)) == rows()


@pytest.mark.parametrize(
    ("claim", "verdict"),
    [
        ("M07", "holds"),  # synthetic batch norm is ahead everywhere
        ("M18", "holds"),  # and vanilla breaks at the high rate,
        ("M30", "holds"),  # and from tiny weights
        ("K06", "holds"),
        ("K07", "holds"),
        ("K05", "holds"),  # vanilla's gradients vanish
        ("M09", "holds"),  # batch norm rises faster
        ("M25", "fails"),
        ("M04", "fails"),  # the rate is never cut
        ("M43", "holds"),
        ("K44", "holds"),
        ("K46", "holds"),
    ],
)
def test_effects_of_the_synthetic_runs_are_found(listed, claim, verdict):
    assert (listed[claim]["verdict"], listed[claim]["state"]) == (verdict, "complete")


def test_claims_about_cells_that_were_not_trained_are_not_run(listed):
    for claim in ("G18", "G19", "G26", "M06", "M23", "M48", "K40"):
        assert (listed[claim]["verdict"], listed[claim]["state"]) == ("not run", "not run"), claim


def test_claims_of_both_models_are_partial_where_one_model_is(listed):
    assert listed["G12"]["state"] == "partial"
    assert listed["G12"]["evidence"]["places"] == [f"mlp {d}" for d in THESIS_DATASETS]


def test_evidence_shows_the_numbers_it_rests_on(listed, records):
    part = listed["M25"]["evidence"]["parts"][0]
    own = [r.test_accuracy for run, r in records.items() if _is(run.cell, "cifar100", "none")]
    assert part["numbers"]["mlp lr_low cifar100 none"] == pytest.approx(sum(own) / 3)
    assert "cifar100" in listed["M25"]["evidence"]["text"]
    curve = listed["M09"]["evidence"]["parts"][0]
    assert curve["true_in"] == {"0": True, "1": True, "2": True}
    assert len(curve["numbers"]["epochs to mlp sigmoid mnist batch"]) == 3


def _is(cell, dataset: str, norm: str) -> bool:
    return (cell.dataset, cell.norm, cell.model, cell.lr) == (dataset, norm, "mlp", 0.001)


def test_every_priority_1_claim_with_its_cells_gets_a_verdict(listed):
    """Of the 56, those that need CNN settings this study leaves out stay not run."""
    left_out = {r["id"] for r in listed.values() if r["priority"] == 1 and r["verdict"] == "not run"}
    assert all(claim[0] in "GK" for claim in left_out), left_out
    first = [r for r in listed.values() if r["id"][0] == "M" and r["priority"] == 1]
    partial = {r["id"] for r in first if r["state"] != "complete"}
    assert partial == {"M21"}  # of its networks, which diverge, nothing is left to look at


def test_of_a_diverged_network_the_end_is_not_asked(listed):
    """M21: vanilla's gradients explode (they end as no number), and vanish (there are none)."""
    assert [part["verdict"] for part in listed["M21"]["evidence"]["parts"]] == ["holds", "not run"]
    assert listed["M21"]["verdict"] == "undecided"


def test_with_a_third_of_the_records_gone_verdicts_stay_or_become_partial(records, listed):
    kept = [r for i, r in enumerate(records.values()) if i % 3]
    found = {row["id"]: row for row in rows(frames.build(kept, RUNS), timed())}
    assert json.dumps(list(found.values()), allow_nan=False)
    assert found["M07"]["verdict"] == "holds"
    assert found["M07"]["state"] == "partial"
    curve = found["M09"]
    assert curve["verdict"] == "undecided"  # fewer than three seeds
    gone = [r for r in records.values() if not _is(r.cell, "cifar100", "batch")]
    assert {row["id"]: row for row in rows(frames.build(gone, RUNS))}["M25"]["verdict"] == "not run"


def test_means_are_redrawn_once_and_curves_are_read_once_for_all_claims(records):
    built, times = frames.build(records.values(), RUNS), timed()
    counted = calls(lambda: rows(built, times))
    means = len(times) + 2 * built.runs["key"].nunique()  # seconds; test and validation accuracy
    assert 0 < counted["redraws"] <= means
    assert 0 < counted["_epoch_columns"] <= len(RUNS)
    assert 0 < counted["_layer_columns"] <= len(RUNS)


def test_single_seeds_have_no_share_of_redraws():
    def told(*offsets):
        values = {cell: [50 + 9 * (cell.norm == "batch") + o for o in offsets] for cell in cells(settings=("sigmoid",))}
        return next(row for row in rows(accuracies_only(values)) if row["id"] == "M07")

    assert told(0.0)["verdict"] == "undecided"
    assert told(0.0)["evidence"]["text"].startswith("accuracy: true of these runs, whose spread is not known (")
    assert told(-0.1, 0.1)["verdict"] == "holds"
    assert told(-0.1, 0.1)["evidence"]["text"].startswith("accuracy: true in 100.0 % of redraws (")
