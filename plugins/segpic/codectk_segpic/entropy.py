"""The networks of the coding program (`codectk_segpic.program`), as modules."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from typing import Any

from torch import Tensor, nn

from codectk.base.types import Context
from codectk.nn.charm import ChannelSlices
from codectk.nn.exact import exact_math
from codectk.nn.label_maps import LabelMapCoder
from codectk.nn.linear import mean_channels
from codectk.nn.priors import FactorizedPrior
from codectk.nn.quantize import clamp_ste, round_ste
from codectk_segpic import program, prototypes
from codectk_segpic.arithmetic import Float, Integers
from codectk_segpic.config import Config
from codectk_segpic.program import latent_specs
from codectk_segpic.rat import RAT, NoRAT


class EntropyModel(ChannelSlices):
    """See `codectk_segpic.program.code`."""

    compact = ("h_a", "dyn_enc")

    def __init__(self, config: Config):
        networks: Any = Integers(config) if config.exact else Float(config)
        super().__init__(
            networks, config.slices, config.support, config.hyper_features,
            own_view=config.own_view, lrp=config.has("lrp"), two_pass=config.two_pass,
        )  # fmt: skip
        if config.two_pass and config.linear:
            first: Any = self.neighbors[0]
            first.smooth(mean_channels())
        self.config = config
        self.portable = config.exact
        self.without_knobs = frozenset() if config.exact else frozenset({"quality"})
        self.needs = self.gives = latent_specs(config)
        self.dyn_enc_hyper = (
            RAT(config.latent, config.hyper_features, config.rat_deep) if config.has("rat") else NoRAT()
        )
        self.h_a = networks.hyper_encoder()
        regional = config.has("regions")
        if regional:
            self.g_sb2 = networks.prototype_decoder()
            if not config.has("prototypes"):
                self.g_sb2.append(prototypes.Silence())
        self.h_mean_s, self.h_scale_s = networks.hyper_decoder(), networks.hyper_decoder()
        self.dyn_dec_hyper_means, self.dyn_dec_hyper_scales = networks.rat(), networks.rat()
        if regional:
            self.prior_mid = FactorizedPrior("p_mid", config.code_mid[-1])
            self.prior_deep = FactorizedPrior("p_deep", config.code_deep[-1])
            self.prior_mid.crop_share = self.prior_deep.crop_share = config.prototype_share
        self.prior_z = FactorizedPrior("z", config.hyper)
        self.label_coder = LabelMapCoder(config.labels, "regions") if regional and config.labels else None

    def exactly(self) -> AbstractContextManager[None]:
        return exact_math(self.prior_z.medians.device)

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        return program.code(self, coder, values, ctx)

    def rounded_mid(self, p_mid: Tensor) -> Tensor:
        """Middle prototype codes as both ends will know them, for the analysis."""
        medians = self.prior_mid.medians.to(p_mid.device)  # in a hybrid, nobody may have moved this entropy model
        symbols, bound = round_ste(p_mid - medians), self.numbers.value_max
        return (symbols if bound is None else clamp_ste(symbols, -bound, bound)) + medians


class PrototypeCoder(nn.Module):
    """Codes regions and middle prototypes alone, beside an entropy model of another codec that codes y.

    Args:
        model: whose prior it uses.
    """

    def __init__(self, model: EntropyModel):
        super().__init__()
        self.portable, self.without_knobs = model.portable, frozenset({"quality"})
        self.needs = self.gives = tuple(spec for spec in model.gives if spec.name in ("p_mid", "regions"))
        self.prior_mid, self.numbers = model.prior_mid, model.numbers
        self.label_coder = model.label_coder

    def exactly(self) -> AbstractContextManager[None]:
        return exact_math(self.prior_mid.medians.device)

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        return program.code_prototypes(self, coder, values, ctx)
