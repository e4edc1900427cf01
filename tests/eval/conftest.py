"""Pictures and reference tables for the tests of the evaluation."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

SHARED = Path(__file__).resolve().parents[3] / "shared"


def photo_like(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colors, edges and a little noise: uint8 (H, W, 3)."""
    generator = np.random.default_rng(seed)
    small = generator.uniform(0, 255, (height // 24 + 2, width // 24 + 2, 3)).astype(np.uint8)
    smooth = np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC), np.float64)
    y, x = np.mgrid[:height, :width]
    edges = 40.0 * (((x // 17) + (y // 23)) % 2)[..., None]
    return np.clip(smooth * 0.7 + edges + generator.normal(0, 3, smooth.shape), 0, 255).astype(np.uint8)


@pytest.fixture
def photo() -> Callable[..., np.ndarray]:
    """(height, width, seed) -> a made-up photo."""
    return photo_like


@pytest.fixture
def picture() -> np.ndarray:
    return photo_like(176, 208)


@pytest.fixture
def baselines() -> Path:
    folder = SHARED / "baselines"
    if not folder.is_dir():
        pytest.skip("the measured baselines (../shared/baselines) are not on this machine")
    return folder


@pytest.fixture
def kodak() -> Callable[[str], np.ndarray]:
    """Kodak pictures by name, such as kodim04."""
    path = SHARED / "data" / "kodak.tar"
    if not path.is_file():
        pytest.skip("the Kodak pictures (../shared/data/kodak.tar) are not on this machine")

    def read(name: str) -> np.ndarray:
        with tarfile.open(path) as tar:
            member = tar.extractfile(f"kodak/{name}.png")
            assert member is not None
            return np.asarray(Image.open(io.BytesIO(member.read())).convert("RGB"))

    return read
