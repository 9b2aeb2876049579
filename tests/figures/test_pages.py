"""A page holds its title, legend and panels within its width."""

import pytest
from matplotlib.lines import Line2D

from bnstudy.figures import pages, style

WORDS = pages.Words("Figure Q.9   Where does dropout go with batch norm?", "", "Mean over seeds.")


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("count", [1, 2, 6, 12])
def test_a_legend_of_long_labels_fits(count, narrow):
    handles = [Line2D([], [], label=f"batch norm, the same with exact statistics {i}") for i in range(count)]
    with style.look(narrow):
        page, axes = pages.page(["mnist", "cifar10"], WORDS, handles, narrow)
        legend = page.legends[0].get_window_extent()
        assert page.bbox.x0 <= legend.x0
        assert legend.x1 <= page.bbox.x1
        assert legend.y0 >= max(ax.title.get_window_extent().y1 for ax in axes)


@pytest.mark.parametrize("narrow", [False, True])
@pytest.mark.parametrize("sentences", [1, 5, 12])
def test_a_long_footer_stays_below_the_name_of_the_axis(sentences, narrow):
    words = pages.Words("Figure Q.2", "", "Mean over three seeds, band from the lowest to the highest. " * sentences)
    with style.look(narrow):
        page, axes = pages.page(["mnist", "cifar10"], words, [], narrow)
        for ax in axes:
            ax.set_xscale("log")
            ax.set_xlabel("learning rate")
        footer = page.texts[-1].get_window_extent()
        assert footer.y0 >= page.bbox.y0
        assert footer.y1 < min(ax.xaxis.get_tightbbox(page.canvas.get_renderer()).y0 for ax in axes)


@pytest.mark.parametrize("narrow", [False, True])
def test_a_page_without_legend_and_footer_leaves_no_room_for_them(narrow):
    """Of the background figures, most have neither."""
    with style.look(narrow):
        bare, axes = pages.page(["mnist"], pages.Words("Figure 2.9", "", ""), [], narrow)
        full, _ = pages.page(["mnist"], WORDS, [Line2D([], [], label="vanilla")], narrow)
        below = bare.texts[0].get_window_extent().y0 - axes[0].title.get_window_extent().y1
    assert bare.get_figheight() < full.get_figheight() - 0.5
    assert 0 < below < 0.5 * bare.dpi


@pytest.mark.parametrize(
    ("drawn", "narrow", "first"),
    [
        ([True] * 8, False, {0, 4}),
        ([False, True, True, False, False, False, True, True], False, {1, 6}),
        ([False] * 4 + [True] * 4, False, {4}),
        ([True, False, True], True, {0, 2}),
    ],
)
def test_the_first_drawn_panel_of_each_row_names_the_axis(drawn, narrow, first):
    assert pages.first_drawn(drawn, narrow) == first
