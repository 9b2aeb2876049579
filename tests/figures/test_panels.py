"""Notes in a panel cover no curve where there is room for them."""

import numpy as np
import pytest
from matplotlib.figure import Figure as Page

from bnstudy.figures import panels, style

NOTES = ["vanilla diverged (2 of 3 seeds), epoch 1", "vanilla: not finite from step 12 on (×)"]


def panel(x, y, log=False):
    """A panel like those of a wide page, with one curve."""
    ax = Page(figsize=(3.6, 3.3)).add_axes((0.2, 0.2, 0.7, 0.7))
    ax.plot(x, y)
    ax.set(xlim=(0, 1), ylim=(1e-6, 1e20) if log else (0, 1), yscale="log" if log else "linear")
    return ax


def test_points_follow_a_line_however_steep():
    x, y = panels.drawn(panel([0, 0.49, 0.51, 1], [0.1, 0.1, 0.9, 0.9])).T
    inside = np.sort(y[(x > 0.48) & (x < 0.52)])
    assert np.diff(inside).max() < 0.02


def test_points_are_within_the_panel_where_a_line_falls_to_zero_on_a_log_axis():
    x, y = panels.drawn(panel([0, 0.5, 0.5, 1], [1, 1, 0, 0], log=True)).T
    assert ((np.abs(x - 0.5) < 0.01) & (y > 0) & (y < 0.2)).sum() > 5


def test_markers_are_points_and_no_line():
    ax = panel([], [])
    ax.plot([0, 1], [0, 1], "o", linestyle="none")
    assert panels.drawn(ax) == pytest.approx(np.array([[0, 0], [1, 1]]))


@pytest.mark.parametrize("at", [0.4, 0.6])
def test_notes_are_folded_to_fit_beside_a_curve_that_shoots_up(at):
    with style.look():
        ax = panel([0, at - 0.02, at], [0.05, 0.1, 1])
        panels.write_notes(ax, NOTES)
        (note,) = ax.texts
        x0, y0, x1, y1 = note.get_window_extent().transformed(ax.transAxes.inverted()).extents
        x, y = panels.drawn(ax).T
        assert not ((x > x0) & (x < x1) & (y > y0) & (y < y1)).any()
        assert 0 < x0 < x1 < 1
        assert " ".join(note.get_text().split()) == " ".join(NOTES)


def test_notes_that_fit_are_not_folded():
    with style.look():
        ax = panel([0, 1], [0.9, 0.9])
        panels.write_notes(ax, ["vanilla diverged, epoch 1"])
        assert ax.texts[0].get_text() == "vanilla diverged, epoch 1"
