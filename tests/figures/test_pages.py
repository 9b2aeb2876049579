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
