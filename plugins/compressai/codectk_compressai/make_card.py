"""Writes card.toml from the table of presets: `python -m codectk_compressai.make_card`. A test holds them together."""

from __future__ import annotations

from pathlib import Path

from codectk_compressai.presets import PRESETS, Preset

HEAD = """\
# Written by make_card.py from presets.py.
api = 1
title = "CompressAI"
summary = "The image codecs of CompressAI's zoo, with its networks and checkpoints"
licence = "Apache-2.0"
"""

TILE = 1024
"""Longest side in pixels of what is coded in one piece. Every network of the zoo is one of convolutions."""

QUALITY = """
[codec.knobs.quality]
side = "encoder"
type = "float"
min = 0.0
max = 100.0
default = 50.0
coded = true
rate = true
help = "0 smallest file, 100 best picture; the step between latents falls from the first to the last trained gain"
"""


def card() -> str:
    """The text of the card."""
    return HEAD + "".join(_codec(preset) for preset in PRESETS.values())


def _codec(preset: Preset) -> str:
    text = f'\n[[codec]]\nname = "{preset.name}"\nsummary = "{preset.summary}"\nstride = {preset.stride}\n'
    text += f"tile = {TILE}\n"
    return text if preset.quality else text + QUALITY


if __name__ == "__main__":
    Path(__file__).with_name("card.toml").write_text(card(), encoding="utf-8")
