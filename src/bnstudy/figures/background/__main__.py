"""`python -m bnstudy.figures.background FOLDER FORMAT...` draws them all, beside a process that draws results."""

import sys
from pathlib import Path

from bnstudy.figures.background import COMPUTED
from bnstudy.figures.background.render import render

for one in COMPUTED.values():
    render(one, Path(sys.argv[1]), tuple(sys.argv[2:]))
