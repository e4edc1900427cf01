"""SegPIC without torch: its programs around graphs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from functools import partial
from typing import Any

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.programs.configurations import configured
from codectk.programs.slices import INTEGERS
from codectk.programs.stages import Analysis, EntropyModel, Synthesis
from codectk.programs.values import settled
from codectk.spec.light import Light
from codectk.spec.stages import Backend, Stages
from codectk_segpic import program, transforms
from codectk_segpic.config import CONFIGS
from codectk_segpic.regions import AREA_SLACK, Regions, coding_grid


class Grid:
    """The conditioning stage: regions are a grid."""

    def __call__(self, x: Any, ctx: Context) -> Regions:
        return coding_grid(x.shape[0], ctx, x)


def wire(parts: Any, options: Mapping[str, Any], weights_hash: str, backend: Backend) -> Stages:
    """See `codectk.spec.light.Light`."""
    config = configured("SegPIC", CONFIGS, options)
    if config.without or config.labels or not (config.exact and config.linear):
        raise UsageError("The light engine runs SegPIC's configurations 'small' and 'base' with all their parts.")
    coding = parts.under(
        "entropy_model", config=config, numbers=INTEGERS, exactly=nullcontext, label_coder=None, layered=False,
        slices=config.slices, support=config.support, own_view=config.own_view, two_pass=config.two_pass,
    )  # fmt: skip
    rounded = partial(settled, prior=coding.prior_mid, bound=INTEGERS.value_max)
    analysis = parts.under("analysis", labels=0, cell_slack=AREA_SLACK, rounded=rounded)
    synthesis = parts.under("synthesis", deep=config.deep, regional=True)
    specs = program.latent_specs(config)
    return Stages(
        id="segpic",
        stride=64,
        weights_hash=weights_hash,
        portable=True,
        analysis=Analysis(specs, analysis, transforms.prepare, transforms.finish),
        entropy_model=EntropyModel(specs, coding, program.code),
        synthesis=Synthesis(
            transforms.painted_specs(config),
            transforms.feature_specs(config),
            synthesis,
            transforms.features,
            transforms.paint,
        ),
        conditioning=Grid(),
        backend=backend,
    )


LIGHT = Light(
    wire,
    (Context(128, 192, {"quality": 50.0, "grid": 2}), Context(192, 320, {"quality": 40.0, "grid": 4})),
)
