"""codectk verify: three states per check, and the right one to blame."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codectk.testing import corrupt


def _states(run, *args: str) -> tuple[int, str, dict[str, str], dict[str, str]]:
    """Exit code, verdict, state by check, reason by check."""
    result = run("verify", *args, "--json")
    report = json.loads(result.out)
    states = {check["name"]: check["state"] for check in report["checks"]}
    return result.code, report["state"], states, {check["name"]: check["reason"] for check in report["checks"]}


def test_a_good_file(ctk: Path, run):
    code, verdict, states, _ = _states(run, "a.ctk")
    assert (code, verdict) == (0, "ok")
    assert states == {"container": "ok", "weights": "ok", "latents": "ok"}
    text = run("verify", "a.ctk")
    assert text.code == 0 and text.err == "" and "not checked" not in text.out


def test_a_damaged_container(ctk: Path, run):
    data = Path("a.ctk").read_bytes()
    Path("bad.ctk").write_bytes(data[:-7] + bytes([data[-7] ^ 4]) + data[-6:])
    code, verdict, states, _ = _states(run, "bad.ctk")
    assert (code, verdict) == (3, "failed")
    assert states == {"container": "failed", "weights": "not checked", "latents": "not checked"}
    text = run("verify", "bad.ctk")
    assert text.err.endswith("[CTK-E304]\n") and text.err.count("\n") == 1


def test_forged_latents(ctk: Path, run):
    for _, forged in corrupt.forged_payloads(Path("a.ctk").read_bytes(), 3):
        Path("bad.ctk").write_bytes(forged)
        code, verdict, states, _ = _states(run, "bad.ctk")
        assert code in (3, 4) and verdict == "failed"
        assert states == {"container": "ok", "weights": "ok", "latents": "failed"}


def test_other_weights(ctk: Path, run):
    Path("bad.ctk").write_bytes(corrupt.with_weights(Path("a.ctk").read_bytes(), b"\1\2\3\4"))
    code, _, states, reasons = _states(run, "bad.ctk")
    assert code == 4 and "01020304" in reasons["weights"]
    assert states == {"container": "ok", "weights": "failed", "latents": "not checked"}


@pytest.mark.parametrize("quick", [True, False])
def test_what_cannot_be_checked_is_not_the_files_fault(ctk: Path, run, monkeypatch, quick: bool):
    monkeypatch.setenv("CODECTK_PLUGINS", "none-of-these")
    args = ["a.ctk", "--quick"] if quick else ["a.ctk"]
    code, verdict, states, reasons = _states(run, *args)
    assert (code, verdict) == (0, "not checked")
    assert states == {"container": "ok", "weights": "not checked", "latents": "not checked"}
    assert ("--quick" if quick else "CODECTK_PLUGINS") in reasons["latents"]
    strict = run("verify", *args, "--strict")
    assert strict.code == 5 and "Not everything could be checked" in strict.err
    assert "Not checked (weights, latents): " in strict.out


def test_a_broken_plugin_is_not_the_files_fault(ctk: Path, run, site, monkeypatch):
    site.add("pocket", "raise RuntimeError('no')", distribution="codectk-pocket", version="9")
    monkeypatch.setenv("CODECTK_PLUGINS", "pocket")
    code, verdict, states, reasons = _states(run, "a.ctk")
    assert (code, verdict, states["container"]) == (0, "not checked", "ok")
    assert "RuntimeError: no" in reasons["latents"]


def test_several_files(ctk: Path, run):
    result = run("verify", "a.ctk", "missing.ctk", "c.png")
    assert result.code == 3
    assert [line.split()[-1] for line in result.err.splitlines()] == ["[CTK-E101]", "[CTK-E301]"]
    assert result.out.startswith("a.ctk\n") and "c.png: " in result.err
