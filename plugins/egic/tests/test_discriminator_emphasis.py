"""Pre-emphasis of fine detail, and what it is for."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from codectk_egic.discriminator.emphasis import emphasized
from codectk_egic.discriminator.oasis import FULL, SMALL, OasisC, build


def test_flat_areas_stay_and_detail_grows():
    flat = torch.full((1, 3, 5, 6), 0.3)
    assert torch.allclose(emphasized(flat, 6.0), flat, atol=1e-6)
    board = torch.ones(1, 1, 6, 6)
    board[..., ::2, ::2] = board[..., 1::2, 1::2] = -1
    # Inside, the mean of nine is 1/9 of the pixel, so what is amplified is 8/9 of it.
    assert torch.allclose(emphasized(board, 6.0)[..., 1:-1, 1:-1], board[..., 1:-1, 1:-1] * (1 + 6 * 8 / 9))
    ramp = torch.arange(8.0).expand(1, 1, 8, 8)
    assert torch.allclose(emphasized(ramp, 6.0)[..., 1:-1], ramp[..., 1:-1], atol=1e-5)


def test_each_sample_and_channel_for_itself():
    torch.manual_seed(0)
    x = torch.randn(2, 3, 7, 9)
    assert torch.allclose(emphasized(x, 4.0)[1:, 1:2], emphasized(x[1:, 1:2], 4.0), atol=1e-6)
    assert emphasized(x, 0.0) is x


def test_only_the_small_configuration_departs_from_the_published_input():
    assert FULL.emphasis == 0 and SMALL.emphasis > 0


@pytest.mark.parametrize("emphasis", [0.0, 6.0])
def test_a_pixelwise_critic_learns_fine_detail_in_few_steps_only_with_it(emphasis: float):
    """Real and fake share big soft shapes; a faint grain, one seventh as strong, is on the real ones alone."""
    torch.manual_seed(0)
    network = build(
        {"classes": 1, "latent": 2, "channels": [8, 8], "last": 8, "stem": 2, "labelmix": 0.0, "emphasis": emphasis},
    )
    assert isinstance(network, OasisC)
    g = torch.Generator().manual_seed(1)
    labels, latents = torch.ones(4, 32, 32, dtype=torch.int64), {"y": torch.zeros(4, 2, 2, 2)}

    def sample() -> tuple[Tensor, Tensor]:
        soft = torch.nn.functional.interpolate(torch.randn(4, 3, 4, 4, generator=g), size=32, mode="bilinear")
        fake = 0.5 + 0.2 * soft
        return fake + 0.03 * torch.randn(4, 3, 32, 32, generator=g), fake

    for _ in range(60):
        terms = network.discriminator_loss(*sample(), labels, latents)
        network.zero_grad()
        (terms["real"] + terms["fake"]).backward()
        with torch.no_grad():
            for p in network.parameters():
                if p.grad is not None:
                    p -= 3e-3 * p.grad.sign()
    with torch.no_grad():
        told = network.discriminator_loss(*sample(), labels, latents)
    right = (float(told["~told_real"]) + float(told["~told_fake"])) / 2
    assert right > 0.9 if emphasis else right < 0.7
