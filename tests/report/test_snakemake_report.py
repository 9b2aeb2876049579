"""`snakemake --report` of a study with gaps: the page, the tables and the claims, with captions and labels."""

import html
import shutil

import pytest

import command_line
import synthetic
from bnstudy import disk, paths
from bnstudy.studies import config

STUDY = """\
seeds: 1
studies:
  gappy:
    question: What is told of what is not there?
    cells:
      - {dataset: [digits, mnist], model: mlp, norm: [none, batch], setting: relu, epochs: 3}
"""


@pytest.mark.slow
def test_the_report_of_a_study_with_gaps(tmp_path):
    for name in ("Snakefile", "workflow"):
        source = command_line.ROOT / name
        (shutil.copytree if source.is_dir() else shutil.copy)(source, tmp_path / name)
    (tmp_path / "config.yaml").write_text(STUDY)
    for run in config.load(tmp_path / "config.yaml").study("gappy").runs():
        if run.cell.dataset == "digits":  # mnist cannot be had here: no network
            record = synthetic.record(run, epochs_run=3)
            disk.write(paths.record(tmp_path / "results", run.cell.key, run.seed), record.to_text().encode())
    made = command_line.process(tmp_path, "snakemake", "--cores", "1", "gappy", "-q")
    assert made.code == 0, made.err
    assert "2 of 4 runs have no record" in (tmp_path / "reports" / "gappy" / "index.html").read_text()
    told = command_line.process(tmp_path, "snakemake", "gappy", "--report", "report.html")
    assert told.code == 0, told.err
    text = html.unescape((tmp_path / "report.html").read_text())
    for word in ("index.html", "claims.csv", "b1.csv", "b4.csv", "MLP test accuracy", "the verdict on each claim"):
        assert word in text, word
    assert "verdicts first, then tables, figures, claims" in text
