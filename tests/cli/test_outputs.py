"""No verb loses a picture: every output is compared with every input and with one another before any work."""

from __future__ import annotations

import json
import os
import stat
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from codectk.cli.main import VERBS, group
from codectk.picture.read import read_picture

RECIPE = '[codec]\nname = "pocket"\n'

EVAL = ("eval", "a.png", "b.png", "--codec", "pocket", "--qualities", "50")


@pytest.fixture
def place(ctk: Path) -> Path:
    """The working folder with a.ctk, a recipe, and a link to a picture."""
    Path("r.toml").write_text(RECIPE)
    Path("c.png").unlink()
    os.symlink("a.png", "link.png")
    return ctk


def _bytes() -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in Path().rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "args",
    [
        ("encode", "a.png", "-o", "a.png"),
        ("decode", "a.ctk", "-o", "a.ctk"),
        ("decode", "a.ctk", "-o", "sub/../a.ctk"),
        ("run", "r.toml", ".", "-o", "."),
        ("run", "r.toml", "a.png", "-o", "."),
        ("run", "r.toml", "a.png", "-o", "../work"),
        ("run", "r.toml", "a.ctk", "-o", ".", "--only", "encode"),
        (*EVAL, "--plot", "a.png"),
        (*EVAL, "--plot", "link.png"),
        (*EVAL, "--plot", "a.svg"),
        (*EVAL, "--json", "b.png"),
        (*EVAL, "--csv", "./b.png"),
        (*EVAL, "--json", "x", "--csv", "x"),
        ("eval", "kept/pocket/a-q50.png", "a.png", *EVAL[3:], "--keep", "kept"),
        ("export", "a.ctkb", "-o", "a.ctkb"),
        ("train", "r.toml", "--data", "run/curve.png", "-o", "run", "--plot"),
    ],
)
def test_an_output_is_no_input(place: Path, run, args: tuple[str, ...]):
    Path("a.ctkb").write_bytes(b"bundle")
    for folder in ("sub", "kept/pocket", "run"):
        Path(folder).mkdir(parents=True)
    for copy in ("kept/pocket/a-q50.png", "run/curve.png"):
        Path(copy).write_bytes(Path("b.png").read_bytes())
    before = _bytes()
    done = run(*args)
    assert done.code in (1, 2) and _bytes() == before
    assert any(word in done.err for word in ("would be overwritten", "would both be written", "does not end in"))


def test_an_edit_may_be_in_place(folder: Path, onion: object, run):
    assert run("encode", "a.png", "-o", "a.ctk", "--codec", "onion").code == 0
    before = Path("a.ctk").read_bytes()
    done = run("edit", "a.ctk", "--set", "light=1", "-o", "a.ctk")
    assert done.code == 0, done.err
    assert Path("a.ctk").read_bytes() != before


def test_the_second_evaluation_does_not_measure_its_own_chart(place: Path, run):
    pytest.importorskip("matplotlib")
    pictures = ["a.png", "b.png"]
    args = ("--codec", "pocket", "--qualities", "50", "--plot", "rd.png")
    assert run("eval", *pictures, *args).code == 0
    again = run("eval", *pictures, "rd.png", *args)
    assert again.code == 2 and "'rd.png' is an input and would be overwritten" in again.err


@pytest.mark.parametrize("verb", list(VERBS))
def test_no_verb_takes_an_empty_name(place: Path, run, verb: str):
    """Each argument and option that is a text, but those that are empty unless given."""
    with click.Context(group) as ctx:
        command = group.get_command(ctx, verb)
    commands = list(command.commands.values()) if isinstance(command, click.Group) else [command]
    tried = 0
    for inner in commands:
        path = [verb] if inner is command else [verb, inner.name]
        for param in inner.params:
            if not isinstance(param.type, click.types.StringParamType) or param.default == "":
                continue
            before = _bytes()
            given = [param.opts[0], ""] if isinstance(param, click.Option) else [""]
            needed = [
                word
                for other in inner.params
                if other.required and other is not param
                for word in ([other.opts[0], "x"] if isinstance(other, click.Option) else ["x"])
            ]
            done = run(*path, *given, *needed) if isinstance(param, click.Option) else run(*path, *needed, *given)
            assert done.code == 2 and "is empty" in done.err, (path, param.name, done.err)
            assert _bytes() == before
            tried += 1
    assert tried or verb in ("plugins", "doctor")


@pytest.mark.skipif(os.name == "nt", reason="POSIX modes")
def test_all_verbs_keep_modes_and_refuse_what_is_read_only(place: Path, onion: object, run):
    assert run("encode", "a.png", "-o", "o.ctk", "--codec", "onion").code == 0
    verbs = {
        "x.ctk": ("encode", "a.png", "--codec", "pocket", "-o", "x.ctk"),
        "x.png": ("decode", "a.ctk", "-o", "x.png"),
        "y.ctk": ("edit", "o.ctk", "--clear", "-o", "y.ctk"),
        "out/report.json": ("run", "r.toml", "a.png", "-o", "out"),
        "x.csv": (*EVAL, "--csv", "x.csv"),
        "x.json": (*EVAL, "--json", "x.json"),
    }
    Path("out").mkdir()
    for name, args in verbs.items():
        target = Path(name)
        target.write_bytes(b"old")
        target.chmod(0o444)
        done = run(*args)
        assert done.code == 1 and "read-only" in done.err and target.read_bytes() == b"old", (args, done.err)
        target.chmod(0o600)
        assert run(*args).code == 0
        assert target.read_bytes() != b"old" and stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_report_of_no_loss_is_json(place: Path, run, monkeypatch: pytest.MonkeyPatch):
    """PSNR without any error is infinite, which JSON lacks."""
    flat = np.full((48, 64, 3), 128, np.uint8)
    Image.fromarray(flat).save("flat.png")
    from codectk.metrics import psnr

    monkeypatch.setattr(psnr, "psnr", lambda a, b: float("inf"))
    assert run("run", "r.toml", "flat.png", "-o", "out").code == 0
    report = json.loads(Path("out/report.json").read_text(), parse_constant=pytest.fail)
    assert report["pictures"][0]["psnr"] is None
    told = json.loads(run("run", "r.toml", "flat.png", "-o", "out", "--json").out, parse_constant=pytest.fail)
    assert told["psnr"] is None
    assert "| inf |" in Path("out/report.md").read_text()


# The standard streams


def _codectk(*args: str, **options: object) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run([sys.executable, "-m", "codectk", *args], capture_output=True, timeout=120, **options)  # type: ignore[call-overload, no-any-return]


@pytest.fixture
def environment(place: Path, pocket: list[str]) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": os.pathsep.join(pocket)}


def test_pictures_and_files_through_pipes(place: Path, environment: dict[str, str]):
    picture, ctk = Path("a.png").read_bytes(), Path("a.ctk").read_bytes()
    encoded = _codectk("encode", "-", "-o", "-", "--codec", "pocket", input=picture, env=environment)
    assert encoded.returncode == 0 and encoded.stdout == ctk, encoded.stderr
    assert b"bytes" in encoded.stderr
    decoded = _codectk("decode", "-", "-o", "-", "--knob", "deblock=0", input=ctk, env=environment)
    assert decoded.returncode == 0, decoded.stderr
    assert read_picture(decoded.stdout).pixels.shape == (48, 64, 3)
    for source in ("-", "/dev/stdin"):
        for verb in (["verify"], ["info"], ["info", "--json"]):
            done = _codectk(*verb, source, input=ctk, env=environment)
            assert done.returncode == 0, (verb, source, done.stderr)
        done = _codectk("decode", source, "-o", "x.png", "--knob", "deblock=0", input=ctk, env=environment)
        assert done.returncode == 0, (source, done.stderr)
        done = _codectk("run", "r.toml", "/dev/stdin", "-o", "out", input=picture, env=environment)
        assert done.returncode == 0, done.stderr
    both = _codectk("encode", "a.png", "-o", "-", "--codec", "pocket", "--json", env=environment)
    assert both.returncode == 2 and both.stdout == b""
    twice = _codectk("encode", "-", "-", "-o", "out/", "--codec", "pocket", input=picture, env=environment)
    assert twice.returncode == 2 and b"read once" in twice.stderr


@pytest.mark.parametrize(
    "args",
    [
        ("--help",),
        ("info", "a.ctk"),
        ("info", "a.ctk", "--json"),
        ("verify", "a.ctk", "--quick"),
        ("plugins",),
        ("weights", "list"),
        ("encode", "a.png", "-o", "y.ctk", "--codec", "pocket"),
        ("encode", "a.png", "-o", "-", "--codec", "pocket"),
        (*EVAL, "--json", "x.json", "--csv", "/dev/stdout"),
    ],
)
@pytest.mark.skipif(os.name == "nt", reason="POSIX pipes")
def test_a_closed_pipe_ends_every_verb_quietly(place: Path, environment: dict[str, str], args: tuple[str, ...]):
    read, write = os.pipe()
    os.close(read)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "codectk", *args],
            stdout=write, stderr=subprocess.PIPE, env=environment, timeout=120, check=False,
        )  # fmt: skip
    finally:
        os.close(write)
    assert (done.returncode, done.stderr) == (141, b"")
    assert args[0] != "eval" or Path("x.json").is_file()  # what was measured is not lost
