"""Tensors keep their values through a file whose bytes depend on nothing else."""

import json
import os
import pickle
import subprocess
import sys
import zipfile

import numpy as np
import pytest

from codectk.base.errors import OutputError, WeightsError
from codectk.weights.tensors import load_tensors, read_metadata, save_tensors

TENSORS = {
    "b.weight": np.arange(24, dtype=np.float32).reshape(2, 3, 4),
    "a.bias": np.array([-3, 0, 7], dtype=np.int8),
    "table": np.arange(5, dtype=np.int32),
    "half": np.array([0.5, 1.5], dtype=np.float16),
    "flags": np.array([True, False]),
    "scale": np.array(2.0, dtype=np.float64),
    "empty": np.zeros((0, 3), dtype=np.float32),
}
METADATA = {f"key {number}": f"größer {number}" for number in range(12)}


def test_round_trip(tmp_path):
    path = tmp_path / "w.safetensors"
    save_tensors(path, TENSORS, METADATA)
    back = load_tensors(path)
    assert back.keys() == TENSORS.keys()
    for name, expected in TENSORS.items():
        assert back[name].dtype == expected.dtype
        assert back[name].shape == expected.shape
        np.testing.assert_array_equal(back[name], expected)
    assert read_metadata(path) == METADATA
    save_tensors(path, {"x": np.zeros(1)})
    assert read_metadata(path) == {}


def test_some_of_them(tmp_path):
    path = tmp_path / "w.safetensors"
    save_tensors(path, {"coders.0": np.arange(3), "coders.1": np.ones(2), "other": np.zeros(4)}, {"text": "a"})
    some = load_tensors(path, "coders.")
    assert list(some) == ["coders.0", "coders.1"] and np.array_equal(some["coders.0"], [0, 1, 2])
    assert load_tensors(path, "missing.") == {}


def test_a_header_whose_length_looks_like_a_pickle(tmp_path):
    path = tmp_path / "w.safetensors"
    for length in range(40):
        save_tensors(path, {"x": np.zeros(1)}, {"text": "-" * (8 * length)})
        if path.read_bytes()[:1] == b"\x80":
            break
    assert path.read_bytes()[:1] == b"\x80"
    assert load_tensors(path).keys() == {"x"}
    assert read_metadata(path)["text"]


def test_memory_layout_and_byte_order_do_not_matter(tmp_path):
    matrix = np.arange(6, dtype=np.float32).reshape(2, 3)
    save_tensors(
        tmp_path / "w.safetensors",
        {"transposed": matrix.T, "strided": matrix[:, ::2], "big": matrix.astype(">f4"), "reversed": matrix[::-1]},
    )
    back = load_tensors(tmp_path / "w.safetensors")
    np.testing.assert_array_equal(back["transposed"], matrix.T)
    np.testing.assert_array_equal(back["strided"], matrix[:, ::2])
    np.testing.assert_array_equal(back["big"], matrix)
    np.testing.assert_array_equal(back["reversed"], matrix[::-1])


def test_equal_content_gives_equal_bytes_in_every_process(tmp_path):
    code = (
        "import sys, numpy as np; from codectk.weights.tensors import save_tensors;"
        "d = {k: np.arange(3, dtype=np.int8) for k in sys.argv[2]};"
        "save_tensors(sys.argv[1], d, {k: 'v' for k in sys.argv[2]})"
    )
    for name, order in (("one", "abcdefgh"), ("two", "hgfedcba")):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / name), order], check=True, env=dict(os.environ))
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()


def test_tensors_are_aligned(tmp_path):
    for length in range(1, 10):
        save_tensors(tmp_path / "w.safetensors", {"x" * length: np.ones(2)}, {"b": "1", "a": "ü" * length})
        data = (tmp_path / "w.safetensors").read_bytes()
        size = int.from_bytes(data[:8], "little")
        assert size % 8 == 0
        assert list(json.loads(data[8 : 8 + size])["__metadata__"]) == ["a", "b"]
        np.testing.assert_array_equal(load_tensors(tmp_path / "w.safetensors")["x" * length], np.ones(2))


def test_what_cannot_be_stored(tmp_path):
    for value in (np.array(["text"]), np.array([object()]), np.zeros(2, np.complex128)):
        with pytest.raises(WeightsError, match="cannot be stored"):
            save_tensors(tmp_path / "w.safetensors", {"x": value})
    with pytest.raises(OutputError):
        save_tensors(tmp_path / "missing" / "w.safetensors", {"x": np.zeros(2)})
    assert list(tmp_path.iterdir()) == []


def test_damaged_files(tmp_path):
    path = tmp_path / "w.safetensors"
    save_tensors(path, {"x": np.arange(4, dtype=np.int32)}, {"a": "b"})
    data = path.read_bytes()
    for length in range(len(data)):
        path.write_bytes(data[:length])
        with pytest.raises(WeightsError):
            load_tensors(path)


def test_pickles_are_refused_and_not_opened(tmp_path):
    class Trap:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "sprung"),)

    (tmp_path / "plain.pt").write_bytes(pickle.dumps(Trap()))
    with zipfile.ZipFile(tmp_path / "zipped.pt", "w") as archive:
        archive.writestr("archive/data.pkl", pickle.dumps(Trap()))
    for name in ("plain.pt", "zipped.pt"):
        with pytest.raises(WeightsError, match="pickle"):
            load_tensors(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize("function", [load_tensors, read_metadata])
def test_other_files(tmp_path, function):
    (tmp_path / "text").write_text("not weights at all")
    (tmp_path / "list").write_bytes((8).to_bytes(8, "little") + b"[1,2,33]")
    for name in ("text", "list"):
        with pytest.raises(WeightsError, match="not a safetensors file"):
            function(tmp_path / name)
    with pytest.raises(WeightsError, match="cannot be read"):
        function(tmp_path / "missing")
    with pytest.raises(WeightsError, match="cannot be read"):
        function(tmp_path)


def test_bfloat16_is_said(tmp_path):
    header = b'{"x":{"dtype":"BF16","shape":[2],"data_offsets":[0,4]}}'
    (tmp_path / "w").write_bytes(len(header).to_bytes(8, "little") + header + bytes(4))
    with pytest.raises(WeightsError, match="BF16"):
        load_tensors(tmp_path / "w")


def test_without_safetensors(tmp_path, monkeypatch):
    save_tensors(tmp_path / "w", {"x": np.zeros(2)}, {"a": "b"})
    monkeypatch.setitem(sys.modules, "safetensors.numpy", None)
    for call in (lambda: load_tensors(tmp_path / "w"), lambda: save_tensors(tmp_path / "v", {})):
        with pytest.raises(WeightsError, match="pip install safetensors"):
            call()
    assert read_metadata(tmp_path / "w") == {"a": "b"}
