"""Manifests are read without importing the plugin, and refused by the rule they break."""

import re
import sys

import pytest

from codectk.base.errors import PluginBrokenError, PluginMissingError
from codectk.weights.manifest import WeightsEntry, package_folder, parse_manifest, read_manifest


def test_read_without_import(package, manifest_text):
    text = manifest_text(source="made here", data="photos", recipe="recipes/small.toml", later=[1])
    folder = package(text + manifest_text(name="large", file="sub/large.safetensors"))
    small, large = read_manifest("codectk_fakeweights")
    assert small == WeightsEntry(
        name="small",
        file="small.safetensors",
        sha256="ab" * 32,
        bytes=100,
        licence="CC-BY-4.0",
        source="made here",
        data="photos",
        recipe="recipes/small.toml",
    )
    assert (large.name, large.file, large.recipe) == ("large", "sub/large.safetensors", "")
    assert (large.package, large.package_sha256) == ("", "")
    assert package_folder("codectk_fakeweights") == folder
    assert "codectk_fakeweights" not in sys.modules


def test_weights_of_a_package(manifest_text):
    text = manifest_text(package="some-model==2021.7.21.1", package_sha256="cd" * 32)
    (entry,) = parse_manifest(text, "here.toml")
    assert (entry.package, entry.package_sha256) == ("some-model==2021.7.21.1", "cd" * 32)


def test_a_package_without_manifest_has_no_weights(package):
    package(None)
    assert read_manifest("codectk_fakeweights") == ()


@pytest.mark.parametrize("name", ["codectk_no_such_package", "json.tool", "", "..", "sys", "a b"])
def test_missing_packages(name):
    with pytest.raises(PluginMissingError, match="is not installed"):
        read_manifest(name)


def test_a_dotted_name_does_not_import_its_parent(package):
    (package(None) / "sub").mkdir()
    with pytest.raises(PluginMissingError):
        read_manifest("codectk_fakeweights.sub")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"name": None}, "'name' (is missing|must be a text)"),
        ({"file": None}, "'file' (is missing|must be a text)"),
        ({"sha256": None}, "'sha256' (is missing|must be a text)"),
        ({"licence": None}, "'licence' (is missing|must be a text)"),
        ({"licence": " "}, "'licence' (is missing|must be a text)"),
        ({"licence": 3}, "'licence' (is missing|must be a text)"),
        ({"source": []}, "'source' must be a text"),
        ({"bytes": None}, "'?bytes'? (is missing|must be)"),
        ({"bytes": 0}, "'?bytes'? (is missing|must be)"),
        ({"bytes": True}, "'?bytes'? (is missing|must be)"),
        ({"bytes": "7 MB"}, "'?bytes'? (is missing|must be)"),
        ({"sha256": "abcd"}, "64 lower-case"),
        ({"sha256": "AB" * 32}, "64 lower-case"),
        ({"name": "Small"}, "characters other than"),
        ({"name": "../small"}, "characters other than"),
        ({"package": "some-model==1.2"}, "come together"),
        ({"graphs_sha256": "abcd"}, "graphs_sha256 must be 64 lower-case"),
        ({"package_sha256": "ab" * 32}, "come together"),
        ({"package": "some-model", "package_sha256": "ab" * 32}, "must name one version"),
        ({"package": "some-model>=1", "package_sha256": "ab" * 32}, "must name one version"),
        ({"package": "--upgrade==1", "package_sha256": "ab" * 32}, "must name one version"),
        ({"package": "some-model==1.2", "package_sha256": "AB" * 32}, "package_sha256 must be 64 lower-case"),
        ({"file": "../other/weights.safetensors"}, "inside the package"),
        ({"file": "/etc/passwd"}, "inside the package"),
        ({"file": "C:\\weights"}, "inside the package"),
    ],
)
def test_broken_entries(manifest_text, changes, match):
    with pytest.raises(PluginBrokenError, match=match) as caught:
        parse_manifest(manifest_text(name="first") + manifest_text(**changes), "here.toml")
    assert re.match(r"here\.toml:\d+: weights 2: ", str(caught.value))


@pytest.mark.parametrize(
    ("text", "match"),
    [
        ("weights = [", "not valid TOML"),
        ("", "no .*tables"),
        ("weights = 3", r"as \[\[weights\]\]"),
        ("weights = [1]", r"as \[\[weights\]\]"),
        ("[[weight]]\nname = 'typo'", "no .*tables"),
    ],
)
def test_broken_files(text, match):
    with pytest.raises(PluginBrokenError, match=match):
        parse_manifest(text, "here.toml")


def test_two_of_a_name(manifest_text):
    with pytest.raises(PluginBrokenError, match="two weights have the name small"):
        parse_manifest(manifest_text() * 2, "here.toml")


def test_unreadable_manifest(package):
    folder = package(None)
    (folder / "weights.toml").write_bytes(b"\xff\xfe nonsense")
    with pytest.raises(PluginBrokenError, match="is not valid TOML"):
        read_manifest("codectk_fakeweights")
