"""What python -m benchmarks ablation concludes from measurements, and what it measures."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from codectk.base.types import Picture
from codectk.eval.curves import Point, Row
from codectk.train.checkpoint import save_checkpoint
from codectk.train.settings import from_dict
from codectk_segpic.network import build

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
if not BENCHMARKS.is_dir():
    pytest.skip("the benchmarks are in the repository only", allow_module_level=True)
sys.path.insert(0, str(BENCHMARKS.parent))

from benchmarks import ablation_effects, ablation_tiles  # noqa: E402

TINY = {"mid": [8, 16], "latent": 16, "slices": [8, 8], "heads": 2, "hyper": 8, "tail": 6}


def rows(cost: float, decibels: float = 0.0) -> list[Row]:
    """Three pictures at four qualities, `cost` times the bits of an exponential curve."""
    settings = [
        (f"q{q}", f"p{p}", 0.1 * 2**q * (1 + p) * cost, 28 + 3 * q + p + decibels) for q in range(4) for p in range(3)
    ]
    return [Row("", s, image, 0, Point(bpp, psnr, None, s)) for s, image, bpp, psnr in settings]


def test_costs_are_found_within_each_seed_and_the_seeds_decide_what_is_sure():
    measured = {("base", 1): rows(1.0), ("base", 2): rows(1.3)}
    for part, costs in {"rat": (1.05, 1.052), "lrp": (1.01, 0.992), "sal": (0.96, 0.961)}.items():
        for seed, cost in enumerate(costs, 1):
            measured[part, seed] = rows(cost * (1.3 if seed == 2 else 1.0))
    found = ablation_effects.effects(measured, "base", ["rat", "lrp", "sal", "masks"])
    assert list(found) == ["rat", "lrp", "sal"]
    assert found["rat"].by_seed == pytest.approx({1: 5.0, 2: 5.2})
    assert found["rat"].rate == pytest.approx(5.1, abs=0.02)
    assert found["rat"].pictures == pytest.approx((5.1, 5.1), abs=0.02)
    assert [effect.verdict for effect in found.values()] == ["helps", "not sure", "hurts"]
    spread, freedom = ablation_effects.deviation([effect.by_seed for effect in found.values()])
    assert freedom == 3
    # Deviations from their means: 0.1, 0.9 and 0.05, twice each.
    assert spread == pytest.approx(((0.1**2 + 0.9**2 + 0.05**2) * 2 / 3) ** 0.5)
    low, high = found["lrp"].seeds
    assert (high - low) / 2 == pytest.approx(3.182 * spread / 2**0.5, rel=1e-3)  # Student's t, 3 degrees


def test_one_seed_is_never_sure():
    found = ablation_effects.effects({("base", 1): rows(1.0), ("rat", 1): rows(1.5)}, "base", ["rat"])
    assert found["rat"].seeds is None
    assert found["rat"].verdict == "not sure"
    table = ablation_effects.markdown(found, {"rat": "RAT"}, {})
    assert "| RAT | +50.00 | **+50.00 %** | +50.00 to +50.00 |  | not sure |" in table


def test_seeds_of_other_parts_do_not_make_one_seed_sure():
    measured = {(name, s): rows(c) for name, c in (("base", 1.0), ("sal", 1.1)) for s in (1, 2)}
    found = ablation_effects.effects({**measured, ("rat", 1): rows(1.5)}, "base", ["sal", "rat"])
    assert min(found["rat"].seeds) > 0
    assert [effect.verdict for effect in found.values()] == ["helps", "not sure"]


def test_tiles_are_squares_in_reading_order():
    pixels = np.arange(5 * 7 * 3, dtype=np.uint8).reshape(5, 7, 3)
    squares = ablation_tiles.cut(pixels, 2)
    assert squares.shape == (6, 2, 2, 3)
    assert np.array_equal(squares[0], pixels[:2, :2])
    assert np.array_equal(squares[4], pixels[2:4, 2:4])


def test_measurements_are_kept_and_leave_out_what_nothing_depends_on(tmp_path: Path):
    torch.manual_seed(0)
    network = build(TINY)
    values = network.state_dict()
    recipe = from_dict({"codec": {"name": "segpic", "options": TINY}}).as_dict()
    state = {"step": 1, "network": values, "ema": {"values": values}, "optimizer": {}, "recipe": recipe}
    generator = np.random.default_rng(0)
    pictures = {"noise": Picture(generator.integers(0, 256, (64, 128, 3), np.uint8))}
    measured = {}
    for part in ("base", "rat"):
        (tmp_path / part).mkdir()
        save_checkpoint(tmp_path / part / "checkpoint.pt", state)
        measured[part] = ablation_tiles.measure(tmp_path / part, part, pictures, 64)
        assert ablation_tiles.measure(tmp_path / part, part, pictures, 64) == measured[part]
    assert len(list(tmp_path.glob("*/tiles-64.json"))) == 2
    for whole, without in zip(measured["base"].whole, measured["rat"].whole, strict=True):
        assert whole.point.psnr == without.point.psnr
        assert whole.point.bpp > without.point.bpp > 0
    for carried, whole in zip(measured["base"].carried, measured["base"].whole, strict=True):
        assert carried.point.bpp == whole.point.bpp
        assert carried.point.psnr > whole.point.psnr + 10  # 16 of 768 frequencies
    other = {"noise": Picture(255 - pictures["noise"].pixels)}
    assert ablation_tiles.measure(tmp_path / "base", "base", other, 64) != measured["base"]
