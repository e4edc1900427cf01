"""Convolution by plain sums of products, and the switches of the process under which float32 stays float32."""

from __future__ import annotations

import platform
from contextlib import ExitStack
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from codectk.nn.guard import Switches, float32_stays_float32, switch

PLAIN_CONVOLUTION = platform.machine().lower() in ("x86_64", "amd64")
"""Processors on which torch convolves by plain sums of products, given the switches below. On ARM it takes
Winograd for 3x3 depth-wise convolutions, and oneDNN may be told to round to bfloat16 by the environment."""


def convolve(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    """Convolution of integers in float32 that never leaves the integers, inside `plain_sums`.

    Where a library may pick Winograd or FFT, which are not exact, it is written as a matrix product.
    """
    if x.device.type == "cpu" and PLAIN_CONVOLUTION:
        return F.conv2d(x, weight, bias, stride, padding, 1, groups)
    return convolve_by_product(x, weight, bias, stride, padding, groups)


def convolve_by_product(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    """Convolution as a matrix product of unfolded patches."""
    out_channels, _, kh, kw = weight.shape
    height = (x.shape[2] + 2 * padding - kh) // stride + 1
    width = (x.shape[3] + 2 * padding - kw) // stride + 1
    patches = F.unfold(x, (kh, kw), padding=padding, stride=stride)  # (B, C*kh*kw, L)
    patches = patches.reshape(x.shape[0], groups, -1, height * width)
    product = torch.matmul(weight.reshape(groups, out_channels // groups, -1), patches)
    return product.reshape(x.shape[0], out_channels, height, width) + bias.view(1, -1, 1, 1)


def _plain_sums(stack: ExitStack) -> None:
    backends: Any = torch.backends  # torch's stubs lack the newer switches
    switch(stack, backends.cudnn, "benchmark", False)
    switch(stack, backends.cudnn, "deterministic", True)
    # NNPACK takes over from oneDNN for batches of 16 and more, with Winograd.
    stack.enter_context(backends.nnpack.flags(enabled=False))
    if not PLAIN_CONVOLUTION:
        switch(stack, backends.mkldnn, "enabled", False)
    float32_stays_float32(stack)


plain_sums = Switches(_plain_sums)
"""Within it, nothing in this process leaves float32: no TF32, bfloat16 shortcuts, Winograd, algorithm search."""
