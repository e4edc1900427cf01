"""Any color map comes back; nothing else is ever taken for one."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, ContractError, ParameterMismatchError, WeightsError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk.testing.pictures import scene
from codectk_sgc.colors.coder import ColorCoder
from codectk_sgc.colors.quantize import LEVELS, quantize
from codectk_sgc.colors.reduce import color_map
from codectk_sgc.colors.tables import PHASES, SPAN, WIDTHS, color_tables

pytestmark = pytest.mark.portable

SIDES = st.integers(1, 24)


@pytest.fixture(scope="module")
def photo_like() -> np.ndarray:
    return quantize(color_map(scene(512, 512).astype(np.float32) / 255))


@settings(max_examples=20, deadline=None)
@given(SIDES, SIDES, st.integers(0, 2**32), st.floats(0, 1))
def test_any_map_comes_back(color_coder, through, height: int, width: int, seed: int, calm: float):
    rng = np.random.default_rng(seed)
    colors = rng.integers(0, LEVELS, (height, width, 3)).astype(np.uint8)
    colors[rng.random((height, width)) < calm] = colors[0, 0]
    latents, _ = through(color_coder, {"colors": colors}, height * 32, width * 32)
    assert latents["colors"].dtype == np.uint8
    assert np.array_equal(latents["colors"], colors)


def test_extremes_come_back(color_coder, through):
    for colors in (
        np.zeros((16, 16, 3), int),
        np.zeros((16, 16, 3), int) + LEVELS - 1,
        np.indices((16, 16)).sum(0)[..., None] % 2 * (np.array(LEVELS) - 1),
    ):
        assert np.array_equal(through(color_coder, {"colors": colors}, 512, 512)[0]["colors"], colors)


def test_a_calm_picture_takes_few_bytes(color_coder, through, photo_like):
    assert len(through(color_coder, {"colors": photo_like}, 512, 512)[1]) < 220
    flat = np.zeros((16, 16, 3), np.uint8) + np.array([40, 12, 20], np.uint8)
    assert len(through(color_coder, {"colors": flat}, 512, 512)[1]) < 25


def test_noise_costs_little_more_than_its_levels(color_coder, through):
    noise = np.random.default_rng(4).integers(0, LEVELS, (16, 16, 3))
    assert len(through(color_coder, {"colors": noise}, 512, 512)[1]) < 1.3 * 256 * 16 / 8


def test_the_meter_counts_what_is_written(color_coder, through, photo_like):
    meter = Meter()
    color_coder.code(meter, {"colors": photo_like}, Context(512, 512))
    payload = through(color_coder, {"colors": photo_like}, 512, 512)[1]
    assert 8 * len(payload) - 8 - 4 <= meter.bits + 24 <= 8 * len(payload) + 4


def test_damage_is_noticed(color_coder, through, photo_like):
    payload = through(color_coder, {"colors": photo_like}, 512, 512)[1]
    rng = np.random.default_rng(1)
    forged = [
        bytes([*payload[:at], payload[at] ^ 1 << int(rng.integers(8)), *payload[at + 1 :]])
        for at in range(0, len(payload), 11)
    ]
    forged += [payload[: len(payload) // 2], payload[:3], payload + b"\1", rng.bytes(2000) + b"\1"]
    for data in forged:
        with pytest.raises((BitstreamError, ParameterMismatchError)):
            decoder = Decoder([data])
            color_coder.code(decoder, None, Context(512, 512))
            decoder.finish()


@pytest.mark.parametrize(
    "bad",
    [
        np.zeros((1, 2, 3), int),
        np.zeros((2, 2), int),
        np.zeros((2, 2, 3)),
        np.full((2, 2, 3), 32),
        np.full((2, 2, 3), -1),
    ],
)
def test_what_is_no_such_map_is_refused(color_coder, bad: np.ndarray):
    with pytest.raises(ContractError, match="color coder takes"):
        color_coder.code(Encoder(), {"colors": bad}, Context(64, 64))


def test_foreign_networks_are_refused(arrays):
    with pytest.raises(WeightsError, match="must take"):
        ColorCoder({**arrays, **{f"colors.1.{part}": arrays[f"colors.0.{part}"] for part in ("w1", "b1", "w2", "b2")}})


def test_curves_are_centered_where_the_prediction_is():
    tables = color_tables()
    assert len(tables) == WIDTHS * PHASES
    levels = np.arange(-SPAN, SPAN + 1)
    means = ((tables.frequencies[:, :-1] * levels).sum(1) / 2**16).reshape(WIDTHS, PHASES)
    # A curve narrower than a level falls on the nearest one; of a wide one the tables lack the ends.
    assert np.abs(means[15:26] - np.arange(PHASES) / PHASES).max() < 0.03
    assert np.abs(means[0] - [0, 0, 0, 0.1, 0.5, 0.9, 1, 1]).max() < 0.05
    spreads = (tables.frequencies[:, :-1] * np.abs(levels)).sum(1).reshape(WIDTHS, PHASES)[:, 0] / 2**16
    assert (np.diff(spreads) > 0).all() and spreads[0] < 0.1 and spreads[-1] > 10
