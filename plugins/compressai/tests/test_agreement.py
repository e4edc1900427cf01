"""Our files beside CompressAI's strings: the same pictures to the bit, and as many bytes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

pytest.importorskip("compressai", reason="CompressAI is not installed here; `make test-compressai` runs these tests")

import torch

from codectk import api
from codectk.base.types import Context
from codectk.bitstream.reader import read
from codectk.pipeline.decode import decode_latents
from codectk.pipeline.load import load
from codectk.testing.pictures import scene
from codectk_compressai.entropy import BORDER, slanted_lines
from codectk_compressai.presets import ARCHITECTURES
from codectk_compressai.rules import gain_at

STATE = 8
"""Bytes with which each of CompressAI's strings begins, whatever is in it."""

CASES = [(name, level) for name, known in ARCHITECTURES.items() for level in ((None,) if known.qualities else (0, 7))]

Bring = Callable[..., tuple[str, Any]]


@torch.no_grad()
def theirs(model: Any, picture: np.ndarray, level: int | None) -> tuple[int, torch.Tensor]:
    """Bytes of CompressAI's strings, and the picture it decodes from them."""
    x = torch.from_numpy(picture).permute(2, 0, 1)[None] / 255
    options = {} if level is None else {"s": level}
    model.update(force=True, **({} if level is None else {"scale": model.Gain[level].abs()}))
    coded = model.compress(x, **options)
    strings = sum(len(string[0]) for string in coded["strings"])
    return strings, model.decompress(coded["strings"], coded["shape"], **options)["x_hat"]


def ours(name: str, picture: np.ndarray, knobs: dict[str, float]) -> tuple[int, torch.Tensor]:
    """Bytes of our payload, and the picture as floats."""
    container, codec = read(api.encode(picture, name, **knobs)), load(name).stages
    latents = decode_latents(container, load(name))
    return len(container.payloads("LATS")[0]), codec.synthesis(latents, Context(*picture.shape[:2], knobs))


@pytest.mark.parametrize(("architecture", "level"), CASES)
def test_same_picture_and_as_many_bytes(architecture: str, level: int | None, bring: Bring):
    # Untrained densities of a factorized prior end at 10, and escapes would be compared.
    name, model = bring(architecture, spread=3.0) if "factorized" in architecture else bring(architecture)
    serial = hasattr(model, "context_prediction")
    picture = scene(128, 128 if serial else 384, seed=1)
    strings, wanted = theirs(model, picture, level)
    payload, found = ours(name, picture, {} if level is None else {"quality": 100 * level / 7})
    assert strings > 300
    assert 0.99 * strings - 2 * STATE <= payload <= 1.01 * strings
    assert torch.equal(found, wanted)


@pytest.mark.parametrize("architecture", ["bmshj2018-factorized", "mbt2018-mean", "mbt2018"])
def test_symbols_outside_the_tables(architecture: str, bring: Bring):
    name, model = bring(architecture, spread=300.0, scale=1.0)
    picture = scene(64, 128, seed=2)
    _, wanted = theirs(model, picture, None)
    assert torch.equal(ours(name, picture, {})[1], wanted)


def test_quality_goes_through_the_trained_gains():
    gains = [0.1, 0.2, 0.8]
    assert [gain_at(gains, quality) for quality in (0, 50, 100)] == pytest.approx(gains)
    assert gain_at(gains, 75) == pytest.approx(0.4)


@pytest.mark.parametrize("size", [(1, 1), (1, 9), (9, 1), (5, 3), (8, 12)])
def test_slanted_lines_see_only_what_is_coded(size: tuple[int, int]):
    height, width = size
    coded = np.zeros(size, bool)
    for rows, columns in slanted_lines(height, width):
        assert rows
        for h, w in zip(rows, columns, strict=True):
            above = coded[max(0, h - BORDER) : h, max(0, w - BORDER) : w + BORDER + 1]
            assert above.all() and coded[h, max(0, w - BORDER) : w].all() and not coded[h, w]
        coded[rows, columns] = True
    assert coded.all()
