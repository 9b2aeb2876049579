"""What else touches a GPU: from a study to its records, locks, timings, benches."""

from dataclasses import asdict
from itertools import count

import pytest
import torch

from bnstudy import lock
from bnstudy.bench import train as bench
from bnstudy.design.cell import Cell, Run
from bnstudy.design.labels import NORMS
from bnstudy.design.timing import timings
from bnstudy.errors import TryAgain
from bnstudy.results import store
from bnstudy.results.record import Record
from bnstudy.training import devices, train
from bnstudy.training.timing import measure
from bnstudy.training.timing import run as timing_run

pytestmark = [pytest.mark.gpu, pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")]
DEVICE = "cuda:0"


@pytest.fixture(autouse=True)
def _own_locks(monkeypatch, tmp_path):
    monkeypatch.setenv(devices.FOLDER, str(tmp_path / "locks"))


def toy(**fields) -> Cell:
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "batch", "train_size": 500, "epochs": 3, **fields})


def trained(runs, results, **options) -> list[Record]:
    train.train(runs, results, results, say=lambda line: None, **options)
    found = [record for _, record in store.get_records(results, runs)]
    assert all(isinstance(record, Record) for record in found)
    return found


def content(record: Record) -> str:
    """All of a record but when and where it was made, and its memory; as text, in which NaN equals itself."""
    body = asdict(record)
    del body["attempts"], body["provenance"], body["epochs"]["seconds"], body["peak_memory"]
    return repr(body)


def test_a_study_stops_on_the_gpu_and_goes_on_with_the_same_bits(tmp_path, monkeypatch):
    runs = [Run(toy(dropout=0.5), 0), Run(toy(norm="layer"), 0)]
    whole = trained(runs, tmp_path / "whole", device="cuda")
    assert [record.provenance["engine"] for record in whole] == ["graph", "reference"]
    assert all(record.provenance["gpu"] == torch.cuda.get_device_name() for record in whole)

    def stop(run, row):
        if row["epoch"] == 2:
            raise TryAgain("stopped", "Go on.")

    monkeypatch.setenv("BNSTUDY_CHECKPOINT_SECONDS", "0")
    for run in runs:
        with pytest.raises(TryAgain):
            train.train([run], tmp_path / "parts", tmp_path, device="cuda", say=lambda line: None, on_epoch=stop)
        assert store.has_checkpoints(tmp_path / "parts", run)
    again = trained(runs, tmp_path / "parts", device="cuda")
    assert [len(record.attempts) for record in again] == [2, 2]
    assert list(map(content, again)) == list(map(content, whole))


def test_a_gpu_is_held_by_lock():
    last = torch.cuda.device_count() - 1
    with devices.taken(f"cuda:{last}", lambda line: None) as device:
        assert torch.cuda.current_device() == last
        assert torch.zeros(1, device=device).is_cuda
        assert [lock.holder(path) is not None for path in devices._shares(device)] == [True, False]


def test_an_epoch_is_timed(tmp_path):
    (timing,) = timings([toy(norm=norm) for norm in NORMS])
    assert timing_run.engines(timing, DEVICE) == ["graph", "reference"]
    body = timing_run.measured(timing, "graph", DEVICE, tmp_path)
    assert (body["engine"], body["device"], body["rejected"]) == ("graph", "cuda", [])
    assert all(min(pair[norm]["wall"]) > 0 for pair in body["pairs"] for norm in NORMS)


def test_processor_time_says_nothing_of_an_epoch_on_a_gpu():
    wall, cpu = count(0, 1.2), count(0, 1.0)
    nothing = {norm: dict.fromkeys(measure.PARTS, lambda: None) for norm in NORMS}
    found = measure.measure(nothing, "nothing", DEVICE, 3, (lambda: next(wall), lambda: next(cpu)))
    assert found.rejected == []
    assert len(found.pairs) == 3


def test_the_rows_of_the_bench(monkeypatch):
    pytest.importorskip("torchvision")
    monkeypatch.setattr(bench, "SECONDS", 0.05)
    found = bench.rows("mlp", "toy", ("none",), 1.0, DEVICE, 1, lambda line: None)
    assert {row["engine"] for row in found} == {"plain", "tensor_loader", "reference", "graph"}
    assert all(row["us_per_step"] > 0 and row["device"] == DEVICE for row in found)
