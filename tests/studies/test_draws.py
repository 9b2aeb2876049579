# ruff: noqa: E501 - one case, one line
"""Random search: a grid that draws values (2.8.4), reproducible from the config alone."""

import math

import pytest

from bnstudy.errors import UsageError
from bnstudy.studies.config import load

LR = "lr: {log: [0.0001, 1]}"


def study(folder, random, rest="norm: [none, batch]", form="random: {{{}}}"):
    path = folder / "draws.yaml"
    path.write_text(
        "studies:\n  one:\n    question: Which rate is best?\n    cells:\n"
        f"      - {{dataset: digits, model: mlp, {rest}, {form.format(random)}}}\n"
    )
    return load(path).study("one").cells


def test_each_draw_is_combined_with_the_other_keys(tmp_path):
    cells = study(tmp_path, f"{LR}, draws: 20")
    rates = {norm: [cell.lr for cell in cells if cell.norm == norm] for norm in ("none", "batch")}
    assert rates["none"] == rates["batch"]  # cells stay paired
    assert len(set(rates["none"])) == 20
    assert all(0.0001 <= lr <= 1 and lr == float(f"{lr:.4g}") for lr in rates["none"])


def test_the_same_file_gives_the_same_cells_and_more_draws_only_add(tmp_path):
    first, again, more = (study(tmp_path, f"{LR}, draws: {n}") for n in (5, 5, 8))
    assert first == again
    assert set(first) < set(more)
    assert not set(first) & set(study(tmp_path, f"{LR}, draws: 5, seed: 1"))


def test_log_draws_are_even_in_the_logarithm_and_uniform_ones_in_the_value(tmp_path):
    cells = study(tmp_path, f"{LR}, dropout: {{uniform: [0, 0.8]}}, draws: 400", "norm: none")
    decades = [math.floor(math.log10(cell.lr)) for cell in cells]
    assert all(60 <= decades.count(decade) <= 140 for decade in (-4, -3, -2, -1))
    quarters = [min(3, int(cell.dropout / 0.2)) for cell in cells]
    assert all(60 <= quarters.count(quarter) <= 140 for quarter in range(4))
    apart = sum((cell.lr > 0.01) == (cell.dropout > 0.4) for cell in cells)
    assert 150 <= apart <= 250  # one field does not follow another


def test_whole_numbers_are_drawn_whole(tmp_path):
    sizes = [cell.batch_size for cell in study(tmp_path, "batch_size: {log: [8, 1024]}, draws: 9", "norm: none")]
    assert all(type(size) is int and 8 <= size <= 1024 for size in sizes)
    assert len(set(sizes)) > 5


@pytest.mark.parametrize(
    ("random", "told"),
    [
        (LR, "draws is None"), (f"{LR}, draws: 0", "draws is 0"), (f"{LR}, draws: 2000", "draws is 2000"), (f"{LR}, draws: true", "draws is True"),
        ("draws: 3", "no field is drawn"), ("lrr: {log: [1, 2]}, draws: 3", "lrr is not a field"),
        ("activation: {log: [1, 2]}, draws: 3", "activation is not a number field"), ("lr: {log: [1]}, draws: 3", "lr is"),
        ("lr: {normal: [0.1, 1]}, draws: 3", "lr is"), ("lr: {log: [1, 0.1]}, draws: 3", "the lower end before the upper"),
        ("dropout: {log: [0, 0.5]}, draws: 3", "both above 0"), ("dropout: {uniform: [0, 2]}, draws: 3", "out of range"),
        (f"{LR}, draws: 3, seed: -1", "seed is -1"), ("lr: 3, draws: 3", "lr is 3"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_refused_with_its_line(tmp_path, random, told):
    with pytest.raises(UsageError, match=r"draws\.yaml:5") as error:
        study(tmp_path, random)
    assert told in str(error.value)


@pytest.mark.parametrize("block", ["3", "[lr]", "log"])
def test_a_block_that_is_no_mapping_is_refused(tmp_path, block):
    with pytest.raises(UsageError, match="is not a mapping"):
        study(tmp_path, block, form="random: {}")


@pytest.mark.parametrize("rest", ["norm: none, lr: 0.1", "norm: none, setting: lr_high"])
def test_a_value_that_is_also_given_is_refused(tmp_path, rest):
    with pytest.raises(UsageError, match="Remove one of the two"):
        study(tmp_path, f"{LR}, draws: 2", rest)


def test_a_drawn_field_without_effect_is_refused(tmp_path):
    with pytest.raises(UsageError, match="momentum has no effect here, optimizer has no momentum"):
        study(tmp_path, "momentum: {uniform: [0.5, 0.9]}, draws: 2", "norm: none, optimizer: adam")


def test_draws_count_towards_the_most_cells(tmp_path):
    with pytest.raises(UsageError, match="At most 20,000 are allowed"):
        study(tmp_path, f"{LR}, draws: 1000", "norm: none, epochs: " + str(list(range(1, 31))))
