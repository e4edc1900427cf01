"""The whole network: the heads around a generator that is not theirs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from codectk.nn.backend import TorchBackend
from codectk.programs.configurations import configured
from codectk.spec.stages import Stages
from codectk_hsc.align.aligner import Aligner
from codectk_hsc.config import CONFIGS, Config
from codectk_hsc.decoding import Synthesis
from codectk_hsc.encoding import Analysis
from codectk_hsc.entropy import EntropyModel
from codectk_hsc.generators.interface import Generator
from codectk_hsc.holder import Holder


class Network(nn.Module):
    """Owns every weight of the heads once.

    Args:
        config: widths.
        generator: the one to use instead of the preset's.
        file: the verified file of the preset's, where that is known.

    Attributes:
        analysis, entropy_model, synthesis: the stages.
        compact: where eight bits a weight suffice.
    """

    compact = ("analysis", "synthesis.semantics")

    def __init__(self, config: Config, generator: Generator | None = None, file: Path | None = None):
        super().__init__()
        self.config = config
        self.synthesis = Synthesis(config, Holder(config.generator, generator, file))
        self.analysis = Analysis(config, self.synthesis)
        self.entropy_model = EntropyModel(config)

    def codec(self, weights_hash: str = "", device: str = "cpu") -> Stages:
        """The stages wired together, sharing this network's weights."""
        return Stages(
            id="hsc",
            stride=1,
            weights_hash=weights_hash,
            portable=True,
            analysis=self.analysis,
            entropy_model=self.entropy_model,
            synthesis=self.synthesis,
            backend=TorchBackend(device),
            layered=True,
            align=Aligner(),
        )


def build(options: Mapping[str, Any], file: Path | None = None) -> Network:
    """A network with fresh weights, to be trained.

    Args:
        options: `config` names a configuration ("small" by default); other keys replace its fields.
        file: as for `Network`.

    Raises:
        UsageError: an unknown configuration or field.
    """
    return Network(configured("HSC", CONFIGS, options), file=file)
