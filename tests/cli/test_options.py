"""Options that several verbs share are those that files know, and reach the codec."""

from __future__ import annotations

import importlib
from pathlib import Path

import click
import numpy as np
import pytest
from PIL import Image

from codectk import api
from codectk.bitstream.knobs import CODED_KNOBS
from codectk.cli.main import VERBS

KNOBS = {f"--{name}" for name in CODED_KNOBS}


def options_of(verb: str) -> set[str]:
    command: click.Command = importlib.import_module(VERBS[verb][0]).command
    return {name for parameter in command.params for name in parameter.opts}


def test_which_verbs_have_options_for_knobs():
    """All or none: a knob that a file can carry has an option wherever one has."""
    found = {verb: options_of(verb) & KNOBS for verb in VERBS}
    assert {verb for verb, options in found.items() if options == KNOBS} == {"encode", "decode"}
    assert not any(options for verb, options in found.items() if verb not in ("encode", "decode"))
    assert "--knob" in options_of("encode") & options_of("decode") & options_of("eval")


def test_an_option_is_the_same_as_a_pair(folder: Path, grain, run):
    for number, args in enumerate((("--seed", "7"), ("--knob", "seed=7"))):
        assert run("encode", "a.png", "-o", f"{number}.ctk", "--codec", "grain", *args).code == 0
    assert Path("0.ctk").read_bytes() == Path("1.ctk").read_bytes()
    for number, args in enumerate(
        (("--strength", "1", "--steps", "9"), ("--knob", "strength=1", "--knob", "steps=9"), ())
    ):
        assert run("decode", "0.ctk", "-o", f"{number}.png", *args).code == 0
    one, same, other = (np.asarray(Image.open(f"{number}.png")) for number in range(3))
    assert np.array_equal(one, same) and not np.array_equal(one, other)


def test_the_files_seed_is_advice_that_decode_overrules(folder: Path, grain, run):
    for name, args in (("plain", ()), ("five", ("--seed", "5"))):
        assert run("encode", "a.png", "-o", f"{name}.ctk", "--codec", "grain", *args).code == 0
    assert api.info("plain.ctk").knobs == {"quality": 50.0}
    assert api.info("five.ctk").knobs == {"quality": 50.0, "seed": 5}
    assert Path("five.ctk").stat().st_size == Path("plain.ctk").stat().st_size + 1
    painted = {
        (name, seed): np.asarray(api.decode(f"{name}.ctk", **({} if seed is None else {"seed": seed})))
        for name, seed in (("plain", None), ("plain", 0), ("plain", 5), ("plain", 9), ("five", None), ("five", 9))
    }
    assert np.array_equal(painted["plain", None], painted["plain", 0])
    assert np.array_equal(painted["five", None], painted["plain", 5])
    assert np.array_equal(painted["five", 9], painted["plain", 9])
    assert not np.array_equal(painted["five", None], painted["five", 9])
    assert run("decode", "five.ctk", "-o", "nine.png", "--seed", "9").code == 0
    assert np.array_equal(np.asarray(Image.open("nine.png")), painted["five", 9])


@pytest.mark.parametrize(
    ("verb", "args", "words"),
    [
        ("encode", ("--strength", "1"), "'strength' of codec 'grain' is turned by the decoder"),
        ("encode", ("--guidance", "1"), "no knob 'guidance' for encoding; valid knobs: quality"),
        ("encode", ("--seed", "1000"), "'seed' must be between 0 and 999, not 1000"),
        ("encode", ("--seed", "1.5"), "'seed' must be a whole number"),
        ("decode", ("--guidance", "1"), "no knob 'guidance' for decoding; valid knobs: seed"),
        ("decode", ("--strength", "1", "--knob", "strength=1"), "Knob 'strength' is given twice"),
    ],
)
def test_wrong_ones_are_told(folder: Path, grain, run, verb: str, args: tuple[str, ...], words: str):
    Path("x.ctk").write_bytes(api.encode("a.png", "grain"))
    source, target = ("a.png", ("-o", "y.ctk", "--codec", "grain")) if verb == "encode" else ("x.ctk", ("-o", "y.png"))
    result = run(verb, source, *target, *args)
    assert result.code == 2 and words in result.err and result.err.count("\n") == 1
    assert not Path(target[1]).exists()


def test_a_recipe_writes_down_what_it_tells_the_decoder(folder: Path, grain, run):
    Path("r.toml").write_text('title = "G"\n[codec]\nname = "grain"\n[knobs]\nseed = 5\nstrength = 1\n')
    assert run("run", "r.toml", "a.png", "-o", "out").code == 0
    assert api.info("out/a.ctk").knobs == {"quality": 50.0, "seed": 5}
    painted = np.asarray(Image.open("out/a.png"))
    assert np.array_equal(painted, np.asarray(api.decode("out/a.ctk", strength=1)))
