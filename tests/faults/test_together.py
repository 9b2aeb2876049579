"""Several processes at one piece of work: one does it, the others wait or say whom they would wait for."""

import pytest

from bnstudy.errors import TRY_AGAIN
from faults import invariants, small
from faults.lab import Lab


def test_eight_processes_on_one_run(one, calm):
    processes = [one.start() for _ in range(8)]
    codes = sorted(process.wait() for process in processes)
    assert set(codes) <= {0, TRY_AGAIN}
    assert codes[0] == 0
    for process in processes:
        if process.code:
            invariants.told_in_two_lines(process, TRY_AGAIN)
            assert "held by" in process.err
    assert sum("1 trained" in process.err for process in processes) == 1
    invariants.settled(one.results, calm, one.runs)


def test_eight_processes_that_wait(one, calm):
    processes = [one.start("--wait") for _ in range(8)]
    assert {process.wait() for process in processes} == {0}
    assert sum("1 trained" in process.err for process in processes) == 1
    invariants.settled(one.results, calm, one.runs)
    invariants.no_work(one.train(), one.runs)


def test_a_run_whose_first_owner_is_killed_is_taken_over(one, calm):
    first = one.start(before="faults.disk:rest")
    first.wait_for("epoch 2/")
    second = one.start("--wait")
    first.kill()
    assert second.wait() == 0
    invariants.settled(one.results, calm, one.runs)


def test_parts_that_overlap(server, tmp_path, calm):
    """Two processes with some runs in common, in one folder: nothing is trained twice, nothing is lost."""
    labs = [Lab(server, tmp_path / str(i), small.CELLS[i : i + 3]) for i in range(2) if not (tmp_path / str(i)).mkdir()]
    for lab in labs:
        lab.results = tmp_path / "results"
    processes = [lab.start("--wait") for lab in labs]
    assert [process.wait() for process in processes] == [0, 0]
    trained = [line for p in processes for line in p.err.splitlines() if " % after " in line]
    assert len(trained) == len(set(trained)) == 8
    invariants.settled(tmp_path / "results", calm, {*labs[0].runs, *labs[1].runs})


@pytest.mark.faults
def test_twenty_starts_at_once(lab, calm):
    for _ in range(5):
        processes = [lab.start("--wait") for _ in range(4)]
        assert {process.wait(300) for process in processes} == {0}
        invariants.settled(lab.results, calm, lab.runs)
        for path in lab.results.glob("records/*/*.json"):
            path.unlink()
