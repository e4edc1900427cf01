"""Both generators a second time: plain, slow, on a table of tensors, with per-sample weights and explicit filters."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F


def _tensors(arrays):
    return {name: torch.from_numpy(np.asarray(value, np.float64)) for name, value in arrays.items()}


def _lrelu(x):
    return torch.where(x < 0, 0.2 * x, x)


def _haar(x):
    """Transposed convolutions with the filters (1, 1) and (1, -1) over the root of two, columns first."""
    groups = x.shape[1] // 4
    low, high = torch.tensor([1.0, 1.0]).double() / 2**0.5, torch.tensor([1.0, -1.0]).double() / 2**0.5
    out = 0
    for name, vertical, horizontal in (("L", low, low), (0, high, low), (1, low, high), (2, high, high)):
        band = x[:, :groups] if name == "L" else x[:, groups + name :: 3][:, :groups]
        column = vertical.view(1, 1, 2, 1).repeat(groups, 1, 1, 1)
        row = horizontal.view(1, 1, 1, 2).repeat(groups, 1, 1, 1)
        band = F.conv_transpose2d(band, column, stride=(2, 1), groups=groups)
        out = out + F.conv_transpose2d(band, row, stride=(1, 2), groups=groups)
    return out


def mobile_map(arrays, z):
    """z (B, dim) -> w."""
    a = _tensors(arrays)
    x = z.double()
    x = x / torch.sqrt((x**2).mean(1, keepdim=True) + 1e-8)
    for i in range(sum(name.startswith("mapping.") for name in a) // 2):
        x = 2**0.5 * _lrelu(x @ a[f"mapping.{i}.weight"].T + a[f"mapping.{i}.bias"])
    return x


def mobile(arrays, styles):
    """styles (B, slots, dim) -> picture in [-1, 1], and the features by resolution."""
    a, s = _tensors(arrays), styles.double()

    def modulate(x, name, slot, gain):
        return x * (gain * (s[:, slot] @ a[f"{name}.style.weight"].T + a[f"{name}.style.bias"]))[..., None, None]

    def finish(x, name):
        return _lrelu(x + a[f"{name}.noise"] + a[f"{name}.bias"].view(1, -1, 1, 1))

    def separable(x, name, slot):
        x = modulate(x, name, slot, 1 / math.sqrt(9 * x.shape[1]))
        x = F.conv2d(x, a[f"{name}.depthwise"], padding=1, groups=x.shape[1])
        return finish(F.conv2d(x, a[f"{name}.pointwise"]), name)

    x = a["const"].repeat(len(s), 1, 1, 1)
    x = finish(F.conv2d(modulate(x, "conv4", 0, 1 / math.sqrt(9 * x.shape[1])), a["conv4.weight"], padding=1), "conv4")
    features = {4: x}
    i = 0
    while f"b{8 << i}.conv1.bias" in a:
        block = f"b{8 << i}"
        x = _haar(modulate(x, f"{block}.up", 2 * i + 1, 1))
        x = separable(separable(x, f"{block}.conv1", 2 * i + 1), f"{block}.conv2", 2 * i + 2)
        features[x.shape[-1]] = x
        i += 1
    name = f"img{2 * x.shape[-1]}"
    x = F.conv2d(modulate(x, name, 2 * i + 1, 1 / math.sqrt(x.shape[1])), a[f"{name}.weight"])
    return _haar(x + a[f"{name}.bias"].view(1, -1, 1, 1)), features


def _upfirdn(x, up, before, after, gain):
    """Insert zeros, pad, and convolve with [1, 3, 3, 1]."""
    b, c, h, w = x.shape
    if up > 1:
        big = x.new_zeros(b, c, h * up, w * up)
        big[:, :, ::up, ::up] = x
        x = big
    x = F.pad(x, (before, after, before, after))
    row = torch.tensor([1.0, 3, 3, 1]).double() / 8
    kernel = (torch.outer(row, row) * gain).flip(0, 1)
    return F.conv2d(x.flatten(0, 1)[:, None], kernel[None, None]).unflatten(0, (b, c))[:, :, 0]


def stylegan2(arrays, styles):
    """styles (B, slots, dim) -> picture in [-1, 1], and the features by resolution."""
    a, s = _tensors(arrays), styles.double()

    def modulated(x, name, slot, demodulate, up=False):
        weight = a[f"{name}.conv.weight"][0]
        _, channels, kernel, _ = weight.shape
        modulation = s[:, slot] @ a[f"{name}.conv.modulation.weight"].T / math.sqrt(s.shape[-1])
        modulation = modulation + a[f"{name}.conv.modulation.bias"]
        result = []
        for picture, factors in zip(x, modulation, strict=True):
            w = weight / math.sqrt(channels * kernel**2) * factors.view(1, -1, 1, 1)
            if demodulate:
                w = w / torch.sqrt((w**2).sum((1, 2, 3), keepdim=True) + 1e-8)
            if up:
                y = _upfirdn(F.conv_transpose2d(picture[None], w.transpose(0, 1), stride=2), 1, 1, 1, 4)
            else:
                y = F.conv2d(picture[None], w, padding=kernel // 2)
            result.append(y)
        return torch.cat(result)

    def layer(x, name, slot, number, up=False):
        x = modulated(x, name, slot, True, up) + a[f"{name}.noise.weight"] * a[f"noises.noise_{number}"]
        return 2**0.5 * _lrelu(x + a[f"{name}.activate.bias"].view(1, -1, 1, 1))

    x = layer(a["input.input"].repeat(len(s), 1, 1, 1), "conv1", 0, 0)
    rgb = modulated(x, "to_rgb1", 1, False) + a["to_rgb1.bias"]
    features = {4: x}
    j = 0
    while f"to_rgbs.{j}.bias" in a:
        x = layer(x, f"convs.{2 * j}", 2 * j + 1, 2 * j + 1, up=True)
        x = layer(x, f"convs.{2 * j + 1}", 2 * j + 2, 2 * j + 2)
        features[x.shape[-1]] = x
        part = modulated(x, f"to_rgbs.{j}", 2 * j + 3, False) + a[f"to_rgbs.{j}.bias"]
        rgb = _upfirdn(rgb, 2, 2, 1, 4) + part
        j += 1
    return rgb, features
