"""codectk run: files, pictures and a report from a recipe."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.picture.read import read_picture

RECIPE = """
title = "A pocket codec"

[codec]
name = "pocket"

[knobs]
quality = 30
deblock = 1
"""

PARTS = """
title = "Parts"

[analysis]
name = "segpic.rat_analysis"

[entropy_model]
name = "segpic.charm_lrp"

[synthesis]
name = "segpic.rat_synthesis"
"""


@pytest.fixture
def place(folder: Path, pocket: object) -> Path:
    """The working folder with r.toml, a recipe of the codec `pocket`."""
    Path("r.toml").write_text(RECIPE)
    return folder


def test_everything_at_once(place: Path, run):
    done = run("run", "r.toml", "a.png", "b.png", "-o", "out")
    assert done.code == 0, done.err
    assert sorted(p.name for p in Path("out").iterdir()) == [
        "a.ctk", "a.png", "b.ctk", "b.png", "report.json", "report.md",
    ]  # fmt: skip
    report = json.loads(Path("out/report.json").read_text())
    assert report["title"] == "A pocket codec" and report["recipe"]["knobs"] == {"quality": 30, "deblock": 1}
    assert report["steps"] == ["encode", "decode", "eval"] and report["portable"] is True
    a, b = report["pictures"]
    assert (a["picture"], a["width"], a["height"], a["ms_ssim"]) == ("a", 64, 48, None)
    assert a["bytes"] == Path("out/a.ctk").stat().st_size and a["bpp"] == pytest.approx(
        a["bytes"] * 8 / (64 * 48), abs=1e-6
    )
    error = np.mean((read_picture("a.png").pixels.astype(float) - read_picture("out/a.png").pixels) ** 2)
    assert a["psnr"] == pytest.approx(10 * np.log10(255**2 / error), abs=1e-3)
    assert report["mean"]["bytes"] == (a["bytes"] + b["bytes"]) / 2
    page = Path("out/report.md").read_text()
    assert "# A pocket codec" in page and "| a | " in page and "| mean | " in page and "quality 30, deblock 1" in page
    assert "a.png -> " in done.out and " dB" in done.out


def test_the_codecs_own_files(place: Path, run):
    """The same bytes as codectk encode makes, and the decoder's knob is turned where the picture is made."""
    assert run("run", "r.toml", "a.png", "-o", "out").code == 0
    assert run("encode", "a.png", "-o", "a.ctk", "--codec", "pocket", "--quality", "30").code == 0
    assert Path("out/a.ctk").read_bytes() == Path("a.ctk").read_bytes()
    assert run("decode", "a.ctk", "-o", "x.png", "--knob", "deblock=1").code == 0
    assert np.array_equal(np.asarray(Image.open("x.png")), np.asarray(Image.open("out/a.png")))


def test_one_step_after_the_other(place: Path, run):
    assert run("run", "r.toml", "a.png", "-o", "out", "--only", "encode").code == 0
    assert sorted(p.name for p in Path("out").iterdir()) == ["a.ctk", "report.json", "report.md"]
    none = run("run", "r.toml", "a.png", "-o", "out", "--only", "eval")
    assert none.code == 1 and "There is no out/a.png to evaluate" in none.err
    assert run("run", "r.toml", "out", "-o", "out", "--only", "decode").code == 0
    assert Path("out/a.png").is_file()
    done = run("run", "r.toml", "a.png", "-o", "out", "--only", "eval", "--json")
    told, report = json.loads(done.out), json.loads(Path("out/report.json").read_text())
    assert done.code == 0 and told["input"] == "a.png" and told["psnr"] > 20
    assert report["steps"] == ["eval"] and report["pictures"] == [{k: told[k] for k in report["pictures"][0]}]
    assert "encode_s" not in told


def test_changes_on_the_command_line(place: Path, run):
    sizes = []
    for quality in (10, 90):
        assert run("run", "r.toml", "a.png", "-o", "out", "--set", f"knobs.quality={quality}").code == 0
        sizes.append(Path("out/a.ctk").stat().st_size)
    assert sizes[0] < sizes[1]
    wrong = run("run", "r.toml", "a.png", "-o", "out", "--set", "knobs.speed=3")
    assert wrong.code == 2 and "--set knobs.speed=3: no part has a knob 'speed', only: quality, deblock" in wrong.err


def test_one_bad_picture_stops_no_other(place: Path, run):
    done = run("run", "r.toml", "c.png", "a.png", "-o", "out")
    assert done.code == 1 and "c.png" in done.err
    assert [row["picture"] for row in json.loads(Path("out/report.json").read_text())["pictures"]] == ["a"]


def test_what_is_missing(place: Path, run):
    assert "Give a RECIPE.toml, or --list-components" in run("run").err
    assert "Give pictures and -o DIR" in run("run", "r.toml").err
    assert "Cannot read none.toml" in run("run", "none.toml", "a.png", "-o", "out").err
    bad = run("run", "r.toml", "a.png", "-o", "out", "--set", "codec.name=pokcet")
    assert bad.code == 5 and "did you mean 'pocket'" in bad.err
    lost = run("run", "r.toml", "a.png", "-o", "out", "--set", "weights=none.ctkb")
    assert lost.code == 4 and "names the weights none.ctkb, which are not there" in lost.err


def test_explained_without_weights(place: Path, run):
    done = run("run", "r.toml", "--explain")
    assert done.code == 0, done.err
    for part in (
        "A pocket codec",
        "multiple of 16 pixels",
        "[analysis] pocket",
        "deblock (decoder): 0.0 to 1.0, 1.0 unless",
    ):
        assert part in done.out


def test_components_of_all_plugins(place: Path, run, site):
    site.add("bomb", "raise SystemExit('imported')")
    done = run("run", "--list-components")
    assert done.code == 0 and "pocket.deblock" in done.out and "core.channels" in done.out
    listed = json.loads(run("run", "--list-components", "--json").out)
    mine = next(card for card in listed if card["id"] == "pocket.deblock")
    assert mine["kind"] == "post" and mine["distribution"] == "codectk-pocket" and "quality" in mine["knobs"]


def test_a_hybrid_without_weights_says_how_to_make_them(folder: Path, run):
    pytest.importorskip("codectk_segpic", reason="the recipe is made of SegPIC's parts")
    Path("parts.toml").write_text(PARTS)
    done = run("run", "parts.toml", "a.png", "-o", "out")
    assert done.code == 2
    for part in (
        "codectk train parts.toml --data PICTURES -o runs/parts",
        "codectk export runs/parts/checkpoint.pt -o parts.ctkb",
    ):
        assert part in done.err
    assert 'weights = "parts.ctkb"' in done.err
    misfit = run("run", "parts.toml", "--explain")
    assert misfit.code == 5 and "parts.toml:5: [analysis] segpic.rat_analysis needs regions" in misfit.err
