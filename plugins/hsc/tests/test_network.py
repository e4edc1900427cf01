"""The heads around a small generator: shapes, layers, exactness, edits and the lesson."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from codectk.base.errors import InputError, UsageError, WeightsError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk.graph import wire
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
        for name in ("core", "y"):
            assert torch.equal(sent[name], got[name])
        sizes.append(sum(map(len, payloads)))
    assert sizes == sorted(sizes)
    for layers in range(4):
        fewer = program.code(codec, Decoder(payloads, layers=layers), None, ctx)
        alone = program.code(codec, Decoder(payloads[: layers + 1]), None, ctx)
        assert torch.equal(fewer["y"], alone["y"])


@torch.no_grad()
def test_slices_that_are_not_sent_are_predicted(coded: tuple[Network, Stages]):
    network, codec = coded
    made = values(codec, 100)
    first, second = network.config.slices[:2]
    whole = program.code(codec, Meter(), made, Context(*SIZE))["y"]
    part = program.code(codec, Meter(), {**made, "layers": 1}, Context(*SIZE))["y"]
    assert torch.equal(whole[:, :first], part[:, :first])
    assert not torch.equal(whole[:, first : first + second], part[:, first : first + second])
    # What is predicted for the second slice depends on the first one.
    other = dict(made, y=made["y"] + 3.0, layers=1)
    assert not torch.equal(program.code(codec, Meter(), other, Context(*SIZE))["y"][:, first:], part[:, first:])


@torch.no_grad()
def test_pictures_have_the_wanted_size_and_no_slice_gives_the_styles_picture(coded: tuple[Network, Stages]):
    network, codec = coded
    latents = program.code(codec, Meter(), values(codec, 0), Context(*SIZE))
    synthesis, generator = network.synthesis, network.synthesis.generator
    for size in (SIZE, (64, 64), (20, 16), (100, 130)):
        assert synthesis(latents, Context(*size)).shape == (1, 3, *size)
    styled = synthesis.styled(latents["core"])
    assert torch.equal(styled.feature, generator.low(styled.styles, 16))
    assert torch.allclose(synthesis.paint(styled, 64, 64), generator.picture(styled.styles), atol=1e-5)


@torch.no_grad()
def test_coordinates_are_white_and_reversible(tiny: Network):
    basis, generator = tiny.synthesis.basis, tiny.synthesis.generator
    w = generator.styles(torch.randn(4000, 12, generator=torch.Generator().manual_seed(5)))[:, None]
    coordinates = basis.coordinates(w)
    assert torch.allclose(coordinates.square().mean((0, 1)).sqrt(), torch.ones(6), atol=0.1)
    assert torch.allclose(basis.coordinates(basis.styles(coordinates)), coordinates, atol=1e-3)
    feature = generator.low(w[:50, 0], 16)
    assert basis.relative(feature, basis.template).square().mean() < 4


@torch.no_grad()
def test_an_edit_moves_the_feature_as_the_generator_would(coded: tuple[Network, Stages], monkeypatch):
    network, codec = coded
    direction = torch.randn(12, generator=torch.Generator().manual_seed(1))
    monkeypatch.setattr("codectk_hsc.editing.directions.directions", lambda: {"smile": direction, "warmth": direction})
    latents = program.code(codec, Meter(), values(codec, 100), Context(*SIZE))
    synthesis, generator = network.synthesis, network.synthesis.generator
    styled = synthesis.styled(latents["core"])
    face = synthesis.restored(styled, latents["y"])
    edited = synthesis.edited(styled, face, {"smile": 1.0})
    moved = edited.styles - face.styles
    assert torch.allclose(moved[0, :8], direction.expand(8, -1) / 0.43, atol=1e-5)
    change = generator.low(edited.styles, 16) - generator.low(face.styles, 16)
    assert torch.allclose(edited.feature - face.feature, change, atol=1e-4) and change.abs().max() > 0
    # Slots behind the cut change colors, and leave the feature alone.
    late = synthesis.edited(styled, face, {"warmth": 1.0})
    assert torch.allclose(late.feature, face.feature, atol=1e-5)
    plain = synthesis(latents, Context(*SIZE))
    assert not torch.equal(plain, synthesis(latents, Context(*SIZE, edits={"smile": 1.0})))
    assert torch.equal(plain, synthesis(latents, Context(*SIZE, edits={})))


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
        torch.manual_seed(1)  # draws all slices
        tiny.zero_grad()
        terms = manager.component("lesson", name)(tiny, batch)
        assert all(torch.isfinite(term) for term in terms.values())
        torch.stack([term for key, term in terms.items() if not key.startswith("~")]).sum().backward()
        silent = [key for key, value in tiny.named_parameters() if value.grad is None or not value.grad.any()]
        assert not [key for key in silent if not key.startswith("entropy_model")], silent
        assert {"styles", "feature", "core", "slices"} <= set(terms)
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


def test_pictures_louder_than_the_training_are_outside(coded: tuple[Network, Stages]):
    analysis = coded[0].analysis
    random = torch.Generator().manual_seed(0)

    def y(loudness: float) -> torch.Tensor:
        return (
            loudness
            * torch.randn(8, 9, 16, 16, generator=random)
            * (0.8 + 0.4 * torch.rand(8, 1, 1, 1, generator=random))
        )

    for _ in range(600):
        analysis.domain.observe(y(1.0))
    prepared = analysis.prepare(picture(), None, Context(*SIZE))
    assert analysis.outside(prepared._replace(y=y(1.0)[:1]), Context(*SIZE)) is None
    assert analysis.outside(prepared._replace(y=y(0.1)[:1]), Context(*SIZE)) is None
    assert "does not look like an aligned face" in analysis.outside(prepared._replace(y=y(4.0)[:1]), Context(*SIZE))


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
