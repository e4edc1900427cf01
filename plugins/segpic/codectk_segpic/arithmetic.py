"""In which numbers the networks behind the hyperprior run.

`ExactArithmetic` builds them from integer layers: means lie on a 1/64 grid, scale indices are integers, so files
decode bit-exactly anywhere. `FloatArithmetic` is the paper's float form, for published checkpoints.
Both offer the same builders and conversions, so the coding program is written once.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from codectk.nn.blocks import conv3x3, subpixel
from codectk.nn.exact import ACTIVATION_MAX, BITS, ExactConv2d, ExactSubpixel, ExactTable
from codectk.nn.priors import SCALE_LEVELS, FactorizedPrior, index_of
from codectk.nn.quantize import clamp_ste, round_ste
from codectk_segpic import prototypes
from codectk_segpic.config import VALUE_MAX, Config
from codectk_segpic.rat import RAT, ExactRAT, NoRAT

LATENT_BITS = 6
INDEX_BITS = 3
"""Fractional bits of the scale networks' last layer, whose integers are scale indices."""
CONTEXT_BITS = 4
"""Fractional bits of decoded slices as input of later networks: |y| up to 64."""


class ExactArithmetic:
    """Integers in float32."""

    def __init__(self, config: Config):
        self.config = config

    def hyper_encoder(self) -> nn.Module:
        """Runs at the encoder only, so it may be float."""
        c, widths = self.config, (96, 96, 64)
        return nn.Sequential(
            conv3x3(c.latent, widths[0]),
            nn.GELU(),
            conv3x3(widths[0], widths[1], 2),
            nn.GELU(),
            conv3x3(widths[1], widths[2]),
            nn.GELU(),
            conv3x3(widths[2], c.hyper, 2),
        )

    def hyper_decoder(self) -> nn.Module:
        c = self.config
        return nn.Sequential(
            ExactConv2d(c.hyper + 1, 48, in_bits=0, in_max=VALUE_MAX, leaky=True),
            ExactSubpixel(48, 56, leaky=True),
            ExactConv2d(56, 64, leaky=True),
            ExactSubpixel(64, 72, leaky=True),
            ExactConv2d(72, c.hyper_features),
        )

    def prototype_decoder(self) -> nn.Module:
        c = self.config
        return prototypes.exact_decoder(c.code_deep[-1], c.decode, c.hyper_features)

    def rat(self) -> nn.Module:
        c = self.config
        return ExactRAT(c.hyper_features, c.hyper_features, c.rat_deep) if c.has("rat") else NoRAT()

    def _net(self, seen: int, last: ExactConv2d) -> nn.Sequential:
        widths = (seen, *self.config.parameter_nets)
        hidden = [ExactConv2d(a, b, leaky=True) for a, b in pairwise(widths)]
        return nn.Sequential(*hidden, last)

    def mean_net(self, seen: int, out: int) -> nn.Module:
        last = ExactConv2d(self.config.parameter_nets[-1], out, out_bits=LATENT_BITS, out_min=-8191, out_max=8191)
        return self._net(seen, last)

    def scale_net(self, seen: int, out: int) -> nn.Module:
        last = ExactConv2d(
            self.config.parameter_nets[-1], out, out_bits=INDEX_BITS, out_min=0, out_max=SCALE_LEVELS - 1
        )
        assert last.bias is not None
        nn.init.constant_(last.bias, 2.5)  # starts at index 20: a standard deviation of about 1.3
        return self._net(seen, last)

    def lrp_net(self, seen: int, out: int) -> nn.Module:
        last = ExactConv2d(self.config.parameter_nets[-1], out, out_min=-255, out_max=255)
        table = ExactTable(lambda x: 0.5 * torch.tanh(x), in_bits=BITS, in_max=255, out_bits=LATENT_BITS)
        return nn.Sequential(self._net(seen, last), table)

    def value(self, symbols: Tensor, prior: FactorizedPrior) -> Tensor:
        """What decoded symbols stand for: integers within the networks' input range (medians are zero here)."""
        return clamp_ste(symbols, -VALUE_MAX, VALUE_MAX)

    def context_table(self) -> nn.Module:
        """What later networks see of a decoded slice: asinh(y), so that large channels do not drown small ones."""
        return ExactTable(torch.asinh, in_bits=CONTEXT_BITS, in_max=ACTIVATION_MAX, out_bits=BITS)

    def hyper_input(self, y: Tensor) -> Tensor:
        """What the hyper-encoder sees of y, likewise."""
        return torch.asinh(y)

    def enter(self, z: Tensor, quality: float | Tensor | None) -> Tensor:
        """Input of the hyper-decoders: z and a plane that tells the quality (-16..16)."""
        q = torch.as_tensor(quality, dtype=torch.float64, device=z.device).reshape(-1, 1, 1, 1)
        plane = torch.round((q - 50) * 0.32).to(z.dtype).expand(z.shape[0], 1, *z.shape[2:])
        return torch.cat([z, plane], 1)

    def real(self, x: Tensor) -> Tensor:
        """Activations as real numbers, for float networks."""
        return x * 2.0**-BITS

    def mean_value(self, mean: Tensor) -> Tensor:
        return mean * 2.0**-LATENT_BITS

    def scale_index(self, index: Tensor) -> Tensor:
        return index

    def reconstruct(self, symbols: Tensor, mean: Tensor) -> Tensor:
        """symbol + mean on the 1/64 grid, as integers."""
        return symbols * 2.0**LATENT_BITS + mean

    def as_input(self, known: Tensor) -> Tensor:
        """A decoded slice as input of the context table."""
        return clamp_ste(round_ste(known * 2.0 ** (CONTEXT_BITS - LATENT_BITS)), -ACTIVATION_MAX, ACTIVATION_MAX)

    def latent_value(self, known: Tensor) -> Tensor:
        return known * 2.0**-LATENT_BITS


class FloatArithmetic:
    """The paper's float networks (GELU between 3x3 convolutions)."""

    def __init__(self, config: Config):
        self.config = config

    def hyper_encoder(self) -> nn.Module:
        c = self.config
        a, b, d = (c.latent * tenths // 10 for tenths in (9, 8, 7))
        return nn.Sequential(
            conv3x3(c.latent, c.latent),
            nn.GELU(),
            conv3x3(c.latent, a),
            nn.GELU(),
            conv3x3(a, b, 2),
            nn.GELU(),
            conv3x3(b, d),
            nn.GELU(),
            conv3x3(d, c.hyper, 2),
        )

    def hyper_decoder(self) -> nn.Module:
        c = self.config
        a, b, d = (c.latent * tenths // 10 for tenths in (7, 8, 9))
        return nn.Sequential(
            conv3x3(c.hyper, c.hyper),
            nn.GELU(),
            subpixel(c.hyper, a),
            nn.GELU(),
            conv3x3(a, b),
            nn.GELU(),
            subpixel(b, d),
            nn.GELU(),
            conv3x3(d, c.hyper_features),
        )

    def prototype_decoder(self) -> nn.Module:
        c = self.config
        return prototypes.decoder(c.code_deep[-1], c.decode, c.hyper_features)

    def rat(self) -> nn.Module:
        c = self.config
        return RAT(c.hyper_features, c.hyper_features, c.rat_deep) if c.has("rat") else NoRAT()

    def _net(self, seen: int, out: int) -> nn.Sequential:
        widths = (seen, *self.config.parameter_nets)
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [conv3x3(a, b), nn.GELU()]
        return nn.Sequential(*layers, conv3x3(widths[-1], out))

    mean_net = scale_net = _net

    def lrp_net(self, seen: int, out: int) -> nn.Module:
        return nn.Sequential(*self._net(seen, out), HalfTanh())

    def value(self, symbols: Tensor, prior: FactorizedPrior) -> Tensor:
        return symbols + prior.medians

    def context_table(self) -> nn.Module:
        return nn.Identity()

    def hyper_input(self, y: Tensor) -> Tensor:
        return y

    def enter(self, z: Tensor, quality: float | Tensor | None) -> Tensor:
        return z

    def real(self, x: Tensor) -> Tensor:
        return x

    def mean_value(self, mean: Tensor) -> Tensor:
        return mean

    def scale_index(self, scale: Tensor) -> Tensor:
        return index_of(scale)

    def reconstruct(self, symbols: Tensor, mean: Tensor) -> Tensor:
        return symbols + mean

    def as_input(self, known: Tensor) -> Tensor:
        return known

    def latent_value(self, known: Tensor) -> Tensor:
        return known


class HalfTanh(nn.Module):
    """0.5 tanh(x)."""

    def forward(self, x: Tensor) -> Tensor:
        return 0.5 * torch.tanh(x)
