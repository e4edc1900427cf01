"""The whole network: segmenter, diffusion and autoencoder around the coders of both maps."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from codectk.nn.backend import TorchBackend
from codectk.nn.storage import compact_prefixes
from codectk.programs.configurations import configured
from codectk.spec.stages import Stages
from codectk_sgc.coders import Coders
from codectk_sgc.config import CONFIGS, Config
from codectk_sgc.decoder.synthesis import Synthesis
from codectk_sgc.encoder.analysis import Analysis
from codectk_sgc.entropy import Reduced, SemanticCoder, load_arrays


class Network(nn.Module):
    """Owns every weight of the codec once.

    Args:
        config: widths.

    Attributes:
        analysis: the encoder.
        coders: the integer networks of the entropy model.
        synthesis: the decoder.
        compact: where eight bits a weight suffice.
    """

    def __init__(self, config: Config):
        super().__init__()
        self.config = config
        self.analysis = Analysis(config)
        self.coders = Coders(load_arrays())
        self.synthesis = Synthesis(config)
        self.compact = compact_prefixes(self)

    def codec(self, weights_hash: str = "", device: str = "cpu") -> Stages:
        """The stages wired together, sharing this network's weights."""
        return Stages(
            id="sgc",
            stride=1,
            weights_hash=weights_hash,
            portable=True,
            analysis=self.analysis,
            entropy_model=Reduced(SemanticCoder(self.coders.arrays(), self.config.classes)),
            synthesis=self.synthesis,
            backend=TorchBackend(device),
        )


def build(options: Mapping[str, Any]) -> Network:
    """A network with fresh weights, to be trained.

    Args:
        options: `config` names a configuration ("small" by default); other keys replace its fields.

    Raises:
        UsageError: an unknown configuration or field, or one that makes no sense.
    """
    return Network(configured("SGC", CONFIGS, options))
