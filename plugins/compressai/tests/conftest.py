"""Networks with random weights that make lively latents, and a store with them.

Trained weights would make the same points, but CompressAI's cannot be had without a network.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from codectk.pipeline.load import forget

SMALL = (16, 24)
"""N and M."""


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty store."""

    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CODECTK_OFFLINE", raising=False)
    yield tmp_path / "home"
    forget()


@pytest.fixture(scope="session")
def lively() -> Callable[..., Any]:
    """Make one of CompressAI's networks whose latents and scales have a spread as if trained."""
    import torch

    from codectk.testing.pictures import scene
    from codectk_compressai.library import model_class
    from codectk_compressai.presets import ARCHITECTURES

    x = torch.from_numpy(scene(128, 192)).permute(2, 0, 1)[None] / 255

    @functools.cache
    @torch.no_grad()
    def make(architecture: str, spread: float = 8.0, scale: float = 8.0) -> Any:
        """`spread` is the deviation of y, `scale` about what the network thinks it is."""
        torch.manual_seed(0)
        options = {"vr_entbttlnck": True} if architecture in ("bmshj2018-hyperprior-vbr", "mbt2018-mean-vbr") else {}
        model = model_class(architecture)(*SMALL[: 1 if "cheng" in architecture else 2], **options).eval()
        y = even(model.g_a, x, spread)
        if ARCHITECTURES[architecture].stride == 64:
            even(model.h_a, y, 3.0)
            last = model.entropy_parameters if hasattr(model, "context_prediction") else model.h_s
            biased = [layer for layer in last.modules() if getattr(layer, "bias", None) is not None][-1]
            biased.bias[: model.M] += scale
        return model

    def even(transform: Any, values: Any, deviation: float) -> Any:
        """Scale the last convolution so that its output has mean 0 per channel and this deviation."""
        last = [layer for layer in transform.modules() if isinstance(layer, torch.nn.Conv2d)][-1]
        last.weight *= deviation / transform(values).std()
        last.bias -= transform(values).mean((0, 2, 3))
        return transform(values)

    return make


@pytest.fixture
def bring(lively: Callable[..., Any], tmp_path: Path) -> Callable[..., tuple[str, Any]]:
    """Save a network as CompressAI does, import it for the first codec of its architecture; returns both."""
    import torch

    from codectk.weights.importing import import_file
    from codectk_compressai.presets import PRESETS

    def do(architecture: str, **options: float) -> tuple[str, Any]:
        model = lively(architecture, **options)
        name = next(name for name, preset in PRESETS.items() if preset.architecture == architecture)
        path = tmp_path / f"{architecture}.pth.tar"
        torch.save({"epoch": 1, "state_dict": model.state_dict()}, path)
        import_file(name, path)
        return name, model

    return do
