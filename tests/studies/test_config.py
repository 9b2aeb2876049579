# ruff: noqa: E501 - one case, one line
import copy
import os
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bnstudy import extensions
from bnstudy.claims.measured import EXTRAS, extra
from bnstudy.claims.terms import ROWS
from bnstudy.design.fields import FIELDS
from bnstudy.design.labels import READINGS, SETTINGS, labels
from bnstudy.design.study import describe
from bnstudy.errors import UsageError
from bnstudy.studies.config import Config, load
from bnstudy.studies.config.blocks import Grid
from bnstudy.studies.config.text import read
from faults import tally
from work import calls

ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "config.yaml"

SMALL = """\
seeds: 2
margins: {default: 1.0, mnist: 0.3}
studies:
  one:
    question: Does it train?
    cells:
      - dataset: digits
        model: mlp
        norm: [none, batch]
        lr:
          - 0.01
          - 0.1
        epochs: 3
"""


def write(folder: Path, text: str | bytes) -> Path:
    path = folder / "small.yaml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_the_small_config(tmp_path):
    config = load(write(tmp_path, SMALL))
    study = config.study("one")
    assert study.question == "Does it train?"
    assert study.seeds == (0, 1)
    assert [(c.norm, c.lr, c.epochs) for c in study.cells] == [
        ("none", 0.01, 3), ("none", 0.1, 3), ("batch", 0.01, 3), ("batch", 0.1, 3),
    ]  # fmt: skip
    assert config.margins == {"default": 1.0, "mnist": 0.3}


def test_the_config_is_frozen():
    config = load(CONFIG)
    with pytest.raises(AttributeError):
        config.path = Path()  # type: ignore[misc]
    with pytest.raises(TypeError):
        config.studies["x"] = 1  # type: ignore[index]
    with pytest.raises(UsageError, match=r"thesiss: no such study in .* \(nearest: thesis\)"):
        config.study("thesiss")


def test_the_study_of_the_thesis():
    study = load(CONFIG).study("thesis")
    assert (len(study.cells), study.seeds) == (228, (0, 1, 2))
    rows = [(c.model, c.dataset, c.norm, *labels(c)) for c in study.cells]
    assert len(set(rows)) == 228
    expected = {(m, d, n, s, "default") for m in ("mlp", "cnn") for d in ("mnist", "svhn", "cifar10", "cifar100")
                for n in ("none", "batch") for s in SETTINGS if s != "relu_norm_after"}  # fmt: skip
    expected |= {("mlp", d, "batch", "relu_norm_after", "default") for d in ("mnist", "svhn", "cifar10", "cifar100")}
    assert set(rows) == expected


def test_the_study_demo():
    study = load(CONFIG).study("demo")
    assert (len(study.cells), study.seeds) == (38, (0, 1))
    assert {c.dataset for c in study.cells} == {"digits"}
    mlp = [c for c in study.cells if c.model == "mlp"]
    assert len(mlp) == 28
    assert {labels(c) for c in mlp} == {(s, "default") for s in SETTINGS if s != "relu_norm_after"}
    cnn = [c for c in study.cells if c.model == "cnn"]
    assert {(c.width, c.epochs, labels(c)[1]) for c in cnn} == {(0.125, 10, "reduced")}
    assert {labels(c)[0] for c in cnn} == {"relu", "sigmoid", "lr_high", "init_high", "init_low"}


def test_the_study_of_times():
    study = load(CONFIG).study("timing")
    rows = {(c.model, c.dataset, c.norm, c.batch_size, labels(c)[1]) for c in study.cells}
    assert (study.timing, len(study.cells), study.runs()) == (True, 96, [])
    assert rows == {(m, d, n, b, "default") for m in ("mlp", "cnn") for d in ("mnist", "svhn", "cifar10", "cifar100")
                    for n in ("none", "batch") for b in (32, 64, 128, 256, 512, 1024)}  # fmt: skip
    assert [name for name, other in load(CONFIG).studies.items() if other.timing] == ["timing", "timing_small"]


@pytest.mark.parametrize("value", ["1", "[true]", "'true'"])
def test_timing_is_true_or_false(tmp_path, value):
    text = SMALL.replace("    cells:", f"    timing: {value}\n    cells:")
    with pytest.raises(UsageError, match=r"small.yaml:6: studies.one.timing: .* is not allowed; Write true"):
        load(write(tmp_path, text))


def test_what_snakemake_reads_is_what_is_read_here():
    here = read(CONFIG).root
    assert yaml.safe_load(CONFIG.read_text()) == here == YAML(typ="safe", pure=True).load(CONFIG.read_text())


def test_every_key_of_config_yaml_has_a_comment_above_it():
    lines, seen = CONFIG.read_text().splitlines(), set()
    for above, line in pairwise(lines):
        key = re.match(r" {0,4}(\w+):", line)
        if key and key[1] not in seen:
            assert above.lstrip().startswith("#"), line
            seen.add(key[1])


def test_every_field_but_recipe_may_be_in_a_grid():
    assert set(Grid.model_fields) == {*FIELDS, "setting", "reading", "random"} - {"recipe"}


# ---- what is accepted


@pytest.mark.parametrize(
    ("grid", "count"),
    [
        ("{dataset: digits, model: mlp, norm: none}", 1),
        ("{dataset: digits, model: mlp, norm: none, lr: [0.1, 1.0e-1]}", 1),
        ("{dataset: digits, model: mlp, norm: [none, none, batch]}", 2),
        ("{dataset: digits, model: mlp, norm: batch, setting: [all, relu_norm_after]}", 15),
        ("{dataset: digits, model: mlp, norm: batch, setting: [all, relu]}", 14),
        ("{dataset: mnist, model: mlp, norm: [none, batch], reading: [default, gamma_ones]}", 3),
        ("{dataset: [mnist, svhn], model: mlp, norm: none, reading: [default, mnist_resize, svhn_digit]}", 4),
        ("{dataset: mnist, model: [mlp, cnn], norm: batch, reading: [text, code], setting: [relu, weight_decay]}", 8),
        ("{dataset: mnist, model: mlp, norm: batch, norm_bias: [true, false]}", 2),
        ("{dataset: 'mnist', model: \"mlp\", norm: none, width: 1}", 1),
        ("{dataset: mnist, model: mlp, norm: none, hidden: [30, 20]}", 1),
        ("{dataset: mnist, model: mlp, norm: none, hidden: [[30, 20], [10]]}", 2),
    ],
)
def test_grids(tmp_path, grid, count):
    text = f"studies:\n  a:\n    question: Why?\n    cells:\n      - {grid}\n"
    assert len(load(write(tmp_path, text)).study("a").cells) == count


def test_all_readings_of_a_cell(tmp_path):
    grid = f"{{dataset: mnist, model: cnn, norm: batch, setting: dropout, reading: [{', '.join(READINGS)}]}}"
    cells = load(write(tmp_path, f"studies: {{a: {{question: Why, cells: [{grid}]}}}}")).study("a").cells
    found = {labels(cell)[1] for cell in cells}
    assert found == set(READINGS) - {"mnist_native", "svhn_digit", "init_std_hidden", "penalty_half", "penalty_all"}


@pytest.mark.parametrize(
    ("seeds", "expected"), [("1", (0,)), ("3", (0, 1, 2)), ("[0]", (0,)), ("[7, 0, 3]", (7, 0, 3))]
)
def test_seeds(tmp_path, seeds, expected):
    assert load(write(tmp_path, SMALL.replace("seeds: 2", f"seeds: {seeds}"))).study("one").seeds == expected
    own = SMALL.replace("    cells:", f"    seeds: {seeds}\n    cells:")
    assert load(write(tmp_path, own)).study("one").seeds == expected


def test_crlf_and_a_leading_marker_are_read(tmp_path):
    assert (
        load(write(tmp_path, ("---\n" + SMALL).replace("\n", "\r\n"))).studies == load(write(tmp_path, SMALL)).studies
    )


@pytest.mark.parametrize("name", ["two", "one", "itself"])
def test_studies_of_extensions(tmp_path, monkeypatch, name):
    """They join those of the config; none replaces another; a config that is the extension's own is read once."""
    path, own = write(tmp_path, SMALL), tmp_path / "own" / "config.yaml"
    own.parent.mkdir()
    own.write_text(SMALL.replace("one:", f"{name}:"))
    bare = extensions.Extension("bare", "0" * 12, None)
    added = extensions.Extension("own", "0" * 12, path if name == "itself" else own)
    monkeypatch.setattr(extensions, "LOADED", {"bare": bare, "own": added})
    if name == "one":
        with pytest.raises(UsageError, match="the study one is also in"):
            load(path)
    else:
        assert list(load(path).studies) == (["one", "two"] if name == "two" else ["one"])


# ---- what is refused: text to replace, its replacement, line, and what is told

GRID = "studies.one.cells[0]"
REFUSED = [
    # unknown keys, at each depth
    ("seeds: 2", "sedes: 2", 1, "sedes: no such key (nearest: seeds); Allowed: seeds, margins, studies."),
    ("question:", "qestion:", 5, "studies.one.qestion: no such key (nearest: question)"),
    ("question:", "qestion:", 5, "studies.one.question: missing"),
    ("epochs: 3", "epoch: 3", 13, f"{GRID}.epoch: no such key (nearest: epochs)"),
    ("epochs: 3", "recipe: 2", 13, f"{GRID}.recipe: no such key"),
    ("mnist: 0.3", "minst: 0.3", 2, "margins.minst: 'minst' is not allowed (nearest: mnist)"),
    ("epochs: 3", "<<: {epochs: 3}", 13, "neither a name nor a number"),
    ("epochs: 3", "3: epochs", 13, "a key must be a name"),
    ("epochs: 3", "no: 3", 13, f"{GRID}.no: `no` is false"),
    ("epochs: 3", "? [epochs]\n        : 3", 13, "a key must be a name"),
    # wrong types
    ("seeds: 2", "seeds: two", 1, "seeds: 'two' is not allowed; Give a count from 1 to 1000"),
    ("seeds: 2", "seeds: true", 1, "seeds: True is not allowed"),
    ("seeds: 2", "seeds: 2.0", 1, "seeds: 2.0 is not allowed"),
    ("seeds: 2", "seeds: {a: 1}", 1, "seeds: {'a': 1} is not allowed"),
    ("seeds: 2", "seeds: [0, a]", 1, "seeds: [0, 'a'] is not allowed"),
    ("epochs: 3", "epochs: '3'", 13, f"{GRID}.epochs: '3' is not a whole number"),
    ("epochs: 3", "epochs: 3.5", 13, f"{GRID}.epochs: 3.5 is not a whole number"),
    ("epochs: 3", "epochs: true", 13, f"{GRID}.epochs: True is not a whole number"),
    ("epochs: 3", "epochs: {a: 1}", 13, f"{GRID}.epochs: {{'a': 1}} is not a whole number"),
    ("epochs: 3", "epochs: [[3]]", 13, f"{GRID}.epochs[0]: [3] is not a whole number"),
    ("- 0.1", "- fast", 12, f"{GRID}.lr[1]: 'fast' is not a number"),
    ("- 0.1", "- true", 12, f"{GRID}.lr[1]: True is not a number"),
    ("epochs: 3", "norm_bias: 1", 13, f"{GRID}.norm_bias: 1 is not true or false"),
    ("model: mlp", "model: 3", 8, f"{GRID}.model: 3 is not a name"),
    ("margins: {default: 1.0, mnist: 0.3}", "margins: 1.0", 2, "margins: 1.0 is not allowed; A mapping"),
    ("default: 1.0", "default: [1.0]", 2, "margins.default: [1.0] is not allowed"),
    ("question: Does it train?", "question: 7", 5, "studies.one.question: 7 is not allowed"),
    ("question: Does it train?", "question: ''", 5, "studies.one.question: '' is not allowed"),
    ("question: Does it train?", "question: [Why]", 5, "studies.one.question: ['Why'] is not allowed"),
    ("    cells:\n      - dataset: digits", "    cells:\n        dataset: digits", 7, "studies.one.cells: a mapping is not allowed; A list"),
    ("studies:\n  one:", "studies:\n  - one:", 4, "studies: a list is not allowed; A mapping"),
    ("epochs: 3", "hidden: wide", 13, f"{GRID}.hidden"),
    ("epochs: 3", "hidden: [[30], [wide]]", 13, f"{GRID}.hidden"),
    ("epochs: 3", "hidden: [30, 0]", 13, f"{GRID}.hidden"),
    # out of range
    ("seeds: 2", "seeds: 0", 1, "seeds: 0 is not allowed"),
    ("seeds: 2", "seeds: -1", 1, "seeds: -1 is not allowed"),
    ("seeds: 2", "seeds: 1001", 1, "seeds: 1001 is not allowed"),
    ("seeds: 2", "seeds: []", 1, "seeds: [] is not allowed"),
    ("seeds: 2", "seeds: [1, 1]", 1, "seeds: [1, 1] is not allowed"),
    ("seeds: 2", "seeds: [-1]", 1, "seeds: [-1] is not allowed"),
    ("seeds: 2", "seeds: [4294967296]", 1, "seeds: [4294967296] is not allowed"),
    ("epochs: 3", "epochs: 0", 13, f"{GRID}.epochs: 0 is out of range; epochs must be at least 1"),
    ("- 0.1", "- 0", 12, f"{GRID}.lr[1]: 0.0 is out of range; lr must be above 0"),
    ("- 0.1", "- -0.1", 12, f"{GRID}.lr[1]: -0.1 is out of range"),
    ("mnist: 0.3", "mnist: -0.3", 2, "margins.mnist: -0.3 is not allowed"),
    ("mnist: 0.3", "mnist: 101", 2, "margins.mnist: 101 is not allowed"),
    ("default: 1.0, ", "", 2, "margins: default is missing"),
    # names
    ("dataset: digits", "dataset: minst", 7, f"{GRID}.dataset: 'minst' is not allowed (nearest: mnist); Allowed: mnist, svhn"),
    ("model: mlp", "model: [mlp, ccn]", 8, f"{GRID}.model[1]: 'ccn' is not allowed (nearest: cnn)"),
    ("norm: [none, batch]", "norm: [none, btch]", 9, f"{GRID}.norm[1]: 'btch' is not allowed (nearest: batch)"),
    ("epochs: 3", "activation: Relu", 13, f"{GRID}.activation: 'Relu' is not a name"),
    ("epochs: 3", "activation: rleu", 13, f"{GRID}.activation: 'rleu' is not allowed (nearest: relu)"),
    ("epochs: 3", "split: lsat", 13, f"{GRID}.split: 'lsat' is not allowed (nearest: last); Allowed: random, last, stratified."),
    ("epochs: 3", "setting: lr_hihg", 13, f"{GRID}.setting: 'lr_hihg' is not allowed (nearest: lr_high)"),
    ("epochs: 3", "reading: [default, txt]", 13, f"{GRID}.reading[1]: 'txt' is not allowed (nearest: text)"),
    ("  one:", "  One:", 4, "studies.One: this is not a name"),
    ("  one:", "  ../one:", 4, "neither a name nor a number"),
    ("  one:", "  '../one':", 4, "studies.'../one': this is not a name"),
    ("  one:", "  a-b:", 4, "studies.a-b: this is not a name"),
    ("  one:", "  report:", 4, "studies.report: this is the name of a rule of the workflow"),
    ("  one:", f"  {'a' * 41}:", 4, "this is not a name"),
    # missing
    ("        model: mlp\n", "", 7, f"{GRID}.model: missing"),
    ("epochs: 3", "init: normal", 7, f"{GRID}.init_std: missing, init is normal"),
    ("epochs: 3", "penalty: l2", 7, f"{GRID}.penalty_strength: missing, penalty is l2"),
    # what YAML understands otherwise
    ("- 0.1", "- 1e-3", 12, f"{GRID}.lr[1]: `1e-3` is text in YAML 1.1; Write 1.0e-3 or 0.001."),
    ("- 0.1", "- 1.0e3", 12, "Write 1.0e+3 or 1000.0."),
    ("- 0.1", "- 1.0e+999", 12, f"{GRID}.lr[1]: `1.0e+999` is beyond the largest number"),
    ("- 0.1", "- .nan", 12, f"{GRID}.lr[1]: `.nan` is not a finite number"),
    ("- 0.1", "- -.INF", 12, f"{GRID}.lr[1]: `-.INF` is not a finite number"),
    ("- 0.1", "- nan", 12, f"{GRID}.lr[1]: 'nan' is not a number"),
    ("- 0.1", "- .5", 12, f"{GRID}.lr[1]: `.5` is not written plainly"),
    ("- 0.1", "- 1_0.0", 12, f"{GRID}.lr[1]: `1_0.0` is not written plainly"),
    ("- 0.1", "- 0,1", 12, f"{GRID}.lr[1]: `0,1` is neither a name nor a number"),
    ("norm: [none, batch]", "norm: no", 9, f"{GRID}.norm: `no` is false in YAML 1.1; Did you mean none?"),
    ("norm: [none, batch]", "norm: [Off, batch]", 9, f"{GRID}.norm[0]: `Off` is false"),
    ("epochs: 3", "norm_bias: yes", 13, f"{GRID}.norm_bias: `yes` is true in YAML 1.1"),
    ("epochs: 3", "norm_bias: on", 13, f"{GRID}.norm_bias: `on` is true"),
    ("epochs: 3", "norm_bias: True", 13, f"{GRID}.norm_bias: `True` is not allowed; Write true"),
    ("epochs: 3", "epochs: 2020-01-01", 13, f"{GRID}.epochs: `2020-01-01` is a date"),
    ("epochs: 3", "epochs: 010", 13, f"{GRID}.epochs: `010` is octal"),
    ("epochs: 3", "epochs: 0o10", 13, f"{GRID}.epochs: `0o10` is octal"),
    ("epochs: 3", "epochs: 0x10", 13, f"{GRID}.epochs: `0x10` is octal, hexadecimal"),
    ("epochs: 3", "epochs: 1:30", 13, f"{GRID}.epochs: `1:30` is a base-60 number"),
    ("epochs: 3", f"epochs: {'9' * 5000}", 13, "is not written plainly"),
    ("epochs: 3", "epochs:", 13, f"{GRID}.epochs: no value"),
    ("epochs: 3", "init_std: null", 13, f"{GRID}.init_std: no value"),
    ("epochs: 3", "init_std: ~", 13, f"{GRID}.init_std: no value"),
    ("seeds: 2", "seeds:", 1, "seeds: no value"),
    ("epochs: 3", "epochs: 3\n        epochs: 4", 14, f"{GRID}.epochs: given twice, first on line 13"),
    ("seeds: 2", "seeds: 2\nseeds: 2", 2, "seeds: given twice, first on line 1"),
    ("  one:", "  one: {}\n  one:", 5, "studies.one: given twice, first on line 4"),
    ("epochs: 3", "epochs: &n 3", 13, f"{GRID}.epochs: anchors and aliases are not allowed"),
    ("- dataset", "- &grid\n        dataset", 7, f"{GRID}: anchors"),
    ("epochs: 3", "epochs: !!int 3", 13, f"{GRID}.epochs: the tag 'tag:yaml.org,2002:int' is not allowed"),
    ("epochs: 3", "epochs: !!python/object/apply:os.system [ls]", 13, "the tag 'tag:yaml.org,2002:python/object/apply:os.system'"),
    ("seeds: 2", "%YAML 1.1\n---\nseeds: 2", 2, "a directive (%) is not allowed"),
    ("        epochs: 3\n", "        epochs: 3\n---\nseeds: 1\n", 15, "a second document begins here"),
    ("        epochs: 3", "\tepochs: 3", 13, "a tab is not allowed"),
    ("model: mlp", "model: mlp\x07", 8, "the character '\\x07' is not allowed"),
    ("model: mlp", "model: mlp\u2028", 8, "the character '\\u2028' is not allowed"),
    ("model: mlp", "model: [mlp", 9, "not YAML"),
    ("model: mlp", "model: 'mlp", 14, "not YAML"),
    ("model: mlp", 'model: "\\UFFFFFFFF"', 1, "not YAML"),
    ("model: mlp", "  model: mlp", 8, "not YAML"),
    ("epochs: 3", f"epochs: {'[' * 5000}", 13, "more than 8 levels deep"),
    # empty and conflicting grids
    ("epochs: 3", "epochs: []", 13, f"{GRID}.epochs: nothing is not allowed; Give at least one"),
    ("epochs: 3", "gamma_init: ones", 13, f"{GRID}.gamma_init: has no effect here, norm is none"),
    ("epochs: 3", "norm_momentum: [0.1, 0.2]", 13, f"{GRID}.norm_momentum[1]: has no effect here"),
    ("epochs: 3", "momentum: 0.5\n        optimizer: [nesterov, adam]", 13, f"{GRID}.momentum: has no effect here, optimizer has no"),
    ("epochs: 3", "setting: lr_low", 10, f"{GRID}.lr: also set by setting lr_low"),
    ("epochs: 3", "lr_min: 0.0\n        reading: [default, text]", 13, f"{GRID}.lr_min: also set by reading text"),
    ("epochs: 3", "setting: relu_norm_after", 13, f"{GRID}.setting: relu_norm_after: norm_placement has no effect here"),
    ("epochs: 3", f"epochs: [{', '.join(map(str, range(1, 5002)))}]", 7, f"{GRID}: this grid has 20,004 cells"),
    # more of each kind
    ('seeds: 2', 'seeds: 1e3', 1, 'seeds: `1e3` is text in YAML 1.1; Write 1.0e+3 or'),
    ('seeds: 2', 'seeds: 0b11', 1, 'seeds: `0b11` is octal, hexadecimal or binary; Write it without the le'),
    ('seeds: 2', 'seeds: [0, 1.5]', 1, 'seeds: [0, 1.5] is not allowed; Give a count from 1 to 1000, or a list'),
    ('seeds: 2', 'seeds: [0, no]', 1, 'seeds[1]: `no` is false in YAML 1.1; Did you mean none? For a switch w'),
    ('Does it train?', '"w\\ud800 x"', 5, "studies.one.question: the character '\\ud800' is not allowed; Write printable text."),
    ('Does it train?', '"w \\e[31m x"', 5, "studies.one.question: the character '\\x1b' is not allowed; Write printable text."),
    ('Does it train?', '"w \\0 x"', 5, "studies.one.question: the character '\\x00' is not allowed; Write printable text."),
    ('Does it train?', '"w \\N x"', 5, "studies.one.question: the character '\\x85' is not allowed; Write printable text."),
    ('one:', '"o\\Lne":', 4, "the character '\\u2028' is not allowed; Write printable text."),
    ('          - 0.01', '          - 1.0e+400', 11, 'lr[0]: `1.0e+400` is beyond the largest number, about 1.8e+308; Write a smaller one.'),
    ('seeds: 2', 'seeds: .inf', 1, 'seeds: `.inf` is not a finite number; Give a finite one.'),
    ('seeds: 2', 'seeds: [[0]]', 1, 'seeds: [[0]] is not allowed; Give a count from 1 to 1000, or a list of'),
    ('mnist: 0.3', 'mnist: .nan', 2, 'margins.mnist: `.nan` is not a finite number; Give a finite one.'),
    ('mnist: 0.3', 'mnist: yes', 2, 'margins.mnist: `yes` is true in YAML 1.1; For a switch write true, for'),
    ('mnist: 0.3', "mnist: '0.3'", 2, "margins.mnist: '0.3' is not allowed; Give points of accuracy above 0 a"),
    ('mnist: 0.3', 'mnist: null', 2, 'margins.mnist: no value; Give one, or leave the key out.'),
    ('mnist: 0.3', 'mnist: 0.3, mnist: 0.4', 2, 'margins.mnist: given twice, first on line 2; Keep one.'),
    ('epochs: 3', 'epochs: 100001', 13, f'{GRID}.epochs: 100001 is out of range; epochs must be at least 1 and a'),
    ('epochs: 3', 'epochs: -1', 13, f'{GRID}.epochs: -1 is out of range; epochs must be at least 1 and at mo'),
    ('epochs: 3', 'epochs: 3e0', 13, f'{GRID}.epochs: `3e0` is text in YAML 1.1; Write 3'),
    ('epochs: 3', 'epochs: +3', 13, f'{GRID}.epochs: `+3` is not written plainly; Write digits as in 1000 or'),
    ('epochs: 3', 'epochs: 3 # x\n        epochs : 3', 14, f'{GRID}.epochs: given twice, first on line 13; Keep one.'),
    ('epochs: 3', 'dropout: 1.0', 13, f'{GRID}.dropout: 1.0 is out of range; dropout must be at least 0 and at'),
    ('epochs: 3', 'momentum: 1.0', 13, f'{GRID}.momentum: 1.0 is out of range; momentum must be at least 0 and '),
    ('epochs: 3', 'batch_size: 10000001', 13, f'{GRID}.batch_size: 10000001 is out of range; batch_size must be at least '),
    ('epochs: 3', 'width: 0', 13, f'{GRID}.width: 0.0 is out of range; width must be above 0 and at most 8'),
    ('epochs: 3', 'train_size: 9', 13, f'{GRID}.train_size: 9 is out of range; train_size must be at least 10.'),
    ('epochs: 3', 'validation_fraction: 0.95', 13, f'{GRID}.validation_fraction: 0.95 is out of range; validation_fraction '),
    ('epochs: 3', 'norm_eps: 0', 13, f'{GRID}.norm_eps: 0.0 is out of range; norm_eps must be above 0.'),
    ('epochs: 3', 'kaiming_gain: 3', 13, f'{GRID}.kaiming_gain: 3 is not allowed; Allowed: 1, 2.'),
    ('epochs: 3', 'penalty_factor: 0.7', 13, f'{GRID}.penalty_factor: 0.7 is not allowed (nearest: 0.5); Allowed: 0.5'),
    ('epochs: 3', 'dropout_at: last', 13, f'{GRID}.dropout_at: has no effect here, dropout is 0; Leave dropout_at '),
    ('epochs: 3', 'nesterov: torch\n        optimizer: sgd', 13, f'{GRID}.nesterov: has no effect here, optimizer is not nesterov; Leave '),
    ('epochs: 3', 'mnist_size: native', 13, f'{GRID}.mnist_size: has no effect here, dataset is not mnist; Leave mni'),
    ('epochs: 3', 'svhn_labels: digit', 13, f'{GRID}.svhn_labels: has no effect here, dataset is not svhn; Leave svh'),
    ('epochs: 3', 'dense_layers: 1', 13, f'{GRID}.dense_layers: has no effect here, the model has a fixed number of dense layers; Leave dense'),
    ('epochs: 3', 'lr_min: 0.0\n        schedule: constant', 13, f'{GRID}.lr_min: has no effect here, schedule is constant; Leave lr_min '),
    ('epochs: 3', 'precision: fp16', 13, f"{GRID}.precision: 'fp16' is not allowed (nearest: bf16); Allowed: defa"),
    ('epochs: 3', 'batch_size: 2000', 13, f'{GRID}.batch_size: 2000, but only 1293 images of digits are trained on; '),
    ('    cells:', '    timing: maybe\n    cells:', 6, "studies.one.timing: 'maybe' is not allowed; Write true to time epochs "),
    ('    cells:', '    seeds: 2\n    seeds: 3\n    cells:', 7, 'studies.one.seeds: given twice, first on line 6; Keep one.'),
    ('norm: [none, batch]', "norm: [none, 'no']", 9, f"{GRID}.norm[1]: 'no' is not allowed (nearest: none); Allowed: none, ba"),
    ('norm: [none, batch]', 'norm: []', 9, f'{GRID}.norm: nothing is not allowed; Give at least one.'),
    ('norm: [none, batch]', 'norm: none\n    timing: true', 11, 'not YAML: mapping values are not allowed here'),
    ('question: Does it train?', 'question: |', 5, "studies.one.question: '' is not allowed; Ask one question on one line "),
    ('model: mlp', 'model: ../mlp', 8, f'{GRID}.model: `../mlp` is neither a name nor a number; Write a text in'),
    ('model: mlp', 'model: $(ls)', 8, f'{GRID}.model: `$(ls)` is neither a name nor a number; Write a text in '),
    ('model: mlp', 'model: {{mlp}}', 8, f"{GRID}.model.'?'.mlp: no value; Give one, or leave the key out."),
]  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "line", "told"), REFUSED, ids=[f"{i}-{r[1][:20]!r}" for i, r in enumerate(REFUSED)]
)
def test_refused_with_line_key_and_what_is_allowed(tmp_path, old, new, line, told):
    assert SMALL.count(old) == 1
    tally.count("altered configs")
    path = write(tmp_path, SMALL.replace(old, new))
    with pytest.raises(UsageError) as error:
        load(path)
    assert any(one.startswith(f"{path}:{line}: ") and told in one for one in error.value.cause.splitlines()), (
        error.value.cause
    )
    assert error.value.exit_code == 2
    assert "\n" not in error.value.remedy
    assert max(map(len, error.value.cause.splitlines())) < 1000 + len(str(path))


WHOLE = [
    (b"", "the file is empty"),
    (b"# only a comment\n", "the file is empty"),
    (b"---\n", "no value"),
    (b"null\n", "no value"),
    (b"- a\n", "a list is not allowed; A mapping"),
    (b"7\n", "7 is not allowed; A mapping"),
    (b"just words\n", "'just words' is not allowed; A mapping"),
    (b"{}\n", "studies: missing"),
    (b"studies: {}\n", "studies: nothing is not allowed; Give at least one"),
    (b"studies: {a: {question: Why, cells: []}}\n", "studies.a.cells: nothing is not allowed; Give at least one"),
    (b"studies: {a: }\n", "studies.a: no value"),
    (b"studies: {a: 1}\n", "studies.a: 1 is not allowed; A mapping"),
    (b"studies: {a: {question: Why, cells: [1]}}\n", "studies.a.cells[0]: 1 is not allowed; A mapping"),
    (b"\xef\xbb\xbf" + SMALL.encode(), "a byte order mark is not allowed"),
    (SMALL.encode("utf-16"), "UTF-16 or binary"),
    (SMALL.encode("utf-16-be"), "UTF-16 or binary"),
    (b"\x7fELF\x02\x01\x00\x00", "UTF-16 or binary"),
    (SMALL.replace("train", "tr\xe4in").encode("latin-1"), ":5: byte 0xe4 is not UTF-8"),
    (b"a: &a [x, x]\n" + b"".join(b"b%d: &b%d [*%s, *%s]\n" % (i, i, p, p) for i, p in ((1, b"a"), (2, b"b1"), (3, b"b2"))), "anchors and aliases"),
    (b"[" * 32_000, "more than 8 levels deep"),
    (b"- " * 16_000, "more than 8 levels deep"),
    (b"a: " * 10_000, "not YAML"),
    (SMALL.encode() + b"#" * 50_000, "larger than 32 kB"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "told"), WHOLE, ids=[w[1] + f" {i}" for i, w in enumerate(WHOLE)])
def test_whole_files_that_are_refused(tmp_path, content, told):
    tally.count("altered configs")
    with pytest.raises(UsageError) as error:
        load(write(tmp_path, content))
    assert told in error.value.cause
    assert error.value.cause.startswith(str(tmp_path / "small.yaml:"))


def test_a_grid_of_which_no_cell_can_be_is_not_tried_to_its_end(tmp_path):
    many = f"norm_momentum: [{', '.join(f'0.{i:03d}' for i in range(200, 300))}]"
    path = write(tmp_path, SMALL.replace("[none, batch]", "none").replace("epochs: 3", many))
    assert isinstance(outcome(path), UsageError)
    assert calls(lambda: outcome(path))["make_cell"] < 60


def test_a_timing_needs_both_norms(tmp_path):
    text = SMALL.replace("    cells:", "    timing: true\n    cells:").replace("[none, batch]", "none")
    with pytest.raises(UsageError, match=r"studies.one.timing: .* has no counterpart"):
        load(write(tmp_path, text))


@pytest.mark.parametrize(
    ("written", "widths"),
    [("[90]", {(90,)}), ("[90, 20]", {(90, 20)}), ("[[90, 20], [90]]", {(90, 20), (90,)}), ("[]", {()})],
)
def test_a_list_of_widths_is_one_value_and_a_list_of_lists_several(tmp_path, written, widths):
    text = SMALL.replace("epochs: 3", f"hidden: {written}")
    assert {cell.hidden for cell in load(write(tmp_path, text)).study("one").cells} == widths


@pytest.mark.parametrize("written", ["90", "[90, [20]]", "[90, 0]", "[[90], 20]", "wide", "[90.0]"])
def test_widths_that_are_none_are_refused_with_their_line(tmp_path, written):
    with pytest.raises(UsageError, match=r"small.yaml:13: studies.one.cells\[0\].hidden"):
        load(write(tmp_path, SMALL.replace("epochs: 3", f"hidden: {written}")))


def test_paths_that_are_no_file(tmp_path):
    for path in (tmp_path, tmp_path / "absent.yaml", Path("/dev/zero"), tmp_path / ("x" * 300), "a\0b"):
        with pytest.raises(UsageError):
            load(path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="not a file"):
        load(tmp_path / "pipe")


def test_all_errors_are_told_at_once_and_by_line(tmp_path):
    text = (
        SMALL.replace("seeds: 2", "seeds: no")
        .replace("mlp", "mpl")
        .replace("- 0.1", "- 1e-3")
        .replace("epochs", "epoch")
    )
    with pytest.raises(UsageError) as error:
        load(write(tmp_path, text))
    told = [int(line.split(":")[1]) for line in error.value.cause.splitlines()]
    assert told == [1, 8, 12, 13]
    assert "(4 errors)" in error.value.remedy


def test_many_errors_are_cut(tmp_path):
    text = SMALL.replace("epochs: 3", f"epochs: [{', '.join(['0'] * 100)}]")
    with pytest.raises(UsageError) as error:
        load(write(tmp_path, text))
    lines = error.value.cause.splitlines()
    assert len(lines) == 21
    assert lines[-1].endswith("and 80 more")


def test_the_limit_on_cells_counts_all_grids(tmp_path):
    rates = ", ".join(f"0.{i:03d}" for i in range(1, 200))
    grid = (
        f"{{dataset: digits, model: mlp, norm: [none, batch], lr: [{rates}], setting: [relu, sigmoid, elu, dropout]}}"
    )
    cells = f"studies: {{a: {{question: Why, cells: [{', '.join([grid] * 13)}]}}}}"
    with pytest.raises(UsageError, match="this grid has 1,592 cells, all together 20,696"):
        load(write(tmp_path, cells))


SLOW = [
    "studies: {a: {question: Why, cells: [{dataset: mnist, model: mlp, norm: none, reading: [" + "gamma_oness," * 2700 + "a]}]}}",
    "studies: {a: {question: Why, cells: [{dataset: mnist, model: mlp, norm: none, output_norm: true, lr: ["
    + ",".join(f"{i}.0" for i in range(1, 142)) + "], momentum: [" + ",".join(f"0.{i:03d}" for i in range(141)) + "]}]}}",
    "a: [" + "b," * 16_000 + "b]",
    "{" + "a: 1," * 6_000 + "a: 1}",
    "[" * 32_000,
    "a: " + "x " * 16_000,
    "studies: {a: {question: Why, cells: [{dataset: mnist, model: mlp, norm: none, lr: [" + "1.0," * 4000 + "1.0], momentum: ["
    + "0.5," * 3900 + "0.5]}]}}",
]  # fmt: skip


@pytest.fixture(scope="module")
def work_of_the_shipped_config() -> int:
    load(CONFIG)  # what is done once in a process
    return calls(lambda: load(CONFIG)).total()


@pytest.mark.parametrize("text", SLOW, ids=range(len(SLOW)))
def test_hostile_files_are_refused_with_little_work(tmp_path, text, work_of_the_shipped_config):
    """At most 20 times the work of reading the shipped config, whose size is 40 % of what is allowed."""
    path, refused = write(tmp_path, text), []
    assert calls(lambda: refused.append(outcome(path))).total() < 20 * work_of_the_shipped_config
    assert isinstance(refused[0], UsageError)


# ---- any change of a config either loads, and then is what PyYAML reads, or raises UsageError

TREE = yaml.safe_load(SMALL)
scalars = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12) | st.binary(max_size=4) | st.dates()
)
words = st.sampled_from(
    [*FIELDS, *SETTINGS, *READINGS, "setting", "reading", "seeds", "mlp", "batch", "mnist", "all", "question"]
)
values = st.recursive(
    scalars | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(words | st.text(max_size=5), inner, max_size=3),
)


def places(node, at=()):
    """All places of a tree of values."""
    yield at
    for key, value in node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, list) else ():
        yield from places(value, (*at, key))


def changed(tree, at, value, insert):
    """The tree with `value` at a place: instead of what is there, or beside it under the key `insert`."""
    tree = copy.deepcopy(tree)
    node = tree
    for key in at[:-1]:
        node = node[key]
    if insert is not None and isinstance(node, dict):
        node[insert] = value
    elif at:
        node[at[-1]] = value
    return tree if at else value


def loads_or_is_refused(path: Path):
    tally.count("altered configs")
    result = outcome(path)
    if isinstance(result, UsageError):
        assert result.cause.startswith(str(path))
        assert result.remedy
    else:
        assert all(study.cells and study.seeds for study in result.studies.values())
        assert read(path).root == yaml.safe_load(path.read_text()) == YAML(typ="safe", pure=True).load(path.read_text())


def outcome(path: Path) -> Config | UsageError:
    try:
        return load(path)
    except UsageError as error:
        return error


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(list(places(TREE))), values, st.none() | words)
def test_any_change_of_a_value_loads_or_is_refused(tmp_path_factory, at, value, insert):
    text = yaml.safe_dump(changed(TREE, at, value, insert), allow_unicode=True)
    loads_or_is_refused(write(tmp_path_factory.getbasetemp(), text))


@settings(max_examples=300, deadline=None)
@given(
    st.integers(0, len(SMALL)),
    st.integers(0, 12),
    st.text(max_size=8) | st.sampled_from(["&a ", "*a", "!!str ", "- ", ": ", "\n", "no", "|"]),
)
def test_any_change_of_the_text_loads_or_is_refused(tmp_path_factory, start, length, new):
    text = SMALL[:start] + new + SMALL[start + length :]
    loads_or_is_refused(write(tmp_path_factory.getbasetemp(), text.encode("utf-8", "surrogatepass")))


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=200))
def test_any_bytes_load_or_are_refused(tmp_path_factory, data):
    loads_or_is_refused(write(tmp_path_factory.getbasetemp(), data))


def test_the_study_of_readings():
    study = load(CONFIG).study("readings")
    found = {labels(c)[1] for c in study.cells}
    cnn_only = {"fan_channels", "dense_1", "dropout_pairs", "dropout_every", "dropout_maps"}
    assert found == set(READINGS) - cnn_only - {"svhn_digit"}
    assert len({c.key for c in study.cells}) == len(study.cells) == 258
    assert sum(c.model == "cnn" for c in study.cells) == 6
    defaults = {(c.model, c.dataset, c.norm, labels(c)[0]) for c in study.cells if labels(c)[1] == "default"}
    assert {(c.model, c.dataset, c.norm, labels(c)[0]) for c in study.cells} == defaults


def test_the_study_of_extras_has_the_cells_that_claims_ask_for():
    study = load(CONFIG).study("extras")
    names = [extra(describe(c)) or labels(c)[0] for c in study.cells]
    assert Counter(names) == dict.fromkeys(("relu", "exponential", "power", "adam", "rmsprop"), 16) | {
        "lr_high_weight_decay": 16,
        "lr_high_clip": 8,
    }
    assert set(names) == {"relu", *EXTRAS}


def test_the_study_of_the_reduced_cnn():
    study = load(CONFIG).study("reduced_cnn")
    assert (len(study.cells), study.seeds) == (36, (0, 1, 2))
    assert {labels(c)[1] for c in study.cells} == {"reduced"}
    assert {labels(c)[0] for c in study.cells} == set(ROWS)
