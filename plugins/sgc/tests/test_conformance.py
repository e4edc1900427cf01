"""The conformance kit on the shipped preset, and on networks as published weights have them, which lie in the store."""

from __future__ import annotations

import pytest

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
    pass


@pytest.fixture(scope="class")
def stored():
    """A weights store with untrained networks of the published structure."""
    with untrained("sgc", "published", PUBLISHED):
        yield


@pytest.mark.usefixtures("stored")
class TestPublished(Sgc):
    weights = "published"
