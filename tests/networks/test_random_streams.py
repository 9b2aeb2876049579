import inspect

import pytest
import torch

from bnstudy.networks import random_streams
from bnstudy.networks.random_streams import dropout_generator, init_generator, order, split_generator, stream_seed
from work import calls

SEEDS = (0, 1, 2**31, 2**63 - 1)


def draws(generator: torch.Generator) -> tuple[float, ...]:
    return tuple(torch.rand(4, generator=generator).tolist())


def every_stream():
    for seed in SEEDS:
        yield from (dropout_generator(seed, layer, step) for layer in ("hidden1", "hidden2") for step in (0, 1, 12))
        yield from (
            init_generator(seed, name, shape) for name in ("hidden1", "hidden1.gamma") for shape in ((2, 3), (3, 2))
        )
        yield from (
            random_streams.stream("order", name, seed, epoch) for name in ("mnist", "svhn") for epoch in (1, 2, 11)
        )
        yield split_generator("mnist", seed)
    yield split_generator("mnist")
    yield split_generator("svhn")


def test_streams_of_different_purposes_seeds_and_arguments_differ():
    drawn = [draws(generator) for generator in every_stream()]
    assert len(set(drawn)) == len(drawn) == 4 * (6 + 4 + 6 + 1) + 2


def test_streams_repeat():
    assert [draws(g) for g in every_stream()] == [draws(g) for g in every_stream()]


def test_seeds_stand_still():
    """A change here changes every trained number: it needs a `recipe` bump."""
    assert stream_seed("order", "mnist", 0, 1) == 6600471627622241419
    assert dropout_generator(0, "hidden1", 7).initial_seed() == stream_seed("dropout", 0, "hidden1", 7)
    assert all(0 <= stream_seed("any", n) < 2**63 for n in range(200))
    assert max(stream_seed("any", n) for n in range(200)) > 2**61


def test_an_order_is_a_permutation_of_all_images():
    first, second = order("mnist", 0, 1, 1000), order("mnist", 0, 2, 1000)
    assert first.dtype == torch.int64
    assert first.device.type == "cpu"
    assert sorted(first.tolist()) == sorted(second.tolist()) == list(range(1000))
    assert not torch.equal(first, second)


def test_the_common_split_ignores_the_seed_and_the_split_per_run_does_not():
    assert draws(split_generator("mnist", None)) == draws(split_generator("mnist"))
    assert draws(split_generator("mnist", 0)) != draws(split_generator("mnist", 1))


def test_numbers_of_other_types_name_the_same_stream():
    assert draws(init_generator(torch.tensor(3).item(), "output", torch.Size([2, 3]))) == draws(
        init_generator(3, "output", [2, 3])
    )


def test_no_stream_can_depend_on_the_cell():
    for function in (order, init_generator, dropout_generator, split_generator):
        assert set(inspect.signature(function).parameters) <= {
            "dataset",
            "seed",
            "epoch",
            "n",
            "layer",
            "shape",
            "step",
        }


def test_the_stream_of_a_late_step_costs_as_little_as_that_of_the_first():
    """One per layer and step must be cheap: no stream is drawn up to the step."""
    dropout_generator(1, "hidden1", 0)  # what is done once in a process
    first, late = (
        calls(lambda: dropout_generator(1, "hidden1", 1)),
        calls(lambda: dropout_generator(1, "hidden1", 10**9)),
    )
    assert first == late
    assert late.total() < 100


@pytest.mark.parametrize("seed", SEEDS)
def test_extreme_seeds_are_taken_whole(seed):
    assert draws(dropout_generator(seed, "hidden1", 0)) != draws(dropout_generator(seed ^ 1, "hidden1", 0))
