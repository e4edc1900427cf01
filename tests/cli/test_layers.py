"""Layered files on the command line: cut ones, fewer layers on purpose, and remarks on stderr."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk import api
from codectk.testing import corrupt, pictures


@pytest.fixture
def peeled(folder: Path, onion: object, run) -> Path:
    """The working folder with a.ctk of four layers and its base, made from a.png."""
    assert run("encode", "a.png", "-o", "a.ctk", "--codec", "onion", "--quality", 70, "--aligned").code == 0
    return folder


def cut(layers: int, more: int = 0) -> None:
    """Write b.ctk: a.ctk as far as its layer, and some bytes more."""
    data = Path("a.ctk").read_bytes()
    Path("b.ctk").write_bytes(data[: corrupt.layer_ends(data)[layers] + more])


def pixels(path: str) -> np.ndarray:
    return np.asarray(Image.open(path))


def test_a_file_cut_behind_a_layer_decodes_with_a_remark(peeled: Path, run):
    cut(1)
    result = run("decode", "b.ctk", "-o", "x.png")
    assert result.code == 0 and "b.ctk -> x.png" in result.out
    assert result.err.startswith("codectk: note: b.ctk: The file ends after layer 1; ") and result.err.count("\n") == 1
    result = run("decode", "a.ctk", "-o", "c.png", "--layers", 1)
    assert (result.code, result.err) == (0, "") and np.array_equal(pixels("x.png"), pixels("c.png"))


def test_a_file_cut_within_a_layer_is_refused_unless_fewer_are_asked_for(peeled: Path, run):
    cut(1, more=5)
    result = run("decode", "b.ctk", "-o", "x.png")
    assert (result.code, result.out) == (3, "") and not Path("x.png").exists()
    assert "the base layer and 1 more are whole, and --layers 1 decodes as much" in result.err
    for layers in (0, 1):
        result = run("decode", "b.ctk", "-o", "x.png", "--layers", layers)
        assert (result.code, result.err) == (0, "")
        assert np.array_equal(pixels("x.png"), np.asarray(api.decode("a.ctk", layers=layers)))
    assert run("decode", "b.ctk", "-o", "x.png", "--layers", 2).code == 3


def test_info_shows_layers_and_what_is_missing(peeled: Path, run):
    whole = run("info", "a.ctk")
    assert "base " in whole.out and ", 3: " in whole.out and "missing" not in whole.out
    cut(2, more=1)
    result = run("info", "b.ctk")
    assert (result.code, result.err) == (0, "") and "the end of the file is missing or damaged" in result.out
    report = json.loads(run("info", "b.ctk", "--json").out)
    assert report["complete"] is False and len(report["layers"]) == 3


@pytest.mark.parametrize("more", [0, 4])
def test_verify_calls_a_cut_file_incomplete(peeled: Path, run, more: int):
    cut(2, more)
    result = run("verify", "b.ctk", "--json")
    report = json.loads(result.out)
    assert result.code == 3 and report["state"] == "failed"
    assert "The file is incomplete: it is cut" in report["checks"][0]["reason"] and "layer 2" in result.err
    assert run("verify", "a.ctk").code == 0


def test_codecs_without_layers(ctk: Path, run):
    result = run("decode", "a.ctk", "-o", "a2.png", "--layers", 0)
    assert result.code == 2 and "have no layers to choose from" in result.err
    assert "layers" not in run("info", "a.ctk").out
    data = Path("a.ctk").read_bytes()
    Path("b.ctk").write_bytes(data[:-1])
    assert run("info", "b.ctk").code == run("decode", "b.ctk", "-o", "x.png").code == 3


@pytest.mark.parametrize("layers", ["-1", "much"])
def test_numbers_of_layers_that_are_none(peeled: Path, run, layers: str):
    assert run("decode", "a.ctk", "-o", "x.png", "--layers", layers).code == 2


def test_a_batch_remarks_on_each_file(peeled: Path, run):
    cut(0)
    result = run("decode", "a.ctk", "b.ctk", "-o", "out/", "--json")
    assert result.code == 0 and [entry["output"] for entry in json.loads(result.out)] == ["out/a.png", "out/b.png"]
    assert result.err == (
        "codectk: note: b.ctk: The file ends after the base layer; "
        "the rest is missing, so the picture has less detail.\n"
    )


# Framing and the domain


def test_framing_is_done_unless_it_was(peeled: Path, run):
    framed = np.pad(np.maximum(pictures.scene(40, 56), 20), [(4, 4), (8, 0), (0, 0)])
    Image.fromarray(framed).save("f.png")
    report = json.loads(run("encode", "f.png", "-o", "f.ctk", "--codec", "onion", "--json").out)
    assert (report["width"], report["height"]) == (56, 40)
    assert report["bpp"] == report["bytes"] * 8 / (56 * 40)
    report = json.loads(run("encode", "f.png", "-o", "f.ctk", "--codec", "onion", "--aligned", "--json").out)
    assert (report["width"], report["height"]) == (64, 48)
    Image.new("RGB", (8, 8)).save("black.png")
    result = run("encode", "f.png", "black.png", "-o", "out/", "--codec", "onion")
    assert result.code == 1 and "black.png: There is nothing but black" in result.err
    assert Path("out/f.ctk").exists() and not Path("out/black.ctk").exists()


def test_pictures_outside_the_domain(peeled: Path, run):
    Image.new("RGB", (32, 32), (18, 18, 18)).save("night.png")
    result = run("encode", "night.png", "-o", "n.ctk", "--codec", "onion")
    assert result.code == 0
    assert result.err.startswith("codectk: note: night.png: The picture is made for the night")
    Path("n.ctk").unlink()
    result = run("encode", "night.png", "-o", "n.ctk", "--codec", "onion", "--strict-domain")
    assert result.code == 1 and result.err.endswith("[CTK-E105]\n") and not Path("n.ctk").exists()


@pytest.mark.parametrize("option", ["--aligned", "--strict-domain"])
def test_options_that_a_codec_cannot_keep(ctk: Path, run, option: str):
    result = run("encode", "a.png", "-o", "b.ctk", "--codec", "pocket", option)
    assert result.code == 2 and result.err.endswith("[CTK-E200]\n")


def test_other_warnings_go_their_usual_way():
    from codectk.base.errors import CodectkWarning
    from codectk.cli.notes import notes

    lines: list[str] = []
    with pytest.warns(DeprecationWarning, match="old"), notes("a.png", lines.append):
        warnings.warn(CodectkWarning("One\n  line."), stacklevel=1)
        warnings.warn(DeprecationWarning("old"), stacklevel=1)
    assert lines == ["codectk: note: a.png: One line."]
