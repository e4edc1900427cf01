"""What a picture will take of the memory, told by the codec's card before any of it is allocated."""

from __future__ import annotations

from typing import TYPE_CHECKING

from codectk.base.errors import InputError, LimitError
from codectk.base.resources import current
from codectk.bitstream.tiles import Box, Grid

if TYPE_CHECKING:
    from codectk.pipeline.codec import Codec


def check(codec: Codec, verb: str, width: int, height: int, grid: Grid | None, region: Box | None = None) -> None:
    """Refuse a picture beyond what may be taken, by `base.resources` in force.

    Args:
        codec: the codec.
        verb: "encode" or "decode".
        width, height: of the whole picture in pixels.
        grid: how it is cut; None for one piece.
        region: the part that is wanted.

    Raises:
        InputError, LimitError: it has too many pixels, to encode or to decode.
        MemoryLimitError: it would need too much memory; nothing is said for codecs whose card has no figures.
    """
    wanted = region or Box(0, 0, width, height)
    allowed, pixels = current(), wanted.width * wanted.height
    size = f"{wanted.width} x {wanted.height} pixels"
    if pixels > allowed.max_pixels:
        error = InputError if verb == "encode" else LimitError
        raise error(
            f"{size} are more than the limit of {allowed.max_pixels:,}; --max-pixels or CODECTK_MAX_PIXELS sets it."
        )
    if (need := estimate(codec, verb, width, height, grid, wanted, allowed.jobs)) is not None:
        allowed.check_memory(need, f"To {verb} {size} with '{codec.name}'")


def estimate(
    codec: Codec, verb: str, width: int, height: int, grid: Grid | None, wanted: Box, jobs: int = 1
) -> int | None:
    """Peak memory in bytes, of the whole process; None for a codec whose card has no figures. Arguments as `check`."""
    footprint = codec.card.memory.get(codec.engine)
    if footprint is None:
        return None
    stride = codec.stages.stride
    sides = (width, height) if grid is None else (min(width, grid.width), min(height, grid.height))
    across, down = (-(-side // stride) * stride for side in sides)
    band = 0 if grid is None or verb == "encode" else wanted.width * grid.height
    tiles = 1 if grid is None else len(grid.boxes(width, height))
    # One piece is painted whole whatever part of it is wanted.
    picture = width * height if grid is None else wanted.width * wanted.height
    return footprint.bytes(verb, picture, across * down, band, min(jobs, tiles))
