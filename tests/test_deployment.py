"""The workflow as others deploy it: from the catalog, as a module, as an installed package."""

import html
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from ruamel.yaml import YAML

from bnstudy.studies.config.blocks import StudyBlock, Top
from bnstudy.workflow.snakemake_process import scheduling
from command_line import ROOT, environment, process

CONFIG = """\
seeds: 1
studies:
  tiny:
    question: Does it run from elsewhere?
    cells:
      - {dataset: toy, model: mlp, norm: [none, batch], width: 0.05, epochs: 2}
"""
MODULE = f"""\
configfile: "config/config.yaml"

module bnstudy:
    snakefile: "{ROOT}/workflow/Snakefile"
    config: config

use rule * from bnstudy

rule all:
    default_target: True
    input: rules.tiny.input
"""


@pytest.mark.slow
def test_another_workflow_uses_this_one_as_a_module_and_reports_on_it(tmp_path):
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "config.yaml").write_text(CONFIG)
    (tmp_path / "Snakefile").write_text(MODULE)
    done = process(tmp_path, "snakemake", "--cores", "1")
    assert done.code == 0, done.err
    assert len([*(tmp_path / "results" / "records").glob("*/0.json")]) == 2
    told = process(tmp_path, "snakemake", "tiny", "--report", "report.html")
    assert told.code == 0, told.err
    text = html.unescape((tmp_path / "report.html").read_text())
    assert "MLP test accuracy" in text
    assert "verdicts first, then tables, figures, claims" in text


DEPLOYED = """\
configfile: "config/config.yaml"

module bnstudy:
    snakefile: "git+file://{repository}/workflow/Snakefile@{commit}"
    config: config

use rule * from bnstudy
"""


def test_what_snakedeploy_writes_runs_from_a_git_repository(tmp_path):
    """As the catalog tells: a copy of config/ and a module whose files git has; a plain `snakemake` trains the demo."""
    repository, project = tmp_path / "repository", tmp_path / "project"
    (project / "workflow").mkdir(parents=True)
    for name in ("workflow", "config"):
        shutil.copytree(ROOT / name, repository / name, symlinks=True)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy(ROOT / name, repository)
    who = ["-c", "user.name=x", "-c", "user.email=x@y"]
    for words in (["init", "-q"], ["add", "."], [*who, "commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], cwd=repository, check=True)
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=repository, capture_output=True, text=True).stdout.strip()
    shutil.copytree(repository / "config", project / "config")
    (project / "workflow" / "Snakefile").write_text(DEPLOYED.format(repository=repository, commit=commit))
    done = process(project, "snakemake", "--cores", "1", "--dry-run")
    assert done.code == 0, done.err
    assert re.search(r"^demo +1$", done.out + done.err, re.M), done.err


def test_the_catalog_finds_what_it_asks_for():
    usage = YAML(typ="safe").load((ROOT / ".snakemake-workflow-catalog.yml").read_text())["usage"]
    assert usage["report"] is usage["software-stack-deployment"]["report"] is True
    assert usage["software-stack-deployment"]["conda"] is False  # no rule has an environment of its own
    assert (ROOT / "LICENSE").exists()
    assert {"snakemake", "workflow"} <= set(re.findall(r"\w+", (ROOT / "README.md").read_text().lower()))
    assert (ROOT / "config" / "config.yaml").read_text() == (ROOT / "config.yaml").read_text()  # snakedeploy copies it


def test_the_text_on_the_config_names_every_key():
    told = set(re.findall(r"^\| `([^`]+)` \|", (ROOT / "config" / "README.md").read_text(), re.MULTILINE))
    assert told == {*Top.model_fields, *(f"studies.<name>.{key}" for key in StudyBlock.model_fields)}


CONDA = {"torch": "pytorch", "matplotlib": "matplotlib-base", "snakemake": "snakemake-minimal"}


def test_a_shipped_profile_is_found_from_any_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert scheduling(2, Path("profiles/slurm")) == ["--workflow-profile", str(ROOT / "profiles" / "slurm")]
    (tmp_path / "profiles" / "slurm").mkdir(parents=True)
    (tmp_path / "profiles" / "slurm" / "config.yaml").write_text("jobs: 1\n")
    assert scheduling(2, Path("profiles/slurm")) == ["--workflow-profile", "profiles/slurm"]  # one's own comes first


def test_the_conda_environment_has_what_the_package_needs():
    needed = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    wanted = {}
    for line in needed:
        name, limits = re.fullmatch(r"([\w.-]+)(.*)", line.partition(";")[0].strip()).groups()
        wanted[CONDA.get(name, name)] = limits.strip()
    text = YAML(typ="safe").load((ROOT / "environment.yaml").read_text())
    given = {name: limits.strip() for name, _, limits in (line.partition(" ") for line in text["dependencies"])}
    assert {name: given.get(name) for name in wanted} == wanted
    assert "pytorch-cpu" in given
    assert not any("/" in channel for channel in text["channels"])


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """The programs of a clean environment with our wheel, built from our sdist; all else it has from this one."""
    folder = tmp_path_factory.mktemp("clean")
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "sdist", "-d", folder], cwd=ROOT, check=True)
    (sources,) = folder.glob("*.tar.gz")
    subprocess.run(["tar", "xzf", sources], cwd=folder, check=True)
    (unpacked,) = (path for path in folder.iterdir() if path.is_dir())
    subprocess.run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], cwd=unpacked, check=True)
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    (wheel,) = folder.glob("*.whl")
    pip = [folder / "venv" / "bin" / "python", "-m", "pip", "install", "--no-deps", "--no-index", "--quiet", wheel]
    subprocess.run(pip, check=True)
    (site,) = (folder / "venv" / "lib").glob("python*/site-packages")
    others = [path for path in sys.path if path.endswith("site-packages")]
    (site / "others.pth").write_text("\n".join(others) + "\n")
    return folder / "venv" / "bin"


def clean(installed: Path, folder: Path, *words: str, **more: str) -> str:
    """What `bnstudy` of the clean environment prints in `folder`, where there is no checkout."""
    programs = f"{installed}{os.pathsep}{os.environ['PATH']}"
    inherited = environment(folder) | {"PATH": programs} | more
    inherited.pop("PYTHONPATH")
    done = subprocess.run(
        [installed / "bnstudy", *words], cwd=folder, env=inherited, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


@pytest.mark.slow
def test_the_wheel_works_in_a_clean_environment_outside_the_repository(installed, tmp_path):
    python = [installed / "python", "-c", "import bnstudy; print(bnstudy.__file__)"]
    where = subprocess.run(python, cwd=tmp_path, capture_output=True, text=True, check=True).stdout
    assert str(installed.parent) in where
    assert re.fullmatch(r"\d+\.\d+\.\d+\n", clean(installed, tmp_path, "--version"))
    assert "Commands:" in clean(installed, tmp_path, "--help")
    asked = {"_BNSTUDY_COMPLETE": "complete_bash", "COMP_WORDS": "bnstudy cel", "COMP_CWORD": "1"}  # as bash asks
    assert clean(installed, tmp_path, **asked) == "cells\n"
    tried = clean(installed, tmp_path, "try", "dataset=digits", "model=mlp", "norm=batch", "epochs=3")
    assert "test accuracy" in tried
    narrowed = ("--where", "model=mlp", "setting=relu", "norm=batch", "--seeds", "1")
    assert "demo: 1 of 1 runs trained" in clean(installed, tmp_path, "run", "--study", "demo", *narrowed)
    assert (tmp_path / "reports" / "demo" / "index.html").exists()
