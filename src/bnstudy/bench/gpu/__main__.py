"""`python -m bnstudy.bench.gpu --out DIR`: see bench/gpu/__init__.py."""

import argparse
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch

from bnstudy.bench import gpu
from bnstudy.bench.gpu import loops, parts, runs
from bnstudy.bench.gpu.session import Found, Part, read, supervise, work, write
from bnstudy.bench.gpu.summary import summary
from bnstudy.results import provenance
from bnstudy.training import devices
from bnstudy.training.engine import numerics

NO_DEVICE = 75  # exit status
TO_WRITE = 20.0  # seconds kept free at the end


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    began = time.monotonic()
    left: Callable[[], float] = lambda: 60 * options.minutes - (time.monotonic() - began)  # noqa: E731
    file = options.out / "gpu.json"
    if options.worker:
        numerics.fix_workspace()
        torch.cuda.set_device(options.device)
        of_one_gpu(file, torch.cuda.get_device_name(options.device))
        torch.set_num_threads(devices.THREADS)  # as in a training
        torch.set_flush_denormal(True)
        return work(_parts(options, left), file, options.skip, left, options.reserve)
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
    return supervise(_worker(options), file, options.skip, left, options.reserve)


def of_one_gpu(file: Path, gpu: str) -> None:
    """Drop results of another GPU: rates of one say nothing of epochs of another."""
    measured = read(file).get("machine", {}).get("gpu", gpu)
    if measured != gpu:
        print(f"{file}: of a {measured}; measured anew on this {gpu}", file=sys.stderr, flush=True)
        write(file, {})


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bnstudy.bench.gpu", description=gpu.__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of gpu.json, results/ and records.tar.gz")
    parser.add_argument("--minutes", type=float, default=8.5, help="for everything")
    parser.add_argument("--reserve", type=float, default=60, help="seconds of these that no measurement begins in")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--data", type=Path, help="folder of the data sets, for real runs")
    parser.add_argument("--cells", type=Path, help="cells as `bnstudy cells --json` prints them, in order of interest")
    parser.add_argument("--skip", nargs="*", default=[], metavar="PART", help="tests, epochs, streams, ...")
    parser.add_argument("--fresh", nargs="*", metavar="PART", help="measure these parts again, or all")
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def _worker(options: argparse.Namespace) -> list[str]:
    """The command of the process that works."""
    given = {name: getattr(options, name) for name in ("out", "reserve", "device", "data", "cells")}
    words = [word for name, value in given.items() if value is not None for word in (f"--{name}", str(value))]
    return [sys.executable, "-m", "bnstudy.bench.gpu", "--worker", *words]


def _parts(options: argparse.Namespace, left: Callable[[], float]) -> dict[str, Part]:
    """In order of interest."""
    device = options.device

    def real_runs(_found: Found) -> Found:
        return runs.train(options.cells, options.data, options.out, device, left() - TO_WRITE)

    found = {
        "machine": Part(lambda found: provenance.machine(device) | {"cores": os.cpu_count()}),
        "tests": Part(lambda found: runs.run_tests(options.out / "tests.txt", left()), limit=runs.TESTS_SECONDS + 30),
        "rates": Part(lambda found: parts.rates(device)),
        "epochs": Part(lambda found: parts.epochs(device)),
        "usual": Part(lambda found: loops.usual(device)),
        "mlp_epochs": Part(lambda found: parts.epochs(device, "mlp")),
        "reference": Part(lambda found: loops.reference(device)),
        "bits": Part(lambda found: parts.bits(device)),
        "side_by_side": Part(lambda found: parts.side_by_side(device)),
        "determinism": Part(lambda found: parts.determinism(device)),
        "streams": Part(lambda found: parts.streams(device)),
        "batch_sizes": Part(lambda found: parts.batch_sizes(device)),
        "precisions": Part(lambda found: parts.precisions(device)),
        "summary": Part(summary, again=True),
    }
    if options.data and options.cells:
        found["trained"] = Part(real_runs, again=True, limit=60 * options.minutes + TO_WRITE)
    return found


if __name__ == "__main__":
    sys.exit(main())
