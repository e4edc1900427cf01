"""Files stay small, rooms say what they are, and a plugin's package costs nothing to find."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codectk.spec.card import parse_card

ROOT = Path(__file__).parents[2]
MAX_LINES = 300

CARDS = sorted(ROOT.glob("plugins/*/codectk_*/card.toml"))
PACKAGES = sorted(ROOT.glob("plugins/*/codectk_*/__init__.py"))


def test_no_file_of_the_core_is_long(sources):
    long = {
        source.module: lines
        for source in sources
        if (lines := len(source.path.read_text(encoding="utf-8").splitlines())) > MAX_LINES
    }
    assert not long, f"a file of more than {MAX_LINES} lines is two rooms: {long}"


def test_every_module_says_what_it_is(sources):
    silent = [source.module for source in sources if not ast.get_docstring(ast.parse(source.path.read_text("utf-8")))]
    assert not silent


@pytest.mark.parametrize("path", CARDS, ids=lambda path: path.parent.name)
def test_cards_of_this_repository_are_right(path: Path):
    card = parse_card(path.read_text(encoding="utf-8"), path.parent.name)
    name = path.parent.name.removeprefix("codectk_")
    assert not card.codecs or name in {codec.name.split(".")[0] for codec in card.codecs}
    assert all(component.id.startswith(f"{name}.") for component in card.components)


@pytest.mark.parametrize("path", PACKAGES, ids=lambda path: path.parent.name)
def test_a_plugins_package_imports_nothing(path: Path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    assert not [node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom)]


def test_golden_files_are_read_under_every_kind_of_arithmetic():
    """By `make test-portable`, which goes by a mark."""
    tests = sorted(path for folder in ("tests", "plugins") for path in (ROOT / folder).rglob("test_golden*.py"))
    assert len(tests) >= 5
    assert not [path for path in tests if "\npytestmark = pytest.mark.portable\n" not in path.read_text("utf-8")]
