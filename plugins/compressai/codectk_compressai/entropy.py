"""The coding programs: CompressAI's compress and decompress, once for encoder, decoder and meter.

    factorized   y
    hyperprior   z, then all of y with scales (and means) from z
    serial       z, then y position by position: scales and means also see the 12 decoded neighbors in a 5x5 window

A serial model is coded along slanted lines: the positions (h, w) of one w + 3 h do not see each other, so a line is one
call of the coder, and 32x48 positions take 141 calls. The networks still run once per position, in the shapes that
CompressAI runs them in, because a batch may round differently; that is what takes the time.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from codectk.base.types import Context
from codectk.coding.tables import Tables
from codectk.spec.stages import LatentSpec, SymbolCoder
from codectk_compressai.rules import Rule, Rules

WINDOW = 5
BORDER = WINDOW // 2
Latents = Mapping[str, Tensor]


class Factorized:
    """y (1, M, H/16, W/16) alone, each channel with its own density."""

    def __init__(self, latents: tuple[LatentSpec, ...], rules: Rules) -> None:
        self.needs = self.gives = latents
        self.rules = rules

    @torch.inference_mode()
    def code(self, coder: SymbolCoder, values: Latents | None, ctx: Context) -> Latents:
        return {"y": _code_side(coder, self.rules(ctx), self.needs[0], values, ctx)}


class Hyperprior:
    """z (1, N, H/64, W/64), then y (1, M, H/16, W/16) at once."""

    def __init__(self, model: Any, latents: tuple[LatentSpec, ...], rules: Rules) -> None:
        self.needs = latents
        self.gives: tuple[LatentSpec, ...] = latents[:1]
        self.z = latents[1]
        self.model, self.rules = model, rules
        self.channels = int(model.M)

    @torch.inference_mode()
    def code(self, coder: SymbolCoder, values: Latents | None, ctx: Context) -> Latents:
        rule = self.rules(ctx)
        features = self.model.h_s(_code_side(coder, rule, self.z, values, ctx))
        return {"y": self.code_main(coder, rule, features, None if values is None else values["y"])}

    def code_main(self, coder: SymbolCoder, rule: Rule, features: Tensor, y: Tensor | None) -> Tensor:
        """Code y given the hyper synthesis' output (1, M or 2M, H/16, W/16); returns y_hat."""
        scales, means = self.split(features)
        symbols = None if y is None else rule.symbols(y, means)
        coded = _code(coder, rule.indices(scales), symbols, rule.main_tables)
        return rule.values(coded, scales, means)

    def split(self, features: Tensor) -> tuple[Tensor, Tensor | None]:
        """Scales, and means where the model has some."""
        if features.shape[1] == self.channels:
            return features, None
        scales, means = features.chunk(2, 1)
        return scales, means


class Serial(Hyperprior):
    """z, then y with a context of what is decoded."""

    def code_main(self, coder: SymbolCoder, rule: Rule, features: Tensor, y: Tensor | None) -> Tensor:
        height, width = features.shape[2:]
        context = self.model.context_prediction
        weight = context.weight * context.mask
        size = (1, self.channels, height + 2 * BORDER, width + 2 * BORDER)
        y_hat = torch.zeros(size, device=features.device)
        for rows, columns in slanted_lines(height, width):
            line = []
            for h, w in zip(rows, columns, strict=True):
                seen = F.conv2d(y_hat[:, :, h : h + WINDOW, w : w + WINDOW], weight, bias=context.bias)
                own = features[:, :, h : h + 1, w : w + 1]
                line.append(self.model.entropy_parameters(torch.cat((own, rule.context(seen)), dim=1)))
            scales, means = torch.cat(line).chunk(2, 1)
            symbols = None
            if y is not None:
                symbols = rule.symbols(y[0][:, rows, columns].T[:, :, None, None], means)
            coded = _code(coder, rule.indices(scales), symbols, rule.main_tables)
            for place, (h, w) in enumerate(zip(rows, columns, strict=True)):
                one = slice(place, place + 1)
                value = rule.values(coded[one], scales[one], means[one])
                y_hat[:, :, h + BORDER, w + BORDER] = value[:, :, 0, 0]
        return y_hat[:, :, BORDER:-BORDER, BORDER:-BORDER].contiguous()


def slanted_lines(height: int, width: int) -> Iterator[tuple[list[int], list[int]]]:
    """Rows and columns of the positions with one `column + 3 * row`, line after line.

    A position sees two rows up and left of it, and in them two columns to the right: all on earlier lines.
    """
    for line in range(width + 3 * (height - 1)):
        rows = range(max(0, -(-(line - width + 1) // 3)), min(height - 1, line // 3) + 1)
        if rows:  # very narrow pictures have lines without positions
            yield list(rows), [line - 3 * row for row in rows]


def _code_side(coder: SymbolCoder, rule: Rule, spec: LatentSpec, values: Latents | None, ctx: Context) -> Tensor:
    """Code the latent that has a density per channel; returns its values (1, C, h, w)."""
    assert spec.stride is not None and spec.channels is not None
    shape = (1, spec.channels, ctx.height // spec.stride, ctx.width // spec.stride)
    index = torch.arange(spec.channels, device=rule.medians.device).reshape(1, -1, 1, 1).expand(shape)
    symbols = None if values is None else rule.side_symbols(values[spec.name])
    return rule.side_values(_code(coder, index, symbols, rule.side_tables))


def _code(coder: SymbolCoder, index: Tensor, symbols: Tensor | None, tables: Tables | None) -> Tensor:
    """Carry integers to the coder and back to the index's device."""
    coded = coder.code(_array(index), None if symbols is None else _array(symbols), tables)
    return torch.from_numpy(np.ascontiguousarray(coded)).to(index.device)


def _array(integers: Tensor) -> np.ndarray:
    array: np.ndarray = integers.to("cpu", torch.int32).contiguous().numpy()
    return array
