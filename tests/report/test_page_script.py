"""The script of the pages in a real browser: values under the pointer, lines to choose, tables to sort, choices in the
address; and pages that are complete without it."""

import re

import pytest

import pages
import synthetic
from bnstudy import report
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS
from bnstudy.design.study import Study
from bnstudy.results import frames
from browser import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    cells = [
        Cell(dataset="mnist", model="mlp", norm=n, **SETTINGS[s]) for s in ("relu", "elu") for n in ("none", "batch")
    ]
    study = Study("small", "Does it come out again?", tuple(cells), (0, 1))
    built = frames.build([synthetic.record(r, epochs_run=5) for r in study.runs()], study.runs())
    return study, built, report.write(study, built, None, {"default": 1.0}, tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def cell_page(written):
    study, _, page = written
    return page.parent / "cells" / f"{study.cells[0].key}.html"


@pytest.fixture(scope="module")
def figure_page(written):
    return written[2].parent / "figures" / "fig_7_1.html"


POINT = """((share) => {
  const svg = document.querySelector('.chart svg'), group = svg.querySelector('g');
  const [low, high] = [0, 5].map(x => new DOMPoint(x, 0).matrixTransform(group.getScreenCTM()).x);
  svg.dispatchEvent(new PointerEvent('pointermove', {clientX: low + share * (high - low), clientY: 200}));
  return document.querySelector('.chart output').textContent;
})"""


def test_the_pointer_reads_the_values_of_the_record(browser, cell_page, written):
    study, built, _ = written
    browser.open(cell_page.as_uri())
    said = browser.ask(f"{POINT}(0.61)")  # nearest to epoch 3 of 5
    assert said.startswith("epoch 3: ")
    epochs = built.epochs[(built.epochs["key"] == study.cells[0].key) & (built.epochs["epoch"] == 3)]
    for seed in (0, 1):
        own = epochs[epochs["seed"] == seed].iloc[0]
        (found,) = re.findall(rf"validation images, seed {seed} ([\d.]+)", said)
        assert float(found) == pytest.approx(own["validation_accuracy"], abs=0.01)
    assert browser.console == []


def test_a_value_on_an_axis_of_powers_is_read_as_it_is(browser, tmp_path):
    """The axis has the logarithm, the reader the value."""
    from bnstudy.report import curves, rendering

    chart = curves.chart("Loss", [curves.Line("one", "training", [0, 5], [1000.0, 0.5])])
    assert chart["log"]
    html = rendering.html(
        "figure.html.j2", "cell.css", title="", charts=[chart], across="epoch", lines=[], means=True, synthetic=False,
        study=Study("small", "?", (), ()), p={"figure": {"stem": "", "id": ""}, "files": {"csv": ""}},
    )  # fmt: skip
    page = tmp_path / "one.html"
    page.write_text(html)
    browser.open(page.as_uri())
    assert browser.ask(f"{POINT}(0)") == "epoch 0: one 1000"
    assert browser.ask(f"{POINT}(1)") == "epoch 5: one 0.5"


def test_arrow_keys_read_values_too(browser, cell_page):
    browser.open(cell_page.as_uri())
    press = "document.querySelector('.chart svg').dispatchEvent(new KeyboardEvent('keydown', {key: 'ArrowRight'}))"
    browser.ask(press)
    browser.ask(press)
    assert browser.ask("document.querySelector('.chart output').textContent").startswith("epoch 1: ")


VISIBLE = "[...document.querySelectorAll('.charts g path')].filter(p => getComputedStyle(p).display !== 'none')"


def test_norms_are_chosen_and_the_choice_lives_in_the_address(browser, figure_page):
    browser.open(figure_page.as_uri())
    both = browser.ask(f"{VISIBLE}.length")
    browser.ask("document.querySelector('[data-hides=\"line-vanilla\"]').click()")
    left = browser.ask(f"{VISIBLE}.map(p => p.dataset.line)")
    assert {*left} == {"batch norm"}
    assert len(left) == both / 2
    address = browser.ask("location.href")
    assert address.endswith("?hide=line-vanilla")
    browser.open(address)  # as somebody opens it who was sent it
    assert {*browser.ask(f"{VISIBLE}.map(p => p.dataset.line)")} == {"batch norm"}
    assert browser.ask("document.querySelector('[data-hides=\"line-vanilla\"]').checked") is False
    assert "vanilla" not in browser.ask(f"{POINT}(0.5)")
    browser.ask("document.querySelector('[data-hides=\"line-vanilla\"]').click()")
    assert browser.ask("location.search") == ""
    assert browser.ask(f"{VISIBLE}.length") == both


def test_seeds_are_chosen(browser, cell_page):
    browser.open(cell_page.as_uri())
    browser.ask("document.querySelector('[data-hides=\"seed-0\"]').click()")
    assert {*browser.ask(f"{VISIBLE}.map(p => p.dataset.seed)")} == {"1"}


def test_filters_of_claims_live_in_the_address(browser, written):
    page = written[2]
    browser.open(page.as_uri())
    browser.ask("document.getElementById('only-verdict-holds').click()")
    browser.ask("document.getElementById('only-priority-1').click()")
    address = browser.ask("location.href")
    assert address.endswith("?verdict=holds&priority=1")
    browser.open(f"{address}#claims")
    seen = "[...document.querySelectorAll('article.claim')].filter(c => c.offsetParent)"
    left = browser.ask(f"{seen}.map(c => c.className)")
    assert left
    assert all("w-holds" in one and "p-1" in one for one in left)


def test_filters_leave_no_empty_group_or_fold(browser, written):
    browser.open(written[2].as_uri())
    shown = """[...document.querySelectorAll('#claims :is(.group, .unrun)')]
        .filter(part => getComputedStyle(part).display !== 'none')"""
    empty = f"""{shown}.filter(part => [...part.querySelectorAll('.claim')]
        .every(claim => getComputedStyle(claim).display === 'none')).length"""
    for radios in (["verdict-holds"], ["printed-no", "verdict-holds"], ["priority-3", "model-mlp"]):
        for radio in radios:
            browser.ask(f"document.getElementById('only-{radio}').click()")
        assert browser.ask(f"{shown}.length") or len(radios) > 1
        assert browser.ask(empty) == 0, radios
        browser.open(written[2].as_uri())


def test_a_column_of_times_sorts_by_seconds(browser, written):
    """`9.5 s` before `1 min 8 s` before `1 h 2 min`."""
    browser.open(written[2].as_uri())
    times = "[['68', '1 min 8 s'], ['9.5', '9.5 s'], ['3720', '1 h 2 min']]"
    browser.ask(
        "document.querySelector('table.cells').tBodies[0].querySelectorAll('td[data-sort]').forEach("
        f"(td, i) => {{ [td.dataset.sort, td.textContent] = {times}[i % 3] }})"
    )
    head = browser.ask("""document.querySelector('table.cells td[data-sort]').cellIndex""")
    browser.ask(
        f"document.querySelectorAll('table.cells thead')[0].rows[0].cells[{head}].querySelector('.sort').click()"
    )
    column = f"[...document.querySelector('table.cells').tBodies[0].rows].map(r => r.cells[{head}].textContent)"
    assert list(dict.fromkeys(browser.ask(column))) == ["9.5 s", "1 min 8 s", "1 h 2 min"]


def test_a_malformed_address_leaves_the_script_at_work(browser, written):
    browser.open(f"{written[2].as_uri()}#%")
    assert browser.ask("document.querySelectorAll('.sort').length")


def test_a_table_sorts_by_a_column_both_ways(browser, written):
    page = written[2]
    browser.open(page.as_uri())
    column = "[...document.querySelector('table.cells').tBodies[0].rows].map(r => r.cells[3].textContent)"
    click = "document.querySelectorAll('table.cells .sort')[3].click()"
    browser.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
    browser.ask(click)
    up = [float(text.split()[0]) for text in browser.ask(column)]
    assert up == sorted(up)
    browser.ask(click)
    down = [float(text.split()[0]) for text in browser.ask(column)]
    assert down == up[::-1] != up
    assert browser.ask("document.querySelectorAll('table.cells [aria-sort]').length") == 1
    browser.open(browser.ask("location.href"))  # as somebody opens it who was sent it
    assert [float(text.split()[0]) for text in browser.ask(column)] == down


def test_the_numbers_of_one_verdict_stand_out_on_the_front_page(browser, written):
    """The others fade, and the choice lives in the address."""
    browser.open((written[2].parents[1] / "index.html").as_uri())
    bright = "[...document.querySelectorAll('.map tbody td')].filter(td => getComputedStyle(td).opacity === '1')"
    assert browser.ask(f"{bright}.length") == 144
    browser.ask("document.getElementById('only-number-not-run').click()")
    address = browser.ask("location.href")
    assert address.endswith("?number=not-run")
    browser.open(address)
    assert browser.ask(f"{bright}.length") == 140
    assert browser.ask(f"{bright}.every(td => td.className.includes('v-not-run'))")


@pytest.mark.parametrize("which", ["written", "cell_page", "figure_page"])
def test_no_page_needs_its_script(request, browser, which):
    """Without scripts all that is there is shown, and no control that would do nothing."""
    found = request.getfixturevalue(which)
    page = found[2] if which == "written" else found
    assert not re.search(r"<(button|output)\b", pages.read(page).split("<script>")[0])
    browser.open(page.as_uri(), script=False)
    text = pages.read(page)
    assert browser.console == []
    if which != "written":
        assert len(re.findall(r"<path class=\"[^\"]+\" data-", text)) >= 4


def test_a_script_that_is_not_ours_does_not_run(browser, cell_page):
    text = cell_page.read_text()
    other = cell_page.with_name("other.html")
    other.write_text(text.replace("<main>", "<main><script>document.title = 'run'</script>"))
    browser.open(other.as_uri())
    other.unlink()
    assert browser.ask("document.title") != "run"
    assert browser.ask("document.querySelectorAll('.choices').length") == 1  # ours does
