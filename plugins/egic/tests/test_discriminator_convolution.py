"""The one-step forms of convolutions, and the norms."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from codectk.base.errors import UsageError
from codectk_egic.discriminator.convolution import conv
from codectk_egic.discriminator.oasis import fold, unfold


@pytest.mark.parametrize("norm", ["weight", "spectral", "none"])
def test_one_step_forms_are_the_two_step_forms(norm: str):
    """At the borders too."""
    torch.manual_seed(0)
    layer = conv(5, 4, norm=norm).double().eval()
    x = torch.randn(2, 5, 6, 10, dtype=torch.float64)
    assert torch.allclose(layer.then_halve(x), F.avg_pool2d(layer(x), 2))
    assert torch.allclose(layer.of_doubled(x), layer(F.interpolate(x, scale_factor=2.0, mode="nearest")))


@pytest.mark.parametrize("norm", ["weight", "spectral", "none"])
def test_kernel_is_float32_under_autocast(norm: str):
    torch.manual_seed(0)
    layer = conv(6, 8, norm=norm).eval()
    expected = layer.kernel()
    with torch.autocast("cpu", torch.bfloat16):
        assert torch.equal(layer.kernel(), expected)
        assert layer(torch.randn(1, 6, 4, 4)).dtype == torch.bfloat16


def test_norms():
    torch.manual_seed(0)
    weight = conv(6, 8, norm="weight")
    gain = weight.parametrizations.weight.original0
    assert torch.allclose(weight.kernel().flatten(1).norm(dim=1), gain.flatten())
    spectral = conv(6, 8, norm="spectral")
    for _ in range(50):
        kernel = spectral.kernel()
    assert torch.linalg.matrix_norm(kernel.flatten(1), 2).item() == pytest.approx(1, abs=1e-3)
    with pytest.raises(UsageError, match="norm must be one of"):
        conv(6, 8, norm="batch")


def test_fold_and_unfold():
    x = torch.randn(2, 12, 8, 4)
    assert torch.equal(fold(x, 2), F.pixel_unshuffle(x, 2))
    assert torch.equal(unfold(x, 2), F.pixel_shuffle(x, 2))
    assert torch.equal(unfold(fold(x, 4), 4), x)
