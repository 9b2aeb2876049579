"""torchvision's DenseNet-121 with a new output layer: transfer learning, all layers fine-tuned (Soons 4b).

`pretrained: true` starts from torchvision's official ImageNet weights: the file that BNSTUDY_DENSENET121 names, else
`FILE` in the folder of data sets (BNSTUDY_DATA, or the cache folder), downloaded if absent. Those weights
were trained on images of mean 0 and deviation 1 per channel: use `standardization: channel` with them. Only building
the network imports torchvision. A step on 32 images of 32x32 takes about 0.3 s on one core.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bnstudy import paths
from bnstudy.design.model_facts import ModelFacts
from bnstudy.errors import DataError, UsageError
from bnstudy.lazy import torch

if TYPE_CHECKING:
    from torch import Tensor

    from bnstudy.design.cell import Cell
    from bnstudy.networks.models import ImageShape
    from bnstudy.networks.models.block import Block, Network

FILE = "densenet121-a639ec97.pth"
DIGEST = "a639ec97"  # the official file's SHA-256 begins with this, as in its name
VARIABLE = "BNSTUDY_DENSENET121"
SMALLEST = 32  # pixels of a side; five halvings leave one


FACTS = ModelFacts(
    has=frozenset({"pretrained"}),
    lacks=dict.fromkeys(("norm_placement", "output_norm", "norm_bias"), "the model has its own places for norms")
    | dict.fromkeys(
        ("norm_affine", "norm_eps", "norm_momentum", "activation", "width"), "the model is as torchvision defines it"
    ),
    norms=("batch",),
)


def build(cell: Cell, shape: ImageShape) -> Network:
    """Return the network from images (N, C, H, W) to logits (N, classes).

    Its `blocks` are the 121 weight layers, each with the norm and nonlinearity beside it; the last norm is the output
    layer's. They are views of `features` and `classifier`, which hold the modules.
    Raises UsageError if the images do not fit, DataError if pretrained weights are unavailable.
    """
    if min(shape.height, shape.width) < SMALLEST:
        raise UsageError(
            f"{cell.dataset}: {shape.height}x{shape.width} images do not fit densenet121, which halves them five times",
            "Use images of at least 32x32 (mnist_size: pad or resize).",
        )
    if cell.pretrained and shape.channels != 3:
        raise UsageError(
            f"pretrained: the weights are for three channels, {cell.dataset} has {shape.channels}",
            "Leave pretrained out, or use a data set in colour.",
        )
    from bnstudy.networks.models.block import Network

    features = _features(shape.channels, read(obtain()) if cell.pretrained else None)
    classifier = torch.nn.Linear(features.norm5.num_features, shape.classes)
    blocks = list(_blocks(features, classifier, given=cell.pretrained))
    return Network(blocks, forward, features=features, classifier=classifier)


def forward(network: Any, images: Tensor) -> Tensor:
    x = torch.relu(network.features(images))
    x = torch.nn.functional.adaptive_avg_pool2d(x, 1).flatten(1)
    return network.blocks[-1].activation(network.classifier(x))


def _features(channels: int, weights: dict[str, Tensor] | None) -> Any:
    """Return torchvision's layers except the last, with these weights."""
    from torchvision.models import densenet121

    features = densenet121(weights=None).features
    if weights is not None:
        features.load_state_dict(weights)
    elif channels != 3:
        features.conv0 = torch.nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
    for module in features.modules():
        if isinstance(module, torch.nn.ReLU):
            module.inplace = False  # statistics read its input afterwards
    return features


def _blocks(features: Any, classifier: torch.nn.Linear, given: bool) -> Iterator[Block]:
    from bnstudy.networks.models.block import Block

    parts = ("layer", "norm") if given else ()
    yield Block("conv0", features.conv0, features.norm0, features.relu0, given=parts)
    for i in range(1, 5):
        for j, layer in enumerate(getattr(features, f"denseblock{i}").children(), 1):
            yield Block(f"dense{i}_{j}a", layer.conv1, layer.norm1, layer.relu1, placement="first", given=parts)
            yield Block(f"dense{i}_{j}b", layer.conv2, layer.norm2, layer.relu2, placement="first", given=parts)
        if i < 4:
            between = getattr(features, f"transition{i}")
            yield Block(f"transition{i}", between.conv, between.norm, between.relu, placement="first", given=parts)
    yield Block("output", classifier, features.norm5, placement="pre_linear", given=parts[1:])


def obtain() -> Path:
    """Return the file of the official weights, downloaded if it is absent. Raises DataError if it is unavailable."""
    named = os.environ.get(VARIABLE)
    path = Path(named) if named else paths.data_root() / FILE
    if not path.exists() and not named:
        _download(path)
    try:
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror})", _remedy(path)) from None
    if not digest.startswith(DIGEST):
        raise DataError(f"{path}: SHA-256 begins with {digest[:8]}, the official weights' with {DIGEST}", _remedy(path))
    return path


def _download(path: Path) -> None:
    from torchvision.models import DenseNet121_Weights

    url = DenseNet121_Weights.IMAGENET1K_V1.url
    part = path.with_name(f"{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        torch.hub.download_url_to_file(url, str(part), hash_prefix=DIGEST, progress=False)
        part.replace(path)
    except (OSError, RuntimeError) as error:  # no network, no such file, or another digest
        part.unlink(missing_ok=True)
        raise DataError(f"{path.name}: cannot be downloaded ({error})", _remedy(path)) from None


def _remedy(path: Path) -> str:
    return f"Put torchvision's official file of that name at {path}, or set {VARIABLE} to its path."


def read(path: Path) -> dict[str, Tensor]:
    """Return the weights of `features` by their current names: the official file has `norm.1` for `norm1`."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
    named = {old.sub(r"\1\2.", name): values for name, values in state.items()}
    return {k.removeprefix("features."): v for k, v in named.items() if k.startswith("features.")}
