"""All that is to be known of the graph engine on a GPU, in under nine minutes: `python -m bnstudy.bench.gpu --out DIR`.

First the tests that need a GPU, then the measurements of gpu_parts.py on random pixels (the time of an epoch does not
depend on them), then, with --data and --cells, real runs until the time is over. DIR/gpu.json is written after every
part; records stand in DIR/results, and for the way home in DIR/records.tar.gz. What is done is not done again.
"""

import argparse
import importlib.util
import json
import os
import signal
import subprocess
import sys
import tarfile
import threading
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bnstudy import provenance, selection, store, training
from bnstudy.bench import gpu_parts
from bnstudy.errors import TryAgain
from bnstudy.labels import name
from bnstudy.record import Record

TESTS = Path(__file__).parents[3] / "tests" / "engine" / "test_graph_gpu.py"
TESTS_SECONDS = 170
TO_WRITE = 20  # seconds kept free at the end
CHECKPOINT_SECONDS = 15.0

Found = dict[str, Any]


def main() -> int:
    options = _options()
    began = time.monotonic()
    left: Callable[[], float] = lambda: 60 * options.minutes - (time.monotonic() - began)  # noqa: E731
    options.out.mkdir(parents=True, exist_ok=True)
    if not torch.cuda.is_available():
        print("no CUDA device: nothing to measure", file=sys.stderr)
        return 75
    file = options.out / "gpu.json"
    found: Found = json.loads(file.read_text()) if file.exists() and not options.fresh else {}
    for part, work in _parts(options, left).items():
        if part in found and "error" not in found[part] and part != "trained":
            continue
        if part in options.skip or (part != "trained" and left() < options.reserve):
            print(f"{part}: left out", flush=True)
            continue
        started = time.monotonic()
        try:
            found[part] = work(found)
        except Exception as error:  # one part that fails must not cost the others
            found[part] = {"error": repr(error), "traceback": traceback.format_exc()[-3000:]}
        torch.cuda.empty_cache()
        found.setdefault("seconds", {})[part] = round(time.monotonic() - started, 1)
        file.write_text(json.dumps(found, indent=1))
        print(f"{part} ({found['seconds'][part]} s): {json.dumps(found[part])[:1500]}", flush=True)
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bnstudy.bench.gpu", description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder of gpu.json, results/ and records.tar.gz")
    parser.add_argument("--minutes", type=float, default=8.5, help="for everything")
    parser.add_argument("--reserve", type=float, default=60, help="seconds of these that no measurement begins in")
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--data", type=Path, help="folder of the data sets, for real runs")
    parser.add_argument("--cells", type=Path, help="cells as `bnstudy cells --json` prints them, in order of interest")
    parser.add_argument("--skip", nargs="*", default=[], metavar="PART", help="tests, epochs, streams, ...")
    parser.add_argument("--fresh", action="store_true", help="measure again what DIR/gpu.json holds")
    return parser.parse_args()


def _parts(options: argparse.Namespace, left: Callable[[], float]) -> dict[str, Callable[[Found], Any]]:
    """In order of interest. `trained` is gone on with at every call, so it is never found done."""
    device = options.device
    parts: dict[str, Callable[[Found], Any]] = {
        "machine": lambda found: provenance.machine(device) | {"cores": os.cpu_count()},
        "tests": lambda found: run_tests(),
        "rates": lambda found: gpu_parts.rates(device),
        "epochs": lambda found: gpu_parts.epochs(device),
        "mlp_epochs": lambda found: gpu_parts.epochs(device, "mlp"),
        "others": lambda found: gpu_parts.others(device),
        "bits": lambda found: gpu_parts.bits(device),
        "streams": lambda found: gpu_parts.streams(device),
        "determinism": lambda found: gpu_parts.determinism(device),
        "precisions": lambda found: gpu_parts.precisions(device),
        "batch_sizes": lambda found: gpu_parts.batch_sizes(device),
        "summary": summary,
    }
    if options.data and options.cells:
        parts["trained"] = lambda found: train(options, left() - TO_WRITE)
    return parts


def run_tests() -> Found:
    """The tests marked `gpu`, in a process of their own."""
    if not TESTS.exists() or importlib.util.find_spec("pytest") is None:
        return {"error": f"{TESTS}: not there, or no pytest"}
    side_by_side = ["-n", "4"] if importlib.util.find_spec("xdist") else []
    command = [sys.executable, "-m", "pytest", "-q", "-m", "gpu", "-p", "no:cacheprovider", *side_by_side, str(TESTS)]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=TESTS_SECONDS, cwd=TESTS.parents[2], check=False
        )
        return {"exit": done.returncode, "tail": done.stdout[-6000:]}
    except subprocess.TimeoutExpired as error:
        return {"exit": None, "tail": str(error.stdout)[-6000:]}


def summary(found: Found) -> Found:
    """The answers that need more than one part."""
    epochs, rates, others = found["epochs"], found["rates"], found["others"]
    out: Found = {"family_hours_one_seed": gpu_parts.family_hours(found["batch_sizes"])}
    for norm in gpu_parts.NORMS:
        us = 1e6 * epochs[norm]["seconds_per_epoch"] / epochs[norm]["steps"]
        out[f"cnn_{norm}"] = {
            "seconds_per_epoch": epochs[norm]["seconds_per_epoch"],
            "share_of_tf32_roofline": round(epochs[norm]["tflop_per_s"] / rates["tf32"], 3),
            "plain_seconds_per_epoch": round(others[f"plain_cnn_{norm}"] * epochs[norm]["steps"] / 1e6, 2),
            "times_plain": round(others[f"plain_cnn_{norm}"] / us, 2),
        }
    out["batch_norm_costs_percent"] = round(
        100 * (epochs["batch"]["seconds_per_epoch"] / epochs["none"]["seconds_per_epoch"] - 1), 1
    )
    return out


def train(options: argparse.Namespace, seconds: float) -> Found:
    """Real runs until the time is over, by data set in the order of --cells; the run at work keeps a checkpoint."""
    runs, results = selection.runs_in(options.cells, None, None), options.out / "results"
    training.CHECKPOINT_SECONDS = CHECKPOINT_SECONDS
    lines: list[str] = []
    ended = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: None)  # ours may come when training does not listen
    threading.Thread(target=_ask_to_stop, args=(seconds, ended), daemon=True).start()
    try:
        training.train(runs, results, options.data, engine="graph", device=options.device, say=lines.append)
    except TryAgain as error:
        lines.append(error.cause)
    finally:
        ended.set()
        with tarfile.open(options.out / "records.tar.gz", "w:gz") as tar:
            if (results / "records").exists():
                tar.add(results / "records", "records")
    done = [run for run, record in store.get_records(results, runs) if isinstance(record, Record)]
    return {"asked": len(runs), "done": [f"{name(run.cell)}:{run.seed}" for run in done], "said": lines[-60:]}


def _ask_to_stop(seconds: float, ended: threading.Event) -> None:
    """After so many seconds send this process SIGTERM, as a scheduler would, until training has ended."""
    wait = max(seconds, 0.0)
    while not ended.wait(wait):
        os.kill(os.getpid(), signal.SIGTERM)
        wait = 1.0


if __name__ == "__main__":
    sys.exit(main())
