"""The diffusion: times, guidance, and that nothing but the seed is random."""

import numpy as np
import pytest
import torch
from torch import Tensor

from codectk.base.errors import UsageError
from codectk_sgc.config import CONFIGS
from codectk_sgc.decoder.denoiser import Denoiser
from codectk_sgc.decoder.program import denoised, kept, times
from codectk_sgc.decoder.schedule import schedule
from codectk_sgc.network import build

SETTINGS = {"steps": 10, "strength": 0.7, "guidance": 2.0}


def test_times_are_latent_diffusions():
    """200 steps of 1000; at strength 0.7 the last 140 are taken, the first of them at 696."""
    whole = times(CONFIGS["full"], 200, 1.0)
    assert whole.tolist() == list(range(996, 0, -5))
    assert times(CONFIGS["full"], 200, 0.7).tolist() == list(range(696, 0, -5))
    for config in CONFIGS.values():
        np.testing.assert_allclose(kept(config), schedule(config).alphas_cumprod.numpy(), rtol=1e-4)  # 1,000 roundings
    assert float(np.sqrt(kept(CONFIGS["full"])[696])) == pytest.approx(0.119, abs=5e-4)
    assert len(times(CONFIGS["small"], 50, 0.0)) == 1
    with pytest.raises(UsageError, match="1000 steps at most, not 1001"):
        times(CONFIGS["small"], 1001, 1.0)


class Knowing(Denoiser):
    """Tells the noise exactly, for clean latents that it knows, with labels or without."""

    def __init__(self, clean: Tensor, unled: Tensor):
        torch.nn.Module.__init__(self)
        self.clean, self.unled, self.asked = clean, unled, []
        self.rescaler = lambda labels: torch.ones(1, CONFIGS["full"].planes, *clean.shape[-2:])
        self.kept = schedule(CONFIGS["full"]).alphas_cumprod

    def forward(self, noisy: Tensor, time: Tensor, planes: Tensor, colors: Tensor | None) -> Tensor:
        led = bool(planes.any())
        self.asked.append((int(time), led, colors))
        kept = self.kept[int(time)]
        target = self.clean if led else self.unled
        return (noisy - kept.sqrt() * target) / (1 - kept).sqrt()


def test_a_perfect_denoiser_finds_what_it_knows():
    torch.manual_seed(1)
    clean, start, noise = torch.randn(3, 1, 3, 8, 8).unbind(0)
    knowing = Knowing(clean, clean)
    made = denoised(knowing, CONFIGS["full"], start, noise, torch.zeros(1, 2, 2, dtype=torch.long), None, **SETTINGS)
    # The last step ends at the first time of the process, where a little noise is left.
    torch.testing.assert_close(made, clean, atol=0.15, rtol=0)
    assert [time for time, led, _ in knowing.asked if led] == times(CONFIGS["full"], 10, 0.7).tolist()


def test_guidance_goes_beyond_the_labels():
    torch.manual_seed(1)
    clean, start, noise = torch.randn(3, 1, 3, 8, 8).unbind(0)
    labels = torch.zeros(1, 2, 2, dtype=torch.long)
    for guidance, wanted in ((0.0, 0 * clean), (2.0, 2 * clean)):
        knowing = Knowing(clean, 0 * clean)
        made = denoised(knowing, CONFIGS["full"], start, noise, labels, None, steps=50, strength=1.0, guidance=guidance)
        torch.testing.assert_close(made, wanted, atol=0.25, rtol=0)
    for labels_, guidance, led in ((labels, 1.0, {True}), (None, 2.0, {False}), (labels, 2.0, {True, False})):
        knowing = Knowing(clean, clean)
        denoised(knowing, CONFIGS["full"], start, noise, labels_, None, steps=3, strength=1.0, guidance=guidance)
        assert {asked for _, asked, _ in knowing.asked} == led, "no needless pass of the network"


def test_the_denoiser_takes_any_size():
    torch.manual_seed(0)
    network = build({"widths": (16, 16, 16), "vq_widths": (16, 16, 16)})
    denoiser = network.synthesis.denoiser.eval()
    noisy = torch.randn(2, 4, 10, 14)
    labels = torch.randint(0, 13, (2, 5, 7))
    colors = torch.rand(2, 3, 10, 14)
    with torch.no_grad():
        said = denoiser(noisy, torch.tensor([5, 900]), denoiser.rescaler(labels), colors)
    assert said.shape == noisy.shape and said.isfinite().all()
