"""The size at which SGC looks at a picture."""

from __future__ import annotations

SHORT = 512
"""Shorter side, in pixels, of larger pictures: what the networks were trained for."""

MULTIPLE = 32
"""Pixels per cell of the color map; sides are multiples of it."""


def working_size(height: int, width: int) -> tuple[int, int]:
    """Sides of the reduced picture that maps are made of and that the decoder paints.

    Pictures whose shorter side is longer than `SHORT` are reduced to it, so that things have the size that the networks
    know, and neither file nor time grow with the picture. Sides are rounded to multiples of `MULTIPLE`.

    Args:
        height, width: of the picture, at least 1.
    """
    scale = min(SHORT / min(height, width), 1)
    high, wide = (max(round(side * scale / MULTIPLE), 1) * MULTIPLE for side in (height, width))
    return high, wide
