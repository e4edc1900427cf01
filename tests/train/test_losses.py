"""Distortions and their mixtures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codectk.base.errors import ContractError, PluginBrokenError, UsageError, WeightsError
from codectk.metrics.lpips import LAYERS
from codectk.metrics.ms_ssim_torch import ms_ssim
from codectk.train.losses import RateDistortion, eye_loss, mse_255, opponent
from codectk.train.settings import LossSection
from codectk.weights.tensors import save_tensors

QUALITY = torch.tensor([0.0, 50.0, 100.0])


@pytest.fixture
def pair() -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.rand(3, 3, 176, 176, generator=torch.Generator().manual_seed(0))
    return (x * 0.9).requires_grad_(), x


@pytest.fixture
def lpips_file(tmp_path: Path) -> Path:
    """A file of the structure of LPIPS's weights."""
    rng = np.random.default_rng(0)
    arrays = {}
    for level, (number, (channels, width, kernel, _, _)) in enumerate(LAYERS.items()):
        arrays[f"features.{number}.weight"] = rng.normal(0, 0.05, (width, channels, kernel, kernel)).astype(np.float32)
        arrays[f"features.{number}.bias"] = np.zeros(width, np.float32)
        arrays[f"lin{level}.model.1.weight"] = rng.random((1, width, 1, 1)).astype(np.float32)
    save_tensors(tmp_path / "lpips.safetensors", arrays)
    return tmp_path / "lpips.safetensors"


def test_mse_is_on_the_255_scale():
    x = torch.zeros(2, 3, 4, 4)
    target = x.clone()
    target[1] = 10 / 255
    assert mse_255(x, target).tolist() == pytest.approx([0, 100])


def test_lambda_runs_from_low_to_high():
    loss = RateDistortion(LossSection(low=0.001, high=0.1), 64)
    assert loss.multiplier(QUALITY).tolist() == pytest.approx([0.001, 0.01, 0.1])


def test_lambda_rises_faster_beyond_the_knee():
    plain = RateDistortion(LossSection(low=0.001, high=0.1), 64)
    steep = RateDistortion(LossSection(low=0.001, high=0.1, top=0.4, knee=50.0), 64)
    below = torch.tensor([0.0, 20.0, 50.0])
    assert steep.multiplier(below).tolist() == pytest.approx(plain.multiplier(below).tolist())
    assert steep.multiplier(torch.tensor([75.0, 100.0])).tolist() == pytest.approx([(0.01 * 0.4) ** 0.5, 0.4])


@pytest.mark.parametrize("balance", [0.0, 0.4, 1.0])
def test_the_formula(pair, balance: float):
    x, target = pair
    bpp = torch.tensor([0.2, 0.5, 1.0])
    loss = RateDistortion(LossSection(low=0.001, high=0.1, balance=balance, mse=2.0), 176)(x, target, bpp, QUALITY)
    distortion = 2 * mse_255(x, target)
    wanted = [
        (factor / 0.01) ** -balance * (rate + factor * d)
        for factor, rate, d in zip((0.001, 0.01, 0.1), bpp.tolist(), distortion.tolist(), strict=True)
    ]
    assert loss.tolist() == pytest.approx(wanted, rel=1e-5)


def test_a_mixture_is_the_weighted_sum(pair, lpips_file: Path):
    x, target = pair
    bpp = torch.zeros(3)

    def loss(**weights: float) -> torch.Tensor:
        section = LossSection(balance=0, **{"mse": 0.0, "lpips_weights": str(lpips_file), **weights})
        return RateDistortion(section, 176)(x, target, bpp, QUALITY)

    parts = [loss(mse=1.0), loss(ms_ssim=1.0), loss(lpips=1.0), loss(eye=1.0)]
    assert all((part > 0).all() for part in parts)
    mixed = loss(mse=0.5, ms_ssim=200.0, lpips=30.0, eye=90.0)
    wanted = 0.5 * parts[0] + 200 * parts[1] + 30 * parts[2] + 90 * parts[3]
    assert mixed.tolist() == pytest.approx(wanted.tolist(), rel=1e-5)
    mixed.sum().backward()
    assert torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0


def test_the_eye_sees_brightness_before_color():
    """Grey has no color, the channels stay within 0..1, and black has a slope."""
    corners = torch.tensor([[r, g, b] for r in (0.0, 1.0) for g in (0.0, 1.0) for b in (0.0, 1.0)])
    seen = opponent(corners.view(8, 3, 1, 1)).view(8, 3)
    assert seen.min() >= 0 and seen.max() <= 1
    grey = opponent(torch.linspace(0, 1, 5).view(5, 1, 1, 1).expand(5, 3, 1, 1)).view(5, 3)
    assert torch.allclose(grey[:, ::2], torch.tensor([0.42, 0.55]), atol=1e-5) and (grey[1:, 1] > grey[:-1, 1]).all()
    x = torch.zeros(1, 3, 176, 176, requires_grad=True)
    eye_loss(x, torch.rand(1, 3, 176, 176, generator=torch.Generator().manual_seed(0))).backward()
    assert torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0


def test_ms_ssim_counts_what_is_missing(pair):
    x, target = pair
    loss = RateDistortion(LossSection(low=1, high=1, mse=0, ms_ssim=1), 176)(x, target, torch.zeros(3), QUALITY)
    assert loss.tolist() == pytest.approx((1 - ms_ssim(x, target)).tolist())


@pytest.mark.parametrize(
    ("section", "crop", "words"),
    [
        (LossSection(mse=0), 64, "a positive weight of mse, ms_ssim, eye, lpips or a component"),
        (LossSection(ms_ssim=1), 128, "MS-SSIM in the loss needs crops of at least 161 pixels, not 128"),
        (LossSection(lpips=1, lpips_weights="x"), 16, "LPIPS in the loss needs crops of at least 31"),
        (LossSection(lpips=1), 64, r"loss\.lpips needs loss\.lpips_weights"),
    ],
)
def test_losses_that_cannot_be(section: LossSection, crop: int, words: str):
    with pytest.raises(UsageError, match=words):
        RateDistortion(section, crop)


def test_lpips_weights_that_are_none(tmp_path: Path):
    with pytest.raises(WeightsError, match=r"LPIPS weights: .*no\.safetensors cannot be read"):
        RateDistortion(LossSection(lpips=1, lpips_weights=str(tmp_path / "no.safetensors")), 64)


LOSS = """
import torch
from codectk.spec.hooks import hookimpl


class Charbonnier(torch.nn.Module):
    min_side = 8

    def __init__(self, epsilon=1e-3):
        super().__init__()
        self.epsilon = torch.nn.Parameter(torch.tensor(epsilon))

    def forward(self, x, target):
        return ((x - target).square() + self.epsilon**2).sqrt().mean((1, 2, 3))


@hookimpl
def codectk_loss(name, options):
    if name == "mine.charbonnier":
        return Charbonnier(**options)
    return (lambda x, target: (x - target).mean()) if name == "mine.scalar" else 3
"""

LOSS_CARD = """
api = 1
title = "Mine"
summary = "A plugin made by a test"
licence = "CC0-1.0"

[[component]]
id = "mine.charbonnier"
kind = "loss"

[[component]]
id = "mine.scalar"
kind = "loss"

[[component]]
id = "mine.three"
kind = "loss"
"""


@pytest.fixture
def own_losses(site) -> None:
    site.add("mine", LOSS, card=LOSS_CARD)


def test_a_plugins_loss(own_losses, pair):
    settings = {"mine.charbonnier": {"weight": 2, "options": {"epsilon": 0.5}}}
    loss = RateDistortion(LossSection(components=settings), 176)
    x, target = pair
    expected = ((x - target).square() + 0.25).sqrt().mean((1, 2, 3))
    torch.testing.assert_close(loss.distortion(x, target), mse_255(x, target) + 2 * expected)
    loss.distortion(x, target).sum().backward()
    assert x.grad is not None and x.grad.abs().sum() > 0
    assert not any(p.requires_grad for _, term in loss.distortion.terms for p in getattr(term, "parameters", list)())
    alone = RateDistortion(LossSection(mse=0, components={"mine.charbonnier": {}}), 176).distortion(x, target)
    torch.testing.assert_close(alone, ((x - target).square() + 1e-6).sqrt().mean((1, 2, 3)))


@pytest.mark.parametrize(
    ("components", "kind", "words"),
    [
        ({"mine.nothing": {}}, UsageError, "There is no loss component 'mine.nothing'"),
        ({"mine.three": {}}, ContractError, "Loss 'mine.three' cannot be called: it is a int"),
        ({"mine.charbonnier": {"wait": 1}}, UsageError, "unknown key 'wait'; keys are weight, options"),
        ({"mine.charbonnier": {"weight": -1}}, UsageError, "must have a weight of at least 0"),
        ({"mine.charbonnier": {"options": 3}}, UsageError, "a table of options"),
        ({"mine.charbonnier": {"options": {"wing": 1}}}, PluginBrokenError, "wing"),
        ({"mine.charbonnier": {}}, UsageError, "needs crops of at least 8 pixels, not 4"),
    ],
)
def test_a_plugins_loss_that_cannot_be_had(own_losses, components, kind: type[Exception], words: str):
    with pytest.raises(kind, match=words):
        RateDistortion(LossSection(components=components), 4 if "8 pixels" in words else 64)


def test_a_plugins_loss_that_is_no_distortion(own_losses, pair):
    loss = RateDistortion(LossSection(components={"mine.scalar": {}}), 176)
    with pytest.raises(ContractError, match=r"Loss 'mine.scalar' must give one value per sample, \(3,\), not \(\)"):
        loss.distortion(*pair)
