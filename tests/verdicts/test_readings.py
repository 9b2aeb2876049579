"""Which reading is closest: a true effect is found, noise is not, and nothing is claimed of one seed."""

import numpy as np
import pandas as pd
import pytest

from bnstudy.verdicts.accuracies import number_verdicts
from bnstudy.verdicts.readings import by_number, closeness, conclusion

SLOTS = [("mlp", d, n, "relu") for d in ("mnist", "cifar10") for n in ("none", "batch")]
PUBLISHED = pd.DataFrame([(*slot, 90.0) for slot in SLOTS], columns=["model", "dataset", "norm", "setting", "printed"])


def runs(levels, seeds=3, noise=0.1, stream=0, slots=SLOTS):
    """Runs of each reading around its level, percent."""
    rng = np.random.default_rng(stream)
    rows = [
        (*slot, reading, f"{reading}-{slot}", seed, level + noise * rng.standard_normal())
        for reading, level in levels.items()
        for slot in slots
        for seed in range(seeds)
    ]
    return pd.DataFrame(
        rows, columns=["model", "dataset", "norm", "setting", "reading", "key", "seed", "test_accuracy"]
    )


def test_a_reading_that_is_closer_is_found_and_one_that_is_farther():
    table = closeness(runs({"default": 88.0, "code": 89.5, "text": 86.0, "no_stop": 88.0}), PUBLISHED)
    assert dict(zip(table["reading"], table["verdict"], strict=True)) == {
        "code": "closer",
        "no_stop": "undecided",
        "text": "farther",
    }
    first = table.iloc[0]
    assert first["difference"] == pytest.approx(-1.5, abs=0.15)
    assert (first["numbers"], first["seeds"]) == (4, 3)
    assert first["deviation"] - first["default"] == pytest.approx(first["difference"])
    assert conclusion(table).startswith("Closer to the printed numbers than the default: code (−1.")
    assert "Farther: 1. Undecided: 1." in conclusion(table)


def test_overshooting_is_no_closer():
    table = closeness(runs({"default": 88.0, "code": 92.0}, noise=0.01), PUBLISHED)
    assert table["difference"][0] == pytest.approx(0.0, abs=0.05)
    assert table["moved"][0] == pytest.approx(4.0, abs=0.05)


def test_noise_is_hardly_ever_a_finding():
    """12 readings without effect, 25 times: in about one of them some reading is called closer or farther."""
    names = {"default": 88.0} | {f"r{i}": 88.0 for i in range(12)}
    false = sum(
        (closeness(runs(names, stream=i, noise=0.3), PUBLISHED)["verdict"] != "undecided").any() for i in range(25)
    )
    assert false <= 5


def test_one_seed_decides_nothing():
    table = closeness(runs({"default": 80.0, "code": 90.0}, seeds=1), PUBLISHED)
    assert table["verdict"].tolist() == ["undecided"]
    assert "No reading is closer" in conclusion(table)


def test_only_numbers_that_both_have_are_compared():
    both = pd.concat([runs({"default": 88.0}), runs({"code": 89.0}, slots=SLOTS[:1])])
    assert closeness(both, PUBLISHED)["numbers"].tolist() == [1]
    assert closeness(both, PUBLISHED)["seeds"].tolist() == [3]


def test_a_number_that_scatters_widens_the_interval_of_its_readings_alone():
    """One cell of the default spreads by 3 points: what rests on it is not sure, what rests on the others is."""
    quiet = runs({"default": 88.0, "code": 89.0, "text": 89.0}, slots=SLOTS[:2], noise=0.02)
    loud = pd.concat(
        [
            runs({"default": 88.0}, slots=SLOTS[3:], noise=3.0),
            runs({"code": 89.0}, slots=SLOTS[3:], noise=0.02, stream=1),
        ]
    )
    table = closeness(pd.concat([quiet, loud]), PUBLISHED).set_index("reading")
    assert table["verdict"].to_dict() == {"text": "closer", "code": "undecided"}
    assert table["half_width"]["code"] > 10 * table["half_width"]["text"]


def test_a_number_of_one_seed_leaves_its_reading_undecided():
    one = runs({"code": 90.0}, seeds=1, slots=SLOTS[:1])
    rest = runs({"default": 80.0}), runs({"code": 90.0}, slots=SLOTS[1:])
    (row,) = closeness(pd.concat([one, *rest]), PUBLISHED).to_dict("records")
    assert (row["seeds"], row["numbers"], row["nearer"], row["verdict"]) == (1, 4, 4, "undecided")


def test_reduced_cells_and_other_data_are_no_reading():
    assert closeness(runs({"default": 88.0, "reduced": 89.0, "adhoc": 1.0}), PUBLISHED).empty
    digits = [("mlp", "digits", "none", "relu")]
    assert closeness(runs({"default": 88.0, "code": 89.0}, slots=digits), PUBLISHED).empty


def compared(frame, margins=None):
    """`by_number` of these runs, none of which is broken."""
    runs = frame.assign(outcome="finished", broken=False)
    return by_number(number_verdicts(runs, PUBLISHED, margins), runs)


def test_a_number_is_told_with_its_nearest_reading_first():
    levels = {"default": 88.0, "code": 90.2, "text": 86.0, "no_stop": 91.5, "adhoc": 90.0}
    near = runs({"default": 90.0, "text": 90.0}, slots=SLOTS[1:2], noise=0.05)
    found = compared(pd.concat([near, runs(levels, slots=SLOTS[:1], noise=0.05)]))
    assert found["norm"].tolist() == ["none"] * 3 + ["batch"]
    assert found["reading"].tolist() == ["code", "no_stop", "text", "text"]
    assert found["within"].tolist() == [True, False, False, True]
    assert found["default_within"].tolist() == [False] * 3 + [True]
    assert found["verdict"].tolist() == ["differs"] * 3 + ["reproduced"]
    assert found["default"][0] == pytest.approx(88.0, abs=0.1)
    assert set(found["n"]) == {3}


def test_the_margin_says_what_is_near():
    frame = runs({"default": 88.0, "code": 89.5}, slots=SLOTS[:1], noise=0.01)
    assert [compared(frame, {"mnist": m})["within"].tolist() for m in (0.3, 0.6)] == [[False], [True]]


@pytest.mark.parametrize("only", ["default", "code"])
def test_a_number_without_another_reading_or_the_default_is_not_listed(only):
    assert compared(runs({only: 88.0})).empty
