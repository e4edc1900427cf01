"""Fitting makes networks that the coders take, and that know their maps."""

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from PIL import Image  # noqa: E402

from codectk.base.types import Context  # noqa: E402
from codectk.coding.coder import Meter  # noqa: E402
from codectk.testing.pictures import scene  # noqa: E402
from codectk_sgc import fit  # noqa: E402
from codectk_sgc.colors.coder import ColorCoder  # noqa: E402
from codectk_sgc.labels.coder import LabelCoder  # noqa: E402
from codectk_sgc.samples import color_maps, label_maps  # noqa: E402


def bits(model, values, side: int) -> float:
    meter = Meter()
    model.code(meter, values, Context(side, side))
    return meter.bits


def test_label_networks_learn(outdoors):
    taught = fit.fit_labels(outdoors, 30, seed=1)
    blank = {name: np.zeros_like(array) for name, array in taught.items()}
    before, after = (bits(LabelCoder(arrays, 182), {"labels": outdoors[0]}, 512) for arrays in (blank, taught))
    assert after < 0.9 * before


def test_color_networks_learn(tmp_path):
    Image.fromarray(scene(200, 240)).save(tmp_path / "a.png")
    maps = list(color_maps([tmp_path / "a.png"], 12, seed=1))
    assert all(one.shape == (16, 16, 3) for one in maps)
    taught = fit.fit_colors(maps, 6, seed=1)
    blank = {name: np.zeros_like(array) for name, array in taught.items()}
    before, after = (bits(ColorCoder(arrays), {"colors": maps[0]}, 512) for arrays in (blank, taught))
    assert after < 0.8 * before


def test_squares_of_void_alone_are_left_out(tmp_path):
    Image.fromarray(np.zeros((40, 40), np.uint8)).save(tmp_path / "void.png")
    Image.fromarray(np.full((40, 60), 7, np.uint8)).save(tmp_path / "label.png")
    maps = list(label_maps([tmp_path / "void.png", tmp_path / "label.png"], 0, 3, seed=1))
    assert len(maps) == 3 and all((one == 7).all() and one.shape == (32, 32) for one in maps)
