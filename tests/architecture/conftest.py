"""The sources of the core, parsed once."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "codectk"
PLUGINS = sorted(path.parent for path in ROOT.glob("*/*/codectk_*/plugin.py"))

_DOTTED = re.compile(r"codectk\w*(\.\w+)+")


@dataclass(frozen=True)
class Import:
    """One imported module: its dotted name, its line, and whether it runs when the importing module is imported."""

    name: str
    line: int
    at_import: bool


@dataclass(frozen=True)
class Source:
    """One file. `module` is its dotted name, `room` the first folder or file below `codectk`, "" for its front."""

    path: Path
    module: str
    room: str
    imports: tuple[Import, ...]
    strings: tuple[tuple[str, int], ...]
    imports_by_name: bool


def parse(path: Path, package: Path = CORE) -> Source:
    """Read a file below the folder of a package."""
    parts = list(path.relative_to(package.parent).with_suffix("").parts)
    around = parts[:-1]
    if parts[-1] == "__init__":
        parts.pop()
    tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
    found = tuple(_imports(tree, around, at_import=True))
    module, room = ".".join(parts), parts[1] if len(parts) > 1 else ""
    return Source(path, module, room, found, tuple(_strings(tree)), any(map(_by_name, ast.walk(tree))))


def _strings(tree: ast.AST) -> Iterator[tuple[str, int]]:
    """Texts that are one dotted name, with their lines."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and _DOTTED.fullmatch(node.value):
            yield node.value, node.lineno


def _by_name(node: ast.AST) -> bool:
    """Whether a node calls what imports a module by its name."""
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("import_module", "__import__")


def _imports(node: ast.AST, package: list[str], *, at_import: bool) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            for alias in child.names:
                yield Import(alias.name, child.lineno, at_import)
        elif isinstance(child, ast.ImportFrom):
            base = package[: len(package) - child.level + 1] if child.level else []
            start = ".".join([*base, *([child.module] if child.module else [])])
            # `from a import b` names the module a.b if there is one, else a; both are offered.
            yield Import(start, child.lineno, at_import)
            for alias in child.names:
                yield Import(f"{start}.{alias.name}", child.lineno, at_import)
        else:
            later = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda) or _for_types(child)
            yield from _imports(child, package, at_import=at_import and not later)


def _for_types(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING"


@pytest.fixture(scope="session")
def sources() -> list[Source]:
    """All files of the core."""
    return [parse(path) for path in sorted(CORE.rglob("*.py"))]


@pytest.fixture(scope="session")
def plugins() -> list[Source]:
    """All files of all plugins."""
    return [parse(path, package) for package in PLUGINS for path in sorted(package.rglob("*.py"))]


@pytest.fixture(scope="session", params=PLUGINS, ids=lambda package: package.name)
def plugin(request: pytest.FixtureRequest) -> list[Source]:
    """All files of one plugin."""
    return [parse(path, request.param) for path in sorted(request.param.rglob("*.py"))]
