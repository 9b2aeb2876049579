"""The page in a real browser: no console error, no request beyond its folder, nothing wider than the window, links that
land, and no violation that axe finds."""

import json
import re
from pathlib import Path

import pytest

import synthetic
from bnstudy import paths, report
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS
from bnstudy.design.study import Study
from bnstudy.printed import practicals
from bnstudy.results import frames
from browser import CHROMIUM

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    settings = ("relu", "lr_high", "init_high")
    cells = [Cell(dataset="mnist", model="mlp", norm=n, **SETTINGS[s]) for s in settings for n in ("none", "batch")]
    study = Study("small", "Does it come out again?", tuple(cells), (0, 1))
    built = frames.build([synthetic.record(r, epochs_run=5) for r in study.runs()], study.runs())
    return report.write(study, built, None, {"default": 1.0}, tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def front_page(page):
    return paths.front(page.parents[1])


@pytest.fixture(scope="module")
def cell_page(page):
    return sorted((page.parent / "cells").iterdir())[0]


@pytest.fixture(scope="module")
def figure_page(page):
    return page.parent / "figures" / "fig_7_1.html"


@pytest.fixture(scope="module")
def course_page(tmp_path_factory):
    study = Study("practicals", "Do they come out again?", practicals.cells(), (0, 1))
    built = frames.build([synthetic.record(r, epochs_run=3) for r in study.runs()[::2]], study.runs())
    return report.write(study, built, None, {"default": 1.0}, tmp_path_factory.mktemp("course"))


def test_no_console_error_and_no_request_beyond_the_folder(browser, page):
    browser.open(page.as_uri(), height=20_000)  # so tall that every picture is loaded
    browser.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
    browser.ask("Promise.all([...document.images].map(i => i.decode()))")
    assert browser.console == []
    own = page.parent.as_uri()
    assert len(browser.asked) > 5
    assert [u for u in browser.asked if not u.startswith((own, "data:", "about:"))] == []


def test_a_request_would_be_seen(browser, page, tmp_path):
    text = page.read_text().replace("default-src 'none'", "default-src *").replace("img-src 'self'", "img-src *")
    other = tmp_path / "other.html"
    other.write_text(text.replace("<main>", '<main><img src="http://127.0.0.1:9/beacon.png">'))
    browser.open(other.as_uri())
    assert any("beacon" in u for u in browser.asked)
    assert browser.console


@pytest.mark.parametrize(
    ("width", "which"),
    [(400, "page"), (1400, "page"), (400, "course_page"), (400, "front_page"), (1400, "front_page"), (400, "cell_page"),
     (1400, "cell_page"), (400, "figure_page")],
)  # fmt: skip
def test_nothing_is_wider_than_the_window(request, browser, width, which):
    browser.open(request.getfixturevalue(which).as_uri(), width=width)
    wide, room = browser.ask("(d => [d.scrollWidth, d.clientWidth])(document.documentElement)")
    assert wide <= room == width


LANDING = """(async (number) => {
  const link = [...document.querySelectorAll('main a[href^="#"], nav a[href^="#"]')][number];
  for (let d = link.closest('details'); d; d = d.parentElement.closest('details')) d.open = true;
  link.scrollIntoView({block: 'center'});
  await new Promise(r => setTimeout(r, 60));
  link.click();
  for (let last = -1, still = 0; still < 4; last = scrollY) {
    await new Promise(r => setTimeout(r, 40));
    const inView = box => box.bottom > 0 && box.top < innerHeight;
    const seen = [...document.images].filter(i => i.checkVisibility() && inView(i.getBoundingClientRect()));
    await Promise.all(seen.map(i => i.decode()));
    still = scrollY === last ? still + 1 : 0;
  }
  const target = document.getElementById(link.hash.slice(1)).getBoundingClientRect();
  const left = document.documentElement.scrollHeight - scrollY - innerHeight;
  return [link.hash, Math.round(target.top), Math.round(left)];
})"""


def test_links_land_where_they_lead(browser, page):
    """Of twenty links spread over the page, each clicked where a reader finds it on a page just opened."""
    browser.open(page.as_uri())
    count = browser.ask('document.querySelectorAll(\'main a[href^="#"], nav a[href^="#"]\').length')
    assert count > 40
    missed = []
    for i in range(20):
        browser.open(page.as_uri())
        where, top, left = browser.ask(f"{LANDING}({i * count // 20})")
        if not (-1 <= top < 60 or (left < 2 and 0 <= top < 900)):  # to a pixel; the last sections do not reach the top
            missed.append((where, top, left))
    assert missed == []


def test_nothing_moves_when_pictures_load(browser, page):
    """The page is as tall with all its pictures as without."""
    tall = "document.documentElement.scrollHeight"
    browser.open(page.as_uri(), height=900)
    before = browser.ask(tall)
    browser.ask("Promise.all([...document.images].map(i => (i.loading = 'eager', i.decode())))")
    assert abs(browser.ask(tall) - before) < 5  # sides are whole pixels


AXE = {"runOnly": {"type": "tag", "values": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}}


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("which", ["page", "course_page", "front_page", "cell_page", "figure_page"])
def test_axe_finds_no_violation(request, browser, which, dark):
    axe = pytest.importorskip("axe_core_python")
    (source,) = Path(axe.__file__).parent.rglob("axe.min.js")
    browser.open(request.getfixturevalue(which).as_uri(), dark=dark)
    browser.ask("document.querySelectorAll('details').forEach(d => { d.open = true })")
    browser.ask(f"{source.read_text()}; 0")
    result = browser.ask(
        f"axe.run({json.dumps(AXE)}).then(r => ({{violations: r.violations, passes: r.passes.length}}))"
    )
    found = [(v["id"], v["help"], [node["html"] for node in v["nodes"][:5]]) for v in result["violations"]]
    assert result["passes"] > 20
    assert found == []


@pytest.mark.parametrize(("choice", "kind"), [("only-verdict-holds", "w-holds"), ("only-priority-3", "p-3")])
def test_a_filter_leaves_the_claims_of_its_kind(browser, page, choice, kind):
    browser.open(page.as_uri())
    browser.ask(f"document.getElementById('{choice}').checked = true")
    seen = "[...document.querySelectorAll('article.claim')].filter(c => c.offsetParent)"
    left = browser.ask(f"{seen}.map(c => c.classList.contains('{kind}'))")
    assert left
    assert all(left)
    assert len(left) < page.read_text().count('<article class="claim ')


def test_a_link_to_a_cell_opens_the_list_it_stands_in(browser, page):
    text = page.read_text()
    key = text.split('id="cell-')[1].split('"')[0]
    closed = page.with_name("closed.html")
    closed.write_text(re.sub(r"(<details[^>]*) open>", r"\1>", text))
    opened = "document.querySelectorAll('details[open]').length"
    browser.open(closed.as_uri())
    assert browser.ask(opened) == 0
    browser.open(f"{closed.as_uri()}#cell-{key}")
    closed.unlink()
    assert browser.ask(opened) == 1


HEAD = '<th scope="col" class="num">batch norm, the same with exact statistics</th>'
WIDE = f"""document.querySelector('.scroll').innerHTML =
    '<table class="plain summary"><thead><tr>' + '{HEAD}'.repeat(12) + '</tr></thead></table>'"""
CUT = """[...document.querySelectorAll('.scroll, main > *, .charts')].filter(part => part.scrollWidth > innerWidth)
    .map(part => [part.className, part.scrollWidth])"""
CONTROLS = """[...document.querySelectorAll('.choices, .filter, .chart output, nav')]
    .filter(part => getComputedStyle(part).display !== 'none').length"""
SORTS = """[...document.querySelectorAll('.sort')]
    .filter(head => getComputedStyle(head, '::after').content !== 'none').length"""


@pytest.mark.parametrize("which", ["page", "front_page", "cell_page", "figure_page"])
def test_paper_holds_every_column_and_no_control(browser, which, request):
    """At the width of A4 less its margins; a table of twelve long heads, as of question Q9, fits too."""
    browser.open(request.getfixturevalue(which).as_uri(), width=730)
    browser.call("Emulation.setEmulatedMedia", media="print")
    try:
        assert browser.ask(CUT) == []
        assert (browser.ask(CONTROLS), browser.ask(SORTS)) == (0, 0)
        if which == "page":
            browser.ask(WIDE)
            assert browser.ask(CUT) == []
    finally:
        browser.call("Emulation.setEmulatedMedia", media="")
