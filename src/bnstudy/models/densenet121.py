"""DenseNet-121 as torchvision has it, with an output layer of its own: transfer learning, fine-tuned whole (Soons 4b).

`pretrained: true` starts from torchvision's official ImageNet weights: the file that BNSTUDY_DENSENET121 names, else
`FILE` in the folder of data sets (BNSTUDY_DATA, or the cache folder), where it is downloaded to if it can be. Those
weights were trained on images of mean 0 and deviation 1 per channel: say `standardization: channel` with them.
torchvision is imported when the network is built, and nowhere else in training. A step on 32 images of 32x32 takes
about 0.3 s on one core.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, relu

from bnstudy import paths
from bnstudy.cell import Cell
from bnstudy.errors import DataError, UsageError
from bnstudy.models import ImageShape
from bnstudy.models.block import Block, Network

FILE = "densenet121-a639ec97.pth"
DIGEST = "a639ec97"  # the official file's SHA-256 begins so, as its name says
VARIABLE = "BNSTUDY_DENSENET121"
SMALLEST = 32  # pixels a side that five halvings leave something of


class DenseNet(Network):
    """Images (N, C, H, W) to logits (N, classes).

    `blocks` are its 121 weight layers, each with the norm and nonlinearity beside it; the last norm is the output
    layer's. They are views: `features` and `classifier` hold the modules.
    """

    features: Any

    def __init__(self, channels: int, classes: int, weights: dict[str, Tensor] | None):
        super().__init__()
        from torchvision.models import densenet121

        self.features = densenet121(weights=None).features
        if weights is not None:
            self.features.load_state_dict(weights)
        elif channels != 3:
            self.features.conv0 = nn.Conv2d(channels, 64, 7, stride=2, padding=3, bias=False)
        for module in self.features.modules():
            if isinstance(module, nn.ReLU):
                module.inplace = False  # what is measured before it must outlive it
        self.classifier = nn.Linear(self.features.norm5.num_features, classes)
        self.blocks = tuple(_blocks(self.features, self.classifier, given=weights is not None))

    def forward(self, images: Tensor) -> Tensor:
        x = adaptive_avg_pool2d(relu(self.features(images)), 1).flatten(1)
        return self.blocks[-1].activation(self.classifier(x))


def _blocks(features: Any, classifier: nn.Linear, given: bool) -> Iterator[Block]:
    parts = ("layer", "norm") if given else ()
    none = nn.Identity
    yield Block("conv0", features.conv0, features.norm0, features.relu0, none(), given=parts)
    for i in range(1, 5):
        for j, layer in enumerate(getattr(features, f"denseblock{i}").children(), 1):
            yield Block(f"dense{i}_{j}a", layer.conv1, layer.norm1, layer.relu1, none(), "first", parts)
            yield Block(f"dense{i}_{j}b", layer.conv2, layer.norm2, layer.relu2, none(), "first", parts)
        if i < 4:
            between = getattr(features, f"transition{i}")
            yield Block(f"transition{i}", between.conv, between.norm, between.relu, none(), "first", parts)
    yield Block("output", classifier, features.norm5, none(), none(), "pre_linear", parts[1:])


def obtain() -> Path:
    """The file of the official weights, downloaded if it is not there. Raises DataError where it cannot be had."""
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
    except (OSError, RuntimeError) as error:  # no network, no such file, or another file than the official one
        part.unlink(missing_ok=True)
        raise DataError(f"{path.name}: cannot be downloaded ({error})", _remedy(path)) from None


def _remedy(path: Path) -> str:
    return f"Put torchvision's official file of that name at {path}, or name it by {VARIABLE}."


def read(path: Path) -> dict[str, Tensor]:
    """The weights of `features` by today's names: the official file writes `norm.1` for `norm1`."""
    state = torch.load(path, map_location="cpu", weights_only=True)
    old = re.compile(r"(denselayer\d+\.(?:norm|conv))\.([12])\.")
    named = {old.sub(r"\1\2.", name): values for name, values in state.items()}
    return {k.removeprefix("features."): v for k, v in named.items() if k.startswith("features.")}


def build(cell: Cell, shape: ImageShape) -> DenseNet:
    """Raises UsageError where images do not fit, DataError where pretrained weights cannot be had."""
    if min(shape.height, shape.width) < SMALLEST:
        raise UsageError(
            f"{cell.dataset}: {shape.height}x{shape.width} images do not fit densenet121, which halves them five times",
            "Give it images of at least 32x32 (mnist_size: pad or resize).",
        )
    if cell.pretrained and shape.channels != 3:
        raise UsageError(
            f"pretrained: the weights are for three channels, {cell.dataset} has {shape.channels}",
            "Leave pretrained out, or take a data set in colour.",
        )
    return DenseNet(shape.channels, shape.classes, read(obtain()) if cell.pretrained else None)
