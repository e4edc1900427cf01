"""Pickles of strangers give their tensors, run nothing, and fail with one kind of error."""

from __future__ import annotations

import ast
import pickle
import tomllib
import zipfile
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from codectk.base.errors import WeightsError
from codectk.weights.pickles import MAX_BYTES, OLDEST_TORCH, read_arrays, read_checkpoint, read_script, read_state

ROOT = Path(__file__).parents[2]

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
    found = read_script(path)
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
        read_script(path)
    assert not mark.exists()


def test_a_tensor_stays_within_its_storage(archive, tmp_path: Path) -> None:
    with zipfile.ZipFile(archive[0]) as old:
        data = old.read(next(n for n in old.namelist() if n.endswith("/data.pkl")))
    # The first convolution has 36 weights: 9 = BININT1 '\t' values per filter become 90.
    wrong = data.replace(b"K\x04K\x03K\x03K\x01t", b"K\x04K\x1eK\x03K\x01t", 1)
    assert wrong != data
    with pytest.raises(WeightsError, match="cannot be read"):
        read_script(with_pickle(archive[0], tmp_path / "wide.pt", wrong))


def test_files_that_are_no_archives(tmp_path: Path) -> None:
    with pytest.raises(WeightsError, match="cannot be read"):
        read_script(tmp_path / "missing.pt")
    (tmp_path / "text.pt").write_text("hello")
    with pytest.raises(WeightsError, match="cannot be read as a TorchScript archive"):
        read_script(tmp_path / "text.pt")
    with zipfile.ZipFile(tmp_path / "zip.pt", "w") as made:
        made.writestr("a/b", b"")
    with pytest.raises(WeightsError, match="is not a TorchScript archive"):
        read_script(tmp_path / "zip.pt")


OPEN = b"\x80\x02"
MODULE = b"c__torch__.net\nNet\n"
"""The class of a module, as a pickle asks for it."""


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (OPEN + b"K\x01.", "holds a int instead of a module"),
        (OPEN + b"]q\x00h\x00a.", "holds a list"),
        (OPEN + b"}q\x00.", "holds a dict"),
        # A module that holds itself: an object, its state {"a": itself}.
        (OPEN + MODULE + b")\x81q\x00}X\x01\x00\x00\x00ah\x00sb.", "within themselves"),
        # Attributes of what the pickle is given: a class, and the function that builds tensors.
        (OPEN + MODULE + b"N}X\x07\x00\x00\x00__new__K\x00s\x86b.", "holds a type"),
        (OPEN + b"ctorch._utils\n_rebuild_tensor_v2\nN}X\x0c\x00\x00\x00__defaults__)s\x86b.", "holds a function"),
        (OPEN + b"(" * 100_000 + b"t" * 100_000 + b".", "cannot be read"),
        (OPEN + b"r\xff\xff\xff\x7f.", "cannot be read"),
        (b"", "cannot be read"),
    ],
)
def test_crafted_archives_fail_with_one_kind_of_error(archive, tmp_path: Path, data: bytes, sentence: str) -> None:
    path = with_pickle(archive[0], tmp_path / "crafted.pt", data)
    with pytest.raises(WeightsError, match=sentence) as caught:
        read_script(path)
    assert "\n" not in str(caught.value)
    assert read_script(archive[0]).keys() == archive[1].keys()  # and nothing of it stays


def jax_like(**arrays: np.ndarray) -> bytes:
    return pickle.dumps({"Net_0": {name: {"kernel": value} for name, value in arrays.items()}}, protocol=3)


def test_arrays_of_a_pickle() -> None:
    arrays = {
        "rows": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
        "columns": np.asfortranarray(np.arange(12, dtype=np.float64).reshape(3, 4)),
        "swapped": np.arange(5, dtype=">i4"),
        "none": np.zeros((0, 3), np.float16),
        "yes": np.array([True, False]),
    }
    found = read_arrays(jax_like(**arrays), "a pickle")
    assert found.keys() == {f"Net_0.{name}.kernel" for name in arrays}
    for name, value in arrays.items():
        back = found[f"Net_0.{name}.kernel"]
        assert np.array_equal(back, value) and back.shape == value.shape and back.dtype == value.dtype.newbyteorder("=")
    old = jax_like(rows=arrays["rows"]).replace(b"numpy._core.multiarray", b"numpy.core.multiarray")
    assert np.array_equal(read_arrays(old, "a pickle")["Net_0.rows.kernel"], arrays["rows"])


@pytest.mark.parametrize(
    ("value", "sentence"),
    [
        ({"a": np.array([{}], object)}, "type 'O8'"),
        ({"a": np.array(["x"])}, "type 'U1'"),
        ({"a": [1, 2]}, "is a list where arrays"),
        ([1], "is a list"),
        ({"a": Path("x")}, "no part of an array"),
    ],
)
def test_a_pickle_of_anything_else_is_refused(value: Any, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence):
        read_arrays(pickle.dumps(value, protocol=3), "a pickle")


def test_a_dict_within_itself_is_refused() -> None:
    endless: dict[str, Any] = {}
    endless["a"] = endless
    with pytest.raises(WeightsError, match="cannot be read as a pickle of arrays"):
        read_arrays(pickle.dumps(endless), "a pickle")
    assert MAX_BYTES == 2 << 30


def test_checkpoints(tmp_path: Path) -> None:
    state = {"w": torch.arange(6.0), "epoch": 3}
    for name, options in (("new", {}), ("old", {"_use_new_zipfile_serialization": False})):
        torch.save({"state_dict": state, "optimizer": [1, 2]}, tmp_path / name, **options)
        assert read_checkpoint(tmp_path / name)["optimizer"] == [1, 2]
        found = read_state(tmp_path / name)
        assert list(found) == ["w"] and torch.equal(found["w"], state["w"])
    torch.save(state, tmp_path / "bare")
    assert list(read_state(tmp_path / "bare")) == ["w"]
    torch.save({"network": {"a": torch.zeros(1)}}, tmp_path / "other")
    assert list(read_state(tmp_path / "other", within=("state_dict", "network"))) == ["a"]
    torch.save(torch.zeros(1), tmp_path / "tensor")
    with pytest.raises(WeightsError, match="tensor holds a Tensor instead of tensors by name"):
        read_state(tmp_path / "tensor")


@pytest.mark.parametrize("form", ["zip", "legacy", "plain"])
def test_a_checkpoint_runs_nothing(tmp_path: Path, form: str) -> None:
    mark, path = tmp_path / "mark", tmp_path / "evil.pt"
    if form == "plain":
        path.write_bytes(pickle.dumps(Attack(mark), protocol=2))
    else:
        torch.save({"w": Attack(mark)}, path, _use_new_zipfile_serialization=form == "zip")
    with pytest.raises(WeightsError, match=r"evil\.pt is refused: .* could run code; ask elsewhere\."):
        read_checkpoint(path, advice="ask elsewhere")
    assert not mark.exists()


def test_what_is_not_needed_is_not_built(tmp_path: Path) -> None:
    torch.save({"state_dict": {"w": torch.ones(1)}, "beside": Fraction(1, 2)}, tmp_path / "a.pt")
    with pytest.raises(WeightsError, match=r"is refused: it holds fractions\.Fraction, which could run code"):
        read_state(tmp_path / "a.pt", ignored=("lightning.",))
    assert list(read_state(tmp_path / "a.pt", ignored=("fractions.",))) == ["w"]


def test_an_old_torch_reads_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch.save({"w": torch.ones(1)}, tmp_path / "a.pt")
    monkeypatch.setattr(torch, "__version__", type(torch.__version__)("2.9.1+cpu"))
    with pytest.raises(WeightsError, match=r"torch 2\.9\.1\+cpu reads checkpoints unsafely; .*torch 2\.10 or newer"):
        read_checkpoint(tmp_path / "a.pt")


def test_every_package_asks_for_a_safe_torch() -> None:
    found = []
    for path in [ROOT / "pyproject.toml", *ROOT.glob("*/*/pyproject.toml")]:
        project = tomllib.loads(path.read_text("utf-8"))["project"]
        listed = [project.get("dependencies", ()), *project.get("optional-dependencies", {}).values()]
        found += [name for names in listed for name in names if name.startswith("torch>") or name == "torch"]
    assert found and set(found) == {f"torch>={OLDEST_TORCH}"}


def test_pickles_are_opened_in_one_place() -> None:
    """Everything else goes through this reader."""
    opened = {"torch.load", "pickle.load", "pickle.loads", "pickle.Unpickler", "torch.jit.load"}
    sources = [path for room in ("core", "plugins", "examples", "benchmarks") for path in (ROOT / room).rglob("*.py")]
    found = {
        path.name
        for path in sources
        if "tests" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Attribute) and ast.unparse(node) in opened
    }
    assert found == {"pickles.py"}
