"""LPIPS against its formula written plainly, against the reference package, and by what a distance must do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the room nn needs torch")

from codectk.base.errors import WeightsError  # noqa: E402
from codectk.metrics.lpips import LAYERS, LPIPS, MIN_SIDE, load_lpips  # noqa: E402
from codectk.weights.tensors import load_tensors, save_tensors  # noqa: E402

WEIGHTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights" / "lpips_alex_v01.safetensors"

Arrays = dict[str, np.ndarray]


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    """Made-up weights of the right structure."""
    rng = np.random.default_rng(0)
    made: Arrays = {}
    for level, (number, (channels, width, kernel, _, _)) in enumerate(LAYERS.items()):
        scale = (2 / (channels * kernel**2)) ** 0.5
        made[f"features.{number}.weight"] = rng.normal(0, scale, (width, channels, kernel, kernel)).astype(np.float32)
        made[f"features.{number}.bias"] = rng.normal(0, 0.1, width).astype(np.float32)
        made[f"lin{level}.model.1.weight"] = rng.random((1, width, 1, 1)).astype(np.float32)
    return made


@pytest.fixture(scope="module")
def real() -> Arrays:
    if not WEIGHTS.is_file():
        pytest.skip("the LPIPS weights (../shared/data/weights) are not on this machine")
    return load_tensors(WEIGHTS)


@pytest.fixture(scope="module")
def picture() -> torch.Tensor:
    """Smooth colors with edges, (2, 3, 96, 80)."""
    small = torch.rand(2, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    x = torch.nn.functional.interpolate(small, size=(96, 80), mode="bicubic").clamp(0, 1)
    x[:, :, 30:60, 20:50] = 1 - x[:, :, 30:60, 20:50]
    return x


def noisy(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return (x + sigma * torch.randn(x.shape, generator=torch.Generator().manual_seed(1))).clamp(0, 1)


def plain(arrays: Arrays, a: torch.Tensor, b: torch.Tensor) -> list[float]:
    """AlexNet as torchvision writes it, and the paper's sum over layers, positions and channels in numpy."""
    layers: list[torch.nn.Module] = []
    for place, (number, (channels, width, kernel, stride, padding)) in enumerate(LAYERS.items()):
        while len(layers) < number:
            layers.append(torch.nn.MaxPool2d(3, 2))
        layer = torch.nn.Conv2d(channels, width, kernel, stride, padding)
        layer.weight.data = torch.from_numpy(arrays[f"features.{number}.weight"])
        layer.bias.data = torch.from_numpy(arrays[f"features.{number}.bias"])
        layers += [layer, torch.nn.ReLU()]
        assert place < 5
    mean, std = torch.tensor([[-0.030, -0.088, -0.188], [0.458, 0.448, 0.450]]).view(2, 1, 3, 1, 1)

    def maps(x: torch.Tensor) -> list[np.ndarray]:
        x, found = (x * 2 - 1 - mean) / std, []
        for layer in layers:
            x = layer(x)
            if isinstance(layer, torch.nn.ReLU):
                found.append(x.detach().double().numpy())
        return found

    total = np.zeros(len(a))
    for level, (p, q) in enumerate(zip(maps(a), maps(b), strict=True)):
        p, q = (m / (np.sqrt((m**2).sum(1, keepdims=True)) + 1e-10) for m in (p, q))
        total += (((p - q) ** 2) * arrays[f"lin{level}.model.1.weight"]).sum(1).mean((1, 2))
    return list(total)


@pytest.mark.parametrize("sigma", [0.02, 0.3])
def test_the_formula(arrays: Arrays, picture: torch.Tensor, sigma: float):
    other = noisy(picture, sigma)
    assert LPIPS(arrays)(picture, other).tolist() == pytest.approx(plain(arrays, picture, other), rel=1e-4)


@pytest.mark.parametrize("source", ["arrays", "real"])
def test_it_is_a_distance(source: str, picture: torch.Tensor, request: pytest.FixtureRequest):
    metric = LPIPS(request.getfixturevalue(source))
    assert metric(picture, picture).tolist() == [0, 0]
    other = noisy(picture, 0.1)
    torch.testing.assert_close(metric(picture, other), metric(other, picture))
    ladder = torch.stack([metric(picture, noisy(picture, sigma)) for sigma in (0.01, 0.03, 0.1, 0.3)])
    assert (ladder.diff(dim=0) > 0).all() and (ladder > 0).all()
    torch.testing.assert_close(metric(picture[:1], other[:1]), metric(picture, other)[:1])


def test_real_weights_see_blur_where_mse_does_not(real: Arrays):
    """The claim of the paper's first figure: blur looks worse than a change of brightness with the same MSE."""
    rng = np.random.default_rng(0)
    texture = torch.from_numpy(rng.random((1, 3, 96, 96)).astype(np.float32)) * 0.3 + 0.3
    blurred = torch.nn.functional.avg_pool2d(texture, 5, 1, 2, count_include_pad=False)
    brighter = texture + (blurred - texture).square().mean().sqrt()
    metric = LPIPS(real)
    assert metric(texture, blurred) > 3 * metric(texture, brighter)


def test_the_reference_package_gives_the_same(real: Arrays, picture: torch.Tensor):
    lpips = pytest.importorskip("lpips", reason="the reference package lpips is not installed")
    reference = lpips.LPIPS(net="alex", pretrained=False, pnet_rand=True, verbose=False).eval()
    state = {}
    for key, value in reference.state_dict().items():
        parts = key.split(".")
        if parts[0] == "net":
            value = torch.from_numpy(real[f"features.{parts[2]}.{parts[3]}"])
        elif parts[0].startswith("lin"):
            level = parts[1] if parts[0] == "lins" else parts[0].removeprefix("lin")
            value = torch.from_numpy(real[f"lin{level}.model.1.weight"])
        state[key] = value
    reference.load_state_dict(state)
    for sigma in (0.01, 0.1, 0.4):
        other = noisy(picture, sigma)
        with torch.no_grad():
            wanted = reference(2 * picture - 1, 2 * other - 1).flatten()
        torch.testing.assert_close(LPIPS(real)(picture, other), wanted, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("level", [0.0, 0.5])
def test_gradients_are_finite_where_nothing_fires(arrays: Arrays, level: float):
    dead = {k: np.full_like(v, -5) if k.endswith("bias") else v for k, v in arrays.items()}
    for weights in (arrays, dead):
        x = torch.full((1, 3, 48, 48), level, requires_grad=True)
        LPIPS(weights)(x, torch.rand(1, 3, 48, 48)).sum().backward()
        assert x.grad is not None and torch.isfinite(x.grad).all()


def test_descending_it_brings_pictures_together(arrays: Arrays, picture: torch.Tensor):
    metric = LPIPS(arrays)
    x = noisy(picture, 0.1).requires_grad_()
    before = metric(x, picture).sum()
    (gradient,) = torch.autograd.grad(before, x)
    after = metric(x - 1e-3 * gradient / gradient.abs().max(), picture).sum()
    assert after < before
    assert not any(p.requires_grad for p in metric.parameters())


def test_the_smallest_picture(arrays: Arrays):
    metric = LPIPS(arrays)
    assert torch.isfinite(metric(torch.zeros(1, 3, MIN_SIDE, MIN_SIDE), torch.ones(1, 3, MIN_SIDE, MIN_SIDE))).all()
    with pytest.raises(RuntimeError):
        metric(torch.zeros(1, 3, MIN_SIDE - 1, MIN_SIDE), torch.ones(1, 3, MIN_SIDE - 1, MIN_SIDE))


def test_files(arrays: Arrays, tmp_path: Path, picture: torch.Tensor):
    path = tmp_path / "w.safetensors"
    save_tensors(path, arrays)
    other = noisy(picture, 0.1)
    assert torch.equal(load_lpips(path)(picture, other), LPIPS(arrays)(picture, other))
    save_tensors(path, {k: v for k, v in arrays.items() if k != "features.8.bias"})
    with pytest.raises(WeightsError, match=r"LPIPS weights: the file lacks features\.8\.bias"):
        load_lpips(path)
    save_tensors(path, {**arrays, "lin2.model.1.weight": np.zeros((1, 7, 1, 1), np.float32)})
    with pytest.raises(WeightsError, match=r"lin2\.model\.1\.weight has shape \(1, 7, 1, 1\), expected"):
        load_lpips(path)
    with pytest.raises(WeightsError, match="LPIPS weights"):
        load_lpips(tmp_path / "none.safetensors")
