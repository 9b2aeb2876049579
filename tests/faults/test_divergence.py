"""NaN and Inf in training are outcomes, told with epoch and layer; a dead network is another thing."""

import io
import json

import pytest
import torch

from bnstudy.results import frames, store
from bnstudy.results.record import Record
from faults import invariants, small, tally
from faults.lab import Lab


def trained(lab: Lab) -> list[Record]:
    process = lab.train()
    assert process.code == 0, process.err
    invariants.whole_records(lab.results)
    return [Record.from_text(text) for _, text in sorted(invariants.records(lab.results).items())]


def poison(lab: Lab, layer: int, value: float) -> int:
    """Put `value` into one weight of one layer of the newest checkpoint of the first run, signed; its epoch."""
    path = lab.checkpoints[0]
    header, _, content = path.read_bytes().partition(b"\n")
    kept = torch.load(io.BytesIO(content), weights_only=True)
    kept["state"]["model"][f"blocks.{layer}.layer.weight"].view(-1)[0] = value
    tally.count("numbers that are not finite")
    buffer = io.BytesIO()
    torch.save(kept, buffer)
    store.put_checkpoint(lab.results, lab.runs[0], json.loads(header)["fingerprint"], buffer.getvalue())
    return kept["epoch"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
@pytest.mark.parametrize("layer", [0, 2])
def test_a_number_that_is_not_finite_in_one_layer(server, tmp_path, value, layer):
    """One batch an epoch: in the second batch after it every layer would have it."""
    lab = Lab(server, tmp_path, [small.cell(epochs=12, batch_size=64, optimizer="adam", mean_decay=0.8, lr=0.001)], [0])
    lab.stop_after(3)
    epoch = poison(lab, layer, value)
    (record,) = trained(lab)
    assert record.outcome == "diverged"
    at = {"epoch": epoch + 1, "layer": record.layers["names"][layer], "step": epoch + 1}  # one batch an epoch
    assert record.diverged_at == at
    assert record.epochs_run == 12  # training goes on, as the author's did
    assert record.test["last"]["predicted"][0] == record.test["images"]  # all-NaN logits answer class 0
    assert all(isinstance(x, float) for x in record.epochs["data_loss"])


def test_all_seeds_diverged_are_shown_and_not_averaged_away(server, tmp_path):
    lab = Lab(server, tmp_path, [small.cell(lr=1e5), small.cell(lr=1e30, norm="batch")], [0, 1, 2])
    records = trained(lab)
    assert {r.outcome for r in records if r.cell.norm == "batch"} == {"diverged"}
    assert all(r.diverged_at["epoch"] >= 1 for r in records if r.diverged_at)
    built = frames.build(records, lab.runs)
    invariants.each_once(zip(built.runs["key"], built.runs["seed"], strict=True), [], lab.runs)
    lost = built.runs[built.runs["outcome"] == "diverged"]
    assert len(lost) == 3
    assert lost["broken"].all()
    assert (lost["diverged_epoch"] >= 1).all()


def test_nan_stops_where_the_cell_says_so(server, tmp_path):
    (record,) = trained(Lab(server, tmp_path, [small.cell(lr=1e30, norm="batch", on_nan="stop")], [0]))
    assert (record.stopped, record.outcome) == ("nan", "diverged")
    assert record.epochs_run < 8


def test_a_dead_network_is_finished_and_broken(server, tmp_path):
    """Weights too small to let anything through: a constant answer, all numbers finite."""
    (record,) = trained(Lab(server, tmp_path, [small.cell(init="normal", init_std=1e-30)], [0]))
    assert (record.outcome, record.diverged_at, record.stopped) == ("finished", None, "epochs")
    assert max(record.test["last"]["predicted"]) == record.test["images"]
    assert frames.is_broken(record.test["last"]["predicted"])


def test_seed_0_is_a_seed(server, tmp_path, calm):
    lab = Lab(server, tmp_path, small.CELLS[:1], [0])
    (record,) = trained(lab)
    assert record.seed == 0
    invariants.same_as_calm(lab.results, calm, lab.runs)
    files = [calm / "records" / f"{lab.runs[0].cell.key}/{seed}.json" for seed in (0, 1)]
    texts = [invariants.lasting(file.read_text()) for file in files]
    assert texts[0]["epochs"]["weights_digest"] != texts[1]["epochs"]["weights_digest"]
