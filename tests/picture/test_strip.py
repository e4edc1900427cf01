"""Pictures side by side."""

from __future__ import annotations

import numpy as np

from codectk.base.types import Picture
from codectk.picture.strip import GAP, strip


def test_pictures_stand_side_by_side_over_their_captions():
    parts = [Picture(np.full((40, width, 3), value, np.uint8)) for width, value in ((30, 10), (50, 90))]
    made = strip(parts, ["one", "two"]).pixels
    assert made.shape[1] == 30 + GAP + 50 and made.shape[0] > 40
    assert (made[:40, :30] == 10).all() and (made[:40, 30 + GAP :] == 90).all()
    assert (made[:40, 30 : 30 + GAP] == 255).all()
    assert (made[40:] < 128).any(), "captions are written"
