"""The whole network, small and untrained: files, pictures, lessons, and what is stored."""

from pathlib import Path

import numpy as np
import pytest
import torch

from codectk.base.errors import UsageError, WeightsError
from codectk.base.types import Context
from codectk.graph import wire
from codectk.nn.storage import install, to_arrays
from codectk.plugins import manager
from codectk.spec.training import Batch
from codectk_sgc.decoder.colors import decoded_colors
from codectk_sgc.network import Network, build
from codectk_sgc.training.lesson import cells

TINY = {"widths": (16, 16), "vq_widths": (16, 16, 16), "codes": 64}
KNOBS = {"seed": 3, "steps": 4, "strength": 0.7, "guidance": 2.0}


@pytest.fixture
def tiny() -> Network:
    torch.manual_seed(0)
    return build(TINY).eval()


def latents(height: int, width: int) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        "labels": rng.integers(0, 13, (height // 16, width // 16)).astype(np.int32),
        "colors": rng.integers(0, 32, (height // 32, width // 32, 3)).astype(np.uint8),
    }


def test_stages_fit(tiny: Network):
    wire.check(tiny.codec())
    with pytest.raises(UsageError, match="divides 16, not 12"):
        build({"patch": 3})
    with pytest.raises(UsageError, match="no configuration 'huge'"):
        build({"config": "huge"})


def test_the_same_file_gives_the_same_picture_twice(tiny: Network):
    maps, ctx = latents(64, 96), Context(64, 96, KNOBS)
    once, twice = (tiny.synthesis(maps, ctx) for _ in range(2))
    assert once.shape == (1, 3, 64, 96) and torch.equal(once, twice)
    other = tiny.synthesis(maps, Context(64, 96, {**KNOBS, "seed": 4}))
    assert not torch.allclose(once, other, atol=1e-4)


@pytest.mark.parametrize("size", [(64, 96), (70, 91), (1, 1), (640, 600)])
def test_pictures_of_any_size(tiny: Network, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch):
    x = torch.rand(1, 3, *size)
    codec = tiny.codec()
    # Any answer of a segmenter will do.
    monkeypatch.setattr(tiny.analysis.segmenter, "probabilities", lambda small: torch.rand(1, 13, *small.shape[-2:]))
    maps = codec.analysis(x, None, Context(*size))
    painted = tiny.synthesis(maps, Context(*size, {**KNOBS, "steps": 1}))
    assert painted.shape == x.shape and painted.isfinite().all()


def test_what_is_stored_comes_back(tiny: Network):
    arrays = to_arrays(tiny)
    assert arrays["coders.labels.0.w1"].dtype == np.int32
    again = build(TINY)
    for buffer in again.coders.buffers():
        buffer.zero_()
    install(again, arrays)
    for name, array in tiny.coders.arrays().items():
        assert np.array_equal(again.coders.arrays()[name], array), name
    arrays["coders.labels.0.w1"] = arrays["coders.labels.0.w1"].astype(np.float32)
    with pytest.raises(WeightsError, match=r"coders.labels.0.w1 is float32"):
        install(build(TINY), arrays)


def batch(labels: bool = True) -> Batch:
    torch.manual_seed(2)
    pictures = torch.nn.functional.interpolate(torch.rand(2, 3, 8, 8), (64, 64), mode="bicubic").clamp(0, 1)
    noise = [torch.Generator().manual_seed(number) for number in range(2)]
    maps = torch.randint(0, 14, (2, 64, 64)) if labels else None
    return Batch(pictures, maps, [Path("a"), Path("b")], noise, lambda x, y: 10 * (x - y).square().mean((1, 2, 3)))


def test_lessons_teach(tiny: Network):
    synthesis = tiny.train().synthesis
    for name, taught in (
        ("autoencode", synthesis.autoencoder), ("quantize", synthesis.autoencoder), ("diffuse", synthesis.denoiser)
    ):  # fmt: skip
        optimizer = torch.optim.Adam(taught.parameters(), lr=2e-3)
        losses = []
        for _ in range(12):
            tiny.zero_grad()
            terms = manager.component("lesson", f"sgc.{name}")(tiny, batch())
            loss = torch.stack([term for key, term in terms.items() if not key.startswith("~")]).sum()
            loss.backward()
            losses.append(loss.item())
            optimizer.step()
        silent = {key for key, value in taught.named_parameters() if value.grad is None}
        assert silent <= ({"vq.quantize.embedding.weight"} if name == "autoencode" else set()), (name, silent)
        assert losses[-1] < losses[1], (name, losses)


def test_the_codebook_starts_from_latents(tiny: Network):
    manager.component("lesson", "sgc.quantize")(tiny, batch())
    raw = tiny.synthesis.autoencoder.raw(batch().pictures)
    book = tiny.synthesis.autoencoder.vq.quantize.embedding.weight
    low, high = raw.amin((0, 2, 3)), raw.amax((0, 2, 3))
    assert ((book >= low - 1e-5) & (book <= high + 1e-5)).all()
    before = book.detach().clone()
    manager.component("lesson", "sgc.quantize")(tiny, batch())
    assert torch.equal(before, book), "only a fresh codebook is filled"


def test_what_lessons_refuse(tiny: Network):
    with pytest.raises(UsageError, match=r"sgc\.diffuse has no option 'speed'"):
        manager.component("lesson", "sgc.diffuse", {"speed": 1})
    with pytest.raises(UsageError, match=r"needs data\.labels"):
        manager.component("lesson", "sgc.diffuse")(tiny, batch(labels=False))


def test_cells_have_their_majority():
    labels = torch.zeros(1, 32, 32, dtype=torch.long)
    labels[:, :16, :7], labels[:, :4, 7:16] = 5, 9  # of the rest, void, nobody asks
    labels[:, 16:] = 13
    assert cells(labels, 13).tolist() == [[[4, 0], [12, 12]]]


def test_colors_are_those_that_a_decoder_knows():
    x = torch.full((2, 3, 64, 64), 0.5)
    x[1, 0, :32] = 0.9
    colors = decoded_colors(x)
    assert colors.shape == (2, 3, 2, 2)
    assert colors[0].sub(0.5).abs().max() < 0.02 and colors[1, 0, 0].sub(0.9).abs().max() < 0.1
    assert colors[1, 0, 1].sub(0.5).abs().max() < 0.1 and colors[1, 1:].sub(0.5).abs().max() < 0.1
