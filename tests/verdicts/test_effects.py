"""The effect of batch norm, printed and ours: by cases worked by hand, by simulation, and on the page of a study."""

import dataclasses
import re
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb
from scipy import stats as distributions

import pages
import synthetic
from bnstudy import printed, report, tables
from bnstudy.design.cell import Cell
from bnstudy.design.labels import SETTINGS
from bnstudy.design.study import Study
from bnstudy.figures import effects as figure
from bnstudy.figures import style
from bnstudy.figures.writer import Target, write
from bnstudy.results import frames
from bnstudy.verdicts.accuracies import SLOT, SPLIT, each, number_verdicts
from bnstudy.verdicts.effects import COLUMNS, asked, conclusion, gains
from bnstudy.verdicts.effects import effects as of_numbers
from claims.frames_of import runs as measured
from report.test_report import Page, contrast


def cell(norm, setting, dataset="cifar10", **more):
    return Cell(dataset=dataset, model="mlp", norm=norm, **SETTINGS[setting], **more)


def frames_of(accuracies, broken=()):
    """Frames of {(norm, setting): accuracies by seed} on CIFAR10; cells in `broken` answer one class in every seed."""
    stuck = {cell(*slot): [True] * len(accuracies[slot]) for slot in broken}
    return measured({cell(*slot): values for slot, values in accuracies.items()}, stuck)


def numbers_printed(numbers):
    """Published rows of {(norm, setting): percent} on CIFAR10."""
    return pd.DataFrame([("mlp", "cifar10", *slot, n) for slot, n in numbers.items()], columns=[*SLOT, "printed"])


def effects(runs, numbers):
    return of_numbers(number_verdicts(runs, numbers))


def of(setting, table):
    (row,) = table[table["setting"] == setting].to_dict("records")
    return row


def test_unnamed_cells_are_a_pair_only_if_nothing_but_the_norm_differs():
    decayed = cell("none", "relu", penalty="l2", penalty_strength=0.003)
    fast, slow = (Cell(dataset="cifar10", model="mlp", norm=norm, lr=0.3) for norm in ("batch", "none"))
    assert gains(measured({decayed: [55, 56, 57], fast: [52, 53, 54]}).runs).empty
    (row,) = gains(measured({slow: [50, 51, 52], fast: [52, 53, 54]}).runs).to_dict("records")
    assert (row["learn"], row["gain"], row["fewest"], row["most"]) == (1, 2.0, 3, 3)


ACCURACIES = {
    ("none", "relu"): [49, 50, 51], ("batch", "relu"): [52, 54],
    ("none", "elu"): [50.0], ("batch", "elu"): [51.0],
    ("none", "lr_high"): [10, 10], ("batch", "lr_high"): [52, 52],
    ("none", "init_low"): [48, 48],
    ("none", "batch_32"): [20, 60], ("batch", "batch_32"): [20, 60],
}  # fmt: skip
NUMBERS = {
    ("none", "relu"): 49.6, ("batch", "relu"): 51.6, ("none", "elu"): 50.4, ("batch", "elu"): 50.4,
    ("none", "lr_high"): 10.0, ("batch", "lr_high"): 52.6, ("none", "init_low"): 10.0, ("batch", "init_low"): 52.6,
}  # fmt: skip
LOST = {("none", "lr_high")}


def test_effects_and_their_interval_by_hand():
    """Deviations -1, 0, 1; -1, 1; 0, 0 twice: s² = 4 / 5 with 5 degrees of freedom, the broken cell and the batch size
    that is not printed left out."""
    table = effects(frames_of(ACCURACIES, LOST).runs, numbers_printed(NUMBERS))
    assert table.columns.tolist() == COLUMNS
    assert table["setting"].tolist() == ["relu", "elu", "lr_high"]  # of init_low one norm was not run
    relu, t_s = of("relu", table), distributions.t.ppf(0.975, 5) * np.sqrt(4 / 5)
    assert (relu["printed"], relu["own"]) == (2.0, 3.0)
    assert relu["h"] == pytest.approx(t_s * np.sqrt(1 + 1 / 3 + 1 + 1 / 2 + 4 * SPLIT))
    assert of("elu", table)["h"] == pytest.approx(t_s * np.sqrt(1 + 1 + 1 + 1 + 4 * SPLIT))
    assert (relu["n_none"], relu["n_batch"], relu["learns"], relu["within"]) == (3, 2, True, True)


def test_accuracies_round_as_they_are_printed():
    """98.05 is printed as 98.1, though it is a little less in binary: beside 98.1 it is no effect."""
    ours = frames_of({("none", "relu"): [98.05, 98.05], ("batch", "relu"): [98.1, 98.1]})
    table = effects(ours.runs, numbers_printed({("none", "relu"): 98.0, ("batch", "relu"): 98.0}))
    assert of("relu", table)["same_sign"]


@pytest.mark.parametrize(("beyond", "within"), [(-0.01, True), (0.01, False)])
def test_within_ends_at_h(beyond, within):
    h = of("relu", effects(frames_of(ACCURACIES, LOST).runs, numbers_printed(NUMBERS)))["h"]
    for side in (1, -1):
        moved = numbers_printed(NUMBERS | {("batch", "relu"): 49.6 + 3.0 + side * (h + beyond)})
        assert of("relu", effects(frames_of(ACCURACIES, LOST).runs, moved))["within"] is within


@pytest.mark.parametrize(
    ("none", "batch", "same"), [(50.4, 50.4, False), (50.0, 50.1, True), (50.1, 50.0, False), (49.0, 51.9, True)]
)
def test_sign_of_what_is_printed_and_of_ours(none, batch, same):
    """Ours is +1.0; an effect printed as zero has the sign of one that rounds to it."""
    numbers = NUMBERS | {("none", "elu"): none, ("batch", "elu"): batch}
    assert of("elu", effects(frames_of(ACCURACIES, LOST).runs, numbers_printed(numbers)))["same_sign"] is same
    ours = ACCURACIES | {("none", "elu"): [50.0], ("batch", "elu"): [50.04]}
    assert of("elu", effects(frames_of(ours, LOST).runs, numbers_printed(numbers)))["same_sign"] is (none == batch)


@pytest.mark.parametrize(
    ("ours", "number", "state"),
    [(True, 10.0, (True, True)), (True, 48.0, (False, True)), (False, 10.0, (True, False))],
)
def test_a_broken_network_on_either_side_sets_a_pair_apart(ours, number, state):
    table = effects(
        frames_of(ACCURACIES, LOST if ours else ()).runs, numbers_printed(NUMBERS | {("none", "lr_high"): number})
    )
    row = of("lr_high", table)
    assert (row["printed_broken"], row["broken"]) == state
    assert (row["learns"], row["within"]) == (False, False)
    assert np.isnan(row["h"])
    assert table["learns"].sum() == 2


def test_one_seed_has_no_interval():
    single = {slot: values[:1] for slot, values in ACCURACIES.items()}
    table = effects(frames_of(single, LOST).runs, numbers_printed(NUMBERS))
    assert table["h"].isna().all()
    assert not table["within"].any()
    assert conclusion(table).startswith("The spread of 2 pairs is not known: one seed. In 1 more pair a network")


def test_readings_and_small_networks_do_not_count():
    kinds: tuple[dict[str, Any], ...] = ({"width": 0.5}, {"nesterov": "torch"})
    others = {cell(n, "relu", **kind): v for n, v in (("none", [70, 70]), ("batch", [80, 80])) for kind in kinds}
    assert effects(measured(others).runs, numbers_printed(NUMBERS)).empty
    own = {cell(*slot): values for slot, values in ACCURACIES.items()}
    stuck = {cell(*slot): [True] * 2 for slot in LOST}
    assert effects(measured(own | others, stuck).runs, numbers_printed(NUMBERS)).equals(
        effects(measured(own, stuck).runs, numbers_printed(NUMBERS))
    )


def test_of_twenty_faithful_pairs_nineteen_lie_within():
    """300 pairs in 100 places of their own spread, three seeds without and two with, six cells that share an s."""
    rng, rows, numbers = np.random.default_rng(0), [], []
    for place, spread in enumerate(rng.uniform(0.1, 2, 100)):
        for setting in ("relu", "elu", "sigmoid"):
            for norm, seeds in (("none", 3), ("batch", 2)):
                slot = ("mlp", f"d{place}", norm, setting)
                draws = 50 + spread * rng.standard_normal(seeds + 1)
                numbers.append((*slot, draws[-1]))
                rows += [(*slot, "default", str(slot), i, v, "finished", False) for i, v in enumerate(draws[:-1])]
    runs = pd.DataFrame(rows, columns=[*SLOT, "reading", "key", "seed", "test_accuracy", "outcome", "broken"])
    table = effects(runs, pd.DataFrame(numbers, columns=[*SLOT, "printed"]))
    assert len(table) == 300
    assert table["within"].mean() == pytest.approx(0.95, abs=0.03)


def test_the_conclusion_counts():
    table = effects(frames_of(ACCURACIES, LOST).runs, numbers_printed(NUMBERS | {("batch", "elu"): 60.0}))
    assert conclusion(table) == (
        "In 1 of 2 pairs in which both networks learn, in the thesis and here, the printed effect of batch norm is "
        "what one more pair of our runs could give; in 2 it has the sign of ours. In 1 more pair a network answers one "
        "class, in the thesis and here: their effect is that of learning at all."
    )
    assert conclusion(effects(frames_of(ACCURACIES).runs, numbers_printed(NUMBERS))).endswith(
        "In 1 pair that is so in the thesis alone or here alone."
    )


def test_a_study_asks_for_effects_if_it_has_a_printed_pair():
    def plan(*cells):
        return tables.planned(cells, (0,))

    pair = cell("none", "relu"), cell("batch", "relu")
    assert asked(plan(*pair), printed.accuracy())
    assert not asked(plan(cell("none", "relu"), cell("batch", "elu")), printed.accuracy())
    assert not asked(plan(*(cell(n, "relu", width=0.5) for n in ("none", "batch"))), printed.accuracy())
    assert not asked(plan(*(cell(n, "batch_32") for n in ("none", "batch"))), printed.accuracy())


# the figure


@pytest.fixture(scope="module")
def table():
    return effects(frames_of(ACCURACIES, LOST).runs, numbers_printed(NUMBERS))


def marks(ax):
    """(x, y, filled) of the points of an axes."""
    points = [line for line in ax.lines if line.get_marker() not in ("None", "")]
    return [
        (*(float(v[0]) for v in line.get_data()), line.get_markerfacecolor() == line.get_color()) for line in points
    ]


def test_points_stand_where_the_table_says(table):
    ax = figure.draw(table).axes[0]
    assert marks(ax) == [(2.0, 3.0, True), (0.0, 1.0, True)]
    (inset,) = ax.child_axes
    assert marks(inset) == [(2.0, 3.0, True), (0.0, 1.0, True), (pytest.approx(42.6), 42.0, False)]
    for one in (ax, inset):
        assert one.get_xlim() == one.get_ylim()
        low, high = one.get_xlim()
        assert all(low < value < high for x, y, _ in marks(one) for value in (x, y))
    spans = [tuple(np.asarray(line.get_ydata())) for line in ax.lines if line.get_color() == style.DATA["cifar10"][0]]
    learn = table[table["learns"]]
    assert {span for span in spans if len(span) == 2} == {(row.own - row.h, row.own + row.h) for row in each(learn)}


def test_a_bar_far_longer_than_most_is_cut_and_that_is_said(table):
    learn = pd.concat([table[table["learns"]]] * 2, ignore_index=True).assign(h=1.0)
    assert figure.LONG not in texts(figure.draw(learn))
    learn.loc[0, "h"] = 50.0
    page = figure.draw(learn)
    assert max(map(abs, page.axes[0].get_ylim())) < 10
    assert figure.LONG in texts(page)


def texts(page) -> str:
    return " ".join(" ".join(each.get_text() for each in page.texts).split())


def test_without_broken_pairs_there_is_no_inset_and_with_them_alone_no_second(table):
    assert figure.draw(table[table["learns"]]).axes[0].child_axes == []
    parts = table, table[table["learns"]], table[~table["learns"]]
    assert [figure.INSET in texts(figure.draw(part)) for part in parts] == [True, False, False]
    (ax,) = figure.draw(table[~table["learns"]]).axes
    assert (ax.child_axes, len(marks(ax))) == ([], 1)


def test_a_panel_per_model_and_narrow_ones_below_each_other(table):
    both = pd.concat([table, table.assign(model="cnn")])
    wide, narrow = figure.draw(both), figure.draw(both, narrow=True)
    for page in (wide, narrow):
        assert [ax.get_title(loc="left") for ax in page.axes] == ["MLP", "CNN"]
    assert wide.axes[0].get_position().y0 == wide.axes[1].get_position().y0
    assert narrow.axes[0].get_position().y0 > narrow.axes[1].get_position().y1
    assert narrow.get_figwidth() < 4.2 < wide.get_figwidth()


def test_data_sets_differ_in_colour_and_marker_and_stand_out():
    looks = [style.data(name) for name in printed.CONSTANT_GUESS]
    assert len({look.color for look in looks}) == len({look.marker for look in looks}) == 4
    assert all(contrast(to_rgb(look.color), (1, 1, 1)) >= 3 for look in looks)
    light = [contrast(to_rgb(look.color), (0, 0, 0)) for look in looks]
    assert all(max(a, b) / min(a, b) > 1.2 for a, b in combinations(light, 2))


def test_the_files_of_the_figure_are_the_same_for_the_same_data(table, tmp_path):
    made = write(figure.drawing(table), Target(tmp_path / "a", ("svg", "png")))
    assert [path.name for path in made] == ["fig_E1.svg", "fig_E1.png", "fig_E1_narrow.svg", "fig_E1.csv"]
    pd.testing.assert_frame_equal(
        pd.read_csv(made[-1])[["printed", "own", "h"]], table[["printed", "own", "h"]], check_dtype=False
    )
    again = write(figure.drawing(table), Target(tmp_path / "b", ("svg", "png")))
    assert [path.read_bytes() for path in made] == [path.read_bytes() for path in again]


# the page


def study_of(settings, **more):
    cells = [cell(n, s, **more) for s in settings for n in ("none", "batch")]
    return Study("small", "?", tuple(cells), (0, 1))


def run(study, seeds=(0, 1)):
    """Frames of synthetic records, in which vanilla networks at the high rate are broken."""
    return frames.build([synthetic.record(r, epochs_run=2) for r in study.runs() if r.seed in seeds], study.runs())


@pytest.mark.slow
def test_the_page_shows_the_effect(tmp_path):
    study = study_of(("relu", "elu", "lr_high"))
    built = run(study)
    page = report.write(study, built, None, {"default": 1.0}, tmp_path)
    text, found = pages.read(page), effects(built.runs, printed.accuracy())
    shown = text[text.index('id="effect"') : text.index('id="tables"')]
    assert text.index('id="verdicts"') < text.index('id="effect"')
    assert found["learns"].tolist() == [True, True, False]
    assert conclusion(found) in shown
    (row,) = re.findall(r'<th scope="row">MLP, CIFAR10</th>(.*)</tr>', shown)
    within, sign, *numbers = re.findall(r">([^<>]+)</td>", row)
    numbers = [float(n.replace("−", "-")) for n in numbers]
    learn = found[found["learns"]]
    assert (within, sign) == (f"{learn['within'].sum()} of 2", f"{learn['same_sign'].sum()} of 2")
    assert numbers[:2] == [pytest.approx(learn[side].mean(), abs=0.051) for side in ("printed", "own")]
    assert numbers[2:] == [1, 42.6, pytest.approx(found["own"].iloc[-1], abs=0.051)]
    outside = re.findall(r"hardly give the printed one. (.*)</p>", shown)
    assert len(outside) == (not learn["within"].all())
    files = [a for a in Page(shown).addresses if "fig_E1" in a]
    assert {*files} == {f"figures/fig_E1{end}" for end in (".svg", "_narrow.svg", ".csv")}
    assert all((page.parent / file).is_file() for file in files)
    assert "partial" not in shown


def test_a_pair_of_which_runs_are_missing_is_partial():
    def state(built):
        return figure.state(effects(built.runs, printed.accuracy()), built.missing)

    study = study_of(("relu", "elu"))
    assert [state(run(study, seeds)) for seeds in ((0, 1), (0,), ())] == ["complete", "partial", "not run"]
    lone = dataclasses.replace(study, cells=study.cells[:1])
    assert state(run(lone)) == "not run"


def test_a_page_without_printed_pairs_says_nothing_of_effects(tmp_path):
    study = study_of(("relu",), width=0.5)
    page = report.write(study, run(study), None, {"default": 1.0}, tmp_path)
    assert 'id="effect"' not in pages.read(page)
    assert not list((page.parent / "figures").glob("fig_E1*"))
