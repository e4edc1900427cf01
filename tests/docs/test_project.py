"""What surrounds the code: workflows call what is there, and documents need nothing outside this repository."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TARGETS = set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text("utf-8"), re.M))
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def commands() -> list[str]:
    """Every line that the workflows run."""
    yaml = pytest.importorskip("yaml", reason="reading workflows needs PyYAML")
    jobs = [job for path in WORKFLOWS for job in yaml.safe_load(path.read_text("utf-8"))["jobs"].values()]
    return [step["run"] for job in jobs for step in job["steps"] if "run" in step]


def test_workflows_call_targets_of_the_makefile():
    made = [line.split()[1] for line in commands() if line.startswith("make ")]
    assert len(made) >= 6 and set(made) <= TARGETS
    assert [line for line in commands() if not line.startswith("make ")] == ["python -m pip install uv"]


def test_ci_runs_what_the_workflows_run_on_one_system():
    local = set(re.findall(r"^make ([a-z-]+)", (ROOT / ".ci" / "run").read_text("utf-8"), re.M))
    assert {"check", "test", "test-wheels"} <= local <= {line.split()[1] for line in commands()}


def test_contributing_names_targets_that_are_there():
    named = set(re.findall(r"`make ([a-z-]+)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8")))
    assert len(named) >= 6 and named <= TARGETS


def test_contributing_names_files_that_are_there():
    named = re.findall(r"`([\w/]+/\w+\.py)`", (ROOT / "CONTRIBUTING.md").read_text("utf-8"))
    assert len(named) >= 6
    assert not [name for name in named if not ((ROOT / name).is_file() or (ROOT / "core/codectk" / name).is_file())]


@pytest.mark.parametrize("name", ["CITATION.cff", ".pre-commit-config.yaml"])
def test_it_is_yaml(name: str):
    yaml = pytest.importorskip("yaml", reason="reading it needs PyYAML")
    read = yaml.safe_load((ROOT / name).read_text("utf-8"))
    assert isinstance(read, dict) and "version" not in read, "the version stands in core/codectk/__init__.py alone"


def test_documents_need_nothing_outside():
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("core/**/*.md"), *ROOT.glob("plugins/**/*.md")]
    assert len(pages) > 20
    assert not [page for page in pages if "../shared" in page.read_text("utf-8")]


def test_pictures_of_the_documents_are_small():
    large = [p for p in (ROOT / "docs").rglob("*") if p.suffix in (".png", ".jpg", ".webp") and p.stat().st_size > 1e6]
    assert not large, "sheets of photos are JPEG or WebP"


def test_the_site_has_every_page():
    """The site itself is made by `make docs`, where a warning is an error."""
    config = (ROOT / "mkdocs.yml").read_text("utf-8")
    listed = set(re.findall(r": (\S+\.md)$", config, re.M))
    pages = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
    elsewhere = set(re.findall(r'"(\w+(?:/\w+)?\.md)",$', (ROOT / "docs" / "site.py").read_text("utf-8"), re.M))
    assert len(pages) > 10 and "formats/file.md" in elsewhere
    assert pages | elsewhere <= listed
