"""Building blocks against their formulas and against plain loops."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk_segpic.layers import SAL, WAM, Down, ResidualUnit, Up, WindowAttention


def attention(channels: int = 8, window: int = 4, heads: int = 2) -> WindowAttention:
    """With weights large enough that attention is far from an average."""
    torch.manual_seed(1)
    layer = WindowAttention(channels, window, heads)
    with torch.no_grad():
        layer.qkv.weight.mul_(3)
        layer.relative_position_bias_table.normal_(0, 1)
    return layer


def by_loops(layer: WindowAttention, x: Tensor) -> Tensor:
    """The same from its description: every token by itself attends to those of its shifted window that are there.

    Windows of the picture moved by half a window up and left: window (i, j) covers rows from s i + s/2 on; those that
    reach over the border are cut there instead of going on at the other side.
    """
    _, channels, height, width = x.shape
    s, half, heads = layer.window, layer.shift, layer.heads
    size = channels // heads

    def window(row: int, column: int) -> list[tuple[int, int]]:
        top, left = ((v - half) // s * s + half for v in (row, column))
        return [
            (r, c) for r in range(max(0, top), min(height, top + s)) for c in range(max(0, left), min(width, left + s))
        ]

    qkv = layer.qkv(x.permute(0, 2, 3, 1))
    out = torch.empty_like(x)
    for b in range(x.shape[0]):
        for row in range(height):
            for column in range(width):
                seen = window(row, column)
                parts = []
                for head in range(heads):
                    part = slice(head * size, (head + 1) * size)
                    query = qkv[b, row, column, :channels][part]
                    keys = torch.stack([qkv[b, r, c, channels : 2 * channels][part] for r, c in seen])
                    values = torch.stack([qkv[b, r, c, 2 * channels :][part] for r, c in seen])
                    places = [(row - r + s - 1) * (2 * s - 1) + column - c + s - 1 for r, c in seen]
                    logits = keys @ query / math.sqrt(size) + layer.relative_position_bias_table[places, head]
                    parts.append(logits.softmax(0) @ values)
                out[b, :, row, column] = x[b, :, row, column] + layer.proj(torch.cat(parts))
    return out


@pytest.mark.parametrize("height, width", [(4, 4), (8, 4), (8, 12)])
@pytest.mark.parametrize("batch", [1, 2])
@torch.no_grad()
def test_attention_equals_loops_over_tokens(batch: int, height: int, width: int):
    layer = attention()
    x = torch.randn(batch, 8, height, width)
    expected = by_loops(layer, x)
    assert torch.allclose(layer(x), expected, atol=1e-5)
    assert torch.allclose(layer(x.to(memory_format=torch.channels_last)), expected, atol=1e-5)
    assert (expected - x).abs().mean() > 0.1


@torch.no_grad()
def test_attention_does_not_reach_over_the_border():
    """The cyclic shift puts the first rows and columns beside the last ones; they must not see each other."""
    layer = attention()
    x = torch.randn(1, 8, 8, 12)
    base = layer(x)
    changed = x.clone()
    changed[:, :, :2] += 10  # the first half window of rows
    difference = (layer(changed) - base).abs().amax((0, 1))
    assert (difference[:2] > 0).all() and not difference[2:].any()
    changed = x.clone()
    changed[:, :, :, -2:] -= 10
    difference = (layer(changed) - base).abs().amax((0, 1))
    assert (difference[:, -2:] > 0).all() and not difference[:, :-2].any()


@torch.no_grad()
def test_attention_reaches_all_of_its_window():
    layer = attention()
    x = torch.randn(1, 8, 8, 12)
    changed = x.clone()
    changed[:, :, 3, 4] += 5  # inside the window of rows 2..5 and columns 2..5
    seen = (layer(changed) - layer(x)).abs().amax((0, 1)) > 0
    expected = torch.zeros(8, 12, dtype=torch.bool)
    expected[2:6, 2:6] = True
    assert torch.equal(seen, expected)


def test_mask_counts():
    """Per window, how many of the T x T pairs may see each other."""
    mask = attention().mask(8, 12, torch.device("cpu"))
    assert mask.shape == (2 * 3, 1, 16, 16)
    pairs = (mask == 0).sum((1, 2, 3)).view(2, 3).tolist()
    assert pairs == [[256, 256, 128], [128, 128, 64]]
    assert set(mask.unique().tolist()) == {-100.0, 0.0}


def test_index_is_no_part_of_the_weights():
    assert set(attention().state_dict()) == {
        "qkv.weight",
        "qkv.bias",
        "proj.weight",
        "proj.bias",
        "relative_position_bias_table",
    }


@torch.no_grad()
def test_scale_affine():
    layer = SAL(4)
    x = torch.randn(2, 4, 3, 3)
    net = layer.scales_bias
    both = net[2](F.gelu(net[0](x)))
    assert torch.allclose(layer(x), x * (1 + both[:, :4]) + both[:, 4:])


@torch.no_grad()
def test_residual_unit():
    layer = ResidualUnit(6)
    x = torch.randn(2, 6, 5, 5)
    a, _, b, _, c = layer.conv
    assert a.out_channels == b.in_channels == b.out_channels == 3
    assert torch.allclose(layer(x), F.gelu(x + c(F.gelu(b(F.gelu(a(x)))))))


@torch.no_grad()
def test_window_attention_module():
    layer = WAM(8, 4, 2, 3)
    x = torch.randn(1, 8, 8, 8)
    assert torch.allclose(layer(x), x + layer.conv_a(x) * torch.sigmoid(layer.conv_b(x)))
    kinds = [type(module) for module in layer.conv_b]
    assert kinds == [WindowAttention, ResidualUnit, ResidualUnit, ResidualUnit, nn.Conv2d]


@pytest.mark.parametrize(
    "layer, shape",
    [
        (Down(3, 8), (2, 8, 8, 12)),
        (Down(3, 8, 3, 1), (2, 8, 16, 24)),
        (Up(3, 8), (2, 8, 32, 48)),
        (Up(3, 8, 3), (2, 8, 32, 48)),
        (Up(3, 8, 1), (2, 8, 32, 48)),
    ],
    ids=["down", "down-1", "up", "up-3", "up-1"],
)
def test_shapes(layer: nn.Module, shape: tuple[int, ...]):
    assert layer(torch.randn(2, 3, 16, 24)).shape == shape
