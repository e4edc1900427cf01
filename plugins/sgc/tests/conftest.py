"""Maps for the tests, and coders with the shipped networks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk_sgc.colors.coder import ColorCoder
from codectk_sgc.entropy import load_arrays
from codectk_sgc.labels.coder import LabelCoder


@pytest.fixture(scope="session")
def arrays():
    return load_arrays()


@pytest.fixture(scope="session")
def label_coder(arrays):
    return LabelCoder(arrays, 182)


@pytest.fixture(scope="session")
def color_coder(arrays):
    return ColorCoder(arrays)


@pytest.fixture(scope="session")
def outdoors() -> list[np.ndarray]:
    """Label maps (32, 32) like those of photos: sky over hills over a plain, with trees and animals on it."""
    maps = []
    for seed in range(6):
        rng = np.random.default_rng(seed)
        y, x = np.mgrid[:32, :32]
        walk = np.cumsum(rng.integers(-1, 2, (2, 32)), axis=1)
        labels = np.where(y < 10 + walk[0], 156, np.where(y < 18 + walk[1], 134, 123))
        for _ in range(rng.integers(2, 6)):
            top, left, high, wide = rng.integers((6, 0, 3, 2), (26, 30, 9, 6))
            labels[((y - top) / high) ** 2 + ((x - left) / wide) ** 2 < 1] = rng.choice([168, 20, 18, 0])
        maps.append(labels)
    return maps


@pytest.fixture(scope="session")
def through():
    """Encode values with a model and decode them: (latents, payload)."""

    def run(model, values, height: int, width: int):
        ctx = Context(height, width)
        encoder = Encoder()
        model.code(encoder, values, ctx)
        payloads = encoder.finish()
        decoder = Decoder(payloads)
        latents = model.code(decoder, None, ctx)
        decoder.finish()
        return latents, payloads[0]

    return run


@pytest.fixture(scope="session")
def published_reference() -> ModuleType:
    """The module published_reference.py beside this file; tests are not importable by name."""
    path = Path(__file__).with_name("published_reference.py")
    spec = importlib.util.spec_from_file_location("sgc_published_reference", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
