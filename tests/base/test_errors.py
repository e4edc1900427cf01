"""Errors cross the border between processes."""

from __future__ import annotations

import copy
import importlib
import inspect
import pickle
import pkgutil
import subprocess
import sys

import pytest

import codectk
from codectk.base import errors
from codectk.base.errors import BitstreamError, CodectkError, CodectkWarning, UsageError, WeightsAbsentError


class TwoPartsError(UsageError):
    """As a plugin might write one: its constructor takes something else than the sentence."""

    def __init__(self, part: str, other: int):
        super().__init__(f"{part} does not fit {other}.")
        self.part = part


def all_of(kind: type[Exception]) -> list[type[Exception]]:
    """A class with all its descendants in codectk."""
    for module in pkgutil.walk_packages(codectk.__path__, "codectk."):
        if "__main__" not in module.name and ".templates" not in module.name:
            importlib.import_module(module.name)
    found = [kind]
    for known in found:
        found += [child for child in known.__subclasses__() if child not in found]
    return [known for known in found if known.__module__.startswith("codectk")]


def made(kind: type[Exception]) -> Exception:
    """An error with a value for everything that its constructor takes."""
    taken = inspect.signature(kind.__init__).parameters if "__init__" in vars(kind) else {}
    named = {
        name: 7 if "int" in str(parameter.annotation) else f"the {name}"
        for name, parameter in taken.items()
        if parameter.kind is parameter.KEYWORD_ONLY
    }
    placed = [f"the {name}" for name, p in taken.items() if p.kind is p.POSITIONAL_OR_KEYWORD and name != "self"]
    return kind(*(placed or ["A sentence."]), **named)


def test_every_error_survives_pickling() -> None:
    kinds = all_of(CodectkError) + all_of(CodectkWarning)
    listed = {value for value in vars(errors).values() if isinstance(value, type) and issubclass(value, Exception)}
    assert listed <= set(kinds) and len(kinds) > 20
    for kind in [*kinds, BitstreamError, WeightsAbsentError]:
        error = made(kind)
        for back in (pickle.loads(pickle.dumps(error)), copy.copy(error), copy.deepcopy(error)):
            assert type(back) is kind and str(back) == str(error) != ""
            assert vars(back) == vars(error) and back.args == error.args


def test_so_do_those_of_plugins() -> None:
    error = TwoPartsError("a wheel", 3)
    error.add_note("seen on a Monday")
    back = pickle.loads(pickle.dumps(error))
    assert (str(back), back.part, back.exit_code) == ("a wheel does not fit 3.", "a wheel", 2)
    assert back.__notes__ == ["seen on a Monday"]


WORKER = """
import multiprocessing, sys
from codectk.base.errors import WeightsAbsentError

def work(number):
    raise WeightsAbsentError("face", size=3_000_000, package="some-model==1", licence="MIT", codec="hsc")

if __name__ == "__main__":
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        try:
            pool.map(work, [1])
        except WeightsAbsentError as error:
            print(error.name, error.size, error.codec, error.need)
"""


def test_a_pool_gets_the_error_of_its_worker(tmp_path) -> None:
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    done = subprocess.run([sys.executable, str(script)], capture_output=True, text=True, timeout=100)
    assert done.stdout.startswith("face 3000000 hsc hsc needs the weights face (3.0 MB)"), done.stderr


@pytest.mark.parametrize("chunk", [None, "LATS"])
def test_what_an_error_knows_stays_with_it(chunk) -> None:
    back = pickle.loads(pickle.dumps(BitstreamError("Cut.", offset=12, chunk=chunk)))
    assert (str(back), back.offset, back.chunk) == ("Cut.", 12, chunk)
