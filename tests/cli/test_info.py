"""codectk info: complete as text and as JSON, with neither plugin nor torch."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from codectk import api


def test_text(ctk: Path, run):
    result = run("info", "a.ctk")
    size = Path("a.ctk").stat().st_size
    assert result.code == 0 and result.err == ""
    for words in ("64 x 48 pixels", f"{size:,}", "pocket (from codectk-pocket)", "quality 50", "LATS", "portable"):
        assert words in result.out
    assert result.out.endswith("To decode it: pip install codectk-pocket\n")


def test_json_of_one_file(ctk: Path, run):
    report = json.loads(run("info", "a.ctk", "--json").out)
    assert report == {"file": "a.ctk", **api.info("a.ctk").to_json()}
    assert {
        "codec", "codec_distribution", "format_version", "width", "height", "bytes", "bpp",
        "overhead_bytes", "weights_hash", "portable", "knobs", "chunks", "install",
    } <= set(report)  # fmt: skip
    assert report["bytes"] == Path("a.ctk").stat().st_size
    assert report["chunks"][0]["tag"] == "LATS"


def test_several_files(ctk: Path, run):
    result = run("info", "a.ctk", "c.png", "missing.ctk", "--json")
    good, foreign, missing = json.loads(result.out)
    assert result.code == 3 and good["codec"] == "pocket"
    assert (foreign["file"], foreign["error"]["code"]) == ("c.png", "CTK-E301")
    assert missing["error"]["code"] == "CTK-E101"
    assert [line.split()[-1] for line in result.err.splitlines()] == ["[CTK-E301]", "[CTK-E101]"]
    assert "c.png: " in result.err


def test_what_is_in_a_file_where_its_plugin_can_tell(folder: Path, grain, run):
    Path("g.ctk").write_bytes(api.encode("a.png", "grain"))
    shares = api.summary("g.ctk")["tones"]
    assert len(shares) == 3
    told = run("info", "g.ctk")
    (line,) = [line.rstrip() for line in told.out.splitlines() if line.startswith("tones")]
    assert told.err == "" and line.split(maxsplit=1)[1] == ", ".join(f"{n} {100 * s:.0f} %" for n, s in shares.items())
    assert json.loads(run("info", "g.ctk", "--json").out) == {
        "file": "g.ctk", **api.info("g.ctk").to_json(), "summary": {"tones": shares},
    }  # fmt: skip


def test_long_lists_are_cut_short(folder: Path, grain, run, monkeypatch: pytest.MonkeyPatch):
    Path("g.ctk").write_bytes(api.encode("a.png", "grain"))
    shares = {f"part{number}": 0.07 if number < 14 else 0.004 for number in range(19)}
    monkeypatch.setattr(api, "summary", lambda data: {"parts": shares, "few": {"a": 0.997, "b": 0.003, "c": 0.0}})
    out = " ".join(run("info", "g.ctk").out.split())
    assert "parts part0 7 %, part1 7 %" in out and "part11 7 %, and 7 more few a 100 %, b < 1 %, c 0 %" in out


def test_a_plugin_that_fails_costs_one_line(folder: Path, grain, run, monkeypatch: pytest.MonkeyPatch):
    data = api.encode("a.png", "grain")
    for name in ("g.ctk", "h.ctk"):
        Path(name).write_bytes(data)
    from codectk_grain import tones

    def fail(container):
        raise KeyError("oops")

    whole = [line.split() for line in run("info", "g.ctk").out.splitlines()]
    monkeypatch.setattr(tones, "tones", fail)
    told = run("info", "g.ctk")
    assert told.code == 0 and told.err.count("\n") == 1
    assert told.err.startswith("codectk: note: g.ctk: What is in it cannot be told: Plugin 'grain'")
    assert [line.split() for line in told.out.splitlines()] == [line for line in whole if line[:1] != ["tones"]]
    both = run("info", "g.ctk", "h.ctk", "--json")
    assert both.code == 0 and [set(one) & {"codec", "summary"} for one in json.loads(both.out)] == [{"codec"}] * 2


def test_without_the_plugin_nothing_is_missed(folder: Path, grain, run, monkeypatch: pytest.MonkeyPatch):
    Path("g.ctk").write_bytes(api.encode("a.png", "grain"))
    monkeypatch.setenv("CODECTK_PLUGINS", "")
    told = run("info", "g.ctk")
    assert told.code == 0 and told.err == "" and "tones" not in told.out
    assert told.out.endswith("To decode it: pip install codectk-grain\n")
