"""codectk info: complete as text and as JSON, with neither plugin nor torch."""

from __future__ import annotations

import json
from pathlib import Path

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
