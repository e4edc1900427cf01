"""The right weights are found, wrong ones are refused by name."""

import socket
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from codectk.base.errors import OutputError, WeightsError
from codectk.weights.locate import locate
from codectk.weights.manifest import read_manifest
from codectk.weights.store import add, label_of, resolve, save, sha256_of, store_folder, stored
from codectk.weights.tensors import load_tensors, read_metadata

PACKAGE = "codectk_fakeweights"


def find_by_hash(prefix, package):
    """The file that a header names, and its entry."""
    found = locate(prefix, package=package)
    return found.path, found.entry


@pytest.fixture(autouse=True)
def no_network(monkeypatch):
    """Nothing in this room may open a socket."""

    def refuse(*args, **kwargs):
        raise RuntimeError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)


def test_packaged_weights(store, package, weights_file, manifest_text):
    source, digest = weights_file("small.safetensors")
    folder = package(manifest_text(sha256=digest), [source])
    (entry,) = read_manifest(PACKAGE)
    assert resolve(entry, PACKAGE) == folder / "small.safetensors"
    assert find_by_hash(bytes.fromhex(digest)[:4], PACKAGE) == (folder / "small.safetensors", entry)
    assert not store.exists()


def test_stored_weights_of_a_manifest(store, package, weights_file, manifest_text):
    source, digest = weights_file("download")
    package(manifest_text(sha256=digest))
    (entry,) = read_manifest(PACKAGE)
    with pytest.raises(WeightsError, match="codectk weights import") as caught:
        resolve(entry, PACKAGE)
    assert digest in str(caught.value) and str(store) in str(caught.value)
    with pytest.raises(WeightsError, match="codectk weights pull"):
        resolve(replace(entry, package="some-model==1.2", package_sha256="ab" * 32), PACKAGE)
    kept = add(source, "small", sha256=entry.sha256)
    assert kept == store / f"small-{digest[:8]}.safetensors"
    assert resolve(entry, PACKAGE) == kept
    assert find_by_hash(bytes.fromhex(digest)[:4], PACKAGE) == (kept, entry)


@pytest.mark.parametrize("place", ["package", "store"])
def test_one_wrong_byte_is_refused_naming_both_hashes(store, package, weights_file, manifest_text, place):
    source, digest = weights_file("small.safetensors")
    folder = package(manifest_text(sha256=digest), [source] if place == "package" else [])
    path = folder / "small.safetensors" if place == "package" else add(source, "small")
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    (entry,) = read_manifest(PACKAGE)
    for call in (lambda: resolve(entry, PACKAGE), lambda: find_by_hash(bytes.fromhex(digest)[:4], PACKAGE)):
        with pytest.raises(WeightsError, match="small") as caught:
            call()
        assert digest in str(caught.value)
        assert sha256_of(path) in str(caught.value)
    # A good copy elsewhere is used in its place.
    good = add(source, "small")
    assert resolve(entry, PACKAGE) == good
    assert sha256_of(good) == digest


def test_weights_only_in_the_store(store, package, weights_file):
    package(None)
    one, digest = weights_file("one", 1)
    weights_file("two", 2)
    kept = add(one, "my-training.v1")
    assert find_by_hash(bytes.fromhex(digest)[:4], PACKAGE) == (kept, None)
    kept.write_bytes(kept.read_bytes()[:-1] + b"\xff")
    with pytest.raises(WeightsError, match=f"damaged: expected a sha256 that starts with {digest[:8]}, found"):
        find_by_hash(bytes.fromhex(digest)[:4], PACKAGE)


def test_missing_weights_say_what_there_is(store, package, manifest_text):
    package(manifest_text())
    with pytest.raises(WeightsError, match=r"sha256 01020304\.\.\. .* knows small \(abababab\)"):
        find_by_hash(bytes([1, 2, 3, 4]), PACKAGE)
    for prefix in (bytes(4), b"", b"\x01"):
        with pytest.raises(WeightsError, match="names no weights"):
            find_by_hash(prefix, PACKAGE)


def test_add_copies_once_and_repairs(store, weights_file):
    source, digest = weights_file("one")
    kept = add(source, "one")
    assert kept.read_bytes() == source.read_bytes()
    before = kept.stat().st_ino
    assert add(source, "one") == kept
    assert kept.stat().st_ino == before  # left alone
    kept.write_bytes(b"damaged")
    assert sha256_of(add(source, "one")) == digest
    assert stored() == (kept,)
    assert list(store.iterdir()) == [kept]


def test_add_refuses(store, weights_file, tmp_path):
    source, digest = weights_file("one")
    with pytest.raises(WeightsError, match="expected sha256 " + "0" * 64 + ", found " + digest):
        add(source, "one", sha256="0" * 64)
    for name in ("../one", "One", "", "a/b", "-x"):
        with pytest.raises(WeightsError, match="characters other than"):
            add(source, name)
    (tmp_path / "model.pt").write_bytes(b"\x80\x04rest")
    with pytest.raises(WeightsError, match="pickle"):
        add(tmp_path / "model.pt", "one")
    with pytest.raises(WeightsError, match="cannot be read"):
        add(tmp_path / "missing", "one")
    assert stored() == ()


def test_save_writes_under_the_hash_and_leaves_nothing_else(store):
    kept = save({"x": np.arange(3, dtype=np.float32)}, {"codec": "toy"}, "one.v1")
    assert kept == store / f"one.v1-{sha256_of(kept)[:8]}.safetensors"
    assert label_of(kept) == ("one.v1", sha256_of(kept)[:8])
    assert load_tensors(kept)["x"].tolist() == [0, 1, 2] and read_metadata(kept) == {"codec": "toy"}
    assert save({"x": np.arange(3, dtype=np.float32)}, {"codec": "toy"}, "one.v1") == kept
    for bad in (lambda: save({"x": np.array(["text"])}, {}, "two"), lambda: save({}, {}, "../two")):
        with pytest.raises(WeightsError):
            bad()
    assert list(store.iterdir()) == [kept]


def test_labels_of_files_that_are_not_named_by_the_store():
    assert label_of(Path("model.safetensors")) == ("model", "")
    assert label_of(Path("my-model.safetensors")) == ("my-model", "")
    assert label_of(Path("a-b-01234567.safetensors")) == ("a-b", "01234567")


def test_add_to_a_place_that_cannot_be(weights_file, tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "file"))
    source, _ = weights_file("one")
    with pytest.raises(OutputError, match="store"):
        add(source, "one")
    assert stored() == ()


def test_a_file_that_changes_while_it_is_copied(store, weights_file, monkeypatch):
    source, _ = weights_file("one")
    monkeypatch.setattr("codectk.weights.store.sha256_of", lambda path: "0" * 64)
    with pytest.raises(WeightsError, match="changed while"):
        add(source, "one")
    assert list(store.iterdir()) == []


@pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="the XDG rules")
def test_cache_folder(monkeypatch, tmp_path):
    monkeypatch.delenv("CODECTK_HOME", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert store_folder() == tmp_path / "codectk" / "weights"
    for useless in ("", "relative"):
        monkeypatch.setenv("XDG_CACHE_HOME", useless)
        assert store_folder() == Path.home() / ".cache" / "codectk" / "weights"
    monkeypatch.setenv("CODECTK_HOME", "~/somewhere")
    assert store_folder() == Path.home() / "somewhere" / "weights"


def test_saved_under_a_known_name_or_only_with_the_right_hash(store):
    first = save({"x": np.zeros(2)}, {}, "mine")
    digest = sha256_of(first)
    assert save({"x": np.zeros(2)}, {}, "mine", known={digest: "theirs"}).name == f"theirs-{digest[:8]}.safetensors"
    assert save({"x": np.ones(2)}, {}, "mine", known={digest: "theirs"}).name.startswith("mine-")
    kept = stored()
    with pytest.raises(WeightsError, match="What was made is not the weights mine"):
        save({"x": np.full(2, 3)}, {}, "mine", sha256=digest)
    assert stored() == kept and len(list(store.iterdir())) == len(kept)
