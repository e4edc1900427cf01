"""Convolution by plain sums of products, and the switches of the process under which float32 stays float32."""

from __future__ import annotations

import platform
import threading
from contextlib import ExitStack, suppress
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

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


class PlainSums:
    """Within it, nothing in this process leaves float32: no TF32, bfloat16 shortcuts, Winograd, algorithm search.

    Threads may overlap in here: the first one in sets the switches, the last one out restores them.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._restore = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                with ExitStack() as stack:
                    self._set(stack)
                    self._restore = stack.pop_all()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore.close()

    def _set(self, stack: ExitStack) -> None:
        backends: Any = torch.backends  # torch's stubs lack the newer switches
        _change(stack, backends.cudnn, "benchmark", False)
        _change(stack, backends.cudnn, "deterministic", True)
        # NNPACK takes over from oneDNN for batches of 16 and more, with Winograd.
        stack.enter_context(backends.nnpack.flags(enabled=False))
        if not PLAIN_CONVOLUTION:
            _change(stack, backends.mkldnn, "enabled", False)
        kernels: tuple[Any, ...] = ()
        if hasattr(backends.mkldnn, "conv"):  # torch >= 2.9 has one switch per kind of kernel
            kernels = (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul, backends.mkldnn.conv)
        for kind in kernels:
            stack.callback(setattr, kind, "fp32_precision", kind.fp32_precision)
        # The older switches refuse to be read where the newer ones say something else.
        with suppress(RuntimeError):
            _change(stack, backends.cudnn, "allow_tf32", False)
        with suppress(RuntimeError):
            stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
            torch.set_float32_matmul_precision("highest")
        for kind in kernels:
            kind.fp32_precision = "ieee"


def _change(stack: ExitStack, holder: Any, name: str, value: object) -> None:
    """Set an attribute until the stack is closed."""
    stack.callback(setattr, holder, name, getattr(holder, name))
    setattr(holder, name, value)


plain_sums = PlainSums()
