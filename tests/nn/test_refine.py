"""Encoders that try harder: what is found is better by real files, and nothing else changes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="gradients need torch")

import codectk  # noqa: E402
from codectk.base.errors import UsageError  # noqa: E402
from codectk.nn.exact import ExactTable  # noqa: E402
from codectk.nn.priors import GaussianPrior  # noqa: E402
from codectk.nn.refine import Annealed  # noqa: E402
from codectk.nn.tradeoff import multiplier  # noqa: E402
from codectk.picture.read import read_picture  # noqa: E402
from codectk.pipeline import effort  # noqa: E402

PHOTO = Path(__file__).parents[2] / "examples" / "photo.png"
LAMBDA = {"segpic": {"low": 0.0003, "high": 0.05}, "egic": {"low": 0.0002, "high": 0.003}}
"""Of the shipped weights, from their metadata."""


@pytest.fixture(scope="module")
def crop() -> np.ndarray:
    """uint8 (100, 120, 3), which both codecs pad."""
    return np.ascontiguousarray(read_picture(PHOTO).pixels[200:300, 300:420])


@pytest.fixture(autouse=True)
def few_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(effort, "STEPS", (0, 3, 30))


def cost(name: str, pixels: np.ndarray, data: bytes, quality: float, weights: np.ndarray | float = 1.0) -> float:
    """Bits and squared errors as the weights were trained to weigh them, of a whole file."""
    knobs = {"realism": 0.0} if name == "egic" else {}
    decoded = np.asarray(codectk.load(name).decode(data, **knobs)).astype(float)
    errors = np.square(decoded - pixels).mean(2) * weights
    factor = float(multiplier(torch.tensor(quality), **LAMBDA[name]))
    return 8 * len(data) / pixels[..., 0].size + factor * errors.mean()


@pytest.mark.parametrize("name", ["segpic", "egic"])
def test_effort_pays(name: str, crop: np.ndarray):
    pytest.importorskip(f"codectk_{name}", reason="its shipped weights are used")
    plain = codectk.encode(crop, codec=name, quality=30)
    assert codectk.encode(crop, codec=name, quality=30, effort=0) == plain
    refined = codectk.encode(crop, codec=name, quality=30, effort=2)
    assert cost(name, crop, refined, 30.0) < 0.995 * cost(name, crop, plain, 30.0)
    assert codectk.encode(crop, codec=name, quality=30, effort=2) == refined, "its random numbers are its own"
    assert codectk.encode(crop, codec=name, quality=30) == plain, "it leaves the network as it was"


def test_never_worse(crop: np.ndarray, monkeypatch: pytest.MonkeyPatch):
    """However bad the steps are."""
    pytest.importorskip("codectk_segpic", reason="its shipped weights are used")
    plain, adam = codectk.encode(crop, quality=60), torch.optim.Adam
    monkeypatch.setattr(torch.optim, "Adam", lambda values, lr: adam(values, lr=30.0))
    assert codectk.encode(crop, quality=60, effort=1) == plain


def test_errors_go_where_they_matter_least(crop: np.ndarray):
    pytest.importorskip("codectk_segpic", reason="its shipped weights are used")
    mask = np.zeros(crop.shape[:2], np.uint8)
    mask[:, :60] = 255
    files = [codectk.encode(crop, quality=30, effort=2, importance=one) for one in (None, mask)]
    errors = [np.square(np.asarray(codectk.decode(data)).astype(float) - crop).mean((0, 2)) for data in files]
    left, right = (errors[1][part].mean() / errors[0][part].mean() for part in (slice(56), slice(64, None)))
    assert left < 1 and left < right - 0.05


def test_a_size_is_met_with_effort(crop: np.ndarray):
    pytest.importorskip("codectk_segpic", reason="its shipped weights are used")
    data = codectk.encode(crop, target_bytes=600, effort=1)
    assert 0.9 * 600 < len(data) < 1.1 * 600
    assert len(codectk.encode(crop, target_bytes=600, effort=1, strict=True)) <= 600


def test_steps_are_reported(crop: np.ndarray):
    pytest.importorskip("codectk_segpic", reason="its shipped weights are used")
    told: list[tuple[int, int | None]] = []
    codectk.encode(crop, effort=1, progress=lambda done, total=None, **_: told.append((done, total)))
    assert told == [(1, 3), (2, 3), (3, 3)]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"effort": 10}, "effort must be a whole number from 0 to 2, not 10"),
        ({"effort": True}, "effort must be a whole number"),
        ({"importance": np.zeros((100, 120), np.uint8)}, "only together with an effort"),
        ({"effort": 1, "importance": np.zeros((8, 120), np.uint8)}, "has 120x8 pixels, the picture itself 120x100"),
    ],
)
def test_what_is_refused(crop: np.ndarray, options, words: str):
    pytest.importorskip("codectk_segpic", reason="its shipped weights are used")
    with pytest.raises(UsageError, match=words):
        codectk.encode(crop, **options)


def test_a_codec_without_gradients_says_so(pocket, crop: np.ndarray):
    with pytest.raises(UsageError, match="cannot try harder"):
        codectk.encode(crop, codec="pocket", effort=1)


@pytest.mark.parametrize("temperature", [0.5, 0.02])
def test_soft_rounding_draws_the_nearer_integer_more_often(temperature: float):
    value = torch.full((1, 1, 100, 100), 2.2, requires_grad=True)
    meter = Annealed(temperature, torch.Generator().manual_seed(0))
    soft = meter.code(torch.full_like(value, 30.0), value, GaussianPrior("y"))
    assert soft.min() >= 2 and soft.max() <= 3
    assert (soft < 2.5).float().mean() > 0.6
    assert ((soft - soft.round()).abs() < 0.01).float().mean() > (0.9 if temperature < 0.1 else 0.1)
    soft.sum().backward()
    assert value.grad is not None and (value.grad.mean() > 0.1 or temperature < 0.1)


def test_a_stored_table_has_the_gradient_of_its_function():
    table = ExactTable(torch.asinh, in_bits=4, in_max=255, out_bits=6)
    table.freeze()
    x = torch.arange(-300.0, 301.0, 7.0).requires_grad_()
    made = table(x)
    assert torch.equal(made, table(x.detach())), "the same integers"
    made.sum().backward()
    inside = x.detach().abs() < 255
    expected = 2.0**2 / torch.sqrt(1 + (x.detach() / 16) ** 2)
    torch.testing.assert_close(x.grad[inside], expected[inside])
