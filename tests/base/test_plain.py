"""One way to JSON, which every reader takes."""

import json
import math

import numpy as np
import pytest

from codectk.base.plain import to_json


def test_what_json_lacks_is_null():
    value = {"psnr": math.inf, "rows": [(-math.inf, 1.5), math.nan, np.float32("inf")], "n": np.int64(3), "ok": True}
    text = to_json(value)
    assert json.loads(text, parse_constant=pytest.fail) == {
        "psnr": None, "rows": [[None, 1.5], None, None], "n": 3, "ok": True,
    }  # fmt: skip
    assert "\n" not in to_json(value, indent=None)
    with pytest.raises(TypeError):
        to_json({"x": object()})
