"""Probability models of symbols: a differentiable reading for training, integer tables for coding."""

from __future__ import annotations

import itertools
import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from codectk.coding.normalize import TOTAL
from codectk.coding.tables import Tables
from codectk.nn.quantize import clamp_ste
from codectk.programs.values import SCALE_LEVELS, SCALE_MIN, SCALE_STEP

LIKELIHOOD_MIN = 1e-9
COUNT_TOTAL = 1 << 32
TAIL_MASS = 2.0**-14
"""Probability left to the escape symbol when tables are built."""


class Prior(nn.Module):
    """What a coder needs to know about a symbol.

    Attributes:
        label: name under which rates are accounted.
        tables: integer tables for coding, or None while training.
        crop_share: part of its bits that a training crop pays. A latent of fixed size costs a whole picture once;
            a crop that paid for all of it would teach the network not to use it.
    """

    def __init__(self, label: str):
        super().__init__()
        self.label = label
        self.crop_share = 1.0
        self.tables: Tables | None = None

    def bits(self, value: Tensor, index: Tensor) -> Tensor:
        """Cost in bits of `value` (real), elementwise, under table `index`; a negative index costs nothing."""
        raise NotImplementedError

    def build_tables(self) -> Tables:
        """Integer tables of this prior as trained."""
        raise NotImplementedError

    def thaw(self) -> None:
        """Go from stored tables back to what makes them in training."""
        self.tables = None


def scale_of(index: Tensor) -> Tensor:
    """Standard deviation of a scale index in [0, 63]."""
    return torch.exp(math.log(SCALE_MIN) + SCALE_STEP * index)


def index_of(scale: Tensor) -> Tensor:
    """Real-valued scale index of a standard deviation; not rounded, clamped to [0, 63]."""
    return ((torch.log(scale.clamp_min(SCALE_MIN)) - math.log(SCALE_MIN)) / SCALE_STEP).clamp(0, SCALE_LEVELS - 1)


def _normal_cdf(x: Tensor) -> Tensor:
    return 0.5 * torch.erfc(x * -(2**-0.5))


class GaussianPrior(Prior):
    """Zero-mean Gaussians convolved with a unit uniform, one table per scale index."""

    def likelihood(self, value: Tensor, scale: Tensor) -> Tensor:
        """P(round = value) = Phi((1/2 - |v|)/s) - Phi((-1/2 - |v|)/s) (Ballé et al. 2018, eq. 9)."""
        value = value.abs()
        return _normal_cdf((0.5 - value) / scale) - _normal_cdf((-0.5 - value) / scale)

    def bits(self, value: Tensor, index: Tensor) -> Tensor:
        return -torch.log2(clamp_ste(self.likelihood(value, scale_of(index)), LIKELIHOOD_MIN, 1.0))

    @torch.no_grad()
    def build_tables(self) -> Tables:
        counts, offsets = [], []
        for index in range(SCALE_LEVELS):
            scale = scale_of(torch.tensor(index, dtype=torch.float64))
            reach = max(1, math.ceil(float(scale) * 4.0))  # beyond 4 sigma the escape code is cheaper than the table
            support = torch.arange(-reach, reach + 1, dtype=torch.float64)
            counts.append(to_counts(self.likelihood(support, scale)))
            offsets.append(-reach)
        return Tables.from_counts(counts, offsets)


class FactorizedPrior(Prior):
    """A learned univariate density per channel (Ballé et al. 2018, appendix 6.1).

    Symbol s of channel c stands for the value s + medians[c]. Medians are zero unless published weights bring
    others; they are no parameters and belong to the coding tables, with which they are stored.

    Args:
        label: accounting name.
        channels: number of channels; the table index of a symbol is its channel.
        filters: widths of the density's layers.
        init_scale: support of the initial density.
    """

    def __init__(self, label: str, channels: int, filters: tuple[int, ...] = (3, 3, 3, 3), init_scale: float = 10.0):
        super().__init__(label)
        self.channels = channels
        self._costs: tuple[Tables, Tensor, int] | None = None
        self.medians: Tensor
        self.register_buffer("medians", torch.zeros(1, channels, 1, 1), persistent=False)
        widths = (1, *filters, 1)
        scale = init_scale ** (1 / (len(filters) + 1))
        self.matrices, self.biases, self.factors = nn.ParameterList(), nn.ParameterList(), nn.ParameterList()
        for i, (a, b) in enumerate(itertools.pairwise(widths)):
            init = math.log(math.expm1(1 / scale / b))
            self.matrices.append(nn.Parameter(torch.full((channels, b, a), init)))
            self.biases.append(nn.Parameter(torch.rand(channels, b, 1) - 0.5))
            if i < len(filters):
                self.factors.append(nn.Parameter(torch.zeros(channels, b, 1)))

    def logits(self, x: Tensor) -> Tensor:
        """Cumulative logits at x, shape (channels, 1, N)."""
        for i, (matrix, bias) in enumerate(zip(self.matrices, self.biases, strict=True)):
            x = torch.matmul(F.softplus(matrix).to(x.dtype), x) + bias.to(x.dtype)
            if i < len(self.factors):
                x = x + torch.tanh(self.factors[i]).to(x.dtype) * torch.tanh(x)
        return x

    def likelihood(self, x: Tensor) -> Tensor:
        """P(symbol = x) for x of shape (channels, 1, N)."""
        x = x + self.medians.view(-1, 1, 1)
        lower, upper = self.logits(x - 0.5), self.logits(x + 0.5)
        # Work on the side where the sigmoids do not saturate. Not torch.sign: it is 0 in the very middle.
        sign = torch.where(lower + upper > 0, -1.0, 1.0)
        return torch.abs(torch.sigmoid(sign * upper) - torch.sigmoid(sign * lower))

    def bits(self, value: Tensor, index: Tensor) -> Tensor:
        """`value` is a real-valued symbol with channels on axis 1, `index` its channel, or -1 where it is absent.

        A prior with stored tables has no density any more; its bits are those of the tables, linear between integers.
        """
        if self.tables is not None:
            return self._table_bits(value) * (index >= 0)
        shape = value.transpose(0, 1).shape
        flat = value.transpose(0, 1).reshape(self.channels, 1, -1)
        likelihood = self.likelihood(flat).reshape(shape).transpose(0, 1)
        return -torch.log2(clamp_ste(likelihood, LIKELIHOOD_MIN, 1.0)) * (index >= 0)

    def _table_bits(self, value: Tensor) -> Tensor:
        assert self.tables is not None
        if self._costs is None or self._costs[0] is not self.tables or self._costs[1].device != value.device:
            self._costs = (self.tables, *table_costs(self.tables, value.device))
        _, costs, first = self._costs
        position = clamp_ste(value.transpose(0, 1).flatten(1) - first, 0, costs.shape[1] - 1.001)
        left = position.detach().floor().long()
        bits = torch.lerp(costs.gather(1, left), costs.gather(1, left + 1), position - left)
        return bits.view(value.transpose(0, 1).shape).transpose(0, 1)

    @torch.no_grad()
    def build_tables(self) -> Tables:
        reach = 512
        support = torch.arange(-reach, reach + 1, dtype=torch.float64).expand(self.channels, 1, -1)
        probability = self.likelihood(support.to(self.matrices[0].device))[:, 0].cpu()
        counts, offsets = [], []
        for p in probability:
            below = int((p.cumsum(0) < TAIL_MASS / 2).sum())
            above = int((p.flip(0).cumsum(0) < TAIL_MASS / 2).sum())
            stop = max(p.numel() - above, below + 1)
            counts.append(to_counts(p[below:stop]))
            offsets.append(below - reach)
        return Tables.from_counts(counts, offsets)

    def thaw(self, steps: int = 600) -> None:
        """Fit the density to the stored tables, by cross-entropy, and drop them."""
        if (tables := self.tables) is None:
            return
        super().thaw()
        width = tables.frequencies.shape[1]
        local, device = np.arange(width), self.medians.device
        symbols = torch.from_numpy((local + tables.offsets[:, None]).astype(np.float32)).to(device)[:, None]
        told = np.where(local == tables.escapes[:, None], 0, tables.frequencies) / TOTAL
        share = torch.from_numpy(told.astype(np.float32)).to(device)
        self.requires_grad_(True)
        optimizer = torch.optim.Adam(self.parameters(), lr=0.03)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
        with torch.enable_grad():
            for _ in range(steps):
                likelihood = clamp_ste(self.likelihood(symbols)[:, 0], LIKELIHOOD_MIN, 1.0)
                optimizer.zero_grad()
                (share * -torch.log2(likelihood)).sum().backward()
                optimizer.step()
                schedule.step()
        self.zero_grad()


def table_costs(tables: Tables, device: torch.device | str = "cpu") -> tuple[Tensor, int]:
    """Bits of whole numbers under each table: float32 (T, L), and the number that the first column stands for.

    Beyond a table's range they grow as those of the coder's escape codes do, by two for each doubling.
    """
    margin = 64
    first = int(tables.offsets.min()) - margin
    last = int((tables.offsets + tables.sizes).max()) - 2 + margin
    local = np.arange(first, last + 1)[None] - tables.offsets[:, None]
    highest = tables.sizes[:, None] - 2
    frequencies = np.take_along_axis(tables.frequencies, np.clip(local, 0, highest), 1)
    escape = np.take_along_axis(tables.frequencies, highest + 1, 1)
    beyond = np.maximum(np.maximum(-local, local - highest), 1)
    bits = np.where(
        (local >= 0) & (local <= highest),
        np.log2(TOTAL / frequencies.clip(1)),
        np.log2(TOTAL / escape) + 2 * np.log2(2 * beyond) + 1,
    )
    return torch.from_numpy(bits.astype(np.float32)).to(device), first


def to_counts(probability: Tensor) -> np.ndarray:
    """Integer counts of the symbols and, last, of the escape symbol."""
    counts = [max(1, round(p * COUNT_TOTAL)) for p in probability.tolist()]
    return np.array([*counts, max(1, COUNT_TOTAL - sum(counts))], np.int64)
