"""The step on a GPU that torch only pretends to have: what a capture would refuse, found without one.

Fake tensors have shape, dtype, strides and a device but no values, so whatever reads a value on the host raises, and so
does a mixture of devices. And a replay repeats the calls of one step with the same numbers, so all steps must make the
same calls. The backward pass is walked node by node (`backward.py`); the fused SGD, which has no fake, checks its
arguments.
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
from training.engine.backward import walk

DEVICE = "cuda:0"
ARRAYS = datasets.load("toy", None)

pytestmark = [
    pytest.mark.skipif(torch.__version__ < (2, 11), reason="before torch 2.11 fake tensors on a GPU need its driver"),
    pytest.mark.skipif(
        torch.version.cuda is None, reason="autograd on fake tensors on a GPU needs a torch built for it"
    ),
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
    monkeypatch.setattr(torch.Tensor, "backward", walk)
    monkeypatch.setattr(torch.cuda.amp.common, "amp_definitely_not_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda: True)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)

    def begin(cell: Cell) -> Training:
        data = prepare(cell, 0, ARRAYS)
        fakes.enter_context(FakeTensorMode(allow_non_fake_inputs=True))
        training = Training(Run(cell, 0), resident(data), DEVICE)
        training.model.train()
        return training

    with contextlib.ExitStack() as fakes:
        yield begin
    torch.set_num_threads(threads)


class Calls(TorchDispatchMode):
    """The calls that reach a device: their names, numbers, and the shapes and devices of their tensors; `returned` has
    the name of each call and the tensors it returns."""

    def __init__(self):
        super().__init__()
        self.made, self.returned = [], []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        found = func(*args, **(kwargs or {}))
        if func is not torch.ops.prim.device.default:
            self.made.append((str(func), *map(self.described, tree_leaves((args, kwargs or {})))))
            self.returned += [(str(func), tensor) for tensor in tree_leaves(found) if isinstance(tensor, torch.Tensor)]
        return found

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


# forward and backward


CNN = {"model": "cnn", "width": 1 / 16, "batch_size": 16}


def step_of(training: Training) -> Calls:
    """The calls of one step of a full batch that is not measured."""
    step = training._step(training.cell.batch_size, 0)
    with Calls() as calls:
        step()
    return calls


@pytest.mark.parametrize("fields", [{"norm": "none"}, {"norm": "batch", "dropout": 0.5}], ids=str)
def test_a_cnn_goes_forward_and_backward_through_cudnn_and_stays_channels_last(pretended, fields):
    """In another layout cuDNN would reorder images and gradients at every layer."""
    training = pretended(make(**CNN, **fields))
    calls, blocks = step_of(training), training.model.blocks
    names = [name for name, *_ in calls.made]
    convolutions = sum(isinstance(block.layer, nn.Conv2d) for block in blocks)
    normed = training.cell.norm == "batch"
    for forward, count in (
        ("convolution", convolutions),
        ("cudnn_batch_norm", normed * convolutions),
        ("native_batch_norm", normed * (len(blocks) - 1 - convolutions)),
    ):
        assert names.count(f"aten.{forward}.default") == count
        assert names.count(f"aten.{forward}_backward.default") == count
    pictures = [(name, x) for name, x in calls.returned if x.dim() == 4 and x.dtype != torch.uint8]
    assert len(pictures) > 5 * convolutions
    assert not [name for name, x in pictures if not x.is_contiguous(memory_format=torch.channels_last)]


PRODUCTS = ("aten.convolution", "aten.mm.", "aten.addmm.")


@pytest.mark.parametrize("model", [{}, CNN], ids=["mlp", "cnn"])
@pytest.mark.parametrize(("precision", "dtype"), [("default", torch.float32), ("bf16", torch.bfloat16)])
def test_products_have_the_cells_precision_in_both_directions(pretended, model, precision, dtype):
    """Parameters have float32 gradients, laid out as they are; float64 has only what sums over an epoch."""
    training = pretended(make(**model, precision=precision, dropout=0.5, grad_clip=1.0))
    calls = step_of(training)
    products = [x.dtype for name, x in calls.returned if name.startswith(PRODUCTS)]
    assert len(products) > 2 * len(training.model.blocks)
    assert set(products) == {dtype}
    assert max(x.numel() for _, x in calls.returned if x.dtype == torch.float64) <= len(training._totals)
    for parameter in training.model.parameters():
        assert (parameter.grad.dtype, parameter.grad.stride()) == (torch.float32, parameter.stride())


class Astray(torch.autograd.Function):
    """The identity, with a gradient that is not what it should be."""

    @staticmethod
    def forward(ctx, x, change):
        ctx.change = change
        return x.clone()

    @staticmethod
    def backward(ctx, gradient):
        return ctx.change(gradient), None


@pytest.mark.parametrize(
    ("change", "error"),
    [
        (lambda g: torch.zeros(g.shape, device="cpu"), "AstrayBackward to .*: on cpu, not cuda:0"),
        (lambda g: g.double(), "AstrayBackward to .*: torch.float64, not torch.float32"),
        (lambda g: g[:1], "not expandable"),
    ],
    ids=["device", "dtype", "shape"],
)
def test_it_would_see_a_gradient_that_goes_astray(pretended, change, error):
    training = pretended(make())
    training.model.blocks[1].activation.register_forward_hook(lambda module, given, x: Astray.apply(x, change))
    with pytest.raises((AssertionError, RuntimeError), match=error):
        step_of(training)


@pytest.mark.parametrize("fields", [{}, {"norm": "none"}, {"penalty": "l2", "penalty_strength": 1e-3}], ids=str)
def test_the_walk_makes_the_gradients_of_torchs_engine(fields):
    cell = make(**CNN, **fields)
    training = reference.Training(Run(cell, 0), prepare(cell, 0, ARRAYS), "cpu")
    training.model.train()
    found = []
    for backward in (torch.Tensor.backward, walk):
        training.optimizer.zero_grad()
        _, loss, penalty = training._loss(training.train_images[:16], training.train_labels[:16])
        backward(loss + penalty)
        found.append([parameter.grad for parameter in training.model.parameters()])
    assert all(map(torch.equal, *found))
