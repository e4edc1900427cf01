"""Each plugin's README names the options of its components, and a component refuses others with the names it has."""

from __future__ import annotations

import re
from dataclasses import fields
from importlib import import_module
from pathlib import Path

import pytest

from codectk.base.errors import UsageError
from codectk.graph import catalog
from codectk.plugins import manager

PLUGINS = Path(__file__).parents[2] / "plugins"
FIELDS = re.compile(r"any field of `Config` in \[[^]]+\]\(([\w/]+)\.py\)")


def documented() -> dict[str, tuple[set[str], set[str]]]:
    """By component: names of options that its README's table gives, and fields of a `Config` that it points to."""
    found: dict[str, tuple[set[str], set[str]]] = {}
    texts: dict[str, str] = {}
    for readme in sorted(PLUGINS.glob("*/README.md")):
        above = ""
        for line in readme.read_text().splitlines():
            cells = [cell.strip() for cell in line.strip("|").split("|")]
            if len(cells) != 4 or not (names := re.findall(r"`(\w+\.\w+)`", cells[0])):
                continue
            rest = re.sub(r"as `(\w+\.\w+)`", lambda other: texts[other[1]], cells[3])
            above = rest = rest.replace("as above", above)
            texts.update(dict.fromkeys(names, rest))
            plain = re.sub(r"\([^)]*\)", "", FIELDS.sub("", above))
            module = FIELDS.search(above)
            config = import_module(module[1].replace("/", ".")).Config if module else None
            options = set(re.findall(r"`(\w+)`", plain))
            for name in names:
                found[name] = options, {field.name for field in fields(config)} if config else set()
    return found


COMPONENTS = [(card.kind, card.id) for card, record in catalog.all_components() if record is not None]


@pytest.mark.parametrize(("kind", "name"), [c for c in COMPONENTS if (PLUGINS / c[1].split(".")[0]).is_dir()])
def test_the_readme_names_the_options_that_there_are(kind: str, name: str) -> None:
    with pytest.raises(UsageError, match=r"has no option 'confug'") as caught:
        manager.component(kind, name, {"confug": 1})
    listed = re.search(r"; it has (.*)\.$", str(caught.value))
    assert listed is not None, caught.value
    there = set(listed[1].split(", ")) - {"none"}
    options, of_config = documented()[name]
    assert there == options | of_config


def test_every_documented_component_is_one() -> None:
    assert set(documented()) <= {name for _, name in COMPONENTS}
