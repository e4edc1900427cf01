"""How one model quantizes its latents and which tables code them. The arithmetic is CompressAI's, call by call.

A rule works elementwise, or as CompressAI's own decoder does for one position, so that a latent made here is to the
bit what CompressAI makes of the same symbols.

    z -> side_symbols -> coder (side_tables, one table per channel) -> side_values -> z_hat
    y -> symbols -> coder (main_tables, indices from scales) -> values -> y_hat
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any

import torch
from torch import Tensor

from codectk.base.types import Context
from codectk.coding.tables import Tables
from codectk_compressai.tables import tables_of

SIDE, MAIN = "entropy_bottleneck", "gaussian_conditional"
"""CompressAI's names of the two entropy models; a weights file has tables by them."""

Rules = Callable[[Context], "Rule"]
"""The rule of a model in a context: another one for each quality where that is a knob."""


class Rule:
    """The rule of a model for one rate.

    Args:
        model: CompressAI's network.
        tables: by name of the entropy model.
    """

    def __init__(self, model: Any, tables: Mapping[str, Tables]) -> None:
        self.model = model
        self.side_tables = tables.get(SIDE)
        self.main_tables = tables.get(MAIN)

    @property
    def medians(self) -> Tensor:
        """What is subtracted from z before rounding, (1, C, 1, 1)."""
        medians: Tensor = self.model.entropy_bottleneck._get_medians().reshape(1, -1, 1, 1)
        return medians

    def side_symbols(self, z: Tensor) -> Tensor:
        """int32, z's shape (1, C, h, w)."""
        symbols: Tensor = self.model.entropy_bottleneck.quantize(z, "symbols", self.medians)
        return symbols

    def side_values(self, symbols: Tensor) -> Tensor:
        """float32 z_hat of int32 symbols."""
        values: Tensor = self.model.entropy_bottleneck.dequantize(symbols, self.medians)
        return values

    def context(self, features: Tensor) -> Tensor:
        """What the entropy parameters see of the context convolution's output, (1, 2M, 1, 1)."""
        return features

    def indices(self, scales: Tensor) -> Tensor:
        """Table per symbol, int32 of the scales' shape."""
        indices: Tensor = self.model.gaussian_conditional.build_indexes(scales)
        return indices

    def symbols(self, y: Tensor, means: Tensor | None) -> Tensor:
        """int32, y's shape."""
        symbols: Tensor = self.model.gaussian_conditional.quantize(y, "symbols", means)
        return symbols

    def values(self, symbols: Tensor, scales: Tensor, means: Tensor | None) -> Tensor:
        """float32 y_hat of int32 symbols."""
        values: Tensor = self.model.gaussian_conditional.dequantize(symbols, means)
        return values


class VariableRule(Rule):
    """The rule of a variable-rate model (Kamisli, Racapé, Choi: arXiv 2402.18930) for one gain.

    The gain is the inverse of the quantizer's step. Values are moved towards zero by an offset that a small network
    predicts from scale and gain; z has a step of its own in some of these models.

    Args:
        model: CompressAI's network.
        tables: those of the weights file; where z has a step, its tables are made here.
        gain: 0 to 1.
    """

    def __init__(self, model: Any, tables: Mapping[str, Tables], gain: float) -> None:
        super().__init__(model, tables)
        self.gain = torch.tensor(gain, device=model.Gain.device)
        self.step: Tensor | None = None
        if model.vr_entbttlnck:
            step = model.lower_bound_zqstep(model.gayn2zqstep(1.0 / self.gain.view(1)))
            model.entropy_bottleneck.update_variable(force=True, qs=step)
            self.side_tables = tables_of(model.entropy_bottleneck)
            self.step = step[0]
        self.serial = hasattr(model, "context_prediction")

    def side_symbols(self, z: Tensor) -> Tensor:
        if self.step is None:
            return super().side_symbols(z)
        bottleneck = self.model.entropy_bottleneck
        symbols: Tensor = bottleneck.quantize_variable(z, "symbols", means=self.medians, qs=self.step)
        return symbols

    def side_values(self, symbols: Tensor) -> Tensor:
        if self.step is None:
            return super().side_values(symbols)
        bottleneck = self.model.entropy_bottleneck
        values: Tensor = bottleneck.dequantize_variable(symbols, means=self.medians, qs=self.step)
        return values

    def context(self, features: Tensor) -> Tensor:
        shift: Tensor = self.model.scale_to_context(self.gain.view(1, 1)).view(1, -1, 1, 1)
        return features + shift

    def indices(self, scales: Tensor) -> Tensor:
        return super().indices(scales * self.gain)

    def symbols(self, y: Tensor, means: Tensor | None) -> Tensor:
        if self.serial and means is not None:  # the same on paper, not in floats
            return super().symbols((y - means) * self.gain, None)
        return super().symbols(y * self.gain, None if means is None else means * self.gain)

    def values(self, symbols: Tensor, scales: Tensor, means: Tensor | None) -> Tensor:
        magnitudes, signs = symbols.float().abs(), torch.sign(symbols.float())
        spread = self.model.gaussian_conditional.lower_bound_scale(scales * self.gain).unsqueeze(4)
        known = torch.cat((spread, self.gain.expand(spread.shape)), dim=4)
        offsets = (-1) * self.model.QuantABCD(known).squeeze(4)
        offsets[magnitudes < 0.5] = 0
        y_hat: Tensor = signs * (magnitudes + offsets) * (torch.tensor(1.0) / self.gain)
        return y_hat if means is None else y_hat + means


def rules_of(model: Any, tables: Mapping[str, Tables]) -> Rules:
    """The rules of a model, kept for the rates that were asked for last."""
    if not hasattr(model, "Gain"):
        rule = Rule(model, tables)
        return lambda ctx: rule
    gains = model.Gain.detach().abs().tolist()

    @lru_cache(maxsize=16)
    def variable(quality: float) -> Rule:
        with torch.inference_mode():
            return VariableRule(model, tables, gain_at(gains, quality))

    return lambda ctx: variable(float(ctx.knobs["quality"]))


def gain_at(gains: Sequence[float], quality: float) -> float:
    """The gain at a quality of 0 (first trained gain) to 100 (last), geometrically between two of them."""
    place = quality / 100 * (len(gains) - 1)
    below = min(int(place), len(gains) - 2)
    share = place - below
    return math.exp((1 - share) * math.log(gains[below]) + share * math.log(gains[below + 1]))
