"""`python -m bnstudy.illustrations FOLDER FORMAT...` draws all of them, in parallel to the figures of results."""

import sys
from pathlib import Path

from bnstudy.figures.writer import Target, write
from bnstudy.illustrations import COMPUTED
from bnstudy.illustrations.render import drawing

target = Target(Path(sys.argv[1]), tuple(sys.argv[2:]))
for one in COMPUTED.values():
    write(drawing(one), target)
