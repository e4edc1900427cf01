"""The configuration of published weights: parameters, condition and process are those of latent diffusion."""

import pytest
import torch
import torch.nn.functional as F

from codectk_sgc.config import CONFIGS, Config
from codectk_sgc.decoder.denoiser import Rescaler
from codectk_sgc.decoder.program import denoised
from codectk_sgc.network import Network

FULL = CONFIGS["full"]


@pytest.fixture(scope="module")
def network() -> Network:
    with torch.device("meta"):
        return Network(FULL)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_parameters_are_the_published_ones(network: Network):
    assert count(network.synthesis.denoiser.unet) == 215_229_315
    assert count(network.synthesis.autoencoder.vq) == 55_322_782  # 55.3 million
    assert count(network.synthesis.denoiser.rescaler) == 182 * 3
    assert count(network.analysis) == 55_919_384
    attending = [name for name, _ in network.synthesis.denoiser.unet.named_modules() if name.endswith("attentions.0")]
    assert attending == ["mid_block.attentions.0"]
    assert network.synthesis.denoiser.unet.mid_block.attentions[0].heads == 8


def test_the_condition_is_labels_alone(network: Network):
    assert (FULL.planes, FULL.sees_colors, FULL.predicts, FULL.latents, FULL.stride) == (3, False, "epsilon", 3, 4)
    assert network.synthesis.denoiser.unet.config.in_channels == 6
    fresh = Rescaler(FULL)
    # No bias: a map without any label gives zeros, which is what the guidance compares with.
    assert fresh.channel_mapper.bias is None and not fresh.channel_mapper(torch.zeros(1, 182, 4, 4)).any()


def test_without_labels_the_condition_is_zero():
    asked = []

    class Denoiser(torch.nn.Module):
        rescaler = staticmethod(lambda labels: torch.full((1, 3, 8, 8), 5.0))

        def forward(self, noisy, time, planes, colors):
            asked.append((float(planes.abs().max()), colors))
            return torch.zeros_like(noisy)

    noise = torch.randn(1, 3, 8, 8)
    labels = torch.zeros(1, 2, 2, dtype=torch.long)
    denoised(Denoiser(), FULL, noise, noise, labels, None, steps=2, strength=0.5, guidance=2.0)
    assert asked == [(5.0, None), (0.0, None)]


@pytest.mark.parametrize("patch", [1, 2])
def test_repeated_labels_are_the_halvings_of_a_one_hot_map(patch: int):
    """Strides 4 and 8; cells of 16 pixels, an odd number of them a side."""
    torch.manual_seed(0)
    config = Config(**{**vars(FULL), "patch": patch})
    rescaler = Rescaler(config)
    cells = torch.randint(0, 182, (2, 5, 7))
    pixels = cells.repeat_interleave(16, 1).repeat_interleave(16, 2)
    planes = F.one_hot(pixels, 182).permute(0, 3, 1, 2).float()
    for _ in range(config.stride.bit_length() - 1):
        planes = F.interpolate(planes, scale_factor=0.5, mode="bilinear")
    with torch.no_grad():
        wanted, ours = rescaler.channel_mapper(planes), rescaler(cells)
    assert ours.shape == (2, 3, 5 * 16 // config.stride, 7 * 16 // config.stride)
    torch.testing.assert_close(ours, wanted, atol=1e-6, rtol=0)
