"""New plugin projects, written from the templates beside this file."""

from __future__ import annotations

import keyword
import os
import re
import secrets
import shutil
from collections.abc import Iterator, Mapping
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Literal

from codectk import __version__, spec
from codectk.base.atomic import check_folder
from codectk.base.errors import OutputError, UsageError
from codectk.bitstream.codecs import distribution_of, number_of
from codectk.plugins.discover import installed

Kind = Literal["codec", "torch", "component"]

PREFIX = "codectk-"
"""A plugin named "mine" is the distribution "codectk-mine" with the package "codectk_mine"."""

MAX_NAME = 40

_NAME = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SUFFIX = ".tmpl"
_PLACE = re.compile(r"@([A-Z]+)@")


def create(name: str, kind: Kind = "codec", folder: str | os.PathLike[str] | None = None) -> Path:
    """Write a plugin project that installs and passes its own tests.

    Args:
        name: of the plugin, and of its codec: lower-case words of letters and digits joined by "-".
        kind: "codec" for a whole codec in NumPy, "torch" for one of torch networks to train, "component" for a metric
            that `codectk eval` can use.
        folder: what to make; None makes `codectk-<name>` here. Nothing may be there yet.

    Returns:
        The folder.

    Raises:
        UsageError: the name cannot be one, or is taken.
        OutputError: there is something at `folder` already, or it cannot be written.
    """
    check_name(name)
    wanted = PREFIX + name if folder is None else folder
    if os.path.lexists(wanted):
        raise OutputError(f"{wanted} exists already; give another folder with -o.")
    check_folder(wanted)
    target = Path(wanted)
    temporary = target.parent / f".codectk-{secrets.token_hex(8)}.tmp"
    try:
        temporary.mkdir()
        for path, text in files(name, kind):
            place = temporary / path
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_text(text, "utf-8", newline="\n")
        os.rename(temporary, target)
    except OSError as error:
        raise OutputError(f"Cannot write {target}: {error.strerror or error}.") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return target


def check_name(name: str) -> None:
    """Check that a plugin can have this name.

    Raises:
        UsageError: it cannot be a name, or somebody has it.
    """
    if name.startswith((PREFIX, PREFIX.replace("-", "_"))):
        raise UsageError(f"'{PREFIX}' is put before the name by itself: give '{name[len(PREFIX) :]}', not '{name}'.")
    if not _NAME.fullmatch(name) or len(name) > MAX_NAME:
        raise UsageError(
            f"A plugin's name is lower-case words of letters and digits joined by '-', starts with a letter and has "
            f"at most {MAX_NAME} characters; '{name}' is not."
        )
    if keyword.iskeyword(name):
        raise UsageError(f"'{name}' is a word of Python and would read badly as a name.")
    if number_of(name) is not None:
        raise UsageError(f"'{name}' is the codec of {distribution_of(name)}.")
    for record in installed():
        codecs = record.card.codecs if record.card else ()
        if name in (record.name, *(codec.name for codec in codecs)):
            raise UsageError(f"'{name}' is taken by the installed {record.owner}.")


def files(name: str, kind: Kind) -> Iterator[tuple[str, str]]:
    """Yield path and content of every file of a project."""
    words = {
        "NAME": name,
        "PACKAGE": (PREFIX + name).replace("-", "_"),
        "DISTRIBUTION": PREFIX + name,
        "TITLE": name.replace("-", " ").capitalize(),
        "CLASS": "".join(word.capitalize() for word in name.split("-")),
        "API": str(spec.API),
        "CORE": ".".join(__version__.split(".")[:2]),
    }
    for path, text in _walk(resources.files("codectk.testing").joinpath("templates", kind), ""):
        parts = path.removesuffix(_SUFFIX).split("/")
        place = "/".join(words["PACKAGE"] if part == "package" else part for part in parts)
        yield place, _filled(text, words)


def _walk(folder: Traversable, path: str) -> Iterator[tuple[str, str]]:
    for item in sorted(folder.iterdir(), key=lambda item: item.name):
        if item.is_dir():
            yield from _walk(item, f"{path}{item.name}/")
        elif item.name.endswith(_SUFFIX):
            yield f"{path}{item.name}", item.read_text("utf-8")


def _filled(text: str, words: Mapping[str, str]) -> str:
    return _PLACE.sub(lambda match: words[match[1]], text)
