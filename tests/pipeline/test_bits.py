"""Where bits go: by the names under which a program codes, and by the grids that its latents declare."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from codectk.coding.tables import Tables
from codectk.pipeline.load import load
from codectk.programs.values import StoredPrior, value_coder
from codectk.spec.stages import LatentSpec
from codectk.testing import pictures

TABLES = Tables.from_counts([np.array([60, 30, 10, 1]), np.array([5, 5, 5, 1])], [0, 0])


class Model:
    """Codes y in two halves of a checkerboard, a style of fixed size, and side information that nobody declares."""

    needs = gives = (LatentSpec("y", 2, 16), LatentSpec("style", 3, None))

    def __init__(self, y: np.ndarray, style: np.ndarray, z: np.ndarray):
        self.arrays = {"y": y, "style": style, "z": z}

    def code(self, coder, values, ctx):
        y, style, z = self.arrays.values()
        coder = value_coder(coder, y)
        coder.code(np.zeros_like(z), z, StoredPrior("z", TABLES))
        coder.code(np.ones_like(style), style, StoredPrior("style", TABLES))
        height, width = y.shape[-2:]
        for odd in (0, 1):
            places = np.flatnonzero(np.add.outer(np.arange(height), np.arange(width)) % 2 == odd)
            half = y.reshape(1, 2, -1)[..., places]
            coder.at(places, height, width).code(np.zeros_like(half), half, StoredPrior("y", TABLES))
        return self.arrays


def test_bits_lie_where_names_and_declarations_say(pocket):
    draws = np.random.default_rng(1)
    y, style, z = (
        draws.integers(0, 3, (1, c, n, m)).astype(np.float32) for c, n, m in ((2, 4, 6), (3, 4, 6), (1, 2, 3))
    )
    codec = load("pocket")
    coded = replace(codec, stages=replace(codec.stages, entropy_model=Model(y, style, z)))
    bits = coded.bits(pictures.scene(64, 96))

    def costs(array: np.ndarray, table: int) -> np.ndarray:
        return TABLES.costs(np.full(array.shape, table), array.astype(np.int32)).sum(axis=(0, 1))

    assert set(bits.maps) == {16, 32}
    np.testing.assert_allclose(bits.maps[16], costs(y, 0))  # and nothing of the style, which has the same sides
    np.testing.assert_allclose(bits.maps[32], costs(z, 0))
    assert bits.rest == pytest.approx(costs(style, 1).sum())
    assert bits.total == pytest.approx(bits.rest + costs(y, 0).sum() + costs(z, 0).sum())
