"""The card is what its script writes, and reading it or the hooks brings in nothing heavy. Needs no CompressAI."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from codectk.spec.card import parse_card

ROOT = Path(__file__).parents[1]


@pytest.fixture
def package(monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin's folder, importable also where the plugin is not installed."""
    monkeypatch.syspath_prepend(str(ROOT))
    return ROOT / "codectk_compressai"


def test_the_card_is_what_its_script_writes(package: Path):
    from codectk_compressai.make_card import card

    assert (package / "card.toml").read_text(encoding="utf-8") == card()


def test_codecs_have_the_names_that_compressai_uses(package: Path):
    from codectk_compressai.presets import PRESETS

    codecs = {codec.name: codec for codec in parse_card((package / "card.toml").read_text("utf-8"), "card").codecs}
    assert list(codecs) == list(PRESETS) and len(codecs) == 107
    assert {
        "compressai.bmshj2018-factorized-q1",
        "compressai.mbt2018-mean-q4",
        "compressai.mbt2018-mean-ms-ssim-q8",
        "compressai.cheng2020-attn-q6",
        "compressai.mbt2018-vbr",
    } <= codecs.keys()
    for name, codec in codecs.items():
        assert codec.stride == (16 if "factorized" in name else 64)
        assert (codec.rate_knob is not None) == name.endswith("-vbr")


def test_hooks_import_late(package: Path):
    code = (
        "import sys; from codectk_compressai import plugin; assert plugin.codectk_codec('other', 'cpu', None) is None; "
        "sys.exit(any(name in sys.modules for name in ('torch', 'compressai')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
