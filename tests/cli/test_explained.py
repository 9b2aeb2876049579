"""`show`, `why` and `compare` on the published results: why a number is what it is."""

import json

import pytest

from bnstudy.results import store, valid
from command_line import ROOT, Ended, process, two_lines
from synthetic import record

CELL = "cifar10-mlp-batch-lr_low"


def with_published(folder):
    folder.mkdir()
    (folder / "published").symlink_to(ROOT / "results" / "published")
    return folder


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """The published results, aggregated for the thesis."""
    folder = with_published(tmp_path_factory.mktemp("explained") / "results")
    run(folder, "aggregate", "--study", "thesis")
    return folder


def run(results, *words: str) -> Ended:
    own = ("--config", str(ROOT / "config.yaml"), "--results", str(results))
    return process(results.parent, "bnstudy", *words, *own)


def test_a_cell_is_one_header_its_printed_value_its_mean_and_a_row_per_record(tmp_path):
    results = with_published(tmp_path / "results")
    key = json.loads(run(results, "why", CELL, "--json").out)[0]["key"]
    store.put_record(results, record(valid.records_of(results, key, pytest.fail)[0].run, 3))
    shown = run(results, "show", CELL)
    lines = shown.out.splitlines()
    assert shown.out.count("key ") == 1
    assert any(line.split() == ["printed", "49.3", "%", "(table", "B.1)"] for line in lines)
    assert any("mean of seeds 0, 1, 2, standard deviation" in line for line in lines)
    assert [line.split()[:2] for line in lines if line[:1].isdigit()] == [
        ["0", "own"], ["0", "published"], ["1", "published"], ["2", "published"]
    ]  # fmt: skip
    assert "seed 0: the own run counts; the published run has other weights" in shown.err
    assert len(json.loads(run(results, "show", CELL, "--json").out)) == 3


def test_why_gives_the_verdict_and_the_claims_that_are_judged_on_the_cell(results):
    told = run(results, "why", CELL)
    assert "Table B.1: printed 49.3 %, ours 50.6 % (mean of 3 runs), ours − printed +1.3, h " in told.out
    assert "margin 1: differs" in told.out
    assert "h: how far one printed run may lie from our mean by chance (95 %); see docs/verdicts.md" in told.err
    found = {line.split()[0] for line in told.out.splitlines() if "holds" in line or "fails" in line}
    assert {"M27", "G09"} <= found
    assert "G25" not in found  # of a layer, not of this cell
    (row, *_) = json.loads(run(results, "why", CELL, "--json").out)
    assert {claim["id"] for claim in row["claims"]} >= found
    assert [number["verdict"] for number in row["printed"]] == ["differs"]


@pytest.mark.parametrize(
    ("verb", "word", "said"),
    [
        ("show", "M27", "M27: Batch norm at the low rate is less accurate and slower than at both other rates\n"),
        ("why", "m27", "\nholds: true for 3 of 3 seeds\n"),
        ("why", "B.1", "**Table B.1: MLP test accuracy.**"),
        ("show", "b1", "| ReLU | printed | 98.0 | 98.2 |"),
        ("show", "7.1", "bnstudy figure 7.1 --study thesis"),
        ("why", "e1", "bnstudy figure E1 --study thesis"),
        (
            "show",
            "p26",
            "P26: The numpy network's lowest test loss is 1.525\n\nsection                     Lindt, 1.2\n",
        ),
        ("why", "P26", "\nstudy                       practicals\n"),
        ("show", "P.1", "**Table P.1: Knigge"),
        ("show", "Q.3", "bnstudy figure Q.3 --study open"),
        ("show", "C.1", "The records of its cells lack it; train them again: bnstudy train --fresh 290fafcec0b2 "),
    ],
)
def test_claims_tables_and_figures_are_shown_by_their_id(results, verb, word, said):
    assert said in run(results, verb, word).out


def test_best_names_the_rate_that_decided_although_it_is_the_default(results):
    lines = run(results, "best", "--by", "lr", "--where", "model=mlp", "dataset=cifar10").out.splitlines()
    norms = {line.split()[2]: line for line in lines[2:]}
    assert " lr=0.1 " in norms["batch"]
    assert " lr=0.01 " in norms["none"]


@pytest.mark.slow
def test_an_id_that_is_none_is_refused_as_a_cell(results):
    refused = run(results, "show", "M99")
    assert refused.code == 2
    assert "M99: no such cell" in refused.err
    assert two_lines(refused)
    assert run(results, "show", "M27", "--json").code == 2


@pytest.mark.slow
def test_compare_names_seeds_and_origins_unlike_those_of_the_tables(results):
    same = run(results, "compare", CELL, "cifar10-mlp-none-lr_low")
    assert "A: own records of some seeds, published ones of others" in same.out
    assert "The tables of study" not in same.out
    more = run(results, "compare", "cifar10-mlp-batch-relu", "cifar10-mlp-none-relu")
    assert "The tables of study thesis use seeds 0, 1, 2; these are 0, 1, 2, 3, 4." in more.out
    assert "own records" not in more.out


def test_without_published_results_every_verb_says_where_they_are(tmp_path):
    for words in (("show", "M27"), ("claims",), ("figure", "7.1")):
        assert "published was not found: published runs are in a checkout" in run(tmp_path / "results", *words).err


def test_published_results_are_shown_where_nothing_was_aggregated(tmp_path):
    shown = run(with_published(tmp_path / "results"), "show", "M27").out
    assert "\nverdict                     holds\n" in shown
    assert [path.name for path in (tmp_path / "results").iterdir()] == ["published"]


@pytest.mark.parametrize("words", [("figure", "C.1"), ("table", "M.1"), ("show", "M.1")])
def test_what_no_run_shows_is_refused_and_says_what_to_do(results, words):
    refused = run(results, *words)
    assert (refused.code, two_lines(refused)) == (65, True)
    assert "no run of study thesis has what it shows" in refused.err


def test_compare_of_a_cell_with_itself_names_the_verb_that_compares_an_own_run_with_the_published_one(results):
    refused = run(results, "compare", CELL, CELL)
    assert (refused.code, two_lines(refused)) == (2, True)
    assert "bnstudy show 4f12352495be compares an own run with the published one" in refused.err
