"""Arguments of a wrong kind get a sentence that names them."""

from fractions import Fraction

import numpy as np
import pytest

from codectk.base.arguments import check
from codectk.base.errors import UsageError


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *(("target_bpp", value) for value in ("0.2", True, float("nan"), float("inf"), 0, -1, [1], 1j, np.zeros(2))),
        *(("codec", value) for value in (None, 3, "", b"segpic", ["segpic"])),
        *(("device", value) for value in (None, 0, "")),
        *(("weights", value) for value in (3, "", b"x")),
        *(("layers", value) for value in ("1", -1, True, 1.0)),
        *(("strict", value) for value in ("no", 1, None)),
        ("progress", 3),
        ("edits", [("smile", 1)]),
    ],
)
def test_a_wrong_kind(name: str, value: object):
    with pytest.raises(UsageError, match=f"^{name} (is|must be) ") as caught:
        check(**{name: value})
    assert type(value).__name__ in str(caught.value) and len(str(caught.value)) < 200


def test_the_right_kind(tmp_path):
    check(target_bpp=np.float32(0.2), target_bytes=np.int64(9), layers=np.int32(0), best_of=None, weights=None)
    check(
        target_bpp=Fraction(1, 4), codec="segpic", weights=tmp_path, strict=True, progress=print, edits={}, device="cpu"
    )
