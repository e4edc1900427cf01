"""The conformance kit on the shipped preset, and on networks as published weights have them, which lie in the store."""

from __future__ import annotations

from importlib.util import find_spec

import pytest

from codectk.base.errors import UsageError
from codectk.pipeline.load import load
from codectk.testing import CodecConformance
from codectk.testing.untrained import untrained

PUBLISHED = {
    "config": "full", "widths": [8, 16, 32], "groups": 4, "vq_widths": [8, 16, 24], "vq_groups": 4, "codes": 40,
    "seg_width": 4, "seg_blocks": [1, 1, 2, 1],
}  # fmt: skip


class Sgc(CodecConformance):
    """Sizes are few: every picture takes seventy calls of the denoiser."""

    codec = "sgc"
    sizes = 70
    examples = 2
    forgeries = 4


class TestPreset(Sgc):
    paintings = ({"steps": 4}, {"steps": 3, "seed": 9, "guidance": 1.0, "strength": 1.0})

    def test_graphs_only_decode(self) -> None:
        if find_spec("onnxruntime") is None:
            pytest.skip("no ONNX Runtime here")
        assert load("sgc").card.light and not load("sgc").card.light_encodes
        with pytest.raises(UsageError, match="encodes with it alone; use the engine torch"):
            self.encode(self.picture(40, 56), engine="onnx")


@pytest.fixture(scope="class")
def stored():
    """A weights store with untrained networks of the published structure."""
    with untrained("sgc", "published", PUBLISHED):
        yield


@pytest.mark.usefixtures("stored")
class TestPublished(Sgc):
    weights = "published"
