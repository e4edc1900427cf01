"""Synthetic pictures are repeatable and worth compressing."""

import numpy as np
import pytest

from codectk.testing import pictures


@pytest.mark.parametrize(("height", "width"), [(1, 1), (1, 9), (40, 56)])
def test_scene_has_its_size_and_repeats(height, width):
    scene = pictures.scene(height, width)
    assert (scene.shape, scene.dtype) == ((height, width, 3), np.uint8)
    assert np.array_equal(scene, pictures.scene(height, width))
    assert pictures.grey_scene(height, width).shape == (height, width)
    assert pictures.alpha_ramp(height, width).shape == (height, width)


def test_scene_is_neither_flat_nor_noise():
    scene = pictures.scene(64, 64).astype(int)
    assert scene.std() > 10
    assert np.abs(np.diff(scene, axis=1)).mean() < scene.std()
    assert not np.array_equal(scene, pictures.scene(64, 64, seed=1))
