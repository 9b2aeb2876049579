"""The look of figures is ours alone."""

import matplotlib
import pytest

from bnstudy.figures import style
from bnstudy.figures.writer import content


def drawn() -> bytes:
    from matplotlib.figure import Figure

    with style.look():
        page = Figure()
        page.subplots().plot([1, 2], label="a")
    return content(page, "svg", "salt")


@pytest.mark.parametrize(
    "own", [{"axes.grid": True}, {"text.usetex": True}, {"savefig.bbox": "tight"}, {"font.family": "cursive"}]
)
def test_settings_of_the_user_change_no_byte(own):
    before = drawn()
    with matplotlib.rc_context(own):
        assert drawn() == before
        assert all(
            matplotlib.rcParams[name] == ([value] if name == "font.family" else value) for name, value in own.items()
        )


def test_no_line_of_a_label_ends_inside_a_distribution():
    assert style.wrapped("init_low", 18).replace("\N{NO-BREAK SPACE}", " ") == "weights from\nN(0, 0.0001²)"
