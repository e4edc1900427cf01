"""The guides for authors do what they say: files are written, commands run, hooks are the real ones."""

from __future__ import annotations

import inspect
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from codectk.spec import hooks

DOCS = Path(__file__).parents[2] / "docs"
PLUGINS = DOCS / "writing-plugins.md"

MUST = {
    PLUGINS: [["codectk", "new"], ["pytest", "-q"], ["python", "block"], ["codectk", "eval"]],
    DOCS / "from-torch.md": [["codectk", "train"], ["codectk", "export"], ["codectk", "eval"], ["python", "block"]],
}
"""What the guides show at least: an empty page would pass, too."""


@dataclass(frozen=True)
class Block:
    """A fenced block: its line in the page, the words behind the fence, and its text."""

    line: int
    language: str
    mark: str
    text: str


def blocks(guide: Path) -> Iterator[Block]:
    page = guide.read_text("utf-8")
    for found in re.finditer(r"^```(\w*) ?(.*)\n((?:.*\n)*?)```$", page, re.M):
        yield Block(page[: found.start()].count("\n") + 1, found[1], found[2], found[3])


def commands(text: str) -> Iterator[tuple[str, list[str]]]:
    """The lines of a console block after "$ ", each with the lines of output that are shown."""
    for part in re.split(r"^\$ ", text, flags=re.M)[1:]:
        command, *shown = part.rstrip("\n").split("\n")
        yield command, shown


def pattern(shown: list[str]) -> re.Pattern[str]:
    """What output must look like: "..." stands for anything, alone on a line for any number of lines, space for any."""
    lines = []
    for line in shown:
        parts = [r"\s+".join(map(re.escape, part.split())) for part in line.strip().split("...")]
        lines.append(r"(?:.*\n)*" if line.strip() == "..." else r"\s*" + r".*?".join(parts) + r"\s*\n")
    return re.compile("".join(lines))


@pytest.mark.slow
@pytest.mark.parametrize("guide", MUST, ids=lambda guide: guide.stem)
def test_every_block_works(environment, tmp_path: Path, guide: Path):
    done = []
    for block in blocks(guide):
        where = f"{guide.name}:{block.line}"
        action, _, name = block.mark.partition("=")
        if action in ("file", "append"):
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            assert path.exists() == (action == "append"), f"{where}: {name}"
            with path.open("a", encoding="utf-8") as file:
                file.write(block.text)
        elif action == "show":
            assert block.text in (tmp_path / name).read_text("utf-8"), f"{where}: {name}"
        elif block.language == "console":
            for command, shown in commands(block.text):
                output = environment.run(command, tmp_path)
                if shown:
                    assert pattern(shown).fullmatch(output), f"{where}: $ {command}\n{output}"
                done.append(shlex.split(command)[:2])
        elif block.mark == "" and block.language == "python":
            environment.run(f"python -c {shlex.quote(block.text)}", tmp_path)
            done.append(["python", "block"])
        else:
            assert block.mark == "hook", f"{where}: the test does not know what to do with this block"
    assert all(command in done for command in MUST[guide]) and len(done) > 10


def test_every_hook_stands_there_with_its_signature():
    shown = {}
    for block in blocks(PLUGINS):
        if block.mark == "hook":
            names: dict[str, object] = {}
            exec(f"from __future__ import annotations\n{block.text}", names)
            shown |= {name: inspect.signature(value) for name, value in names.items() if inspect.isfunction(value)}
    real = {name: inspect.signature(value) for name, value in vars(hooks).items() if name.startswith("codectk_")}
    assert shown == real


def test_the_comparison_sees_a_difference():
    assert pattern(["a ... c", "..."]).fullmatch("a  b c\nmore\n\n") and pattern(["...x..."]).fullmatch("1 x 2\n")
    assert not pattern(["a ... c"]).fullmatch("a b\n") and not pattern(["a"]).fullmatch("a\nb\n")
