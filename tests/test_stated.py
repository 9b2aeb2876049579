"""The measured numbers of README.md and the findings are those of the published records."""

import re

import pytest

import stated

MARKS = re.compile(r"<!-- measured: (\w+) -->")


@pytest.mark.parametrize("page", stated.PAGES, ids=lambda page: page.name)
def test_pages_state_what_is_published(page):
    assert stated.renewed(page) == page.read_text(), "write it with `make docs`"


def test_every_block_stands_somewhere():
    found = {name for page in stated.PAGES for name in MARKS.findall(page.read_text())}
    assert found == {*stated.BLOCKS, "links", *stated.questions()}


def test_a_block_is_made_anew_and_the_prose_around_it_kept(tmp_path, monkeypatch):
    monkeypatch.setattr(stated, "BLOCKS", {"cost": lambda: iter(["| new |", ""])})
    page = tmp_path / "docs" / "page.md"
    page.parent.mkdir()
    text = "Prose [G01].\n<!-- measured: {} -->\n{}<!-- end -->\nMore.\n"
    page.write_text(text.format("cost", "| old |\n"))
    assert stated.renewed(page) == text.format("cost", "| new |\n")
    page.write_text(text.format("other", ""))
    with pytest.raises(KeyError, match="other"):
        stated.renewed(page)


def test_claims_in_brackets_lead_to_the_reference(tmp_path):
    page = stated.ROOT / "docs" / "findings.md"
    text = "[G01] and [K22] ([M09]: why)\n[G03]: reference/claims.md#g03"
    assert list(stated.links(text, "reference/claims.md")) == [
        "[G01]: reference/claims.md#g01",
        "[K22]: reference/claims.md#k22",
        "[M09]: reference/claims.md#m09",
    ]
    named = set(re.findall(r"\b[GMKP]\d\d\b", page.read_text()))
    assert named == set(re.findall(r"\[([GMKP]\d\d)\]", page.read_text())), "a claim without its brackets"


@pytest.mark.parametrize("page", stated.PAGES, ids=lambda page: page.name)
def test_every_claim_in_brackets_has_its_link(page):
    text = page.read_text()
    defined = set(re.findall(r"^\[(\w+)\]: \S+#", text, re.M))
    assert set(re.findall(r"\[([GMKP]\d\d)\]", text)) == defined
