"""`make archive`: one file for a repository of record, made in the checkout it is called in.

    bnstudy-<version>-<commit>.tar.gz
        sources/          the checkout at this commit, published records and all
        results/          own records of runs and of timings
        reports/          pages, tables, figures
        environment.txt   Python, system, and the version of every installed package
        ro-crate-metadata.json   what was run, on which data, by which software (Workflow Run RO-Crate)
        SHA256SUMS        of everything above; `sha256sum --check SHA256SUMS` verifies it

The same commit, results and environment give the same bytes.
"""

import gzip
import hashlib
import io
import os
import platform
import re
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from importlib.metadata import distributions
from pathlib import Path
from typing import IO

sys.path.insert(0, str(Path(__file__).resolve().parent))  # for PYTHONSAFEPATH leaves it out
import crate


def main() -> int:
    """Write dist/<name>.tar.gz and print its path; 1 if the checkout differs from its commit."""
    if changed := git("status", "--porcelain").decode().splitlines():
        print(f"archive: {len(changed)} files differ from the last commit, such as {changed[0][3:]}", file=sys.stderr)
        print("  Commit them, or put them aside: an archive tells one commit.", file=sys.stderr)
        return 1
    commit, when = git("log", "-1", "--format=%H %ct").decode().split()
    version = re.search(rb'__version__ = "(.+)"', git("show", "HEAD:src/bnstudy/__init__.py"))
    name = f"bnstudy-{version[1].decode() if version else '0'}-{commit[:12]}"
    out = Path("dist") / f"{name}.tar.gz"
    out.parent.mkdir(exist_ok=True)
    partial = out.with_suffix(".part")
    with partial.open("wb") as raw, gzip.GzipFile("", "wb", mtime=0, fileobj=raw) as packed:
        write(name, commit, int(when), packed)
    partial.replace(out)
    print(out)
    return 0


def git(*words: str) -> bytes:
    return subprocess.run(["git", *words], stdout=subprocess.PIPE, check=True).stdout


def write(name: str, commit: str, when: int, file: IO[bytes]) -> None:
    """Write the archive, uncompressed: every member of one time and owner, in a fixed order."""
    with tarfile.open(fileobj=file, mode="w", format=tarfile.PAX_FORMAT) as archive:
        sums, sizes = [], {}

        def add(path: str, content: bytes, executable: bool = False) -> None:
            put(archive, f"{name}/{path}", content, when, executable)
            sums.append(f"{hashlib.sha256(content).hexdigest()}  {path}\n")
            sizes[path] = len(content)

        for member in members():
            add(*member)
        add("ro-crate-metadata.json", crate.metadata(commit, when, sizes))
        add("SHA256SUMS", "".join(sums).encode())


def put(archive: tarfile.TarFile, path: str, content: bytes, when: int, executable: bool) -> None:
    entry = tarfile.TarInfo(path)
    entry.size, entry.mtime, entry.mode = len(content), when, 0o755 if executable else 0o644
    archive.addfile(entry, io.BytesIO(content))


def members() -> Iterator[tuple[str, bytes, bool]]:
    """(path, content, whether it is a program) of everything but the checksums."""
    with tarfile.open(fileobj=io.BytesIO(git("archive", "--format=tar", "HEAD"))) as sources:
        for entry in sorted(sources.getmembers(), key=lambda entry: entry.name):
            if entry.isfile() and (content := sources.extractfile(entry)):
                yield f"sources/{entry.name}", content.read(), bool(entry.mode & 0o100)
    results, reports = (Path(os.environ.get(f"BNSTUDY_{n.upper()}") or n) for n in ("results", "reports"))
    for kind in ("records", "timings"):
        yield from files(results / kind, f"results/{kind}", "*.json")
    yield from files(reports, "reports", "*")
    yield "environment.txt", environment().encode(), False


def files(folder: Path, at: str, pattern: str) -> Iterator[tuple[str, bytes, bool]]:
    """Files under a folder, in the order of their names; none that begins with a dot: those are notes and remains."""
    for path in sorted(folder.rglob(pattern)):
        inside = path.relative_to(folder)
        if path.is_file() and not any(part.startswith(".") for part in inside.parts):
            yield f"{at}/{inside.as_posix()}", path.read_bytes(), False


def environment() -> str:
    packages = sorted({f"{each.name}=={each.version}" for each in distributions()}, key=str.lower)
    return "\n".join(
        [f"Python {platform.python_version()}", f"{platform.system()} {platform.machine()}", *packages, ""]
    )


if __name__ == "__main__":
    sys.exit(main())
