"""TorchScript archives give their tensors and run nothing."""

from __future__ import annotations

import pickle
import zipfile
from pathlib import Path

import numpy as np
import pytest

from codectk.base.errors import WeightsError
from codectk.weights.archive import read_archive

torch = pytest.importorskip("torch", reason="an archive is made with torch")


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, np.ndarray]]:
    """A saved module with tensors at several depths, and what they are."""
    torch.manual_seed(0)
    module = torch.nn.Sequential(
        torch.nn.Conv2d(3, 4, (3, 1)),
        torch.nn.Sequential(torch.nn.BatchNorm2d(4), torch.nn.ReLU()),
    ).eval()
    path = tmp_path_factory.mktemp("archive") / "module.pt"
    torch.jit.save(torch.jit.trace(module, torch.rand(1, 3, 8, 8)), str(path))
    return path, {name: value.numpy() for name, value in module.state_dict().items()}


def test_all_tensors_are_read(archive) -> None:
    path, expected = archive
    found = read_archive(path)
    assert found.keys() == expected.keys() and "1.0.running_var" in found
    for name, value in expected.items():
        assert found[name].dtype == value.dtype and np.array_equal(found[name], value)


def with_pickle(source: Path, target: Path, data: bytes) -> Path:
    """The archive with another pickle."""
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for name in old.namelist():
            new.writestr(name, data if name.endswith("/data.pkl") else old.read(name))
    return target


class Attack:
    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[Path]]:
        return Path.touch, (self.path,)


def test_a_pickle_runs_nothing(archive, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    path = with_pickle(archive[0], tmp_path / "evil.pt", pickle.dumps(Attack(mark), protocol=2))
    with pytest.raises(WeightsError, match="no part of a tensor"):
        read_archive(path)
    assert not mark.exists()


def test_a_tensor_stays_within_its_storage(archive, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive[0]) as old:
        data = old.read(next(n for n in old.namelist() if n.endswith("/data.pkl")))
    # The first convolution has 36 weights: 9 = BININT1 '\t' values per filter become 90.
    wrong = data.replace(b"K\x04K\x03K\x03K\x01t", b"K\x04K\x1eK\x03K\x01t", 1)
    assert wrong != data
    with pytest.raises(WeightsError, match="cannot be read"):
        read_archive(with_pickle(archive[0], tmp_path / "wide.pt", wrong))


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_archive(tmp_path / "missing.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(WeightsError, match="cannot be read as a TorchScript archive"):
        read_archive(tmp_path / "text.pt")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as made:
        made.writestr("a/b", b"")
    with pytest.raises(WeightsError, match="is not a TorchScript archive"):
        read_archive(tmp_path / "zip.pt")
