"""codectk plugins lists whatever is installed, faulty or not."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

from codectk.cli.output import PIPE_WIDTH


@pytest.fixture
def mixed(site, monkeypatch):
    """One good plugin and five bad ones; only these."""
    site.add("good")
    site.add("raises", "raise RuntimeError('on import')")
    site.add("nocard", card=None)
    site.add("badcard", card="api = 1\nname = 3")
    site.add("future", card="api = 99")
    shutil.rmtree(site.path / site.add("stale"))
    monkeypatch.setenv("CODECTK_PLUGINS", "good,raises,nocard,badcard,future,stale")
    return site


STATIC = {
    "good": "ok",
    "raises": "ok",
    "nocard": "broken",
    "badcard": "broken",
    "future": "incompatible",
    "stale": "broken",
}


def _statuses(out: str) -> dict[str, str]:
    return {plugin["name"]: plugin["status"] for plugin in json.loads(out)["plugins"]}


def test_every_state_is_listed_and_nothing_imported(mixed, run):
    result = run("plugins", "--json")
    assert result.code == 0 and result.err == ""
    assert _statuses(result.out) == STATIC
    assert not [name for name in sys.modules if name.startswith("fake_")]


def test_check_imports_each_and_survives(mixed, run):
    result = run("plugins", "--check", "--json")
    assert result.code == 0
    assert _statuses(result.out) == STATIC | {"raises": "broken"}
    reasons = {plugin["name"]: plugin["reason"] for plugin in json.loads(result.out)["plugins"]}
    assert "RuntimeError: on import" in reasons["raises"] and reasons["good"] == ""


def test_text(mixed, run):
    result = run("plugins")
    assert result.code == 0
    for name, status in STATIC.items():
        assert any(line.split()[:1] == [name] and f" {status} " in line for line in result.out.splitlines())
    assert "future is incompatible: fake_future/card.toml was written for plugin API 99" in result.out
    assert "pip uninstall codectk-stale" in result.out
    assert "Not installed: hsc (pip install codectk-hsc)\n" in result.out
    assert max(map(len, result.out.split("\n\n")[0].splitlines())) <= PIPE_WIDTH


def test_json_has_the_whole_card(mixed, run):
    report = json.loads(run("plugins", "--json").out)
    good = next(plugin for plugin in report["plugins"] if plugin["name"] == "good")
    assert (good["distribution"], good["version"], good["module"]) == ("codectk-good", "1.0", "fake_good.plugin")
    knobs = {knob["name"]: knob for knob in good["codecs"][0]["knobs"]}
    assert knobs["quality"]["rate"] and knobs["realism"]["side"] == "decoder" and knobs["quality"]["maximum"] == 100
    assert {"codec": "hsc", "distribution": "codectk-hsc", "install": "pip install codectk-hsc"} in report[
        "not_installed"
    ]


def test_strict(mixed, run, monkeypatch):
    monkeypatch.setenv("CODECTK_STRICT_PLUGINS", "1")
    result = run("plugins")
    assert result.code == 5 and result.out == "" and "Plugin 'badcard'" in result.err
    monkeypatch.setenv("CODECTK_PLUGINS", "good,raises")
    assert run("plugins").code == 0
    result = run("plugins", "--check")
    assert result.code == 5 and "RuntimeError: on import" in result.err


def test_no_plugins(run, monkeypatch):
    monkeypatch.setenv("CODECTK_PLUGINS", "")
    result = run("plugins")
    assert result.code == 0 and result.out.startswith("No plugins.")


def test_other_verbs_carry_on_beside_broken_plugins(mixed, ctk, run):
    assert run("decode", "a.ctk", "-o", "back.png").code == 0
    assert run("info", "a.ctk").code == 0 and run("--help").code == 0


def test_in_a_process_of_its_own(mixed):
    """As a user sees it, with the fakes found through the path alone."""
    environment = {**os.environ, "PYTHONPATH": str(mixed.path)}
    command = [sys.executable, "-m", "codectk", "plugins", "--json"]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0 and result.stderr == ""
    assert _statuses(result.stdout) == STATIC
