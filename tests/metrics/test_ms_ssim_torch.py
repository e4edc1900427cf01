"""MS-SSIM as a loss gives the metric's numbers and usable gradients."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the room nn needs torch")

from codectk.metrics import ms_ssim as metric  # noqa: E402
from codectk.metrics.ms_ssim_torch import ms_ssim  # noqa: E402


def photo(height: int, width: int) -> np.ndarray:
    """Smooth colors, edges and a little noise: uint8 (H, W, 3)."""
    y, x = np.mgrid[:height, :width]
    waves = np.stack([np.sin(x / 23 + y / 41), np.cos(x / 17), np.sin(y / 29)], -1) * 60 + 110
    edges = 40.0 * ((x // 17 + y // 23) % 2)[..., None]
    return np.clip(waves + edges + np.random.default_rng(0).normal(0, 4, waves.shape), 0, 255).astype(np.uint8)


def tensor(*pictures: np.ndarray) -> torch.Tensor:
    return torch.stack([torch.from_numpy(p.astype(np.float32) / 255).permute(2, 0, 1) for p in pictures])


@pytest.mark.parametrize("size", [(161, 161), (176, 208), (163, 202)])
def test_it_is_the_metric(size: tuple[int, int]):
    a = photo(*size)
    rng = np.random.default_rng(1)
    others = [np.clip(a + rng.normal(0, sigma, a.shape), 0, 255).astype(np.uint8) for sigma in (1, 10, 60)]
    others += [(a // 32 * 32).astype(np.uint8), np.full_like(a, 128), a]
    mine = ms_ssim(tensor(*[a] * len(others)), tensor(*others))
    wanted = [metric.ms_ssim(a, other) for other in others]
    # The flat picture has no contrast to compare: its terms fall below the floor that keeps gradients finite.
    assert mine.tolist()[:4] == pytest.approx(wanted[:4], abs=1e-5)
    assert mine[5].item() == pytest.approx(1, abs=1e-6)
    assert mine[4] < 0.6


def test_gradients_are_right():
    a = tensor(photo(161, 161)).double()
    x = (
        a + 0.1 * torch.randn(a.shape, generator=torch.Generator().manual_seed(0), dtype=torch.double)
    ).requires_grad_()
    (gradient,) = torch.autograd.grad(ms_ssim(x, a).sum(), x)
    way = torch.randn(a.shape, generator=torch.Generator().manual_seed(1), dtype=torch.double)
    with torch.no_grad():
        slope = (ms_ssim(x + 1e-5 * way, a) - ms_ssim(x - 1e-5 * way, a)).item() / 2e-5
    assert (gradient * way).sum().item() == pytest.approx(slope, rel=1e-4)


@pytest.mark.parametrize("kind", ["inverse", "flat", "equal"])
def test_gradients_are_finite_and_lead_out_of_the_worst(kind: str):
    a = tensor(photo(161, 161))
    x = {"inverse": 1 - a, "flat": torch.full_like(a, 0.5), "equal": a.clone()}[kind].requires_grad_()
    (gradient,) = torch.autograd.grad((1 - ms_ssim(x, a)).sum(), x)
    assert torch.isfinite(gradient).all()
    if kind != "equal":
        assert (gradient * (a - x)).sum() < 0, "towards the original the loss falls"
