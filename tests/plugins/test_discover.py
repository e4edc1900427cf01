"""Plugins are listed from metadata and cards; nothing installed can break the listing or be imported by it."""

from __future__ import annotations

import shutil
import sys

import pytest

from codectk.base.errors import PluginBrokenError, PluginIncompatibleError
from codectk.plugins.discover import PluginRecord, discover, installed

BOMB = "raise RuntimeError('imported')"
BARE = 'api = 1\ntitle = ""\nsummary = ""\nlicence = ""\n'


def _found(*names: str) -> dict[str, PluginRecord]:
    return {record.name: record for record in discover() if record.name in names}


def test_a_plugin_is_listed_without_being_imported(site):
    package = site.add("alpha", BOMB, version="2.5")
    record = _found("alpha")["alpha"]
    assert (record.status, record.reason) == ("ok", "")
    assert (record.distribution, record.version, record.module) == ("codectk-alpha", "2.5", f"{package}.plugin")
    assert record.card is not None and record.card.codecs[0].name == "alpha"
    assert package not in sys.modules


def test_each_fault_is_told_and_bothers_nobody_else(site):
    site.add("fine")
    site.add("nocard", card=None)
    site.add("badcard", card="api = 1\ntitle = ")
    site.add("future", card="api = 9\nshiny = true")
    shutil.rmtree(site.path / site.add("stale"))
    site.add("moved", module="fake_moved.elsewhere")
    site.add("odd", module="not a module!")
    (site.path / "fake_flat.py").write_text(BOMB)
    site.metadata("codectk-flat", "[codectk]\nflat = fake_flat\n")
    (site.path / site.add("binary") / "card.toml").write_bytes(b"\xff\xfe")
    site.add(
        "foreign", card='api = 1\ntitle = ""\nsummary = ""\nlicence = ""\n[[component]]\nid = "x.y"\nkind = "post"'
    )
    names = ("fine", "nocard", "badcard", "future", "stale", "moved", "odd", "flat", "binary", "foreign")
    found = _found(*names)
    assert {name: found[name].status for name in names} == dict.fromkeys(names, "broken") | {
        "fine": "ok",
        "future": "incompatible",
    }
    for name, words in {
        "nocard": "has no card.toml",
        "badcard": "not valid TOML",
        "future": "plugin API 9, but this codectk has API 1",
        "stale": "stale: package 'fake_stale' is gone; run 'pip uninstall codectk-stale'",
        "moved": "has no module 'fake_moved.elsewhere'",
        "odd": "not the name of a module",
        "flat": "single module",
        "binary": "cannot be read",
        "foreign": "must be named 'foreign.<name>'",
    }.items():
        assert words in found[name].reason


def test_damaged_metadata_is_survived(site):
    site.add("fine")
    site.metadata("codectk-noequals", "[codectk]\nthis line has no equals sign\n")
    nameless = site.metadata("codectk-nameless", "[codectk]\nnameless = fake_nameless.plugin\n")
    (nameless / "METADATA").unlink()
    undecodable = site.metadata("codectk-bytes", "")
    (undecodable / "entry_points.txt").write_bytes(b"[codectk]\n\xff\xfe = x\n")
    found = {record.name: record for record in discover()}
    assert found["fine"].status == "ok"
    assert found["nameless"].status == "broken"
    assert found["codectk-noequals"].status == "broken"
    assert "entry_points.txt cannot be read" in found["codectk-noequals"].reason


def test_the_first_of_two_copies_on_the_path_counts(site, tmp_path, monkeypatch):
    site.add("alpha", version="1.0")
    second = tmp_path / "second"
    shutil.copytree(site.path, second)
    monkeypatch.syspath_prepend(str(second))
    assert [record.name for record in discover() if record.name == "alpha"] == ["alpha"]


def test_a_codec_with_two_owners(site, monkeypatch):
    site.add("alpha")
    site.add("beta", card=(site.path / "fake_alpha" / "card.toml").read_text())
    found = _found("alpha", "beta")
    assert {record.status for record in found.values()} == {"broken"}
    assert "codec name 'alpha' is also taken by plugin 'beta' (codectk-beta 1.0)" in found["alpha"].reason
    assert "plugin 'alpha' (codectk-alpha 1.0)" in found["beta"].reason
    monkeypatch.setenv("CODECTK_PLUGINS", "beta")
    assert [(record.name, record.status) for record in discover()] == [("beta", "ok")]


def test_a_plugin_name_with_two_owners(site):
    site.add("alpha")
    site.metadata("someone-else", "[codectk]\nalpha = fake_alpha.plugin\n")
    both = [record for record in discover() if record.name == "alpha"]
    assert [record.status for record in both] == ["broken", "broken"]
    assert "someone-else" in both[0].reason and "codectk-alpha" in both[1].reason


def test_allow_list(site, monkeypatch):
    site.add("alpha")
    site.add("beta", BOMB, card=None)
    monkeypatch.setenv("CODECTK_PLUGINS", " alpha ,missing")
    assert [record.name for record in discover()] == ["alpha"]
    monkeypatch.setenv("CODECTK_PLUGINS", "")
    assert discover() == []
    assert {"alpha", "beta"} <= {record.name for record in installed()}


def test_strict(site, monkeypatch):
    site.add("alpha")
    site.add("beta", card=None)
    monkeypatch.setenv("CODECTK_STRICT_PLUGINS", "1")
    monkeypatch.setenv("CODECTK_PLUGINS", "alpha")
    assert len(discover()) == 1
    monkeypatch.setenv("CODECTK_PLUGINS", "alpha,beta")
    with pytest.raises(PluginBrokenError, match=r"^Plugin 'beta' \(codectk-beta 1.0\) is broken: "):
        discover()
    site.add("gamma", card="api = 9")
    monkeypatch.setenv("CODECTK_PLUGINS", "gamma")
    with pytest.raises(PluginIncompatibleError):
        discover()
