"""codectk encode and decode: round trips, knobs, targets, batches, and what bad input leaves behind."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk import api
from codectk.bitstream.chunk import LATENTS, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.writer import write
from codectk.pipeline.load import forget
from codectk.plugins import discover

POCKET = ("--codec", "pocket")

FAILS = """
from codectk.spec.hooks import hookimpl
from codectk.spec.stages import Stages, LatentSpec
from codectk.base.types import Context

class Stage:
    produces = needs = gives = (LatentSpec("y", 3, 8),)
    def __call__(self, x, *rest):
        raise {error}
    code = __call__

@hookimpl
def codectk_codec(name, device):
    return Stages(id=name, stride=8, weights_hash="", portable=True,
                 analysis=Stage(), entropy_model=Stage(), synthesis=Stage())
"""


def _one_line(result, exit_code: int, code: str, words: str = "") -> None:
    assert result.code == exit_code
    assert result.err.startswith("codectk: error: ") and result.err.endswith(f"[{code}]\n")
    assert result.err.count("\n") == 1 and "Traceback" not in result.err and words in result.err


def test_round_trip(ctk: Path, run):
    result = run("decode", "a.ctk", "-o", "back.png")
    assert result.code == 0 and "a.ctk -> back.png: 64 x 48 pixels" in result.out
    original, back = (np.asarray(Image.open(name)).astype(float) for name in ("a.png", "back.png"))
    assert original.shape == back.shape and np.abs(original - back).mean() < 6
    assert np.array_equal(back, np.asarray(api.decode("a.ctk")))


def test_every_picture_format_comes_out(ctk: Path, run):
    for suffix in (".jpg", ".webp", ".tif", ".ppm"):
        assert run("decode", "a.ctk", "-o", f"back{suffix}").code == 0
        assert Image.open(f"back{suffix}").size == (64, 48)


def test_knobs_reach_the_file(folder: Path, pocket, run):
    for args, quality in (
        (("--quality", "12.34"), 12.34),
        (("--knob", "quality=12.34"), 12.34),
        ((), 50.0),
    ):
        assert run("encode", "a.png", "-o", "x.ctk", *POCKET, *args).code == 0
        assert api.info("x.ctk").knobs == {"quality": quality}
    assert run("decode", "x.ctk", "-o", "soft.png", "--knob", "deblock=1").code == 0
    assert run("decode", "x.ctk", "-o", "hard.png", "--knob", "deblock=0").code == 0
    assert not np.array_equal(np.asarray(Image.open("soft.png")), np.asarray(Image.open("hard.png")))


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--realism", "1"), "no knob 'realism' for encoding; valid knobs: quality (0.0..100.0, default 50.0)"),
        (("--knob", "grid=1"), "no knob 'grid' for encoding; valid knobs: quality"),
        (("--knob", "deblock=1"), "turned by the decoder"),
        (("--knob", "device=cuda"), "no knob 'device'"),
        (("--quality", "101"), "between 0.0 and 100.0, not 101"),
        (("--quality", "good"), "must be a number, not 'good'"),
        (("--quality", "1", "--knob", "quality=2"), "given twice"),
        (("--knob", "quality"), "--knob NAME=VALUE, not 'quality'"),
        (("--knob", "=3"), "--knob NAME=VALUE, not '=3'"),
        (("--target-bpp", "1", "--target-bytes", "100"), "not both"),
        (("--target-bpp", "1", "--quality", "3"), "contradict"),
        (("--target-bpp", "-1"), "positive"),
        (("--strict",), "only with --target"),
    ],
)
def test_wrong_knobs(folder: Path, pocket, run, args: tuple[str, ...], words: str):
    _one_line(run("encode", "a.png", "-o", "x.ctk", *POCKET, *args), 2, "CTK-E200", words)
    assert not Path("x.ctk").exists()


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("--knob", "data=1"), "no knob 'data' for decoding; valid knobs: deblock (0.0..1.0, default 0.5)"),
        (("--quality", "50"), "turned by the encoder, not while decoding; valid knobs: deblock"),
        (("--knob", "deblock=2"), "between 0.0 and 1.0"),
    ],
)
def test_wrong_decoder_knobs(ctk: Path, run, args: tuple[str, ...], words: str):
    _one_line(run("decode", "a.ctk", "-o", "x.png", *args), 2, "CTK-E200", words)
    assert not Path("x.png").exists()


def test_targets(folder: Path, pocket, run):
    assert run("encode", "a.png", "-o", "x.ctk", *POCKET, "--target-bytes", "500").code == 0
    assert abs(Path("x.ctk").stat().st_size - 500) <= 25
    assert run("encode", "a.png", "-o", "x.ctk", *POCKET, "--target-bpp", "1", "--strict").code == 0
    assert 0.9 * 64 * 48 / 8 < Path("x.ctk").stat().st_size <= 64 * 48 / 8
    _one_line(run("encode", "a.png", "-o", "y.ctk", *POCKET, "--target-bytes", "9"), 1, "CTK-E104")
    assert not Path("y.ctk").exists()


def test_json(ctk: Path, run):
    report = json.loads(run("encode", "a.png", "-o", "x.ctk", *POCKET, "--json").out)
    assert report["bytes"] == Path("x.ctk").stat().st_size
    assert report["bpp"] == pytest.approx(report["bytes"] * 8 / (64 * 48))
    assert (report["input"], report["output"], report["codec"]) == ("a.png", "x.ctk", "pocket")
    result = run("decode", "x.ctk", "missing.ctk", "-o", "out", "--json")
    good, bad = json.loads(result.out)
    assert (good["width"], good["height"], good["output"]) == (64, 48, str(Path("out/x.png")))
    assert bad["error"]["code"] == "CTK-E101" and result.code == 1


def test_batch_goes_on_and_returns_the_worst(folder: Path, pocket, run):
    result = run("encode", "a.png", "c.png", "missing.png", "b.png", "-o", "out/", *POCKET)
    assert result.code == 1
    assert "a.png -> out" in result.out and "2 of 4 files done, 2 failed." in result.out
    told = result.err.splitlines()
    assert len(told) == 2 and "c.png" in told[0] and "missing.png" in told[1]
    assert sorted(os.listdir("out")) == ["a.ctk", "b.ctk"]
    Path("out/b.ctk").write_bytes(b"damaged")
    result = run("decode", "out/a.ctk", "out/b.ctk", "out/c.ctk", "-o", "back/")
    assert result.code == 3 and os.listdir("back") == ["a.png"]


def test_notes_about_the_picture_are_told(folder: Path, pocket, run):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.open("a.png").save("turned.png", exif=exif)
    result = run("encode", "turned.png", "-o", "x.ctk", *POCKET)
    assert result.code == 0 and "codectk: note: turned.png: " in result.err
    assert (api.info("x.ctk").width, api.info("x.ctk").height) == (48, 64)


@pytest.mark.parametrize(
    ("source", "output", "exit_code", "code"),
    [
        ("missing.png", "x.ctk", 1, "CTK-E101"),
        ("c.png", "x.ctk", 1, "CTK-E101"),
        (".", "x.ctk", 1, "CTK-E101"),
        ("a.png", "x.png", 1, "CTK-E102"),
        ("a.png", "x", 1, "CTK-E102"),
        ("a.png", "no/such/x.ctk", 1, "CTK-E102"),
        ("a.png", "folder.ctk/sub.ctk", 1, "CTK-E102"),
        ("a.png", "a.png", 2, "CTK-E200"),
    ],
)
def test_bad_encode_input_leaves_nothing(
    folder: Path, pocket, run, source: str, output: str, exit_code: int, code: str
):
    Path("folder.ctk").write_text("a file in the way")
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    _one_line(run("encode", source, "-o", output, *POCKET), exit_code, code)
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize(
    ("damage", "exit_code", "code"),
    [
        (lambda data: b"", 3, "CTK-E303"),
        (lambda data: b"\x89PNG\r\n\x1a\n", 3, "CTK-E301"),
        (lambda data: data[:-1], 3, "CTK-E304"),
        (lambda data: data[:20], 3, "CTK-E303"),
        (lambda data: data[:-9] + bytes([data[-9] ^ 1]) + data[-8:], 3, "CTK-E304"),
        (lambda data: data[:3] + b"\x21" + data[4:], 3, "CTK-E302"),
    ],
)
def test_damaged_files_leave_nothing(ctk: Path, run, damage, exit_code: int, code: str):
    Path("bad.ctk").write_bytes(damage(Path("a.ctk").read_bytes()))
    Path("x.png").write_text("precious")
    for args in (("decode", "bad.ctk", "-o", "x.png"), ("info", "bad.ctk"), ("info", "bad.ctk", "--json")):
        _one_line(run(*args), exit_code, code)
    assert Path("x.png").read_text() == "precious"
    assert sorted(os.listdir()) == ["a.ctk", "a.png", "b.png", "bad.ctk", "c.png", "x.png"]


def test_an_uninstalled_codec_names_the_install_line(folder: Path, run, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(discover, "distributions", lambda: [])  # as if no plugin were installed
    _one_line(run("encode", "a.png", "-o", "x.ctk", "--codec", "sgc"), 5, "CTK-E501", "pip install codectk-sgc")
    for codec, distribution in (("sgc", "codectk-sgc"), ("acme", "acme-codecs")):
        Path("x.ctk").write_bytes(write(Header(codec, distribution, 8, 8), [Chunk.of(LATENTS, bytes(8))]))
        _one_line(run("decode", "x.ctk", "-o", "x.png"), 5, "CTK-E501", f"pip install {distribution} ")
        assert f"To decode it: pip install {distribution}\n" in run("info", "x.ctk").out
    assert not Path("x.png").exists()


@pytest.mark.parametrize(
    ("error", "exit_code", "words"),
    [
        ("ZeroDivisionError('oops')", 1, "bug in codectk or a plugin (ZeroDivisionError: oops)"),
        ("MemoryError()", 1, "not enough memory"),
        ("KeyboardInterrupt()", 130, "aborted"),
    ],
)
def test_a_failure_midway_keeps_the_old_file(folder: Path, site, run, error: str, exit_code: int, words: str):
    forget()
    site.add("fails", FAILS.replace("{error}", error))
    Path("x.ctk").write_text("precious")
    before = sorted(os.listdir())
    result = run("encode", "a.png", "-o", "x.ctk", "--codec", "fails")
    assert result.code == exit_code and words in result.err and "Traceback" not in result.err
    assert Path("x.ctk").read_text() == "precious" and sorted(os.listdir()) == before


@pytest.mark.skipif(os.name != "posix" or os.geteuid() == 0, reason="needs a user that permissions bind")
def test_no_permission(folder: Path, pocket, run):
    Path("locked").mkdir(mode=0o555)
    _one_line(run("encode", "a.png", "-o", "locked/x.ctk", *POCKET), 1, "CTK-E102")


@pytest.mark.skipif(os.name != "posix", reason="needs a pseudo-terminal")
def test_a_bar_on_a_terminal_and_none_in_a_pipe(folder: Path, pocket):
    import pty

    command = [sys.executable, "-m", "codectk", "encode", "a.png", "[b].png", "c.png", "-o", "out/", *POCKET]
    Path("b.png").rename("[b].png")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(pocket), "TERM": "xterm", "COLUMNS": "100"}
    screen, end = pty.openpty()
    with os.fdopen(screen, "rb", buffering=0) as terminal:
        process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=end)
        os.close(end)
        seen = _read_all(terminal)
        out = process.communicate(timeout=60)[0].decode()
    assert process.returncode == 1
    assert "3/3" in seen and "\ncodectk: error: c.png is not" in seen.replace("\x1b[2K", "\n")
    assert "2 of 3 files done, 1 failed." in out and "\x1b" not in out
    piped = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60)
    assert piped.returncode == 1 and piped.stderr.count("\n") == 1 and piped.stdout.count("\n") == 3


def _read_all(terminal: io.RawIOBase | io.FileIO) -> str:
    """Everything until the other end closes, which Linux reports as an error."""
    seen = b""
    try:
        while chunk := terminal.read(4096):
            seen += chunk
    except OSError:
        pass
    return seen.decode(errors="replace")
