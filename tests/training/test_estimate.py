"""What a training will take, estimated before it starts."""

import pytest

from bnstudy.design.cell import Cell, Run
from bnstudy.training import estimate as subject
from bnstudy.training.estimate import beside_training, estimate, flops_per_image, operations_per_image


def cnn(**fields) -> Cell:
    return Cell(dataset="digits", model="cnn", norm="none", **fields)


def test_a_narrow_network_costs_more_than_its_products():
    """A 64th of the multiplications, but an eighth of the activations."""
    narrow, full = cnn(width=0.125), cnn()
    assert flops_per_image(full) / flops_per_image(narrow) == pytest.approx(64, rel=0.05)
    assert 8 < operations_per_image(full, "cpu") / operations_per_image(narrow, "cpu") < 32


def test_hours_follow_the_rate_of_the_machine_and_the_number_of_processes(monkeypatch):
    runs = [Run(cnn(width=0.125, epochs=epochs), 0) for epochs in (10, 20)]
    hours = {}
    for rate, processes in ((1e10, 1), (2e10, 1), (1e10, 2)):
        monkeypatch.setattr(subject, "matmul_rate", lambda device, rate=rate: rate)
        (row,) = estimate(runs, "cpu", processes)
        hours[rate, processes] = row.hours
        assert (row.model, row.dataset, row.runs, row.typical_hours) == ("cnn", "digits", 2, row.hours)
    assert hours[1e10, 1] == pytest.approx(2 * hours[2e10, 1]) == pytest.approx(2 * hours[1e10, 2])


def test_start_ups_and_the_page_take_time_too(monkeypatch):
    monkeypatch.setattr(subject.time, "process_time", lambda: 3.0)
    few, many = ([Run(cnn(width=0.125), seed) for seed in range(n)] for n in (1, 60))
    assert beside_training(few, 2) == pytest.approx(3 * (1 / 2 + subject.REPORT) / 3600)
    assert beside_training(many, 2) == pytest.approx(3 * (10 / 2 + subject.REPORT) / 3600)
