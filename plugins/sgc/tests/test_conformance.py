"""The conformance kit on the shipped preset, and on networks as published weights have them, which lie in the store."""

from __future__ import annotations

import json
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from codectk import api
from codectk.nn.storage import to_arrays
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import forget, load
from codectk.testing import CodecConformance
from codectk.weights import store
from codectk_sgc.network import build

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
def stored(tmp_path_factory: pytest.TempPathFactory):
    """A weights store with untrained networks of the published structure."""
    torch.manual_seed(0)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODECTK_HOME", str(tmp_path_factory.mktemp("home")))
        metadata = {"codec": "sgc", "config": "full", "options": json.dumps(PUBLISHED)}
        store.save(to_arrays(build(PUBLISHED)), metadata, "published")
        yield
        forget()


@pytest.mark.usefixtures("stored")
class TestPublished(Sgc):
    weights: ClassVar[str] = "published"

    def ready(self) -> Codec:
        return load(self.codec, weights=self.weights)

    def encode(self, image: NDArray[np.uint8] | Image.Image, **knobs: Any) -> bytes:
        return api.encode(image, self.codec, weights=self.weights, **knobs)
