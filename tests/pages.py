"""The page of a study as tests search it."""

import re
from pathlib import Path


def read(page: Path) -> str:
    """The page on one line, without spaces between tags: where its templates break lines does not matter."""
    return re.sub(r"(?<=>) (?=<)", "", " ".join(page.read_text().split()))
