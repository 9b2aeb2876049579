"""The docs: the reference is what the code gives, every command of README and guides runs, every link leads somewhere.

A command is a line of a block ```sh. Each has a row below, which says how it is run: light ones in this process, heavy
ones (`make test-slow`) in a shell, in the order of the pages, by a config whose studies `demo` and `thesis` are tiny.
After them come the blocks ```python of the guides that are no file of a user's.
"""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import generate
from command_line import ROOT, call, environment, left_over
from guide import files_of_the_guide

PAGES = [ROOT / "README.md", *sorted((ROOT / "docs" / "guide").glob("*.md"))]
CONFIG = """\
seeds: 2
studies:
  demo:
    question: Do the commands of the docs work?
    cells:
      - {dataset: digits, model: mlp, norm: [none, batch], setting: relu}
  thesis:
    question: And those on the thesis?
    cells:
      - {dataset: [mnist, cifar10], model: mlp, norm: [none, batch], setting: relu}
"""

LIGHT = {
    "bnstudy run --times --estimate",
    "bnstudy status",
    "bnstudy status --study demo --json",
    "bnstudy data check",
    "bnstudy data check mnist",
    "bnstudy data classes",
    "bnstudy data import mnist mnist.npz",
    "bnstudy data fetch digits",
    "bnstudy cells --study demo",
    "bnstudy cells --study thesis --where model=mlp dataset=cifar10",
    "bnstudy cells --study demo --where model=mlp setting=relu",
    "bnstudy run --study demo --estimate",
    "bnstudy run --study thesis --where model=mlp dataset=mnist --estimate",
    "bnstudy train --study demo --where model=mlp setting=relu --estimate",
    "bnstudy show cifar10-mlp-batch-relu-b31964727d87",
    "bnstudy model cnn --dataset cifar10 --norm batch",
    "bnstudy tables --study demo",
    "bnstudy figures --study demo",
    "bnstudy claims --study demo --json",
}
HEAVY = {
    "bnstudy run --study demo",
    "bnstudy status --study demo",
    "bnstudy status --study demo --watch",
    "bnstudy run --study demo --where model=mlp setting=relu --seeds 3",
    "bnstudy best --study demo",
    "bnstudy best --study demo --by lr",
    "snakemake --cores 2 demo",
    "snakemake --dry-run demo",
    "snakemake cell --config cell=digits-mlp-batch-relu-4ef5511c9374:0 --cores 1",
    "snakemake demo --report report.html",
    "bnstudy train digits-mlp-batch-relu-4ef5511c9374:0",
    "bnstudy show 4ef5511c9374",
    "bnstudy why 4ef5511c9374",
    "bnstudy why digits-mlp-batch-relu-4ef5511c9374",
    "bnstudy cells --study demo --where model=mlp setting=relu --json > cells.json",
    "bnstudy train --cells cells.json --seeds 1",
    "bnstudy try dataset=digits model=mlp norm=batch lr=0.05",
    "bnstudy try dataset=digits model=mlp norm=batch lr=0.05 epochs=5",
    "bnstudy try dataset=digits model=mlp norm=batch lr=0.05 epochs=3 --weights",
    "bnstudy try dataset=digits model=mlp norm=none setting=lr_high epochs=5 --engine reference",
    "bnstudy compare digits-mlp-none-relu-7b54429f3287 digits-mlp-batch-relu-4ef5511c9374",
    "bnstudy aggregate --study demo",
    "bnstudy report --study demo --formats svg,pdf",
    "bnstudy table B.1 --study demo",
    "bnstudy figure 7.1 --study demo --formats png",
    "bnstudy figure A.2 --study demo",
    "bnstudy export --study demo --format csv",
    "bnstudy export --study demo --format latex --to tables",
    "bnstudy export --study demo --format parquet",
    "bnstudy export --study demo --format tensorboard --to curves",
    "bnstudy try dataset=waves model=mlp norm=pixel_norm activation=swish epochs=3 --extensions own",
    "bnstudy run --study waves --extensions own",
    "BNSTUDY_EXTENSIONS=own snakemake --cores 2 waves",
}
INSTEAD = {  # what takes too long, or is what runs this test: a look at what it would do
    "make demo": "make --dry-run demo",
    "make test": "make --dry-run test",
    "make replicate YES=1": "make --dry-run replicate YES=1",
    'make replicate WHERE="model=mlp"': 'make --dry-run replicate WHERE="model=mlp"',
    "make replicate YES=1 FRESH=1": "make --dry-run replicate YES=1 FRESH=1",
    'make replicate YES=1 WITH="extras readings practicals"': 'make --dry-run replicate WITH="extras readings"',
    "make report": "make --dry-run report",
    "make report STUDY=demo": "make --dry-run report STUDY=demo",
    "make archive": "make --dry-run archive",  # run by test_archive.py
    "bnstudy run --study thesis --with extras --with readings --times --estimate": "bnstudy run --with demo --estimate",
    "bnstudy train cifar10-mlp-batch-relu-b31964727d87": "bnstudy train cifar10-mlp-batch-relu-b31964727d87 --estimate",
    "python -m hatchling build -t wheel -d dist": "python -m hatchling --help",  # run by test_deployment.py
}


def commands() -> list[str]:
    """The lines of the blocks ```sh of all pages, without their remarks, in order."""
    blocks = (block for page in PAGES for block in re.findall(r"^```sh\n(.*?)^```", page.read_text(), re.M | re.S))
    lines = (re.sub(r"\s+#.*", "", line).strip() for block in blocks for line in block.splitlines())
    return list(dict.fromkeys(line for line in lines if line and not line.startswith("#")))


COMMANDS = commands()


def test_every_command_has_a_row_and_every_row_a_command():
    assert LIGHT | HEAVY | INSTEAD.keys() == set(COMMANDS)


@pytest.mark.parametrize("line", [line for line in COMMANDS if line.startswith("bnstudy ")])
def test_verbs_and_options_exist(line):
    """Heavier than a look at the words is only running them, which the slow tests do."""
    assert left_over(line) == []


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with the workflow, the tiny config, and the files that the pages speak of."""
    made = tmp_path_factory.mktemp("docs")
    shutil.copytree(ROOT / "workflow", made / "workflow")
    shutil.copy(ROOT / "Snakefile", made)
    (made / "config.yaml").write_text(CONFIG)
    for name, text in files_of_the_guide().items():
        (made / name).parent.mkdir(exist_ok=True)
        (made / name).write_text(text)
    random, labels = np.random.default_rng(0), np.arange(60_000, dtype=np.uint8) % 10
    images = random.integers(0, 256, (60_000, 28, 28), np.uint8)
    test = {"test_images": 255 - images[:10_000], "test_labels": labels[:10_000]}
    np.savez(made / "mnist.npz", train_images=images, train_labels=labels, **test)
    return made


def python_of_the_guides() -> list[str]:
    """The blocks of Python that are to be run, not to be put into a file."""
    pages = (page.read_text() for page in PAGES)
    found = [text for page in pages for text in re.findall(r"^```python\n(?!# own/)(.*?)^```", page, re.M | re.S)]
    assert len(found) == 2
    return found


def test_light_commands_run(folder, capsys, monkeypatch):
    monkeypatch.chdir(folder)
    for key, value in environment(folder).items():
        monkeypatch.setenv(key, value)
    ended = {
        line: call(capsys, *shlex.split(line)[1:])
        for line in sorted(COMMANDS, key="bnstudy data import mnist mnist.npz".__ne__)
        if line in LIGHT
    }
    assert {line: done.err for line, done in ended.items() if done.code and "show" not in line} == {}
    assert "no record yet" in ended["bnstudy show cifar10-mlp-batch-relu-b31964727d87"].err


@pytest.mark.parametrize("line", [line for line in INSTEAD.values() if line.startswith("make ")])
def test_targets_exist(line):
    done = subprocess.run(shlex.split(line), cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(7200)
def test_heavy_commands_run_in_the_order_of_the_pages(folder):
    programs = folder / "programs"
    programs.mkdir()
    (programs / "bnstudy").write_text(f'#!/bin/sh\nexec {sys.executable} -m bnstudy "$@"\n')
    (programs / "bnstudy").chmod(0o755)
    own = environment(folder)
    own |= {"PATH": f"{programs}{os.pathsep}{own['PATH']}"}
    order = sorted((line for line in COMMANDS if line in HEAVY), key="bnstudy run --study demo".__ne__)
    lines = [*order, *(line for line in INSTEAD.values() if not line.startswith("make "))]
    for line in lines:
        done = subprocess.run(
            ["bash", "-c", line], cwd=folder, env=own, capture_output=True, text=True, check=False, timeout=1800
        )
        assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert "Waves" in (folder / "reports" / "waves" / "index.html").read_text()
    for text in python_of_the_guides():
        done = subprocess.run(
            [sys.executable, "-c", text], cwd=folder, env=own, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"


def test_the_reference_is_what_the_code_gives():
    stale = [n for n, text in generate.pages().items() if (ROOT / "docs" / "reference" / n).read_text() != text]
    assert stale == [], "write them with `make docs`"


def test_every_link_leads_somewhere():
    for page in [
        ROOT / "README.md",
        ROOT / "CONTRIBUTING.md",
        *(ROOT / "docs").rglob("*.md"),
        ROOT / "config" / "README.md",
    ]:
        text = re.sub(r"^```.*?^```", "", page.read_text(), flags=re.M | re.S)
        inline = re.findall(r"\]\((?!https?:)([^)#\s]*)(#[^)\s]+)?\)", text)
        defined = re.findall(r"^\[\w+\]: ([^#\s]+)(#\S+)?$", text, re.M)
        for target, anchor in [*inline, *defined]:
            file = (page.parent / target).resolve() if target else page
            assert file.exists(), f"{page.name}: {target}"
            if anchor and file.suffix == ".md":
                assert anchor[1:] in anchors(file), f"{page.name}: {target}{anchor}"


def anchors(page: Path) -> set[str]:
    text = page.read_text()
    titles = re.findall(r"^#+ (.+)$", text, re.M)
    return {*re.findall(r'<a id="([\w-]+)">', text)} | {
        re.sub(r"[^\w\- ]", "", title.lower()).strip().replace(" ", "-") for title in titles
    }


def test_the_readme_stays_short():
    assert len((ROOT / "README.md").read_text().splitlines()) < 200
