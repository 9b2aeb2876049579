"""The digest of each file of a folder, in `digests.json` beside them: a file that does not match is never used.

A digest is the SHA-256 of a file's bytes. A file may have two while it is being replaced. Stdlib only.
"""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

from bnstudy import disk, small_json
from bnstudy.errors import DataError

FILE = "digests.json"
RESTORE = "Restore the published files from version control: git checkout -- results/published"
"""The remedy for damaged published files."""

Digests = dict[str, list[str]]
"""By name of a file, the digests that it may have."""


def of(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def stated(folder: Path, remedy: str) -> Digests:
    """Return the digests of a folder; none if it has no `digests.json`. Raises DataError."""
    path = folder / FILE
    try:
        return {name: [str(one) for one in digests] for name, digests in small_json.read(path, dict).items()}
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise DataError(f"{path}: cannot be read ({error})", remedy) from error


def lists(folder: Path, name: str, remedy: str) -> bool:
    """Return True if the folder has such a file, or a digest of one. Raises DataError."""
    return name in stated(folder, remedy) or (folder / name).exists()


def read(folder: Path, name: str, remedy: str) -> bytes:
    """Return the content of a file of the folder. Raises DataError, naming it, if it is absent or does not match."""
    path, digests = folder / name, stated(folder, remedy)
    try:
        content = disk.read(path)
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror or error})", remedy) from error
    if name not in digests:
        raise DataError(f"{path}: {FILE} beside it has no digest of it", remedy)
    if of(content) not in digests[name]:
        raise DataError(f"{path}: the content does not match its digest", remedy)
    return content


def put(folder: Path, contents: Mapping[str, bytes], kept: Digests, one_by_one: bool = False) -> None:
    """Write files, and their digests beside those `kept` of other files. Raises WriteError.

    one_by_one   while they are written, each file may be the old or the new one; otherwise a kill in between leaves
                 files that do not match and must be written again
    """
    new = {name: [of(content)] for name, content in contents.items()}
    if one_by_one:
        _write(folder, kept | {name: [*kept.get(name, []), *new[name]] for name in new})
    for name, content in contents.items():
        disk.write(folder / name, content)
    _write(folder, kept | new)


def _write(folder: Path, digests: Digests) -> None:
    text = json.dumps(digests, indent=1, sort_keys=True)
    disk.write(folder / FILE, text.encode() + b"\n")
