"""The files that the guides show."""

import re

from command_line import ROOT


def files_of_the_guide() -> dict[str, str]:
    """The files that extend.md shows: blocks whose first line is a remark with a path."""
    text = (ROOT / "docs" / "guide" / "extend.md").read_text()
    found = re.findall(r"^```(?:python|yaml)\n# (own/\S+)\n(.*?)^```", text, re.M | re.S)
    return dict(found)
