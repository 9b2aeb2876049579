"""`python -m bnstudy.bench.gpu --out DIR`: see bench/gpu/__init__.py."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bnstudy.bench import gpu
from bnstudy.bench.gpu import parts, runs
from bnstudy.bench.gpu.session import Found, Part, read, supervise, work, write
from bnstudy.bench.gpu.summary import summary
from bnstudy.results import provenance
from bnstudy.training import devices
from bnstudy.training.engine import numerics

NO_DEVICE = 75  # exit status
MINUTES = 9.0  # of a call: the parts up to `trained`
TO_WRITE = 20.0  # seconds kept free at the end


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    began = time.monotonic()
    left: Callable[[], float] = lambda: 60 * options.minutes - (time.monotonic() - began)  # noqa: E731
    if options.out is None:
        print(plan(_parts(options, left)))
        return 0
    file = options.out / "gpu.json"
    if options.worker:
        numerics.fix_workspace()
        torch.cuda.set_device(options.device)
        of_one_gpu(file, torch.cuda.get_device_name(options.device))
        torch.set_num_threads(devices.THREADS)  # as in a training
        torch.set_flush_denormal(True)
        given = {name: part for name, part in _parts(options, left).items() if name != "trained" or options.cells}
        return work(given, file, options.skip, left)
    if not torch.cuda.is_available():
        print("no CUDA device: nothing to measure", file=sys.stderr)
        return NO_DEVICE
    if options.cells and not provenance.commit()["commit"]:
        print(f"records will name no commit, and cannot be published: set {provenance.COMMIT}", file=sys.stderr)
    options.out.mkdir(parents=True, exist_ok=True)
    if options.fresh is not None:
        write(
            file, {name: result for name, result in read(file).items() if options.fresh and name not in options.fresh}
        )
    return supervise(_worker(options), file, options.skip, left)


def of_one_gpu(file: Path, gpu: str) -> None:
    """Drop results of another model of GPU."""
    measured = read(file).get("machine", {}).get("gpu", gpu)
    if measured != gpu:
        print(f"{file}: of a {measured}; measured anew on this {gpu}", file=sys.stderr, flush=True)
        write(file, {})


def plan(given: dict[str, Part]) -> str:
    """Return a line per part: its planned minutes on an H200, and the minutes until its end."""
    lines, end = [f"{'part':14}{'minutes':>8}{'until':>8}"], 0.0
    for name, part in given.items():
        end += part.minutes
        lines.append(f"{name:14}{part.minutes:8.1f}{end:8.1f}")
    return "\n".join([*lines, f"A call takes {MINUTES:g} minutes (--minutes); the next one does what is left."])


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bnstudy.bench.gpu", description=gpu.__doc__)
    parser.add_argument(
        "--out", type=Path, help="folder of gpu.json, results/ and records.tar.gz; without it: the plan"
    )
    parser.add_argument("--minutes", type=float, default=MINUTES, help="for everything that this call does")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--data", type=Path, help="folder of the data sets, for real runs")
    parser.add_argument("--cells", type=Path, help="cells as `bnstudy cells --json` prints them, in order of interest")
    parser.add_argument("--skip", nargs="*", default=[], metavar="PART", help="tests, cnn, trained, ...")
    parser.add_argument("--fresh", nargs="*", metavar="PART", help="measure these parts again, or all")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    options = parser.parse_args(arguments)
    if bool(options.data) != bool(options.cells):
        parser.error("--data and --cells go together")
    return options


def _worker(options: argparse.Namespace) -> list[str]:
    """The command of the process that works."""
    given = {name: getattr(options, name) for name in ("out", "device", "data", "cells")}
    words = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "bnstudy.bench.gpu", "--worker", *words]


def _parts(options: argparse.Namespace, left: Callable[[], float]) -> dict[str, Part]:
    """The most telling first."""
    device = options.device

    def tests(_found: Found) -> Found:
        return runs.run_tests(options.out / "tests.txt", left())

    def trained(_found: Found) -> Found:
        return runs.train(options.cells, options.data, options.out, device, left() - TO_WRITE)

    return {
        "machine": Part(lambda found: provenance.machine(device) | {"cores": os.cpu_count()}, 0.1),
        "tests": Part(tests, runs.TESTS_SECONDS / 60),
        "cnn": Part(lambda found: parts.epochs(device, "cnn", 100), 2.0),
        "trained": Part(trained, 4.9, again=True, limit=60 * options.minutes + TO_WRITE),
        "rates": Part(lambda found: parts.rates(device), 0.2),
        "usual": Part(lambda found: parts.usual(device), 0.4),
        "batch_sizes": Part(lambda found: parts.batch_sizes(device), 0.8),
        "determinism": Part(lambda found: parts.determinism(device), 0.5),
        "mlp": Part(lambda found: parts.epochs(device, "mlp", 15), 0.4),
        "side_by_side": Part(lambda found: parts.side_by_side(device), 0.6),  # last: two CNNs may block each other
        "summary": Part(summary, 0.0, again=True),
    }


if __name__ == "__main__":
    sys.exit(main())
