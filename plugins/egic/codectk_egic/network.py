"""The whole network: the stages wired together."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from codectk.nn.backend import TorchBackend
from codectk.nn.storage import compact_prefixes
from codectk.programs.configurations import configured
from codectk.spec.stages import Stages
from codectk_egic.analysis import Analysis
from codectk_egic.config import CONFIGS, Config
from codectk_egic.entropy import EntropyModel
from codectk_egic.orp import OutputResidualPrediction
from codectk_egic.synthesis import Synthesis


class Network(nn.Module):
    """Owns every weight of EGIC once.

    Attributes:
        analysis, entropy_model, synthesis, post: the stages.
        compact: prefixes where eight bits a weight suffice: the transforms but for the linear path, which carries the
            picture.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.analysis = Analysis(config)
        self.entropy_model = EntropyModel(config)
        self.synthesis = Synthesis(config)
        self.post = OutputResidualPrediction(config)
        self.compact = compact_prefixes(self)

    def codec(self, weights_hash: str = "", device: str = "cpu") -> Stages:
        """The stages wired together, sharing this network's weights."""
        return Stages(
            id="egic",
            stride=64,
            weights_hash=weights_hash,
            portable=self.config.exact,
            analysis=self.analysis,
            entropy_model=self.entropy_model,
            synthesis=self.synthesis,
            post=self.post,
            backend=TorchBackend(device),
            without_knobs=frozenset() if self.config.exact else frozenset({"quality"}),
        )


def build(options: Mapping[str, Any]) -> Network:
    """A network with fresh weights.

    Args:
        options: `config` names a configuration ("small" by default); other keys replace its fields.

    Raises:
        UsageError: an unknown configuration or field.
    """
    return Network(configured("EGIC", CONFIGS, options))
