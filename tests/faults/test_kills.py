"""kill -9 at random points, again and again: the same command ends with the calm records."""

import random
import time

import pytest

from faults import invariants, tally
from faults.lab import Lab
from faults.warm import Process


def disturb(lab: Lab, dice: random.Random, longest: float) -> Process:
    """Start the command and kill -9 it after a random time, if it has not ended by then."""
    process = lab.start(interval=dice.choice(["0", "0.05", "1000"]))
    time.sleep(dice.uniform(0, longest))
    process.kill()
    process.wait()
    return process


def go_on_to_the_end(lab: Lab, calm, before: dict[str, str]) -> None:
    invariants.unchanged(before, lab.results)
    process = lab.train()
    assert process.code == 0, process.err
    invariants.settled(lab.results, calm, lab.runs)
    invariants.unchanged(before, lab.results)
    invariants.no_work(lab.train(), lab.runs)


def test_five_kills(lab, calm):
    dice, stood = random.Random(5), {}
    for _ in range(5):
        disturb(lab, dice, 1.0)
        invariants.unchanged(stood, lab.results)
        invariants.whole_records(lab.results)
        stood = invariants.records(lab.results)
    go_on_to_the_end(lab, calm, stood)


def test_a_killed_run_goes_on_where_it_was(one, calm):
    one.stop_after(5)
    process = one.train()
    assert process.code == 0
    assert "resumes after epoch" in process.err
    invariants.settled(one.results, calm, one.runs)
    body = invariants.json.loads(one.record.read_text())
    assert len(body["attempts"]) == 2  # I8: it says that it was interrupted
    assert body["attempts"][1]["first_epoch"] >= 5


def test_a_checkpoint_that_a_kill_left_beside_a_record_is_removed(one, calm):
    one.stop_after(3)
    kept = one.checkpoints[0].read_bytes()
    assert one.train().code == 0
    one.checkpoints[0].write_bytes(kept)
    invariants.no_work(one.train(), one.runs)
    invariants.settled(one.results, calm, one.runs)


def test_ten_kills_in_a_row_within_a_moment_of_the_start(one, calm):
    dice = random.Random(7)
    for _ in range(10):
        disturb(one, dice, 0.1)
        invariants.whole_records(one.results)
    go_on_to_the_end(one, calm, invariants.records(one.results))


@pytest.mark.faults
def test_ten_kills_in_a_row_make_progress(one, calm):
    """Each attempt is killed right after its first checkpoint, one epoch on; the eighth needs only the record."""
    for epoch in range(1, 11):
        one.stop_after(1) if epoch < 8 else disturb(one, random.Random(epoch), 0.5)
        invariants.whole_records(one.results)
    go_on_to_the_end(one, calm, invariants.records(one.results))


@pytest.mark.faults
def test_two_hundred_kills(server, tmp_path, calm):
    dice, kills, studies = random.Random(200), 0, 0
    while kills < 200:
        folder = tmp_path / str(studies)
        folder.mkdir()
        lab, stood, studies = Lab(server, folder), {}, studies + 1
        for _ in range(dice.randint(1, 20)):
            kills += disturb(lab, dice, 1.5).code < 0
            invariants.unchanged(stood, lab.results)
            invariants.whole_records(lab.results)
            stood = invariants.records(lab.results)
        go_on_to_the_end(lab, calm, stood)
    tally.tell(f"{kills} kills over {studies} studies")
