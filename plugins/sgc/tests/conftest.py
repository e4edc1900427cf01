"""Maps for the tests, and coders with the shipped networks."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch

from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk.pipeline.load import forget
from codectk_sgc.colors.coder import ColorCoder
from codectk_sgc.entropy import load_arrays
from codectk_sgc.labels.coder import LabelCoder
from codectk_sgc.network import build


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


def _beside(name: str) -> ModuleType:
    """A module beside this file; tests are not importable by name."""
    spec = importlib.util.spec_from_file_location(f"sgc_{name}", Path(__file__).with_name(f"{name}.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def published_reference() -> ModuleType:
    """Latent diffusion in plain torch."""
    return _beside("published_reference")


@pytest.fixture(scope="session")
def deeplab_reference() -> ModuleType:
    """DeepLab v2 in plain torch."""
    return _beside("deeplab_reference")


@pytest.fixture
def published(tmp_path):
    """Makes published checkpoints, see published_files.py."""
    return _beside("published_files").Published(tmp_path / "sgc-published")


@pytest.fixture(scope="module")
def diffusion(published_reference):
    """Where a checkpoint comes from: latent diffusion itself, of small widths."""
    options = _beside("published_files").Published.options
    torch.manual_seed(0)
    model = published_reference.LatentDiffusion(build(options).config).eval()
    # Codes are as far apart as latents.
    torch.nn.init.normal_(model.first_stage_model.quantize["embedding"].weight)
    torch.nn.init.normal_(model.mapper.weight)
    return model


@pytest.fixture
def states(diffusion, published, deeplab_reference) -> tuple[dict[str, torch.Tensor], dict[str, torch.Tensor]]:
    """Tensors of both checkpoints."""
    torch.manual_seed(1)
    segmenter = deeplab_reference.deeplab_checkpoint(
        182, published.options["seg_width"], published.options["seg_blocks"]
    )
    return diffusion.checkpoint(), segmenter


@pytest.fixture
def both(published, states) -> Path:
    """A folder with both files."""
    published.diffusion(states[0])
    published.segmenter(states[1])
    return published.folder


@pytest.fixture
def own_store(tmp_path, monkeypatch):
    """A weights store of the test's own, and no codec left over from another test."""
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    forget()
    yield
    forget()
