"""Hooks of MkDocs: pages that stand elsewhere in the repository are pages of the site, and links between all lead on.

README, the pages of plugins and formats, CONTRIBUTING and the like stay where people look for them on disk.
"""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePosixPath
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parents[1]

PAGES = {
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "security.md",
    "CHANGELOG.md": "changelog.md",
    "core/codectk/bitstream/FORMAT.md": "formats/file.md",
    "core/codectk/coding/PAYLOAD.md": "formats/payload.md",
    "core/codectk/weights/BUNDLE.md": "formats/bundle.md",
    "examples/codectk-palette/README.md": "codecs/palette.md",
    **{f"plugins/{p}/README.md": f"codecs/{p}.md" for p in ("segpic", "egic", "hsc", "sgc", "labels", "compressai")},
    **{
        f"plugins/{p}/codectk_{p}/weights/MODEL_CARD.md": f"codecs/{p}-weights.md"
        for p in ("segpic", "egic", "hsc", "sgc", "labels")
    },
}
"""Pages by their place in the repository, and their place in the site."""

_SITES = {f"docs/{path.relative_to(ROOT / 'docs').as_posix()}" for path in (ROOT / "docs").rglob("*") if path.is_file()}
_LINK = re.compile(r"\[([^\[\]]*)\]\(([^)#\s]+)(#[^)\s]*)?\)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from elsewhere."""
    for source, place in PAGES.items():
        files.append(File.generated(config, place, content=_linked((ROOT / source).read_text("utf-8"), source)))
    files.append(File.generated(config, "api.md", content=_reference()))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Links of the pages that stand in docs/, and blocks without the marks by which tests know what to do with them."""
    text = markdown if page.file.generated_by else _linked(markdown, f"docs/{page.file.src_uri}")
    return re.sub(r"^```(\w+) \S+$", r"```\1", text, flags=re.M)


def _linked(text: str, source: str) -> str:
    """Links relative to a file of the repository lead within the site; what is no page of it keeps its words alone."""
    here = PurePosixPath(source).parent
    place = PurePosixPath(PAGES.get(source, source.removeprefix("docs/"))).parent

    def lead(found: re.Match[str]) -> str:
        words, link, anchor = found[1], found[2], found[3] or ""
        if "://" in link:
            return found[0]
        target = os.path.normpath(here / link).replace(os.sep, "/")
        target = next((page for page in (target, f"{target}/README.md") if page in PAGES), target)
        if target not in PAGES and target not in _SITES:
            return words
        there = PAGES.get(target, target.removeprefix("docs/"))
        return f"[{words}]({os.path.relpath(there, place).replace(os.sep, '/')}{anchor})"

    return _LINK.sub(lead, text)


def _reference() -> str:
    """The public modules of the golden list, each documented from its docstrings."""
    lines = (ROOT / "tests/docs/public.txt").read_text("utf-8").splitlines()
    modules = dict.fromkeys(m for line in lines if (m := _module(line)))
    return "# Python API\n\n" + "\n".join(f"::: {module}\n" for module in modules)


def _module(line: str) -> str:
    """The longest beginning of a dotted name that is a module."""
    parts = re.split(r"[(=]", line)[0].split(".")
    for count in range(len(parts), 0, -1):
        path = ROOT / "core" / Path(*parts[:count])
        if path.with_suffix(".py").is_file() or (path / "__init__.py").is_file():
            return ".".join(parts[:count])
    return ""
