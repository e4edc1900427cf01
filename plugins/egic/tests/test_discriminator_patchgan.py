"""PatchGAN: structure and contract."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from codectk.base.errors import UsageError
from codectk_egic.discriminator.patchgan import PatchGan, build


def tiny(**changes: Any) -> PatchGan:
    torch.manual_seed(0)
    network = build({"latent": 5, "widths": [8, 8, 12], **changes})
    assert isinstance(network, PatchGan)
    return network


def batch() -> tuple[Tensor, Tensor, dict[str, Tensor]]:
    g = torch.Generator().manual_seed(1)
    real, fake = torch.rand(2, 4, 3, 32, 32, generator=g)
    return real, fake, {"y": torch.randn(4, 5, 2, 2, generator=g)}


def test_full_has_the_published_structure():
    network = build({"config": "full"})
    assert isinstance(network, PatchGan)
    shapes = [(*layer.weight.shape, *layer.stride) for layer in (network.latent.conv, *network.convs, network.out)]
    assert shapes == [
        (12, 220, 3, 3, 1, 1),
        (64, 15, 4, 4, 2, 2),
        (128, 64, 4, 4, 2, 2),
        (256, 128, 4, 4, 2, 2),
        (512, 256, 4, 4, 1, 1),
        (1, 512, 1, 1, 1, 1),
    ]


@pytest.mark.parametrize("norm", ["spectral", "weight", "none"])
@pytest.mark.parametrize(("height", "width", "expected"), [(32, 48, (8, 12)), (33, 50, (9, 13))])
def test_one_judgment_per_patch(norm: str, height: int, width: int, expected: tuple[int, int]):
    network = tiny(norm=norm)
    assert network(torch.rand(1, 3, height, width), torch.randn(1, 5, 4, 4)).shape == (1, 1, *expected)


@pytest.mark.parametrize("norm", ["spectral", "weight"])
def test_terms_and_gradients(norm: str):
    network = tiny(norm=norm)
    real, fake, latents = batch()
    fake.requires_grad_(), latents["y"].requires_grad_()
    with torch.autocast("cpu", torch.bfloat16):
        terms = network.discriminator_loss(real, fake, None, latents)
    assert list(terms) == ["real", "fake", "~accuracy_real", "~accuracy_fake"]
    assert all(t.shape == () and t.dtype == torch.float32 for t in terms.values())
    (terms["real"] + terms["fake"]).backward()
    assert fake.grad is None and latents["y"].grad is None
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    loss = network.generator_loss(fake, None, latents)
    assert loss.shape == (4,) and loss.dtype == torch.float32
    loss.sum().backward()
    assert latents["y"].grad is None
    assert fake.grad is not None and (fake.grad.flatten(1).abs().amax(1) > 0).all()


def test_sees_the_condition():
    network = tiny().eval()
    _, fake, latents = batch()
    one = network.generator_loss(fake, None, latents)
    assert ((network.generator_loss(fake, None, {"y": latents["y"].roll(1, 0)}) - one).abs() > 1e-5).all()


def test_learns_to_tell_real_from_fake():
    network = tiny()
    real, _, latents = batch()
    fake = torch.nn.functional.avg_pool2d(real, 5, 1, 2)
    for _ in range(40):
        terms = network.discriminator_loss(real, fake, None, latents)
        network.zero_grad()
        (terms["real"] + terms["fake"]).backward()
        with torch.no_grad():
            for p in network.parameters():
                p -= 3e-3 * p.grad.sign()  # type: ignore[union-attr]
    terms = network.discriminator_loss(real, fake, None, latents)
    assert terms["real"] < 0.5 and terms["fake"] < 0.5
    assert terms["~accuracy_real"] > 0.8 and terms["~accuracy_fake"] > 0.8


def test_options_that_do_not_fit():
    for options in ({"norm": "batch"}, {"widths": [8]}, {"classes": 3}):
        with pytest.raises(UsageError):
            build(options)
