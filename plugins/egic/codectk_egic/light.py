"""EGIC without torch: its programs around graphs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.programs.configurations import configured
from codectk.programs.slices import INTEGERS
from codectk.programs.stages import Analysis, EntropyModel, Synthesis
from codectk.spec.light import Light
from codectk.spec.stages import Backend, LatentSpec, Stages
from codectk_egic import program, transforms
from codectk_egic.config import CONFIGS


@dataclass
class OutputResidualPrediction:
    """See `codectk_egic.orp`."""

    needs: tuple[LatentSpec, ...]
    nets: Any

    def __call__(self, x: Any, latents: Mapping[str, Any], ctx: Context) -> Any:
        return transforms.mixed(self.nets.head, x, latents, True, ctx)


def wire(parts: Any, options: Mapping[str, Any], weights_hash: str, backend: Backend) -> Stages:
    """See `codectk.spec.light.Light`."""
    config = configured("EGIC", CONFIGS, options)
    if not (config.exact and config.linear):
        raise UsageError("The light engine runs EGIC's configurations 'small' and 'base' with all their parts.")
    coding = parts.under(
        "entropy_model", numbers=INTEGERS, exactly=nullcontext, layered=False, lrp_transforms=(),
        z_start=program.Z_START, slices=config.slices, support=config.support, own_view=config.own_view,
        two_pass=config.two_pass,
    )  # fmt: skip
    specs, features = program.latent_specs(config), transforms.feature_specs(config)
    synthesis = parts.under("synthesis")
    return Stages(
        id="egic",
        stride=64,
        weights_hash=weights_hash,
        portable=True,
        analysis=Analysis(specs, parts.under("analysis"), transforms.prepare, transforms.finish),
        entropy_model=EntropyModel(specs, coding, program.code),
        synthesis=Synthesis(specs, features, synthesis, transforms.features, transforms.paint),
        post=OutputResidualPrediction(features, parts.under("post")),
        backend=backend,
    )


LIGHT = Light(
    wire,
    (Context(128, 192, {"quality": 50.0, "realism": 0.0}), Context(192, 320, {"quality": 40.0, "realism": 0.5})),
)
