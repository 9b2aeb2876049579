"""`make archive` in a small checkout of its own."""

import json
import os
import subprocess
import sys
import tarfile

import pytest
from ruamel.yaml import YAML

from command_line import ROOT

AUTHOR = {f"GIT_{who}_{what}": "x@y" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}


@pytest.fixture
def checkout(tmp_path):
    files = {
        "src/bnstudy/__init__.py": '__version__ = "1.2.3"\n',
        "run.sh": "#!/bin/sh\n",
        "Snakefile": "",
        "config.yaml": "",
        ".gitignore": "/results/*\n!/results/published/\n/reports/\n/dist/\n",
        "results/published/runs.parquet": "published\n",
        "results/records/0123456789ab/0.json": "{}\n",
        "results/records/0123456789ab/0.json.bad": "damaged\n",
        "results/records/0123456789ab/.0.json.host.1.tmp": "half\n",
        "results/timings/ab.json": "{}\n",
        "results/checkpoints/a.newest": "state\n",
        "reports/demo/index.html": "<p>\n",
        "reports/demo/figures/.fig.json": "note\n",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    (tmp_path / "run.sh").chmod(0o755)
    for words in (["init", "-q"], ["add", "."], ["commit", "-q", "-m", "x"]):
        subprocess.run(["git", *words], cwd=tmp_path, env=os.environ | AUTHOR, check=True)
    return tmp_path


def archive(folder):
    kept = {k: v for k, v in os.environ.items() if not k.startswith("BNSTUDY_")}
    command = [sys.executable, str(ROOT / "workflow" / "archive.py")]
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)


def test_an_archive_holds_sources_records_report_environment_and_verifies(checkout):
    made = archive(checkout)
    assert made.returncode == 0, made.stderr
    file = checkout / made.stdout.strip()
    assert file.name.startswith("bnstudy-1.2.3-")
    with tarfile.open(file) as packed:
        packed.extractall(checkout / "dist" / "out", filter="data")
        names = {entry.name.split("/", 1)[1] for entry in packed.getmembers()}
    assert names == {
        "sources/.gitignore", "sources/Snakefile", "sources/config.yaml", "sources/run.sh",
        "sources/src/bnstudy/__init__.py",
        "sources/results/published/runs.parquet", "results/records/0123456789ab/0.json", "results/timings/ab.json",
        "reports/demo/index.html", "environment.txt", "ro-crate-metadata.json", "SHA256SUMS",
    }  # fmt: skip
    (inside,) = (checkout / "dist" / "out").iterdir()
    assert (inside / "sources" / "run.sh").stat().st_mode & 0o100
    assert "torch==" in (inside / "environment.txt").read_text()
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=inside, check=True)
    assert len((inside / "SHA256SUMS").read_text().splitlines()) == len(names) - 1


def test_its_metadata_name_workflow_results_software_data_and_people(checkout):
    """A Workflow Run RO-Crate 0.5; `rocrate-validator validate` finds every required property."""
    file = checkout / archive(checkout).stdout.strip()
    with tarfile.open(file) as packed:
        top = packed.getnames()[0].partition("/")[0]
        names = {name.split("/", 1)[1] for name in packed.getnames()}
        graph = json.load(packed.extractfile(f"{top}/ro-crate-metadata.json"))["@graph"]
    found = {entity["@id"]: entity for entity in graph}
    root, run = found["./"], found["#run"]
    assert {part["@id"] for part in root["hasPart"]} <= names
    assert {"results/records/0123456789ab/0.json", "reports/demo/index.html"} <= {each["@id"] for each in run["result"]}
    assert {"sources/config.yaml", "#mnist", "#svhn", "#cifar10", "#cifar100"} == {
        each["@id"] for each in run["object"]
    }
    assert found[root["mainEntity"]["@id"]]["@type"][-1] == "ComputationalWorkflow"
    assert run["instrument"] == root["mainEntity"] == {"@id": "sources/Snakefile"}
    assert {"#torch", "#snakemake"} <= found.keys()
    assert found["#schilling"]["name"] == "Fabian Schilling"


def test_what_is_cited_and_what_is_deposited_agree():
    cited, deposited = YAML(typ="safe").load(ROOT / "CITATION.cff"), json.loads((ROOT / ".zenodo.json").read_text())
    thesis = cited["preferred-citation"]
    assert cited["title"] == deposited["title"]
    assert cited["abstract"] == deposited["description"]
    assert cited["license"] == deposited["license"]
    assert cited["authors"] == deposited["creators"]
    assert all(str(part) in deposited["references"][0] for part in (thesis["title"], thesis["year"]))


def test_the_same_checkout_and_results_give_the_same_bytes(checkout):
    file = checkout / archive(checkout).stdout.strip()
    first = file.read_bytes()
    (checkout / "reports" / "demo" / "index.html").touch()
    file.unlink()
    archive(checkout)
    assert file.read_bytes() == first


def test_a_checkout_that_differs_from_its_commit_is_refused(checkout):
    (checkout / "new.py").write_text("")
    refused = archive(checkout)
    assert refused.returncode == 1
    assert "new.py" in refused.stderr
    assert not (checkout / "dist").exists()
