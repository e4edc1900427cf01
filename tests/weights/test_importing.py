"""Weights of other projects come into the store through their codec's plugin, and ours come in as they are."""

from __future__ import annotations

import numpy as np
import pytest

from codectk.base.errors import InputError, PluginBrokenError, PluginMissingError, UsageError, WeightsError
from codectk.weights import store
from codectk.weights.importing import import_file, read_foreign
from codectk.weights.tensors import load_tensors, read_metadata, save_tensors


@pytest.fixture
def foreign(tmp_path):
    """A checkpoint that the plugin `weighted` reads."""
    path = tmp_path / "Model 7_best.pth.tar"
    path.write_text("numbers 1 2 3")
    return path


def test_a_foreign_checkpoint(weighted, foreign):
    path = import_file("weighted", foreign)
    assert path.name == f"model-7_best-{store.sha256_of(path)[:8]}.safetensors"
    assert load_tensors(path)["x"].tolist() == [1, 2, 3]
    assert read_metadata(path) == {"codec": "weighted", "source": foreign.name}
    assert import_file("weighted", foreign, "mine").name.startswith("mine-")
    with pytest.raises(WeightsError, match="characters"):
        import_file("weighted", foreign, "No Good")


def test_the_plugins_refusal_passes_through(weighted, tmp_path):
    (tmp_path / "text").write_text("letters")
    with pytest.raises(WeightsError, match="lacks 'numbers'"):
        import_file("weighted", tmp_path / "text")
    assert store.stored() == ()


def test_what_cannot_be_imported(weighted, pocket, foreign, tmp_path):
    with pytest.raises(InputError, match=r"no file .*nowhere"):
        import_file("weighted", tmp_path / "nowhere")
    with pytest.raises(UsageError, match=r"'pocket' .* imports no weights"):
        import_file("pocket", foreign)
    with pytest.raises(PluginMissingError):
        import_file("nosuch", foreign)


def test_our_own_files(weighted, tmp_path):
    for metadata in ({"codec": "weighted"}, {"codec": "pocket"}, {}):
        save_tensors(tmp_path / f"{metadata.get('codec')}.safetensors", {"x": np.zeros(2)}, metadata)
    path = import_file("weighted", tmp_path / "weighted.safetensors")
    assert path.read_bytes() == (tmp_path / "weighted.safetensors").read_bytes()
    with pytest.raises(WeightsError, match="for codec 'pocket', not 'weighted'"):
        import_file("weighted", tmp_path / "pocket.safetensors")
    with pytest.raises(WeightsError, match="lacks 'numbers'"):  # no owner: the plugin's to judge
        import_file("weighted", tmp_path / "None.safetensors")


def test_a_file_of_the_manifest_gets_the_manifests_name(weighted, tmp_path):
    source = tmp_path / "download.safetensors"
    save_tensors(source, {"x": np.zeros(2)})
    digest = store.sha256_of(source)
    (weighted / "weights.toml").write_text(
        f'[[weights]]\nname = "large"\nfile = "large"\nsha256 = "{digest}"\nbytes = 9\nlicence = "CC0-1.0"\n'
    )
    assert import_file("weighted", source).name == f"large-{digest[:8]}.safetensors"


def test_what_becomes_a_file_of_the_manifest_gets_the_manifests_name(weighted, foreign):
    made = import_file("weighted", foreign)
    digest = store.sha256_of(made)
    (weighted / "weights.toml").write_text(
        f'[[weights]]\nname = "large"\nfile = "large"\nsha256 = "{digest}"\nbytes = 9\nlicence = "CC0-1.0"\n'
    )
    assert import_file("weighted", foreign).name == f"large-{digest[:8]}.safetensors"
    assert import_file("weighted", foreign, "mine").name == f"mine-{digest[:8]}.safetensors"


def test_a_plugin_that_answers_nonsense(site, foreign, monkeypatch, tmp_path):
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    code = "from codectk.spec.hooks import hookimpl\n@hookimpl\ndef codectk_weights_import(path):\n    return 3\n"
    site.add("alpha", code)
    with pytest.raises(PluginBrokenError, match="imported something else than arrays and metadata"):
        read_foreign("alpha", foreign)


@pytest.mark.parametrize(
    ("file", "name"),
    [
        ("segpic_0.0018_best.pth.tar", "segpic_0.0018_best"),
        ("My Model (2).safetensors", "my-model-2"),
        ("ckpt.pt", "ckpt"),
        ("...", "weights"),
        ("x" * 99, "x" * 64),
    ],
)
def test_default_names(tmp_path, file, name):
    assert store.name_from(tmp_path / file) == name
