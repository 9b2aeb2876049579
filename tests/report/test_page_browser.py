"""The page in a real browser: no console error, no request beyond its folder, nothing wider than the window."""

import json
import shutil
import subprocess

import pytest

import synthetic
from bnstudy import report
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS
from bnstudy.design.study import Study
from bnstudy.printed import practicals
from bnstudy.results import frames

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (Debian: apt-get install chromium)")
FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--hide-scrollbars", "--enable-logging=stderr",
)  # fmt: skip


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    settings = ("relu", "lr_high", "init_high")
    cells = [Cell(dataset="mnist", model="mlp", norm=n, **SETTINGS[s]) for s in settings for n in ("none", "batch")]
    study = Study("small", "Does it come out again?", tuple(cells), (0, 1))
    built = frames.build([synthetic.record(r, epochs_run=5) for r in study.runs()], study.runs())
    return report.write(study, built, None, {"default": 1.0}, tmp_path_factory.mktemp("reports"))


@pytest.fixture(scope="module")
def course_page(tmp_path_factory):
    study = Study("practicals", "Do they come out again?", practicals.cells(), (0, 1))
    built = frames.build([synthetic.record(r, epochs_run=3) for r in study.runs()[::2]], study.runs())
    return report.write(study, built, None, {"default": 1.0}, tmp_path_factory.mktemp("course"))


def browse(address, folder, *more):
    """Open an address in a fresh headless browser; what it logged, and what it wrote to stdout."""
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={folder / 'profile'}", *more, address]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    return done.stderr, done.stdout


def test_no_console_error_and_no_request(page, tmp_path):
    log, shot = tmp_path / "net.json", tmp_path / "page.png"
    told, _ = browse(page.as_uri(), tmp_path, f"--log-net-log={log}", "--window-size=1400,9000", f"--screenshot={shot}")
    assert shot.stat().st_size > 50_000
    assert [line for line in told.splitlines() if "CONSOLE" in line] == []
    assert requested(log) == set()


def requested(log):
    """Hosts that the page's requests went to; the browser's own services have no page as initiator."""
    text = log.read_text()
    events = json.loads(text if text.rstrip().endswith("}") else text.rstrip().rstrip(",") + "]}")["events"]
    urls = {e["params"]["url"] for e in events if isinstance(e.get("params"), dict) and "url" in e["params"]}
    return {u for u in urls if u.startswith(("http:", "https:", "ws:")) and not any(o in u for o in BROWSERS_OWN)}


BROWSERS_OWN = ("google.com", "googleapis.com", "gvt1.com", "gstatic.com")


def test_a_request_would_be_seen(page, tmp_path):
    text = page.read_text().replace("default-src 'none'", "default-src *").replace("img-src 'self'", "img-src *")
    other = tmp_path / "other.html"
    other.write_text(text.replace("<main>", '<main><img src="http://127.0.0.1:9/beacon.png">'))
    log = tmp_path / "net.json"
    browse(other.as_uri(), tmp_path, f"--log-net-log={log}", "--screenshot=" + str(tmp_path / "x.png"))
    assert any("beacon" in u for u in requested(log))


@pytest.mark.parametrize(("width", "which"), [(400, "page"), (1400, "page"), (400, "course_page")])
def test_nothing_is_wider_than_the_window(request, tmp_path, width, which):
    page = request.getfixturevalue(which)
    probe = page.with_name("probe.html")  # a frame of the given width: a window cannot be narrower than 500 pixels
    probe.write_text(
        f'<body><iframe id="f" src="{page.name}" style="width:{width}px;height:900px;border:0"></iframe><script>'
        "onload = () => setTimeout(() => { const d = f.contentDocument.documentElement;"
        "document.title = d.scrollWidth + ' of ' + d.clientWidth; }, 300)</script>"
    )
    _, dom = browse(
        probe.as_uri(), tmp_path, "--allow-file-access-from-files", "--virtual-time-budget=4000", "--dump-dom"
    )
    probe.unlink()
    wide, room = dom.split("<title>")[1].split("</title>")[0].split(" of ")
    assert int(wide) <= int(room) == width


def probed(page, folder, script):
    """What `script` gives of the page's document `d`, as text; the page's own policy allows no script in it."""
    probe = page.with_name("probe.html")
    probe.write_text(
        f'<body><iframe id="f" src="{page.name}" style="width:1200px;height:900px"></iframe><script>'
        f"onload = () => setTimeout(() => {{ const d = f.contentDocument; document.title = {script}; }}, 300)</script>"
    )
    flags = ("--allow-file-access-from-files", "--virtual-time-budget=4000", "--dump-dom")
    _, dom = browse(probe.as_uri(), folder, *flags)
    probe.unlink()
    return dom.split("<title>")[1].split("</title>")[0]


@pytest.mark.parametrize(("choice", "kind"), [("only-verdict-holds", "w-holds"), ("only-priority-3", "p-3")])
def test_a_filter_leaves_the_claims_of_its_kind(page, tmp_path, choice, kind):
    seen = "[...d.querySelectorAll('article.claim')].filter(c => c.offsetParent).map(c => c.classList.contains('{}'))"
    script = f"(d.getElementById('{choice}').checked = true, {seen.format(kind)}.join(' '))"
    left = probed(page, tmp_path, script).split()
    assert left
    assert set(left) == {"true"}
    assert len(left) < page.read_text().count('<article class="claim ')


def test_a_link_to_a_cell_opens_the_list_it_stands_in(page, tmp_path):
    text = page.read_text()
    key = text.split('href="#cell-')[1].split('"')[0]
    closed = text.replace("<details open>", "<details>")
    other = page.with_name("closed.html")
    other.write_text(closed)
    _, dom = browse(f"{other.as_uri()}#cell-{key}", tmp_path, "--virtual-time-budget=3000", "--dump-dom")
    other.unlink()
    assert closed.count("<details open") == 0
    assert dom.count("<details open") == 1
