"""The predicates, fed with the printed tables, say of every claim what the tables say."""

from collections import Counter

import pytest

from bnstudy import printed
from bnstudy.claims import REGISTRY, printed_support
from bnstudy.figures import REGISTRY as FIGURES


@pytest.mark.parametrize("claim", REGISTRY.values(), ids=REGISTRY)
def test_the_printed_tables_support_what_the_catalogue_says(claim):
    assert printed_support(claim) == claim.printed


def test_sixty_six_claims_are_decidable_from_the_tables():
    assert Counter(c.printed for c in REGISTRY.values()) == {"yes": 51, "no": 15, "not in tables": 55}


def test_every_claim_has_a_predicate_that_says_what_it_computes():
    assert len(REGISTRY) == 121
    assert Counter(c.priority for c in REGISTRY.values())[1] == 56
    for claim in REGISTRY.values():
        assert claim.parts
        assert claim.title
        assert all(part.check.endswith(".") for part in claim.parts), claim.id


def test_figures_and_tables_of_claims_exist():
    known = {f"7.{i}" for i in range(1, 41)} | {f"B.{i}" for i in range(1, 5)}
    for claim in REGISTRY.values():
        assert set(claim.figures) <= known, claim.id


def test_figures_of_claims_are_of_their_models():
    """All models that a claim speaks of, and no other, where any figure shows it."""
    for claim in REGISTRY.values():
        shown = {FIGURES[f].model for f in claim.figures if f in FIGURES}
        assert shown in (set(), {model for model, _ in claim.places}), claim.id


@pytest.mark.parametrize(
    ("model", "setting", "dataset", "norm", "value", "changed"),
    [
        ("mlp", "relu", "mnist", "batch", 97.9, {"M01", "M02"}),  # 98.2 in the table
        ("cnn", "lr_high", "svhn", "none", 50.0, {"K13"}),  # 19.6 in the table
        ("cnn", "lr_high", "svhn", "none", 19.5, {"G23"}),
    ],
)
def test_another_printed_number_changes_the_answer(monkeypatch, model, setting, dataset, norm, value, changed):
    table = printed.accuracy()
    cell = (table["model"] == model) & (table["setting"] == setting) & (table["dataset"] == dataset)
    table.loc[cell & (table["norm"] == norm), "printed"] = value
    monkeypatch.setattr(printed, "accuracy", lambda: table)
    answers = {c.id for c in REGISTRY.values() if printed_support(c) != c.printed}
    assert changed <= answers
