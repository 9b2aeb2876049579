"""`python -m bnstudy.figures.background FOLDER FORMAT...` draws all of them, beside a process that draws results."""

import sys
from pathlib import Path

from bnstudy.figures.background import COMPUTED
from bnstudy.figures.background.render import drawing
from bnstudy.figures.writer import Target, write

target = Target(Path(sys.argv[1]), tuple(sys.argv[2:]))
for one in COMPUTED.values():
    write(drawing(one), target)
