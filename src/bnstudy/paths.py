"""Every path pattern, once. Stdlib only."""

import os
import re
import sys
from pathlib import Path

from bnstudy.errors import UsageError

KEY_PATTERN = r"[0-9a-f]{12}"
"""What the key of a cell looks like (`Cell.key`)."""


def expanded(path: str | os.PathLike) -> Path:
    """Return the path with a leading `~` replaced, which no shell does in `--results=~/r` or in a variable."""
    return Path(os.path.expanduser(path))  # noqa: PTH111 - Path.expanduser raises if there is no home


def shipped() -> Path:
    """Return the folder of Snakefile, config.yaml and profiles: in an installed package, else its checkout."""
    package = Path(__file__).parent
    return package / "shipped" if (package / "shipped").is_dir() else package.parents[1]


def config_file(given: str | os.PathLike = "config.yaml") -> Path:
    """Return the given file of studies; if config.yaml does not exist, as outside a checkout, the package's."""
    path, own = expanded(given), shipped() / "config.yaml"
    return own if path == Path("config.yaml") and not path.exists() and own.exists() else path


def profile(given: Path) -> Path:
    """Return the given folder of a Snakemake profile; if it does not exist, as outside a checkout, the package's."""
    return given if given.exists() else shipped() / given


def results_root(given: str | os.PathLike | None = None) -> Path:
    """Return the folder of records: the argument, else BNSTUDY_RESULTS, else ./results."""
    return expanded(given or os.environ.get("BNSTUDY_RESULTS") or "results")


def reports_root(given: str | os.PathLike | None = None) -> Path:
    """Return the folder of reports: the argument, else BNSTUDY_REPORTS, else ./reports."""
    return expanded(given or os.environ.get("BNSTUDY_REPORTS") or "reports")


def data_root(given: str | os.PathLike | None = None) -> Path:
    """Return the folder of data sets: the argument, else BNSTUDY_DATA, else the platform's cache folder."""
    chosen = given or os.environ.get("BNSTUDY_DATA")
    if chosen:
        return expanded(chosen)
    home = Path(os.environ.get("HOME") or ".")
    if sys.platform == "darwin":
        return home / "Library" / "Caches" / "bnstudy"
    return Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache") / "bnstudy"


def record(results: Path, key: str, seed: int) -> Path:
    if not re.fullmatch(KEY_PATTERN, key):
        raise UsageError(f"{key!r}: not a cell key", "A key has 12 hex digits; list them with `bnstudy cells`.")
    return results / "records" / key / f"{seed:d}.json"


def weights(results: Path, key: str, seed: int) -> Path:
    """The file of a run's final weights, which are kept on request."""
    return results / "weights" / key / f"{seed:d}.safetensors"


def checkpoints(results: Path, key: str, seed: int) -> tuple[Path, Path]:
    """The newest and the older checkpoint of a run in training."""
    folder = results / "checkpoints"
    return folder / f"{key}-{seed:d}.newest", folder / f"{key}-{seed:d}.older"


def lock(results: Path, name: str) -> Path:
    return results / "locks" / f"{name}.lock"


def run_lock(results: Path, key: str, seed: int) -> Path:
    """The lock of a run; its owner trains it."""
    return lock(results, f"{key}-{seed:d}")


def round(results: Path, studies: str) -> Path:
    """The runs of a round of `bnstudy run --fresh`; its modification time is when the round began."""
    return results / "fresh" / f"{studies}.json"


def data_state(results: Path, name: str) -> Path:
    return results / "data" / f"{name}.json"


def manifest(results: Path, pack: str) -> Path:
    return results / "packs" / f"{pack}.json"


def timing(results: Path, key: str) -> Path:
    """The record of a timing on one engine and kind of device."""
    return results / "timings" / f"{key}.json"


def timed(results: Path, timing: str) -> Path:
    """The names of one timing's records, an output of the DAG."""
    return results / "timed" / f"{timing}.json"


def dataset(data: Path, name: str) -> Path:
    return data / f"{name}.npz"


def published(results: Path, name: str) -> Path:
    """One file of the published records: runs, epochs, layers, timings."""
    return results / "published" / f"{name}.parquet"


def frames(results: Path, study: str) -> Path:
    return results / "frames" / study


def report(reports: Path, study: str) -> Path:
    return reports / study / "index.html"


def front(reports: Path) -> Path:
    """The front page of all reported studies."""
    return reports / "index.html"
