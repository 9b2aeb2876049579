"""A user's own folder: data set, norm, activation, figure and study, trained and shown without touching the package."""

import json
import re

import numpy as np
import pytest

from bnstudy.design.cell import Cell
from bnstudy.training.engine import scope
from bnstudy.training.engine.graph import Graph
from bnstudy.training.engine.packed import Packed
from command_line import ROOT, process, two_lines
from guide import files_of_the_guide

FILES = {
    "swirls.py": '''
"""A data set: arrays in a file beside this one."""

from pathlib import Path

from bnstudy import datasets


def read(_folder):
    import numpy as np

    return np.load(Path(__file__).with_name("swirls.npz"))


datasets.REGISTRY["swirls"] = datasets.DatasetSpec(
    name="swirls", title="Swirls", channels=1, classes=3, train=240, test=60, kind="embedded", read=read, rank=9,
    terms="public domain", source="made by the test",
)
''',
    "pixel_norm.py": '''
"""A norm: by the root mean square of each image's units, without a scale."""

from bnstudy.extend import norms, torch


def pixel_norm(features, dims, cell):
    return torch.nn.RMSNorm(features, eps=cell.norm_eps, elementwise_affine=False)


norms.REGISTRY["pixel_norm"] = pixel_norm
''',
    "swish.py": '''
"""An activation, and the setting that figures and tables know it by."""

from bnstudy.extend import activations, labels, style, torch

activations.REGISTRY["swish"] = lambda cell: torch.nn.SiLU()
labels.SETTINGS["swish"] = {"activation": "swish"}
style.SETTINGS["swish"] = style.Look("swish", "#D55E00", style.DASHED)
''',
    "pictures.py": '''
"""Two figures: one of a kind that is there, one of a kind of its own."""

from bnstudy.figures import KINDS, REGISTRY, Figure, Kind

KINDS["last_dots"] = Kind("Test accuracy", "A dot for each run.", f"{__package__}._dots")
REGISTRY["S.1"] = Figure("S.1", "training_curves", "mlp", ("relu",), ("none", "pixel_norm"))
REGISTRY["S.2"] = Figure("S.2", "last_dots", "mlp", ("relu", "swish"), ("none", "batch", "pixel_norm"))
''',
    "_dots.py": '''
"""Paints a panel of the kind last_dots; imported when one is drawn."""

from bnstudy.figures import panels, style


def plotted(selection):
    return selection.runs[["dataset", "setting", "norm", "seed", "test_accuracy"]]


def legend(selection):
    return panels.norm_legend(selection.figure.norms)


def panel(ax, selection, here, edges):
    for row in here.itertuples():
        ax.plot(row.setting, row.test_accuracy, style.norm(row.norm).marker, color=style.norm(row.norm).color)
    return []
''',
    "config.yaml": """
seeds: 1
studies:
  mine:
    question: Does a norm of my own help on data of my own?
    cells:
      - {dataset: swirls, model: mlp, norm: [none, batch, pixel_norm], setting: [relu, swish], width: 0.05, epochs: 2}
""",
}
MIXED = ("try", "dataset=swirls", "model=mlp", "norm=pixel_norm", "activation=swish", "width=0.05", "epochs=1")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A working folder with the user's own folder `my own` in it."""
    working = tmp_path_factory.mktemp("extending")
    own = working / "my own"
    own.mkdir()
    for name, text in FILES.items():
        (own / name).write_text(text.lstrip())
    random = np.random.default_rng(0)
    labels = np.arange(300, dtype=np.uint8) % 3
    images = (random.integers(0, 120, (300, 1, 32, 32)) + 60 * labels[:, None, None, None]).astype(np.uint8)
    arrays = {"train_images": images[:240], "test_images": images[240:]}
    np.savez(own / "swirls.npz", **arrays, train_labels=labels[:240], test_labels=labels[240:])
    return working


def only_record(folder):
    (file,) = (folder / "results" / "records").glob("*/*.json")
    return json.loads(file.read_text())


def test_try_trains_what_the_folder_adds_and_its_record_says_so(folder, tmp_path):
    made = process(tmp_path, "bnstudy", *MIXED, "--extensions", str(folder / "my own"))
    assert made.code == 0, made.err
    assert "swirls-mlp-pixel_norm-" in made.out
    record = only_record(tmp_path)
    assert record["provenance"]["engine"] == "reference"
    assert re.fullmatch(r"[0-9a-f]{12}\+my_own:[0-9a-f]{12}", record["provenance"]["source_digest"])


@pytest.mark.parametrize(
    ("entry", "code", "told"),
    [
        ("norms.REGISTRY['mine'] = lambda features, dims, cell: 1 / 0", 2, "mine.py:3: ZeroDivisionError"),
        ("norms.REGISTRY['mine'] = lambda: None", 70, "of the program, or of an extension"),
        ("norms.REGISTRY['mine'] = lambda features, dims, cell: None", 2, "norm mine: its function returned nothing"),
    ],
)
def test_a_fault_of_an_extension_is_told_as_such(tmp_path, entry, code, told):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "mine.py").write_text(f"from bnstudy.extend import norms\n\n{entry}\n")
    fields = "dataset=toy", "model=mlp", "norm=mine", "width=0.05", "epochs=1"
    failed = process(tmp_path, "bnstudy", "try", *fields, "--extensions", "own")
    assert failed.code == code
    assert told in failed.err
    assert "Traceback" not in failed.err


def test_without_the_folder_its_names_are_refused_and_a_variable_brings_them(folder, tmp_path):
    refused = process(tmp_path, "bnstudy", *MIXED)
    assert refused.code == 2
    assert two_lines(refused)
    assert "name the folder with --extensions" in refused.err
    listed = process(
        tmp_path, "bnstudy", "cells", "--study", "mine", "--config", str(ROOT / "config.yaml"), "--json",
        BNSTUDY_EXTENSIONS=str(folder / "my own"),
    )  # fmt: skip
    rows = json.loads(listed.out)
    assert {row["norm"] for row in rows} == {"none", "batch", "pixel_norm"}
    assert {row["setting"] for row in rows} == {"relu", "swish"}


@pytest.mark.slow
def test_a_study_of_the_folder_is_trained_by_the_dag_and_shown_on_the_page(folder):
    done = process(
        folder, "bnstudy", "run", "--study", "mine", "--extensions", "my own", "--config", str(ROOT / "config.yaml")
    )
    assert done.code == 0, done.err
    assert "mine: 6 of 6 runs trained" in done.err
    page = (folder / "reports" / "mine" / "index.html").read_text()
    for words in ("Swirls", "Figure S.1.", "Figure S.2.", "swish", "pixel_norm", "+my_own:"):
        assert words in page, words
    dots = (folder / "reports" / "mine" / "figures" / "fig_S_2.csv").read_text().splitlines()
    assert len(dots) == 1 + 6
    assert (folder / "reports" / "mine" / "figures" / "fig_S_1.svg").stat().st_size > 5000


@pytest.mark.parametrize("added", [{"norm": "mine"}, {"activation": "mine"}, {"model": "mine"}, {"dataset": "mine"}])
def test_fast_engines_take_none_of_it_but_data(added):
    cell = Cell(**{"dataset": "toy", "model": "mlp", "norm": "batch"} | added)
    assert scope.is_known(cell, "packed") == scope.is_known(cell, "graph") == ("dataset" in added)
    assert Packed().supports(cell, "cpu") == ("dataset" in added)
    assert Graph().supports(cell, "cuda:0") == ("dataset" in added)


@pytest.mark.parametrize(
    "words", [("model=residual", "norm=instance", "optimizer=adamw"), ("model=mlp", "norm=instance", "hidden=8")]
)
def test_the_network_norm_and_optimizer_of_the_guide_are_trained(tmp_path, words):
    for name, text in files_of_the_guide().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    made = process(tmp_path, "bnstudy", "try", "dataset=waves", *words, "epochs=2", "--extensions", "own")
    assert made.code == 0, made.err
    record = only_record(tmp_path)
    assert record["outcome"] == "finished"
    assert len(record["epochs"]["data_loss"]) == 1 + 2


@pytest.mark.parametrize(
    ("built", "said"),
    [
        ("torch.nn.Flatten()", "model mine: its build returns Flatten, not a Network"),
        ("Network([Block('last', torch.nn.Linear(1024, 10))], None)", "whose last block is `output`"),
        ("Network([], None)", "whose last block is `output`"),
    ],
)
def test_a_network_that_breaks_the_contract_is_named(tmp_path, built, said):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "net.py").write_text(
        "from bnstudy.extend import models, torch\n\n\ndef build(cell, shape):\n"
        f"    from bnstudy.networks.models.block import Block, Network\n\n    return {built}\n\n\n"
        "models.REGISTRY['mine'] = build\n"
    )
    words = ("bnstudy", "try", "dataset=toy", "model=mine", "norm=none", "epochs=1", "--extensions", "own")
    ended = process(tmp_path, *words)
    assert ended.code == 2
    assert said in ended.err
    assert two_lines(ended)
    assert "docs/guide/extend.md" in ended.err


def test_the_thesis_stays_as_it_is(folder):
    words = ("bnstudy", "cells", "--config", str(ROOT / "config.yaml"), "--json")
    with_it = process(folder, *words, "--extensions", "my own")
    assert with_it.out == process(folder, *words).out


NORMS, FIGURES, LABELS = (f"from bnstudy.extend import {module}\n" for module in ("norms", "figures", "labels"))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [
        ("a.py", "import bnstudy\n1 / 0\n", "a.py:2: ZeroDivisionError"),
        ("a.py", "def f(:\n", "a.py:1: SyntaxError"),
        ("a.py", NORMS + "norms.REGISTRY['batch'] = norms.no_norm\n", "replaces the norm 'batch'"),
        ("a.py", FIGURES + "figures.REGISTRY['E1'] = 1\n", "'E1' cannot be the id of a figure"),
        ("a.py", FIGURES + "figures.REGISTRY['7.41'] = 1\n", "'7.41' cannot be the id of a figure"),
        ("a.py", NORMS + "norms.REGISTRY['My-norm'] = norms.no_norm\n", "'My-norm' cannot be the"),
        ("a.py", "from bnstudy.figures import *\nREGISTRY['X'] = REGISTRY['7.1']\n", "figure 'X' has another id"),
        ("a.py", LABELS + "labels.READINGS['fast'] = {'lr': 0.1}\n", "the reading 'fast' sets lr"),
        ("a.py", LABELS + "labels.SETTINGS['wide'] = {'width': 2.0}\n", "setting 'wide' sets width"),
        ("a.py", LABELS + "labels.SETTINGS['eps'] = {'gamma_init': 'ones'}\n", "sets gamma_init"),
        ("a.py", LABELS + "labels.SETTINGS['typo'] = {'lrr': 1.0}\n", "lrr: no such field"),
        ("config.yaml", "studies: {demo: {question: Why not, cells: [{dataset: toy, model: mlp, norm: none}]}}\n",
         "the study demo is also in"),
        ("config.yaml", "studies: {a: {question: Why not, cells: [{dataset: toy, model: mlp, norm: mine}]}}\n",
         "'mine'"),
        ("read.me", "", "neither a Python file nor a config.yaml"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_folder_is_told_in_two_lines(tmp_path, name, text, said):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / name).write_text(text)
    words = ("cells", "--study", "demo", "--config", str(ROOT / "config.yaml"), "--extensions", "own")
    ended = process(tmp_path, "bnstudy", *words)
    assert ended.code == 2
    assert said in ended.err
    assert two_lines(ended)


def test_arrays_that_are_not_what_is_declared_are_told(folder, tmp_path):
    for name in ("swirls.py", "swirls.npz"):
        (tmp_path / name).write_bytes((folder / "my own" / name).read_bytes().replace(b"train=240", b"train=250"))
    ended = process(tmp_path, "bnstudy", "data", "check", "swirls", "--extensions", ".")
    assert ended.code == 65
    assert "swirls: train_images: expected 250 images, found 240" in ended.err


def test_an_installed_package_brings_its_own(folder, tmp_path):
    """As pip writes it: a module beside the folder `<name>.dist-info` with its entry points."""
    site, facts = tmp_path / "site", tmp_path / "site" / "pixel_norm-1.0.dist-info"
    facts.mkdir(parents=True)
    (site / "pixel_norm.py").write_text(FILES["pixel_norm.py"])
    (facts / "METADATA").write_text("Metadata-Version: 2.1\nName: pixel-norm\nVersion: 1.0\n")
    (facts / "entry_points.txt").write_text("[bnstudy.extensions]\npixel-norm = pixel_norm\n")
    words = ("try", "dataset=toy", "model=mlp", "norm=pixel_norm", "width=0.05", "epochs=1")
    made = process(tmp_path, "bnstudy", *words, PYTHONPATH=f"{ROOT / 'src'}:{site}")
    assert made.code == 0, made.err
    assert "+pixel-norm:" in only_record(tmp_path)["provenance"]["source_digest"]
