"""How light a file's picture is, from its latents."""

from __future__ import annotations

import numpy as np

from codectk.base.types import Context
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import Container
from codectk.coding.coder import Decoder
from codectk_grain.stages import BLOCK, Coder, step_of


def tones(container: Container) -> dict[str, float]:
    """Shares of the blocks that are dark, middle and light, largest first."""
    header = container.header
    height, width = (-(-side // BLOCK) * BLOCK for side in (header.height, header.width))
    ctx = Context(height, width, header.knobs)
    decoder = Decoder(container.payloads(LATENTS))
    means = Coder().code(decoder, None, ctx)["means"]
    decoder.finish()
    light = means.mean(axis=0) * step_of(ctx)
    shares = {"dark": np.mean(light < 85), "light": np.mean(light >= 170)}
    shares["middle"] = 1 - shares["dark"] - shares["light"]
    return {name: float(share) for name, share in sorted(shares.items(), key=lambda one: -one[1]) if share > 0}
