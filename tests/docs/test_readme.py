"""README.md does what it says: its commands run, its Python runs, and it and CHANGELOG.md know every codec."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest

from codectk.cli import main
from codectk.spec.card import parse_card
from codectk.testing.pictures import scene

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text("utf-8")
BLOCKS = re.findall(r"^```(\w+)\n((?:.*\n)*?)```$", README, re.M)

INSTALLERS = ("pip", "make")
"""What continuous integration runs: `make test` is how this test is called, `make test-wheels` installs."""

SHORTER = ["--set", "optim.steps=2", "--set", "data.batch=1"]
"""What a training of hours gets in addition here."""

CODECS = [
    codec.name
    for path in sorted([*ROOT.glob("plugins/*/codectk_*/card.toml"), *ROOT.glob("examples/*/codectk_*/card.toml")])
    for codec in parse_card(path.read_text("utf-8"), path.parent.name).codecs
]


def commands() -> Iterator[list[str]]:
    """Every command of the README but those that install, in order."""
    for language, text in BLOCKS:
        if language == "console":
            for line in re.findall(r"^\$ (.*)$", text, re.M):
                words = shlex.split(line, comments=True)
                if words[0] not in INSTALLERS:
                    yield words


@pytest.mark.slow
def test_every_command_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    for package in ("torch", "codectk_segpic", "codectk_egic", "codectk_labels"):
        pytest.importorskip(package, reason="the README's commands need it")
    from PIL import Image

    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    for folder, seeds in (("photos", (1, 2)), ("kept-out", (3,))):
        (tmp_path / folder).mkdir()
        for seed in seeds:
            Image.fromarray(scene(352, 352, seed)).save(tmp_path / folder / f"{seed}.png")
    Image.fromarray(scene(192, 256)).save("photo.jpg", quality=95)
    verbs = []
    for program, verb, *rest in commands():
        assert program == "codectk"
        code = main.run([verb, *rest, *(SHORTER if verb == "train" else [])])
        printed = capsys.readouterr()
        assert code == 0, f"{verb} {' '.join(rest)}\n{printed.err}"
        verbs.append(verb)
    assert set(verbs) >= {"encode", "decode", "info", "verify", "plugins", "eval", "run", "new", "train", "export"}
    for language, text in BLOCKS:
        if language == "python":
            exec(compile(text, "README.md", "exec"), {})


@pytest.mark.parametrize("name", CODECS)
def test_readme_and_changelog_know_every_codec(name: str):
    """By its own name, or by that of its plugin for the many of a zoo."""
    distribution = f"codectk-{name.split('.')[0]}"
    for page in (README, (ROOT / "CHANGELOG.md").read_text("utf-8")):
        assert distribution in page
        assert not re.search(rf"{distribution}[^\n]*\(no codec", page)


def test_links_lead_somewhere():
    for page in (
        ROOT / "README.md",
        ROOT / "CHANGELOG.md",
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("plugins/*/README.md"),
    ):
        for target in re.findall(r"\]\(([^)#\s]+)", page.read_text("utf-8")):
            assert "://" in target or (page.parent / target).exists(), f"{page.relative_to(ROOT)}: {target}"
