"""The heads around a small generator: shapes, layers, exactness, edits and the lesson."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from codectk.base.errors import InputError, UsageError, WeightsError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk.graph import wire
from codectk.nn.priors import scale_of
from codectk.nn.storage import to_arrays
from codectk.pipeline import program
from codectk.plugins import manager
from codectk.spec.stages import Stages
from codectk.spec.training import Batch
from codectk_hsc.encoding import layers_of
from codectk_hsc.holder import Holder
from codectk_hsc.network import Network
from codectk_hsc.training.degrade import degrade
from codectk_hsc.training.faces import draw_styles
from codectk_hsc.training.regress import solve
from codectk_hsc.training.residuals import scales_of

pytestmark = pytest.mark.portable

SIZE = (70, 90)
QUALITIES = {0: 0, 1: 34, 2: 67, 3: 100}
"""A quality for each number of layers of the tiny heads."""


def picture(seed: int = 0) -> torch.Tensor:
    coarse = torch.rand(1, 3, 5, 6, generator=torch.Generator().manual_seed(seed))
    return torch.nn.functional.interpolate(coarse, SIZE, mode="bicubic").clamp(0, 1)


def values(codec: Stages, quality: float):
    x = picture()
    return program.analyze(codec, x, Context(*SIZE, {"quality": quality}))


@pytest.mark.parametrize(("quality", "layers"), [(0, 0), (6.2, 0), (6.3, 1), (50, 4), (93.7, 7), (100, 8)])
def test_quality_is_a_number_of_layers(quality: float, layers: int):
    assert layers_of(quality, 8) == layers


@torch.no_grad()
def test_the_same_symbols_at_both_ends(coded: tuple[Network, Stages]):
    _, codec = coded
    wire.check(codec)
    ctx = Context(*SIZE)
    sizes, payloads = [], []
    for layers, quality in QUALITIES.items():
        encoder, meter = Encoder(), Meter()
        made = values(codec, quality)
        sent = program.code(codec, encoder, made, ctx)
        program.code(codec, meter, made, ctx)
        payloads = encoder.finish()
        assert len(payloads) == len(meter.by_layer) == layers + 1
        decoder = Decoder(payloads)
        got = program.code(codec, decoder, None, ctx)
        decoder.finish()
        for name in ("core", "residual"):
            assert torch.equal(sent[name], got[name])
        sizes.append(sum(map(len, payloads)))
    assert sizes == sorted(sizes)
    for layers in range(4):
        fewer = program.code(codec, Decoder(payloads, layers=layers), None, ctx)
        alone = program.code(codec, Decoder(payloads[: layers + 1]), None, ctx)
        assert torch.equal(fewer["residual"], alone["residual"])


@torch.no_grad()
def test_slices_that_are_not_sent_are_zero(coded: tuple[Network, Stages]):
    network, codec = coded
    made = values(codec, 100)
    made = {**made, "residual": 3 * torch.randn(1, 9, 8, 1, generator=torch.Generator().manual_seed(2))}
    first = network.config.slices[0]
    whole = program.code(codec, Meter(), made, Context(*SIZE))["residual"]
    part = program.code(codec, Meter(), {**made, "layers": 1}, Context(*SIZE))["residual"]
    assert torch.equal(whole, made["residual"].round())
    assert torch.equal(whole[:, :first], part[:, :first])
    assert whole[:, first:].any() and not part[:, first:].any()


@pytest.mark.parametrize("loudness", [0.2, 1.0, 8.0])
@torch.no_grad()
def test_the_gain_follows_the_residual(coded: tuple[Network, Stages], loudness: float):
    """Values of another size than the table's cost little more than they would with tables of their own."""
    network, codec = coded
    made = values(codec, 100)
    made["residual"] = loudness * torch.randn(1, 9, 8, 1, generator=torch.Generator().manual_seed(2))
    meter = Meter()
    program.code(codec, meter, made, Context(*SIZE))
    prior = network.entropy_model.prior_residual
    tables = torch.arange(64).view(-1, 1, 1, 1, 1)
    ideal = prior.bits(made["residual"].round()[None], tables).flatten(1).sum(1).min()
    assert ideal <= sum(meter.by_layer[1:]) <= 1.1 * ideal + 3 * 5 + 8


@torch.no_grad()
def test_pictures_have_the_wanted_size_and_no_slice_gives_the_core_codes_picture(coded: tuple[Network, Stages]):
    network, codec = coded
    latents = program.code(codec, Meter(), values(codec, 0), Context(*SIZE))
    synthesis, generator = network.synthesis, network.synthesis.generator
    for size in (SIZE, (64, 64), (20, 16), (100, 130)):
        assert synthesis(latents, Context(*size)).shape == (1, 3, *size)
    styles = synthesis.styles(latents["core"])
    assert torch.equal(styles, synthesis.styles(latents["core"], latents["residual"]))
    assert torch.allclose(synthesis(latents, Context(64, 64)), generator.picture(styles), atol=1e-5)


@torch.no_grad()
def test_the_residual_is_what_the_core_code_leaves(coded: tuple[Network, Stages]):
    network, _ = coded
    synthesis, basis = network.synthesis, network.synthesis.basis
    random = torch.Generator().manual_seed(4)
    coordinates = torch.randn(2, 8, 9, generator=random)
    core = torch.randn(2, 10, 1, 1, generator=random).round()
    styles = synthesis.styles(core, synthesis.residual(coordinates, core))
    assert torch.allclose(styles, basis.styles(coordinates), atol=1e-4)


@torch.no_grad()
def test_coordinates_are_white_and_reversible(tiny: Network):
    basis, generator = tiny.synthesis.basis, tiny.synthesis.generator
    w = generator.styles(torch.randn(4000, 12, generator=torch.Generator().manual_seed(5)))[:, None]
    coordinates = basis.coordinates(w)
    assert torch.allclose(coordinates.square().mean((0, 1)).sqrt(), torch.ones(9), atol=0.1)
    assert torch.allclose(basis.coordinates(basis.styles(coordinates)), coordinates, atol=1e-3)


@torch.no_grad()
def test_an_edit_moves_the_styles(coded: tuple[Network, Stages], monkeypatch):
    network, codec = coded
    direction = torch.randn(12, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr("codectk_hsc.editing.directions.directions", lambda: {"smile": direction})
    latents = program.code(codec, Meter(), values(codec, 100), Context(*SIZE))
    synthesis = network.synthesis
    edited = synthesis.styles(latents["core"], latents["residual"])
    edited[:, :8] += direction / 0.43
    expected = synthesis.paint(edited, *SIZE)
    assert torch.allclose(synthesis(latents, Context(*SIZE, edits={"smile": 1.0})), expected, atol=1e-4)
    plain = synthesis(latents, Context(*SIZE))
    assert not torch.allclose(plain, expected, atol=1e-2)
    assert torch.equal(plain, synthesis(latents, Context(*SIZE, edits={})))


@torch.no_grad()
def test_pictures_that_the_generator_cannot_paint_are_outside(coded: tuple[Network, Stages]):
    analysis = coded[0].analysis
    prepared = analysis.prepare(picture(), None, Context(*SIZE))
    painted = coded[0].synthesis.paint(coded[0].synthesis.basis.styles(prepared.coordinates), 256, 256)
    alike = prepared._replace(seen=painted.clamp(0, 1))
    assert analysis.outside(alike, Context(*SIZE)) is None
    assert "does not look like an aligned face" in analysis.outside(prepared, Context(*SIZE))


def test_lesson_teaches_every_head(tiny: Network, tmp_path: Path):
    torch.manual_seed(3)
    pictures = torch.rand(4, 3, 256, 256)
    with torch.no_grad():
        tiny.analysis.inversion.styles[-1].weight.normal_(0, 0.05)  # begins at zero
        tiny.analysis.semantics.linear.weight.mul_(100)  # a core code of zeros would teach its decoder nothing
    files = [tmp_path / f"{number:06d}.jpg" for number in range(4)]
    noise = [torch.Generator().manual_seed(number) for number in range(4)]
    batch = Batch(pictures, None, files, noise, lambda x, target: (x - target).square().mean((1, 2, 3)))
    for name in ("hsc.codes", "hsc.pictures"):
        torch.manual_seed(1)
        tiny.zero_grad()
        terms = manager.component("lesson", name)(tiny, batch)
        assert all(torch.isfinite(term) for term in terms.values())
        torch.stack([term for key, term in terms.items() if not key.startswith("~")]).sum().backward()
        silent = [key for key, value in tiny.named_parameters() if value.grad is None or not value.grad.any()]
        assert not silent
        assert {"styles", "core"} <= set(terms)
    with pytest.raises(UsageError, match=r"hsc\.codes has no option 'speed'"):
        manager.component("lesson", "hsc.codes", {"speed": 1})
    with pytest.raises(InputError, match="named by number"):
        manager.component("lesson", "hsc.codes")(tiny, batch._replace(files=[tmp_path / "anna.jpg"] * 4))


def test_faces_are_functions_of_their_number(tiny: Network):
    generator = tiny.synthesis.generator
    faces = [draw_styles(generator, number) for number in range(40)]
    assert torch.equal(faces[7], draw_styles(generator, 7))
    persons = [len(torch.unique(face, dim=0)) for face in faces]
    assert set(persons) == {1, 2, 3}
    assert torch.isfinite(torch.stack(faces)).all()


def test_degraded_pictures_stay_pictures():
    x = picture().expand(6, -1, -1, -1)[..., :64, :64].clone()
    torch.manual_seed(0)
    worse = degrade(x)
    assert worse.shape == x.shape and worse.min() >= 0 and worse.max() <= 1
    error = (worse - x).square().mean((1, 2, 3))
    assert (error > 1e-6).all() and (error < 0.05).all()
    torch.manual_seed(0)
    assert torch.equal(degrade(x), worse)


def test_the_generator_is_not_among_the_weights(tiny: Network):
    arrays = to_arrays(tiny)
    names = {name.removeprefix("tables.") for name in arrays}
    assert {name.split(".")[0] for name in names} == {"analysis", "entropy_model", "synthesis"}
    assert not [name for name in arrays if "generator" in name or "backbone" in name]
    assert len(arrays) < 400


def test_another_generator_is_refused():
    with pytest.raises(WeightsError, match="belong to a generator with sha256 abc"):
        Holder("abc").on(torch.device("cpu"))


def test_the_regression_finds_a_linear_map_of_its_rank():
    random = torch.Generator().manual_seed(0)
    seen = torch.randn(600, 20, generator=random) * torch.linspace(0.1, 5, 20) + 3
    true = torch.randn(20, 2, generator=random) @ torch.randn(2, 7, generator=random)
    known = seen @ true + 0.01 * torch.randn(600, 7, generator=random) - 1
    solved = solve(seen, known, torch.linspace(1, 2, 7), 2)
    z = (seen - solved["center"]) / solved["spread"]
    told = z @ solved["project.weight"].T @ solved["expand.weight"].T + solved["bias"]
    # The penalty shrinks what is told by about an eighth.
    assert (told - known).square().mean() < 0.03 * (known - known.mean(0)).square().mean()
    one = solve(seen, known, torch.linspace(1, 2, 7), 1)
    assert one["project.weight"].shape == (1, 20) and one["expand.weight"].shape == (7, 1)


def test_scales_are_those_of_the_residuals():
    random = np.random.default_rng(0)
    true = np.outer(np.geomspace(4, 0.3, 9), np.linspace(0.5, 1.5, 8))
    scales = scales_of(np.rint(true * random.standard_normal((60, 9, 8))))
    assert scales.shape == (1, 9, 8, 1) and scales.dtype == np.int8
    found = scale_of(torch.from_numpy(scales[0, :, :, 0]).float()).numpy()
    loud = true > 0.7  # of smaller ones most round to zero
    assert np.abs(np.log(found / true))[loud].max() < 0.35
    assert (found[~loud] < 0.9).all() and (found >= 0.03).all()
