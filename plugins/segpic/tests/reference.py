"""The published SegPIC once more, for tests: its checkpoint's entries and a plain evaluation of them by name.

Written from the method's description (equations of the paper, list of the checkpoint's entries) with nothing from
`codectk_segpic`, so that an error there is not repeated here. Slow, float32, grid regions only.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

PEDESTAL = 2.0**-36


@dataclass(frozen=True)
class Widths:
    """Channel numbers; the defaults are the published ones."""

    n: int = 192
    m: int = 320
    tail: int = 32
    hyper: tuple[int, int, int] = (224, 256, 288)
    code_mid: tuple[int, int, int] = (128, 96, 96)
    code_deep: tuple[int, int, int] = (192, 128, 96)
    decode: tuple[int, int] = (128, 192)
    nets: tuple[int, int, int, int] = (224, 176, 128, 64)
    heads: int = 8

    @property
    def slice(self) -> int:
        return self.m // 10


TINY = Widths(16, 40, 8, (28, 32, 36), (12, 8, 8), (16, 12, 8), (12, 16), (24, 20, 16, 12), 4)

TINY_OPTIONS = {
    "config": "full",
    "mid": [16, 16],
    "latent": 40,
    "hyper": 16,
    "heads": 4,
    "tail": 8,
    "code_mid": [12, 8, 8],
    "code_deep": [16, 12, 8],
    "decode": [12, 16],
    "rat_mid": 16,
    "rat_deep": 40,
    "slices": [4] * 10,
    "hyper_features": 40,
    "parameter_nets": [24, 20, 16, 12],
}
"""The same widths as options of our network."""

PRIORS = {"entropy_bottleneck": "n", "entropy_bottleneck_b": "code_mid", "entropy_bottleneck_b2": "code_deep"}

Entries = Iterator[tuple[str, tuple[int, ...]]]


def entries(w: Widths) -> dict[str, tuple[int, ...]]:
    """Name and shape of every entry of a checkpoint's state dict."""
    return dict(_entries(w))


def _entries(w: Widths) -> Entries:
    down = ((3, w.n), (w.n, w.n), (w.n, w.n), (w.n, w.m))
    up = ((w.m, w.n), (w.n, w.n), (w.n, w.n), (w.n, w.tail))
    for i, (a, b) in enumerate(down):
        for name in (f"basic_E.{i}", f"g_a{1 + i // 2}.{i % 2}"):
            yield from _conv(f"{name}.conv_groups.0", a, b, 5)
            yield from _gdn(f"{name}.conv_groups.1", b)
            yield from _sal(name, b)
    for i, (a, b) in enumerate(up):
        for name in (f"basic_D.{i}", f"g_s{i // 2}.{i % 2 + 1}"):
            yield f"{name}.conv_groups.0.weight", (a, b, 5, 5)
            yield f"{name}.conv_groups.0.bias", (b,)
            yield from _gdn(f"{name}.conv_groups.1", b)
            yield from _sal(name, a)
    for name, c, window in (("g_a1.2", w.n, 8), ("g_a2.2", w.m, 4), ("g_s0.0", w.m, 4), ("g_s1.0", w.n, 8)):
        yield from _wam(name, c, window, w.heads)
    yield from _conv("g_s1.3", w.tail, 3, 1)
    low, middle, high = w.hyper
    for i, (a, b) in enumerate(((w.m, w.m), (w.m, high), (high, middle), (middle, low), (low, w.n))):
        yield from _conv(f"h_a.{2 * i}", a, b, 3)
    for name in ("h_mean_s", "h_scale_s"):
        shapes = ((w.n, w.n), (w.n, 4 * low), (low, middle), (middle, 4 * high), (high, w.m))
        for i, (a, b) in zip(("0", "2.0", "4", "6.0", "8"), shapes, strict=True):
            yield from _conv(f"{name}.{i}", a, b, 3)
    for name, chain in (
        ("g_ab", (w.n, *w.code_mid)),
        ("g_sb", (w.code_mid[-1], *w.decode, w.n)),
        ("g_ab2", (w.m, *w.code_deep)),
        ("g_sb2", (w.code_deep[-1], *w.decode, w.m)),
    ):
        for i in range(3):
            yield from _conv(f"{name}.{2 * i}", chain[i], chain[i + 1], 1)
            if i < 2:
                yield from _gdn(f"{name}.{2 * i + 1}", chain[i + 1])
    for i in range(10):
        for name, slices in (("cc_mean", min(i, 5)), ("cc_scale", min(i, 5)), ("lrp", min(i + 1, 6))):
            chain = (w.m + w.slice * slices, *w.nets, w.slice)
            for k in range(5):
                yield from _conv(f"{name}_transforms.{i}.{2 * k}", chain[k], chain[k + 1], 3)
    for name, c in (("encoder", w.n), ("decoder", w.n), ("enc_hyper", w.m)):
        yield from _rat(f"dyn_{name}", c)
    for name in ("means", "scales"):
        yield from _rat(f"dyn_dec_hyper_{name}", w.m)
    for name, attribute in PRIORS.items():
        width = getattr(w, attribute)
        yield from _prior(name, width if isinstance(width, int) else width[-1])
    for name, shape in (
        ("_offset", (64,)),
        ("_quantized_cdf", (64, 99)),
        ("_cdf_length", (64,)),
        ("scale_table", (64,)),
    ):
        yield f"gaussian_conditional.{name}", shape
    for name in ("scale_bound", "likelihood_lower_bound.bound", "lower_bound_scale.bound"):
        yield f"gaussian_conditional.{name}", (1,)


def _conv(name: str, a: int, b: int, kernel: int, groups: int = 1) -> Entries:
    yield f"{name}.weight", (b, a // groups, kernel, kernel)
    yield f"{name}.bias", (b,)


def _gdn(name: str, c: int) -> Entries:
    yield f"{name}.beta", (c,)
    yield f"{name}.gamma", (c, c)
    for part in ("beta", "gamma"):
        yield f"{name}.{part}_reparam.pedestal", (1,)
        yield f"{name}.{part}_reparam.lower_bound.bound", (1,)


def _sal(name: str, c: int) -> Entries:
    yield from _conv(f"{name}.scales_bias.0", c, c, 1)
    yield from _conv(f"{name}.scales_bias.2", c, 2 * c, 1)


def _wam(name: str, c: int, window: int, heads: int) -> Entries:
    attention = f"{name}.conv_b.0.attn"
    yield f"{attention}.relative_position_bias_table", ((2 * window - 1) ** 2, heads)
    yield f"{attention}.relative_position_index", (window**2, window**2)
    for part, out in (("qkv", 3 * c), ("proj", c)):
        yield f"{attention}.{part}.weight", (out, c)
        yield f"{attention}.{part}.bias", (out,)
    for unit in (*(f"{name}.conv_a.{i}" for i in range(3)), *(f"{name}.conv_b.{i}" for i in (1, 2, 3))):
        yield from _conv(f"{unit}.conv.0", c, c // 2, 1)
        yield from _conv(f"{unit}.conv.2", c // 2, c // 2, 3)
        yield from _conv(f"{unit}.conv.4", c // 2, c, 1)
    yield from _conv(f"{name}.conv_b.4", c, c, 1)


def _rat(name: str, c: int) -> Entries:
    yield from _conv(f"{name}.conv.0", c, c, 1)
    yield from _conv(f"{name}.conv.2", c, c, 1)
    yield from _conv(f"{name}.k_sp_gen.0", 2 * c, c, 1)
    yield from _conv(f"{name}.k_sp_gen.2", c, c, 3)
    yield from _conv(f"{name}.k_sp_gen.4", c, 9 * c, 3, groups=c)
    yield from _conv(f"{name}.k_ch_gen.1", c, c, 1)
    yield from _conv(f"{name}.k_ch_gen.3", c, c, 1)
    yield from _conv(f"{name}.conv_out", c, c, 1)


def _prior(name: str, c: int) -> Entries:
    chain = (1, 3, 3, 3, 3, 1)
    for i in range(5):
        yield f"{name}._matrix{i}", (c, chain[i + 1], chain[i])
        yield f"{name}._bias{i}", (c, chain[i + 1], 1)
        if i < 4:
            yield f"{name}._factor{i}", (c, chain[i + 1], 1)
    yield f"{name}.quantiles", (c, 1, 3)
    yield f"{name}.target", (3,)
    for part, shape in (("_offset", (c,)), ("_quantized_cdf", (c, 40)), ("_cdf_length", (c,))):
        yield f"{name}.{part}", shape
    yield f"{name}.likelihood_lower_bound.bound", (1,)


def random_state(w: Widths, seed: int = 0) -> dict[str, Tensor]:
    """Values for the entries that keep features at a sensible size; blocks stored twice are equal."""
    g = torch.Generator().manual_seed(seed)
    state: dict[str, Tensor] = {}
    for name, shape in entries(w).items():
        state[name] = _value(name, shape, g)
    for i in range(4):
        for first, second in (
            (f"basic_E.{i}.", f"g_a{1 + i // 2}.{i % 2}."),
            (f"basic_D.{i}.", f"g_s{i // 2}.{i % 2 + 1}."),
        ):
            for name in [name for name in state if name.startswith(first)]:
                state[second + name.removeprefix(first)] = state[name]
    return state


def _value(name: str, shape: tuple[int, ...], g: torch.Generator) -> Tensor:
    def noise(scale: float) -> Tensor:
        return scale * torch.randn(shape, generator=g)

    last = name.rsplit(".", 1)[-1]
    if last in ("_offset", "_quantized_cdf", "_cdf_length", "target"):
        return torch.zeros(shape)  # never read
    if name.endswith("reparam.pedestal"):
        return torch.full(shape, PEDESTAL)
    if name.endswith("beta_reparam.lower_bound.bound"):
        return torch.full(shape, (1e-6 + PEDESTAL) ** 0.5)
    if name.endswith("gamma_reparam.lower_bound.bound"):
        return torch.full(shape, PEDESTAL**0.5)
    if last == "beta":
        return 1 + noise(0.1)
    if last == "gamma":
        return 0.1 * torch.eye(shape[0]) + noise(0.05)  # half of it below the bound
    if last == "relative_position_index":
        size = math.isqrt(shape[0])
        row, column = torch.arange(size**2) // size, torch.arange(size**2) % size
        rows, columns = row[:, None] - row + size - 1, column[:, None] - column + size - 1
        return rows * (2 * size - 1) + columns
    if last.startswith("_matrix"):
        return 0.5 + noise(0.1)
    if last.startswith(("_bias", "_factor")):
        return noise(0.3)
    if last == "quantiles":
        return noise(0.4) + torch.tensor([-8.0, 0.0, 8.0])
    if len(shape) == 1:
        return noise(0.05) + (1.0 if "cc_scale" in name and name.endswith("8.bias") else 0.0)
    for coded, scale in {"basic_E.3.conv_groups.0": 2, "g_ab.4": 12, "g_ab2.4": 2, "h_a.8": 3}.items():
        if name.startswith(coded):
            return noise(scale / math.prod(shape[1:]) ** 0.5)  # or it would be rounded to nothing but zeros
    if "conv_groups.0" in name and "basic_D" in name:
        return noise(0.7 / (shape[0] * 6) ** 0.5)
    return noise(0.7 / math.prod(shape[1:]) ** 0.5)


class Reference:
    """Evaluates a state dict by the names of its entries.

    Args:
        state: official names without prefix, first spellings.
        heads: of the window attention.
    """

    def __init__(self, state: dict[str, Tensor], heads: int):
        self.s, self.heads = state, heads

    def conv(self, x: Tensor, name: str, stride: int = 1, groups: int = 1) -> Tensor:
        weight = self.s[f"{name}.weight"]
        return F.conv2d(x, weight, self.s[f"{name}.bias"], stride, weight.shape[-1] // 2, 1, groups)

    def gdn(self, x: Tensor, name: str, inverse: bool = False) -> Tensor:
        def positive(part: str) -> Tensor:
            bound = self.s[f"{name}.{part}_reparam.lower_bound.bound"]
            return torch.maximum(self.s[f"{name}.{part}"], bound) ** 2 - self.s[f"{name}.{part}_reparam.pedestal"]

        norm = torch.einsum("ij,bjhw->bihw", positive("gamma"), x**2) + positive("beta")[:, None, None]
        return x * norm.sqrt() if inverse else x / norm.sqrt()

    def sal(self, x: Tensor, name: str) -> Tensor:
        both = self.conv(F.gelu(self.conv(x, f"{name}.scales_bias.0")), f"{name}.scales_bias.2")
        half = x.shape[1]
        return x + x * both[:, :half] + both[:, half:]

    def down(self, x: Tensor, name: str) -> Tensor:
        return self.sal(self.gdn(self.conv(x, f"{name}.conv_groups.0", 2), f"{name}.conv_groups.1"), name)

    def up(self, x: Tensor, name: str) -> Tensor:
        conv = f"{name}.conv_groups.0"
        x = F.conv_transpose2d(self.sal(x, name), self.s[f"{conv}.weight"], self.s[f"{conv}.bias"], 2, 2, 1)
        return self.gdn(x, f"{name}.conv_groups.1")

    def unit(self, x: Tensor, name: str) -> Tensor:
        inner = F.gelu(self.conv(F.gelu(self.conv(x, f"{name}.conv.0")), f"{name}.conv.2"))
        return F.gelu(x + self.conv(inner, f"{name}.conv.4"))

    def attention(self, x: Tensor, name: str, w: int) -> Tensor:
        """Window by window, head by head."""
        _, c, height, width = x.shape
        moved = torch.roll(x, (-w // 2, -w // 2), (2, 3))
        out = torch.zeros_like(moved)
        bias = self.s[f"{name}.relative_position_bias_table"][self.s[f"{name}.relative_position_index"]]
        row, column = torch.arange(w * w) // w, torch.arange(w * w) % w
        for top in range(0, height, w):
            for left in range(0, width, w):
                tokens = moved[:, :, top : top + w, left : left + w].flatten(2).transpose(1, 2)
                q, k, v = F.linear(tokens, self.s[f"{name}.qkv.weight"], self.s[f"{name}.qkv.bias"]).chunk(3, 2)
                # Tokens that the roll carried around an edge are strangers to the others.
                carried = torch.stack([top + row >= height - w // 2, left + column >= width - w // 2], 1)
                apart = (carried[:, None] != carried[None]).any(2) * -100.0
                heads = []
                for h, part in enumerate(torch.arange(c).chunk(self.heads)):
                    score = q[..., part] @ k[..., part].transpose(1, 2) / len(part) ** 0.5 + bias[..., h] + apart
                    heads.append(score.softmax(2) @ v[..., part])
                mixed = F.linear(torch.cat(heads, 2), self.s[f"{name}.proj.weight"], self.s[f"{name}.proj.bias"])
                out[:, :, top : top + w, left : left + w] = mixed.transpose(1, 2).unflatten(2, (w, w))
        return x + torch.roll(out, (w // 2, w // 2), (2, 3))

    def wam(self, x: Tensor, name: str, window: int) -> Tensor:
        a, b = x, self.attention(x, f"{name}.conv_b.0.attn", window)
        for i in range(3):
            a, b = self.unit(a, f"{name}.conv_a.{i}"), self.unit(b, f"{name}.conv_b.{i + 1}")
        return x + a * torch.sigmoid(self.conv(b, f"{name}.conv_b.4"))

    def rat(self, f: Tensor, grid: Tensor, name: str) -> Tensor:
        _, c, height, width = f.shape
        expanded = F.interpolate(grid, (height, width), mode="nearest")
        u = self.conv(F.leaky_relu(self.conv(f, f"{name}.conv.0"), 0.1), f"{name}.conv.2")
        k = F.leaky_relu(self.conv(torch.cat([u, expanded], 1), f"{name}.k_sp_gen.0"), 0.1)
        k = F.leaky_relu(self.conv(k, f"{name}.k_sp_gen.2"), 0.1)
        k = self.conv(k, f"{name}.k_sp_gen.4", groups=c).view(-1, c, 9, height, width)
        v = (F.unfold(u, 3, padding=1).view(-1, c, 9, height, width) * k).sum(2)
        gate = F.leaky_relu(self.conv(v.mean((2, 3), keepdim=True), f"{name}.k_ch_gen.1"), 0.1)
        return f + self.conv(v * torch.sigmoid(self.conv(gate, f"{name}.k_ch_gen.3")), f"{name}.conv_out")

    def autoencoder(self, x: Tensor, name: str, inverse: bool) -> Tensor:
        for i in (0, 2):
            x = self.gdn(self.conv(x, f"{name}.{i}"), f"{name}.{i + 1}", inverse)
        return self.conv(x, f"{name}.4")

    def rounded(self, x: Tensor, name: str) -> tuple[Tensor, Tensor]:
        """Values rounded about the medians, and their bits."""
        median = self.s[f"{name}.quantiles"][:, 0, 1].view(1, -1, 1, 1)
        x = torch.round(x - median) + median
        flat = x.transpose(0, 1).flatten(1)[:, None]

        def cumulative(at: Tensor) -> Tensor:
            for i in range(5):
                at = F.softplus(self.s[f"{name}._matrix{i}"]) @ at + self.s[f"{name}._bias{i}"]
                if i < 4:
                    at = at + torch.tanh(self.s[f"{name}._factor{i}"]) * torch.tanh(at)
            return torch.sigmoid(at.double())

        return x, -torch.log2((cumulative(flat + 0.5) - cumulative(flat - 0.5)).clamp_min(1e-9)).sum()

    def hyper(self, z: Tensor, name: str) -> Tensor:
        x = F.gelu(self.conv(z, f"{name}.0"))
        x = F.gelu(F.pixel_shuffle(self.conv(x, f"{name}.2.0"), 2))
        x = F.gelu(self.conv(x, f"{name}.4"))
        return self.conv(F.gelu(F.pixel_shuffle(self.conv(x, f"{name}.6.0"), 2)), f"{name}.8")

    def net(self, x: Tensor, name: str) -> Tensor:
        for i in (0, 2, 4, 6):
            x = F.gelu(self.conv(x, f"{name}.{i}"))
        return self.conv(x, f"{name}.8")

    @torch.no_grad()
    def __call__(self, x: Tensor, grid: int) -> dict[str, Tensor]:
        """One picture (1, 3, H, W) -> picture `x`, latents `y`, `p_mid`, `p_deep`, bits by latent."""
        feature = self.wam(self.down(self.down(x, "basic_E.0"), "basic_E.1"), "g_a1.2", 8)
        p_mid, mid_bits = self.rounded(
            self.autoencoder(F.adaptive_avg_pool2d(feature, grid), "g_ab", False), "entropy_bottleneck_b"
        )
        mid = self.autoencoder(p_mid, "g_sb", True)
        feature = self.rat(feature, mid, "dyn_encoder")
        y = self.wam(self.down(self.down(feature, "basic_E.2"), "basic_E.3"), "g_a2.2", 4)
        p_deep, deep_bits = self.rounded(
            self.autoencoder(F.adaptive_avg_pool2d(y, grid), "g_ab2", False), "entropy_bottleneck_b2"
        )
        deep = self.autoencoder(p_deep, "g_sb2", True)
        z = self.rat(y, deep, "dyn_enc_hyper")
        for i, stride in ((0, 1), (2, 1), (4, 2), (6, 1)):
            z = F.gelu(self.conv(z, f"h_a.{i}", stride))
        z, z_bits = self.rounded(self.conv(z, "h_a.8", 2), "entropy_bottleneck")
        means = self.rat(self.hyper(z, "h_mean_s"), deep, "dyn_dec_hyper_means")
        scales = self.rat(self.hyper(z, "h_scale_s"), deep, "dyn_dec_hyper_scales")
        done: list[Tensor] = []
        y_bits = torch.zeros((), dtype=torch.float64)
        for i, part in enumerate(y.chunk(10, 1)):
            seen = torch.cat([means, *done[:5]], 1)
            mean = self.net(seen, f"cc_mean_transforms.{i}")
            scale = self.net(torch.cat([scales, *done[:5]], 1), f"cc_scale_transforms.{i}").clamp(0.11, 256).double()
            symbols = torch.round(part - mean)
            normal = torch.distributions.Normal(0.0, scale)
            likelihood = normal.cdf(symbols + 0.5) - normal.cdf(symbols - 0.5)
            y_bits -= torch.log2(likelihood.clamp_min(1e-9)).sum()
            known = symbols + mean
            done.append(known + 0.5 * torch.tanh(self.net(torch.cat([seen, known], 1), f"lrp_transforms.{i}")))
        y = torch.cat(done, 1)
        feature = self.up(self.up(self.wam(y, "g_s0.0", 4), "basic_D.0"), "basic_D.1")
        feature = self.wam(self.rat(feature, mid, "dyn_decoder"), "g_s1.0", 8)
        x = self.conv(self.up(self.up(feature, "basic_D.2"), "basic_D.3"), "g_s1.3")
        bits = torch.stack([y_bits, z_bits, mid_bits, deep_bits])
        return {"x": x, "y": y, "p_mid": p_mid, "p_deep": p_deep, "bits": bits}
