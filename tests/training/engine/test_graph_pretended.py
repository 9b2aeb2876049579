"""The step on a GPU that torch only pretends to have: what a capture would refuse, found without one.

Fake tensors have a shape and a device but no values, so whatever reads a value on the host raises, and so does a
mixture of devices. And a replay repeats the calls of one step with their very numbers: so all steps must make the same.
Backward passes are torch's own and are left out, and the fused SGD, which has no fake, checks what it is given.
"""

import contextlib
from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from bnstudy import datasets
from bnstudy.design.cell import Cell, Run
from bnstudy.networks import optimizers
from bnstudy.training.engine import reference
from bnstudy.training.engine.graph import lanes
from bnstudy.training.engine.graph.optimizer import is_capturable
from bnstudy.training.engine.graph.resident import Resident
from bnstudy.training.engine.graph.training import Training
from bnstudy.training.engine.inputs import prepare

DEVICE = "cuda:0"
ARRAYS = datasets.load("toy", None)

pytestmark = [
    pytest.mark.filterwarnings("ignore:CUDA is not available or torch_xla is imported:UserWarning"),
    pytest.mark.skipif(torch.__version__ < (2, 11), reason="before torch 2.11 fake tensors on a GPU need its driver"),
]


def make(**fields) -> Cell:
    small = {"train_size": 300, "hidden": (8, 8)} if fields.get("model") != "cnn" else {"train_size": 100}
    return Cell(**{"dataset": "toy", "model": "mlp", "norm": "batch", **small, **fields})


def move(module: nn.Module, device=None, memory_format=None) -> nn.Module:
    """`Module.to`, which torch cannot do to fake parameters."""
    for part in module.modules():
        for kept in (part._parameters, part._buffers):
            for name, tensor in kept.items():
                if tensor is not None:
                    moved = tensor.detach().to(device) if device else tensor.detach()
                    if memory_format is not None and moved.dim() == 4:
                        moved = moved.contiguous(memory_format=memory_format)
                    kept[name] = nn.Parameter(moved) if kept is part._parameters else moved
    return module


def fused_sgd(parameters, gradients, buffers, *, lr, momentum, **_):
    """What `torch._fused_sgd_` wants on a GPU."""
    assert {tensor.device.type for tensor in (*parameters, *gradients, *buffers, lr)} == {"cuda"}
    assert all(p.stride() == g.stride() for p, g in zip(parameters, gradients, strict=True))
    assert (lr.dtype, lr.dim()) == (torch.float32, 0)
    assert bool(buffers) == (momentum != 0)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.add_(gradient)


def resident(data) -> Resident:
    found = object.__new__(Resident)
    found.data, found.device, found.is_bytes = data, DEVICE, True
    found.labels = torch.empty(len(data.train_labels), dtype=torch.long, device=DEVICE)
    found.validation = data.validation_images.to(DEVICE), data.validation_labels.to(DEVICE)
    found.mean = found.std = torch.empty(1, 1, 1, device=DEVICE)
    found._images = torch.empty(data.train_images.shape, dtype=torch.uint8, device=DEVICE)
    found._channels_last = found._images.permute(0, 2, 3, 1).contiguous()
    return found


@pytest.fixture
def pretended(monkeypatch):
    """Makes a training on DEVICE, at its start; from then on all tensors are fakes."""
    generator = torch.Generator
    monkeypatch.setattr(lanes, "lend", lambda borrower, device: SimpleNamespace(synchronize=lambda: None))
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: None)
    monkeypatch.setattr(torch.cuda, "stream", lambda stream: contextlib.nullcontext())
    monkeypatch.setattr(torch, "Generator", lambda *_: generator())
    monkeypatch.setattr(torch, "_fused_sgd_", fused_sgd)
    monkeypatch.setattr(reference, "PeakMemory", lambda device: None)
    monkeypatch.setattr(nn.Module, "to", move)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def begin(cell: Cell) -> Training:
        data = prepare(cell, 0, ARRAYS)
        fakes.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        training = Training(Run(cell, 0), resident(data), DEVICE)
        training.model.train()

        def backward(loss):
            assert loss.device.type == "cuda"
            for parameter in training.model.parameters():
                parameter.grad = torch.empty_like(parameter)

        monkeypatch.setattr(torch.Tensor, "backward", backward)
        return training

    with contextlib.ExitStack() as fakes:
        yield begin
    torch.set_num_threads(threads)


class Calls(TorchDispatchMode):
    """The calls that reach a device: their names, numbers, and the shapes and devices of their tensors."""

    def __init__(self):
        super().__init__()
        self.made = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        if func is not torch.ops.prim.device.default:
            self.made.append((str(func), *map(self.described, tree_leaves((args, kwargs or {})))))
        return func(*args, **(kwargs or {}))

    @staticmethod
    def described(value) -> str:
        if isinstance(value, torch.Tensor):
            return f"{value.device} {value.dtype} {list(value.shape)}"
        return str(value) if isinstance(value, int | float | torch.dtype | torch.device) else type(value).__name__


CELLS = [
    {"dropout": 0.5, "last_batch": "keep", "batch_size": 41, "grad_clip": 0.5},
    {"norm": "none", "penalty": "elastic_net", "penalty_strength": 1e-4, "activation": "sigmoid"},
    {
        "norm_placement": "post_activation",
        "activation": "prelu",
        "penalty": "l1",
        "penalty_strength": 1e-4,
        "penalty_on": "all",
    },
    {"precision": "bf16"},
    {"model": "cnn", "width": 1 / 16, "batch_size": 16, "dropout": 0.5, "dropout_kind": "maps", "grad_clip": 1.0},
    *({"optimizer": name} for name in optimizers.REGISTRY if is_capturable(make(optimizer=name))),
]


@pytest.mark.parametrize("fields", CELLS, ids=lambda f: "-".join(map(str, f.values())))
def test_all_steps_make_the_same_calls_on_the_gpu_alone(pretended, fields):
    training = pretended(make(**fields))
    kinds = sorted({*training._kinds, (training._kinds[0][0], 1)})
    assert len(kinds) > 1 + (fields.get("last_batch") == "keep")
    for kind in kinds:
        step, made = training._step(*kind), []
        for _ in range(2):
            with Calls() as calls:
                step()
            made.append(calls.made)
        assert made[0] == made[1]
        assert len(made[0]) > 50
        assert not [call for call in made[0] if any(word.startswith("cpu ") for word in call)]


def test_it_would_see_a_step_that_reads_a_value(pretended, monkeypatch):
    training = pretended(make())
    update = training._update
    monkeypatch.setattr(training, "_update", lambda *given: update(*given) * float(training._totals[0]))
    with pytest.raises(Exception, match="_local_scalar_dense"):
        training._step(64, 0)()


def test_it_would_see_a_step_that_counts_on_the_host(pretended, monkeypatch):
    training = pretended(make())
    update, steps = training._update, []

    def counting(*given):
        steps.append(1)
        return update(*given) * len(steps)

    monkeypatch.setattr(training, "_update", counting)
    step, made = training._step(64, 0), []
    for _ in range(2):
        with Calls() as calls:
            step()
        made.append(calls.made)
    assert made[0] != made[1]
