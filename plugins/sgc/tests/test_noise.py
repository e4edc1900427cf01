"""Start noise: normal, and the same for a seed wherever and whenever it is made."""

import numpy as np
import pytest

from codectk_sgc.decoder.noise import start_noise

pytestmark = pytest.mark.portable


def test_numbers_never_change():
    """Values worked out by hand from Philox's raw words, so that files keep their pictures."""
    words = np.random.Philox(key=7).random_raw(3)
    parts = [int(word) >> shift & 0xFFFF for word in words for shift in (0, 16, 32, 48)]
    noise = start_noise(7, (1, 2, 3))
    assert noise.flatten()[0].item() == (sum(parts) - 6 * 65535) / 65536
    assert [round(value * 65536) for value in noise.flatten().tolist()] == [
        -17043,
        -30134,
        -119255,
        95227,
        40783,
        -131979,
    ]


def test_it_is_normal():
    noise = start_noise(0, (4, 100, 100))
    assert noise.dtype == np.float32
    assert abs(noise.mean()) < 0.02 and abs(noise.std() - 1) < 0.02
    within = (np.abs(noise) < 1).mean()
    assert within == pytest.approx(0.6827, abs=0.01)
    shifted = (noise[:, 1:] * noise[:, :-1]).mean()
    assert abs(shifted) < 0.02


def test_seeds_differ_and_repeat():
    assert np.array_equal(start_noise(5, (3, 8)), start_noise(5, (3, 8)))
    assert not np.array_equal(start_noise(5, (3, 8)), start_noise(6, (3, 8)))
    assert np.array_equal(start_noise(2**32 - 1, (10,)), start_noise(2**32 - 1, (20,))[:10])
