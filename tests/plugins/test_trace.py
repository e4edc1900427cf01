"""CODECTK_TRACE_PLUGINS=1 prints one line per hook call; without it there is silence."""

from __future__ import annotations

import re

import pytest

from codectk.base.errors import PluginBrokenError, UsageError, WeightsError
from codectk.graph import wire
from codectk.pipeline.build import build_codec
from codectk.pipeline.load import forget, load
from codectk.plugins import manager

CODE = """
from codectk.base.errors import WeightsError
from codectk.spec.hooks import hookimpl
from codectk.spec.stages import Stages

@hookimpl
def codectk_codec(name, device):
    if device == "none":
        return None
    if device == "lost":
        raise WeightsError("No\\nweights.")
    return Stages(id=name, stride=8, weights_hash="", portable=True, analysis=0, entropy_model=0, synthesis=0)
"""


@pytest.fixture
def traced(site, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The plugin `alpha`, traced; the value gives the lines on stderr since it was last asked, without times."""
    site.add("alpha", CODE)
    monkeypatch.setenv("CODECTK_TRACE_PLUGINS", "1")
    forget()

    def lines() -> list[str]:
        text = capsys.readouterr().err
        assert text == "" or text.endswith("\n")
        return [re.sub(r", \d+\.\d ms$", "", line) for line in text.splitlines()]

    yield lines
    forget()


def test_a_call_is_a_line(traced):
    build_codec(*manager.find_codec("alpha"), "cuda:1")
    assert traced() == ["codectk: trace: alpha: codectk_codec(name='alpha', device='cuda:1', weights=None) -> Stages"]


def test_a_codec_that_is_kept_needs_no_second_call(traced, monkeypatch):
    monkeypatch.setattr(wire, "check", lambda stages: None)
    load("alpha")
    load("alpha")
    assert len(traced()) == 1


def test_failures_are_lines_too(traced):
    with pytest.raises(PluginBrokenError, match="did not build it"):
        build_codec(*manager.find_codec("alpha"), "none")
    with pytest.raises(WeightsError):
        build_codec(*manager.find_codec("alpha"), "lost")
    with pytest.raises(UsageError, match="no network to train"):
        manager.network("alpha", {"long": "x" * 500})
    first, second, third = traced()
    assert first.endswith("device='none', weights=None) -> None")
    assert second.endswith("device='lost', weights=None) raised WeightsError: No weights.")
    assert third.endswith("...) is not implemented") and len(third) < 200


@pytest.mark.parametrize("value", ["", "0"])
def test_otherwise_there_is_silence(traced, monkeypatch: pytest.MonkeyPatch, value: str):
    monkeypatch.setenv("CODECTK_TRACE_PLUGINS", value)
    build_codec(*manager.find_codec("alpha"))
    assert traced() == []
