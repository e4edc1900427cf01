"""SegPIC's networks behind the latents, of integers (`Integers`) or in the paper's float form (`Float`)."""

from __future__ import annotations

from itertools import pairwise

from torch import nn

from codectk.nn.blocks import conv3x3, subpixel
from codectk.nn.charm import HalfTanh, IntegerNetworks, ScaleIndex
from codectk.programs.slices import REALS
from codectk_segpic import prototypes
from codectk_segpic.config import Config
from codectk_segpic.rat import RAT, ExactRAT, NoRAT


class Integers(IntegerNetworks):
    """Integers in float32."""

    def __init__(self, config: Config):
        super().__init__(config.parameter_nets, config.reach)
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
        return self.latent_decoder(self.config.hyper, self.config.hyper_features)

    def prototype_decoder(self) -> nn.Module:
        c = self.config
        return prototypes.exact_decoder(c.code_deep[-1], c.decode, c.hyper_features)

    def rat(self) -> nn.Module:
        c = self.config
        return ExactRAT(c.hyper_features, c.hyper_features, c.rat_deep) if c.has("rat") else NoRAT()


class Float:
    """The paper's float networks (GELU between 3x3 convolutions)."""

    numbers = REALS

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

    def mean_net(self, seen: int, out: int, part: int) -> nn.Sequential:
        widths = (seen, *self.config.parameter_nets)
        layers: list[nn.Module] = []
        for a, b in pairwise(widths):
            layers += [conv3x3(a, b), nn.GELU()]
        return nn.Sequential(*layers, conv3x3(widths[-1], out))

    def scale_net(self, seen: int, out: int, part: int) -> nn.Sequential:
        return nn.Sequential(*self.mean_net(seen, out, part), ScaleIndex())

    def lrp_net(self, seen: int, out: int, part: int) -> nn.Module:
        return nn.Sequential(*self.mean_net(seen, out, part), HalfTanh())

    def context_table(self) -> nn.Module:
        return nn.Identity()
