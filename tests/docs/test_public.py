"""What is public is written down: names and parameters in public.txt, which only a decision changes.

python tests/docs/test_public.py        # writes public.txt anew; then say it in CHANGELOG.md
"""

from __future__ import annotations

import dataclasses
import difflib
import importlib
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

GOLDEN = Path(__file__).with_name("public.txt")
PAGE = Path(__file__).parents[2] / "docs" / "stability.md"

MODULES = (
    "codectk",
    "codectk.pil",
    *(f"codectk.base.{name}" for name in ("errors", "progress", "types")),
    *(f"codectk.spec.{name}" for name in ("adapter", "capabilities", "edits", "hooks", "metrics", "published")),
    *(f"codectk.spec.{name}" for name in ("stages", "summary", "training")),
    *(f"codectk.coding.{name}" for name in ("coder", "tables")),
    *(f"codectk.programs.{name}" for name in ("label_maps", "slices", "values")),
    *(f"codectk.nn.{name}" for name in ("backend", "blocks", "charm", "coders", "exact", "gain", "hyperprior")),
    *(f"codectk.nn.{name}" for name in ("preset", "priors", "quantize")),
    *(f"codectk.testing{name}" for name in ("", ".conformance", ".pictures", ".untrained")),
)


def public() -> Iterator[str]:
    """One line for each public name, in order."""
    for name in MODULES:
        module = importlib.import_module(name)
        for key in sorted(names(module)):
            yield from described(f"{name}.{key}", getattr(module, key))


def names(module: ModuleType) -> set[str]:
    """What a module offers: `__all__`, or else what is made in it and has no underscore."""
    told = getattr(module, "__all__", None)
    if told is not None:
        return set(told)
    own = {key for key, value in vars(module).items() if getattr(value, "__module__", None) == module.__name__}
    constants = {key for key in vars(module) if re.fullmatch(r"[A-Z][A-Z0-9_]*", key)} & set(
        re.findall(r"^([A-Z][A-Z0-9_]*)\b", inspect.getsource(module), re.M)
    )
    return {key for key in own | constants if not key.startswith("_")}


def described(name: str, value: Any) -> Iterator[str]:
    """A name with its parameters, and the methods and fields of a class."""
    if not inspect.isclass(value):
        yield name + parameters(value)
        return
    foreign = not getattr(inspect.unwrap(value.__init__), "__module__", "codectk").startswith(("codectk", "typing"))
    yield name + ("" if foreign else parameters(value))  # what other projects' classes take is theirs to change
    if dataclasses.is_dataclass(value):
        yield from (f"{name}.{field.name}" for field in dataclasses.fields(value) if not field.name.startswith("_"))
    for key, member in sorted(vars(value).items()):
        if key.startswith("_") and key != "__call__":
            continue
        if isinstance(member, property):
            yield f"{name}.{key}"
        elif callable(member) or isinstance(member, classmethod | staticmethod):
            yield f"{name}.{key}{parameters(getattr(member, '__func__', member))}"


def parameters(value: Any) -> str:
    """Names of parameters; "=" marks those that may be left out."""
    if not callable(value):
        return ""
    try:
        found = inspect.signature(value).parameters.values()
    except (TypeError, ValueError):
        return ""
    shown = []
    for one in found:
        mark = {one.VAR_POSITIONAL: "*", one.VAR_KEYWORD: "**"}.get(one.kind, "")
        optional = "=" if one.default is not one.empty else ""
        shown.append(f"{mark}{one.name}{optional}")
        if one.kind is one.KEYWORD_ONLY and "*" not in shown and not any(s.startswith("*") for s in shown):
            shown.insert(-1, "*")
    return f"({', '.join(shown)})"


def test_nothing_public_changed_by_accident():
    known, found = GOLDEN.read_text("utf-8").splitlines(), list(public())
    changes = [line for line in difflib.unified_diff(known, found, "public.txt", "the code", lineterm="", n=0)]
    assert not changes, "\n".join(["if this is meant, run python tests/docs/test_public.py:", *changes])


def test_the_list_is_one():
    found = list(public())
    assert len(found) == len(set(found)) > 150
    assert any(line.startswith("codectk.load(") for line in found)
    assert not [line for line in found if re.search(r"\._(?!_(call|version)__)", line)]


def test_the_page_names_every_module():
    page = PAGE.read_text("utf-8")
    assert not [name for name in MODULES if not re.search(rf"\b{name.rsplit('.', 1)[-1]}\b", page)]


if __name__ == "__main__":
    GOLDEN.write_text("\n".join(public()) + "\n", encoding="utf-8")
