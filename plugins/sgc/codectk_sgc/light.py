"""SGC's decoder without torch: its programs around graphs. Encoding needs the segmenter, and so torch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.programs.configurations import configured
from codectk.spec.light import Light
from codectk.spec.stages import Backend, Stages
from codectk_sgc.config import CONFIGS, Config
from codectk_sgc.decoder import program
from codectk_sgc.entropy import REDUCED, Reduced, SemanticCoder, load_arrays


class Analysis:
    """What says that there is none."""

    produces = REDUCED

    def __call__(self, x: Any, condition: Any, ctx: Context) -> Mapping[str, Any]:
        raise UsageError("Codec 'sgc' decodes without torch, and encodes with it alone; use the engine torch.")


class Denoiser:
    """See `codectk_sgc.decoder.program.Denoiser`."""

    def __init__(self, parts: Any) -> None:
        self._said, self.rescaler = parts.find("synthesis.denoiser"), parts.find("synthesis.denoiser.rescaler")

    def __call__(self, noisy: Any, time: Any, planes: Any, colors: Any) -> Any:
        return self._said(noisy, time, planes, colors)


class Synthesis:
    """See `codectk_sgc.decoder.program.Networks`."""

    needs = REDUCED

    def __init__(self, config: Config, parts: Any, array: Any) -> None:
        self.config, self.array, self.denoiser = config, array, Denoiser(parts)
        nets = parts.under("synthesis")
        self.begun, self.seen, self.rendered = nets.begun, nets.seen, nets.rendered

    def __call__(self, latents: Mapping[str, Any], ctx: Context) -> Any:
        return program.synthesize(self, latents, ctx)

    def resized(self, x: npt.NDArray[np.float32], height: int, width: int) -> npt.NDArray[np.float32]:
        """By Pillow, whose bicubic filter is the one that torch took over for reduced pictures."""
        sized = [Image.fromarray(plane).resize((width, height), Image.Resampling.BICUBIC) for plane in x[0]]
        return np.stack([np.asarray(plane, np.float32) for plane in sized])[None]


def wire(parts: Any, options: Mapping[str, Any], weights_hash: str, backend: Backend) -> Stages:
    """See `codectk.spec.light.Light`."""
    config = configured("SGC", CONFIGS, options)
    if not config.sees_colors:
        raise UsageError("The light engine runs SGC's configuration 'small'.")
    coders = {name: np.asarray(parts.find(f"coders.{name}")) for name in load_arrays()}
    return Stages(
        id="sgc",
        stride=1,
        weights_hash=weights_hash,
        portable=True,
        analysis=Analysis(),
        entropy_model=Reduced(SemanticCoder(coders, config.classes)),
        synthesis=Synthesis(config, parts, parts.array),
        backend=backend,
    )


KNOBS = {"seed": 0, "steps": 2, "strength": 0.5, "guidance": 4.0}

LIGHT = Light(wire, (Context(128, 192, KNOBS), Context(192, 320, KNOBS)))
