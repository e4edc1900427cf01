"""Inception-v3 as FID uses it: the TensorFlow graph of 2015-12-05, which is not torchvision's network.

Sources: Szegedy et al. 2016, "Rethinking the Inception Architecture for Computer Vision", for the blocks; the graph
itself, as ported by the projects that `metrics.inception_files` reads, for where it differs: average pools do not count
the padding, the last block pools by maximum, and batch normalization has epsilon 0.001 and no scale.

Names of layers are torchvision's, without its `aux` and `fc`. Batch normalization is folded into the convolutions.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal, NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.base.errors import WeightsError

SIDE = 299
"""Height and width of the input in pixels."""

EPSILON = 0.001
"""Of batch normalization."""

Pool = Literal["", "average", "maximum", "halve"]


class Branch(NamedTuple):
    """One path through a block: a pool, layers one after the other, and a fork of layers side by side.

    Layers of which the name ends in "!" halve the resolution.
    """

    pool: Pool
    layers: tuple[str, ...]
    fork: tuple[str, ...] = ()


def _chain(name: str, count: int, halves: bool = False) -> tuple[str, ...]:
    return tuple(f"{name}_{i}{'!' * (halves and i == count)}" for i in range(1, count + 1))


_POOLED = Branch("average", ("branch_pool",))
_A = (
    Branch("", ("branch1x1",)),
    Branch("", _chain("branch5x5", 2)),
    Branch("", _chain("branch3x3dbl", 3)),
    _POOLED,
)
_B = (Branch("", ("branch3x3!",)), Branch("", _chain("branch3x3dbl", 3, halves=True)), Branch("halve", ()))
_C = (Branch("", ("branch1x1",)), Branch("", _chain("branch7x7", 3)), Branch("", _chain("branch7x7dbl", 5)), _POOLED)
_D = (
    Branch("", _chain("branch3x3", 2, halves=True)),
    Branch("", _chain("branch7x7x3", 4, halves=True)),
    Branch("halve", ()),
)
_E = (
    Branch("", ("branch1x1",)),
    Branch("", ("branch3x3_1",), ("branch3x3_2a", "branch3x3_2b")),
    Branch("", ("branch3x3dbl_1", "branch3x3dbl_2"), ("branch3x3dbl_3a", "branch3x3dbl_3b")),
    _POOLED,
)

STEM = ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3")
BLOCKS: Mapping[str, tuple[Branch, ...]] = {
    **dict.fromkeys(("Mixed_5b", "Mixed_5c", "Mixed_5d"), _A),
    "Mixed_6a": _B,
    **dict.fromkeys(("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"), _C),
    "Mixed_7a": _D,
    "Mixed_7b": _E,
    "Mixed_7c": (*_E[:3], Branch("maximum", ("branch_pool",))),
}
"""Blocks in order, each the concatenation of its branches."""


def layer_names() -> Iterator[str]:
    """All convolutions by name."""
    return (name.rstrip("!") for name in _marked_names())


def _marked_names() -> Iterator[str]:
    yield f"{STEM[0]}!"
    yield from STEM[1:]
    for block, branches in BLOCKS.items():
        for branch in branches:
            yield from (f"{block}.{layer}" for layer in (*branch.layers, *branch.fork))


class Inception(nn.Module):
    """Pixels to the features before the classifier. Its weights do not train.

    Args:
        arrays: for each layer L of `layer_names`, `L.conv.weight` and `L.bn.{bias,running_mean,running_var}`, and
            `L.bn.weight` if the normalization has a scale; float. Widths are free.

    Raises:
        WeightsError: a tensor is missing or does not fit its neighbor.
    """

    def __init__(self, arrays: Mapping[str, np.ndarray]) -> None:
        super().__init__()
        self.layers = nn.ModuleDict()
        for marked in _marked_names():
            name = marked.rstrip("!")
            halves = name != marked
            bare = halves or (name in STEM and name != "Conv2d_2b_3x3")
            self.layers[_key(name)] = _layer(arrays, name, stride=2 if halves else 1, padded=not bare)
        self.requires_grad_(False).eval()

    def forward(self, x: Tensor) -> Tensor:
        """Features of a batch.

        Args:
            x: float32 (B, 3, SIDE, SIDE), nominally in [-1, 1].

        Returns:
            float32 (B, C) >= 0, C 2048 with the weights of FID.
        """
        for name in STEM:
            x = self._run(name, x)
            if name in ("Conv2d_2b_3x3", "Conv2d_4a_3x3"):
                x = F.max_pool2d(x, 3, 2)
        for block, branches in BLOCKS.items():
            x = torch.cat([part for branch in branches for part in self._branch(block, branch, x)], 1)
        return x.mean((2, 3))

    def patch_features(self, patches: Tensor) -> Tensor:
        """Features of pictures of any size, resized as pytorch-fid does it.

        That is bilinear on floats between pixel centers, without antialiasing. FID's patches of 256 pixels are
        enlarged, where antialiasing, the concern of clean-fid, has nothing to do.

        Args:
            patches: uint8 (B, H, W, 3) RGB.

        Returns:
            float32 (B, C).
        """
        x = patches.permute(0, 3, 1, 2).float() / 255
        x = F.interpolate(x, size=(SIDE, SIDE), mode="bilinear", align_corners=False)
        # TF32 would move features by about a thousandth.
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            features: Tensor = self(2 * x - 1)
        return features

    def _branch(self, block: str, branch: Branch, x: Tensor) -> list[Tensor]:
        if branch.pool == "average":
            x = F.avg_pool2d(x, 3, 1, 1, count_include_pad=False)
        elif branch.pool == "maximum":
            x = F.max_pool2d(x, 3, 1, 1)
        elif branch.pool == "halve":
            x = F.max_pool2d(x, 3, 2)
        for layer in branch.layers:
            x = self._run(f"{block}.{layer.rstrip('!')}", x)
        return [self._run(f"{block}.{layer}", x) for layer in branch.fork] or [x]

    def _run(self, name: str, x: Tensor) -> Tensor:
        return F.relu(self.layers[_key(name)](x))


def _key(name: str) -> str:
    return name.replace(".", "/")


def _layer(arrays: Mapping[str, np.ndarray], name: str, *, stride: int, padded: bool) -> nn.Conv2d:
    """A convolution with its normalization folded in: y = s (w * x) + (b - s m), s = g / sqrt(v + epsilon)."""
    weight = _take(arrays, f"{name}.conv.weight", 4)
    bias, mean, variance = (_take(arrays, f"{name}.bn.{part}", 1) for part in ("bias", "running_mean", "running_var"))
    scale = 1 / np.sqrt(variance + EPSILON)
    if f"{name}.bn.weight" in arrays:
        scale = scale * _take(arrays, f"{name}.bn.weight", 1)
    width, channels, *kernel = weight.shape
    if not len(bias) == len(mean) == len(scale) == width:
        raise WeightsError(f"the tensors of {name} do not fit each other.")
    padding = [side // 2 if padded else 0 for side in kernel]
    # Without random weights, which take longer than all else here.
    layer: nn.Conv2d = torch.nn.utils.skip_init(  # type: ignore[no-untyped-call]
        nn.Conv2d, channels, width, tuple(kernel), stride, tuple(padding)
    )
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(weight * scale[:, None, None, None]))
        layer.bias.copy_(torch.from_numpy(bias - mean * scale))  # type: ignore[union-attr]
    return layer


def _take(arrays: Mapping[str, np.ndarray], name: str, dimensions: int) -> np.ndarray:
    """A tensor as float64, in which the folding is done."""
    if name not in arrays:
        raise WeightsError(f"the file lacks {name}.")
    if arrays[name].ndim != dimensions:
        raise WeightsError(f"{name} has {arrays[name].ndim} dimensions instead of {dimensions}.")
    return np.asarray(arrays[name], np.float64)
