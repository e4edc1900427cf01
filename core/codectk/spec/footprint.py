"""How much memory a codec takes, in its card, so that what is too large is refused before any work."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codectk.base.toml import Table
from codectk.spec.light import ENGINES

PICTURE = 12
"""Bytes per pixel of a whole picture: what Pillow holds, the array, and the file that is written."""

BAND = 12
"""Bytes per pixel of one row of tiles, which is held as float32 RGB while tiles fade into each other."""


@dataclass(frozen=True)
class Footprint:
    """A table `[codec.memory.ENGINE]` of a card.

    Attributes:
        base: megabytes that a process takes for a tiny picture: libraries and weights.
        encode: bytes per pixel of the piece that is worked on, above that.
        decode: the same for decoding.
    """

    base: float
    encode: float
    decode: float

    def bytes(self, verb: str, picture: int, piece: int, band: int, jobs: int = 1) -> int:
        """Peak of a process: `base + jobs x piece x per_pixel + 12 x picture + 12 x band`.

        Args:
            verb: "encode" or "decode".
            picture: pixels of the whole picture, or of the region that is wanted.
            piece: pixels of the largest tile, or of the padded picture.
            band: pixels of a row of tiles; 0 for a picture of one piece.
            jobs: pieces at once.
        """
        each = self.encode if verb == "encode" else self.decode
        return round(self.base * 1e6 + jobs * piece * each + PICTURE * picture + BAND * band)


def parse_footprints(table: Table) -> Mapping[str, Footprint]:
    """Take `memory` from a codec's table of a card: by engine, empty where nobody measured.

    Raises:
        PluginBrokenError: a value is missing, unknown or makes no sense.
    """
    data = table.take("memory", dict, {})
    found = {}
    for engine, values in data.items():
        right = (
            engine in ENGINES[1:]
            and isinstance(values, dict)
            and set(values) == {"base", "encode", "decode"}
            and all(isinstance(value, int | float) and value >= 0 for value in values.values())
        )
        table.need(right, f"memory.{engine} has 'base' (MB), 'encode' and 'decode' (bytes per pixel of a piece)")
        found[engine] = Footprint(**{name: float(value) for name, value in values.items()})
    return found
