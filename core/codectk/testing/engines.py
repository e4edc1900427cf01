"""What holds for a codec that also runs without torch."""

from __future__ import annotations

from importlib.util import find_spec

import numpy as np
import pytest

from codectk.pipeline.build import build_light
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import load
from codectk.plugins import manager
from codectk.testing.subject import CodecSubject

SAME_PIXELS = 0.999
"""Part of the pixels that both engines paint alike; the others differ by one level."""


class EngineConformance(CodecSubject):
    """Files pass between torch and graphs, both ways."""

    def engines(self) -> tuple[Codec, Codec]:
        if find_spec("onnxruntime") is None or build_light(*manager.find_codec(self.codec)) is None:
            pytest.skip(f"codec '{self.codec}' has no graphs here")
        return load(self.codec, engine="torch"), load(self.codec, engine="onnx")

    def test_engines_agree(self) -> None:
        torch, onnx = self.engines()
        assert (torch.engine, onnx.engine) == ("torch", "onnx")
        image = self.picture(200, 136)
        for data in (self.encode(image, engine=engine) for engine in ("torch", "onnx")):
            assert_latents_agree(torch, onnx, data)
            assert_pictures_agree(*(np.asarray(one.decode(data)) for one in (torch, onnx)))


def assert_latents_agree(torch: Codec, onnx: Codec, data: bytes) -> None:
    """The latents of a file are the same to the bit under both engines."""
    theirs, mine = torch.latents(data), onnx.latents(data)
    assert theirs.keys() == mine.keys()
    for name in mine:
        assert np.array_equal(theirs[name], mine[name]), name


def assert_pictures_agree(one: np.ndarray, other: np.ndarray) -> None:
    """Two pictures differ by a level at most, and hardly anywhere."""
    difference = np.abs(one.astype(int) - other.astype(int))
    assert difference.max() <= 1
    assert (difference == 0).mean() >= SAME_PIXELS
