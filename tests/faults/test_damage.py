"""Checkpoints, records and data files that are cut, changed, swapped or forged."""

import io
import json
import shutil

import pytest
import torch

from bnstudy.results import store
from bnstudy.results.record import Record, digest_of
from faults import invariants, small, tally
from faults.lab import Lab


def goes_on(lab: Lab, calm) -> str:
    process = lab.train()
    assert process.code == 0, process.err
    invariants.settled(lab.results, calm, lab.runs)
    return process.err


DAMAGE = {
    "empty": lambda b: b"",
    "half": lambda b: b[: len(b) // 2],
    "a bit": lambda b: b[: len(b) // 2] + bytes([b[len(b) // 2] ^ 1]) + b[len(b) // 2 + 1 :],
}


@pytest.mark.parametrize("damage", DAMAGE)
@pytest.mark.parametrize("which", ["newest", "older", "both"])
def test_damaged_checkpoints(one, calm, damage, which):
    one.stop_after(5)
    tally.count("damaged files", 2 if which == "both" else 1)
    epochs = [epoch_of(path) for path in one.checkpoints]
    assert epochs[0] == epochs[1] + 1
    for index, path in enumerate(one.checkpoints):
        if which in ("both", ("newest", "older")[index]):
            path.write_bytes(DAMAGE[damage](path.read_bytes()))
    told = goes_on(one, calm)
    expected = {"newest": epochs[1], "older": epochs[0], "both": None}[which]
    assert (f"resumes after epoch {expected}" in told) if expected else ("resumes" not in told)


def payload(path) -> dict:
    return torch.load(io.BytesIO(path.read_bytes().partition(b"\n")[2]), weights_only=True)


def epoch_of(path) -> int:
    return payload(path)["epoch"]


@pytest.mark.parametrize("field", ["recipe", "source_digest", "data_digest", "engine", "torch", "device", "threads"])
def test_checkpoints_of_another_fingerprint(one, calm, field):
    one.stop_after(4)
    for path in one.checkpoints:
        header, _, rest = path.read_bytes().partition(b"\n")
        told = json.loads(header)
        told["fingerprint"][field] = "another"
        path.write_bytes(json.dumps(told).encode() + b"\n" + rest)
        tally.count("forged files")
    assert "resumes" not in goes_on(one, calm)


@pytest.mark.parametrize("other", [(small.CELLS[1], 0), (small.CELLS[2], 1)], ids=["cell", "seed"])
def test_checkpoints_of_another_run(server, tmp_path, calm, other):
    """Real ones, of a cell of the same shape or of another seed, under the name of this run."""
    labs = []
    for name, cell, seed in (("mine", small.CELLS[2], 0), ("other", *other)):
        (tmp_path / name).mkdir()
        labs.append(Lab(server, tmp_path / name, [cell], [seed]))
        labs[-1].stop_after(4)
    for path, source in zip(labs[0].checkpoints, labs[1].checkpoints, strict=True):
        shutil.copy(source, path)
        tally.count("forged files")
    assert "resumes" not in goes_on(labs[0], calm)


def test_a_checkpoint_of_another_dtype(one, calm):
    """A forged one, signed: weights in float64. It is not the program's, and must not give other numbers silently."""
    one.stop_after(4)
    for path in one.checkpoints:
        header, _, _ = path.read_bytes().partition(b"\n")
        kept = payload(path)
        kept["state"]["point"] = kept["state"]["point"].double()
        sign(one, json.loads(header)["fingerprint"], kept)
    process = one.train()
    if process.code:
        invariants.told_in_two_lines(process)
    else:
        invariants.settled(one.results, calm, one.runs)


def sign(one: Lab, fingerprint: dict, kept) -> None:
    buffer = io.BytesIO()
    torch.save(kept, buffer)
    tally.count("forged files")
    store.put_checkpoint(one.results, one.runs[0], fingerprint, buffer.getvalue())


class Payload:
    """Its unpickling makes a file."""

    def __init__(self, mark):
        self.mark = str(mark)

    def __reduce__(self):
        return (open, (self.mark, "w"))


@pytest.mark.parametrize("what", ["pickle", "no dict", "keys", "no torch file"])
def test_signed_checkpoints_that_hold_something_else(one, calm, tmp_path, what):
    one.stop_after(4)
    fingerprint = json.loads(one.checkpoints[0].read_bytes().partition(b"\n")[0])["fingerprint"]
    mark = tmp_path / "executed"
    for _ in range(2):
        if what == "no torch file":
            store.put_checkpoint(one.results, one.runs[0], fingerprint, b"no torch file")
        else:
            held = {
                "pickle": {"epoch": 1, "attempts": [], "state": Payload(mark)},
                "no dict": [1],
                "keys": {"epoch": 1},
            }
            sign(one, fingerprint, held[what])
    told = goes_on(one, calm)
    assert told.count("a checkpoint is malformed") == 2
    invariants.not_executed(mark)


# records


def test_damaged_records_are_moved_aside_and_trained_again(lab, calm):
    shutil.copytree(calm, lab.results)
    names = sorted(invariants.records(lab.results))
    texts = [(lab.results / "records" / name).read_text() for name in names]
    changed = [
        "", texts[1][:-200], texts[2].replace("0", "1", 1), texts[4], texts[3], '{"digest": "x"}',
        texts[6].replace('"seed":', '"sead":'),
    ]  # fmt: skip
    for name, text in zip(names, changed, strict=False):
        (lab.results / "records" / name).write_text(text)
        tally.count("damaged files")
    process = lab.train()
    assert process.code == 0
    assert f"{len(changed)} trained, {len(names) - len(changed)} already done" in process.err
    assert process.err.count("moved aside to ") == len(changed)
    assert len(list(lab.results.rglob("*.bad"))) == len(changed)
    invariants.settled(lab.results, calm, lab.runs)
    invariants.no_work(lab.train(), lab.runs)


def test_a_record_that_cannot_be_read_is_left_alone(one, calm):
    one.record.mkdir(parents=True)
    process = one.train()
    invariants.told_in_two_lines(process, 65)
    assert str(one.record) in process.err
    assert one.record.is_dir()
    one.record.rmdir()
    goes_on(one, calm)


def test_a_record_of_a_later_version_is_left_alone(one, calm):
    """An older checkout over the same results must not take a newer record for a damaged one and train it again."""
    shutil.copytree(calm / "records" / one.runs[0].cell.key, one.record.parent)
    body = json.loads(one.record.read_text())
    body["cell"]["color"] = "red"
    del body["digest"]
    text = json.dumps(body | {"digest": digest_of(body)})
    one.record.write_text(text)
    process = one.train()
    invariants.told_in_two_lines(process, 65)
    assert "later version of this program (color)" in process.err
    assert one.record.read_text() == text


def test_a_signed_record_with_payloads_is_inert(one, calm, tmp_path):
    """Texts in a record are texts: nothing of them is formatted, evaluated or executed."""
    shutil.copytree(calm / "records" / one.runs[0].cell.key, one.record.parent)
    body = json.loads(one.record.read_text())
    body["provenance"]["cpu"] = f"$(touch {tmp_path}/executed) `touch {tmp_path}/executed` {{{{7*7}}}} {{0.__class__}}"
    del body["digest"]
    one.record.write_text(json.dumps(body | {"digest": digest_of(body)}))
    invariants.no_work(one.train(), one.runs)
    shown = one.server.run("show", one.runs[0].cell.key, "--results", one.results)
    assert shown.code == 0, shown.err
    assert "{{7*7}}" in shown.out
    invariants.not_executed(tmp_path / "executed")


def test_records_in_any_order_missing_or_twice(lab, calm):
    """Tables follow from the set of records: not from their order on disk, and none can count twice."""
    from hypothesis import given, settings
    from hypothesis import strategies as st

    from bnstudy.errors import DataError
    from bnstudy.results import frames

    stored = [Record.from_text(text) for _, text in sorted(invariants.records(calm).items())]
    whole = frames.build(stored, lab.runs)

    @settings(max_examples=10, deadline=None)
    @given(st.permutations(stored), st.integers(0, len(stored)))
    def check(order, kept):
        found = frames.build(order, lab.runs)
        for name in frames.KEPT:
            assert getattr(found, name).equals(getattr(whole, name))
        tally.count("records missing, twice or in another order", 3)
        part = frames.build(order[:kept], lab.runs)
        rows = zip(part.runs["key"], part.runs["seed"], strict=True)
        missing = zip(part.missing["key"], part.missing["seed"], strict=True)
        invariants.each_once(rows, missing, lab.runs)
        if kept:
            with pytest.raises(DataError, match="two records of this run"):
                frames.build([*order, order[kept - 1]], lab.runs)

    check()
