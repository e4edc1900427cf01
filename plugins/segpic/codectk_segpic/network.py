"""The whole network: the stages and what they share."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from codectk.base.errors import UsageError
from codectk.nn.backend import TorchBackend
from codectk.nn.storage import compact_prefixes
from codectk.programs.configurations import configured
from codectk.spec.stages import Stages
from codectk_segpic import prototypes
from codectk_segpic.analysis import Analysis
from codectk_segpic.conditioning import Conditioning
from codectk_segpic.config import CONFIGS, Config
from codectk_segpic.entropy import EntropyModel, PrototypeCoder
from codectk_segpic.layers import Down, Up
from codectk_segpic.synthesis import Synthesis


class Network(nn.Module):
    """Owns every weight of SegPIC once.

    Attributes:
        g_sb: decoder of the middle prototypes, used at both ends.
        conditioning, analysis, entropy_model, synthesis: the stages.
        compact: prefixes where eight bits a weight suffice: the transforms but for the linear path, which carries the
            picture.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        mid = config.mid[-1]
        g_sb = prototypes.decoder(config.code_mid[-1], config.decode, mid)
        if not config.has("prototypes"):
            g_sb.append(prototypes.Silence())
        self.g_sb = g_sb if config.has("regions") else None
        self.conditioning = Conditioning() if config.has("masks") else Conditioning(p_grid=1.0)
        self.entropy_model = EntropyModel(config)
        self.analysis = Analysis(config, g_sb, self.entropy_model.rounded_mid)
        self.synthesis = Synthesis(config, g_sb)
        self.compact = compact_prefixes(self)
        if config.exact:
            self._wake_side_information()
        if not config.has("sal"):
            for module in self.modules():
                if isinstance(module, Down | Up):
                    module.sal = nn.Identity()

    @torch.no_grad()
    def _wake_side_information(self) -> None:
        """Start with codes of several units: codes that all round to zero say nothing and never learn to speak."""
        for encoder in filter(None, (self.entropy_model.h_a, self.analysis.g_ab, self.analysis.g_ab2)):
            layers = [layer for layer in encoder.children() if isinstance(layer, nn.Conv2d)]
            for layer in layers:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            layers[-1].weight.mul_(4)

    def codec(self, weights_hash: str = "", device: str = "cpu") -> Stages:
        """The stages wired together, sharing this network's weights."""
        return Stages(
            id="segpic",
            stride=64,
            weights_hash=weights_hash,
            portable=self.config.exact,
            analysis=self.analysis,
            entropy_model=self.entropy_model,
            synthesis=self.synthesis,
            conditioning=self.conditioning,
            backend=TorchBackend(device),
            without_knobs=frozenset() if self.config.exact else frozenset({"quality"}),
        )

    @property
    def prototype_coder(self) -> PrototypeCoder:
        """What codes regions and prototypes alone, for the component of that name.

        Raises:
            UsageError: this configuration has nothing to code beside y.
        """
        if not self.config.has("regions"):
            raise UsageError("segpic.prototype_coder codes what belongs to regions, but without has 'regions'.")
        return PrototypeCoder(self.entropy_model)


def build(options: Mapping[str, Any]) -> Network:
    """A network with fresh weights.

    Args:
        options: `config` names a configuration ("small" by default); other keys replace its fields.

    Raises:
        UsageError: an unknown configuration or field.
    """
    return Network(configured("SegPIC", CONFIGS, options))
