"""A plugin is asked about a file only if its card says that it can tell, and what it says is checked."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import CodectkError, ParameterMismatchError, PluginBrokenError
from codectk.bitstream.chunk import LATENTS, Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.reader import Container, read
from codectk.bitstream.writer import write
from codectk.plugins.summaries import summary_of
from codectk.testing import corrupt, pictures

SAYS = """
from codectk.spec.hooks import hookimpl

@hookimpl
def codectk_summary(codec, container):
    {what}
"""


def container(codec: str = "alpha", distribution: str = "codectk-alpha", **header: object) -> Container:
    return read(write(Header(codec, distribution, 8, 8, **header), [Chunk.of(LATENTS, bytes(50))]))


CARD = """
api = 1
title = "Fake"
summary = "A plugin made by a test"
licence = "CC0-1.0"

[[codec]]
name = "{name}"
summary = "Does nothing"
stride = 8
"""


def install(site, what: str, *, summarizes: str = "true") -> None:
    """The plugin `alpha`, whose hook does `what`."""
    site.add("alpha", SAYS.format(what=what), card=f"{CARD}summarizes = {summarizes}\n")


def test_what_it_says_is_passed_on(site):
    install(site, "return {codec: 'a word', 'shares': {'a': 1, 'b': 0.25}} if container.payloads('LATS') else None")
    assert summary_of(container()) == {"alpha": "a word", "shares": {"a": 1, "b": 0.25}}


def test_nothing_to_say(site):
    install(site, "return None")
    assert summary_of(container()) == {}


@pytest.mark.parametrize(
    ("codec", "distribution", "summarizes"),
    [
        ("alpha", "codectk-alpha", "false"),
        ("beta", "codectk-alpha", "true"),
        ("alpha", "codectk-beta", "true"),
        ("alpha", "click", "true"),
    ],
)
def test_no_plugin_is_imported_without_need(site, codec: str, distribution: str, summarizes: str):
    install(site, "return {'a': 'b'}", summarizes=summarizes)
    assert summary_of(container(codec, distribution)) == {}
    assert "fake_alpha.plugin" not in sys.modules


def test_files_of_bundles_and_of_plugins_left_out(site, monkeypatch: pytest.MonkeyPatch):
    install(site, "return {'a': 'b'}")
    assert summary_of(container("alpha", "", needs=("codectk-alpha",))) == {}
    monkeypatch.setenv("CODECTK_PLUGINS", "beta")
    assert summary_of(container()) == {}
    monkeypatch.setenv("CODECTK_PLUGINS", "alpha")
    assert summary_of(container()) == {"a": "b"}


@pytest.mark.parametrize(
    ("said", "words"),
    [
        ("3", "it is a int and no mapping"),
        ("{1: 'a'}", "1 is no name"),
        ("{'': 'a'}", "'' is no name"),
        ("{'a': 3}", "'a' is 3 and neither"),
        ("{'a': 'two\\nlines'}", "neither one line of text"),
        ("{'a': {'b': 1.5}}", "the share 1.5, which is not within 0 to 1"),
        ("{'a': {'b': float('nan')}}", "not within 0 to 1"),
        ("{'a': {'b': True}}", "no share by name"),
        ("{'a': {2: 0.5}}", "no share by name"),
    ],
)
def test_what_breaks_the_rules_is_the_plugins_fault(site, said: str, words: str):
    install(site, f"return {said}")
    with pytest.raises(PluginBrokenError, match=f"'alpha' .codectk-alpha 1.0. says something wrong.*{words}"):
        summary_of(container())


def test_a_hook_that_fails(site):
    install(site, "raise ZeroDivisionError('oops')")
    with pytest.raises(PluginBrokenError, match=r"codectk_summary.*ZeroDivisionError: oops") as caught:
        summary_of(container())
    assert len(str(caught.value)) < 300  # the file itself is no part of the message


def test_a_real_one_needs_no_torch_and_minds_damage(grain):
    light = api.encode(np.full((16, 32, 3), 240, np.uint8), "grain")
    assert api.summary(light) == {"tones": {"light": 1.0}}
    data = api.encode(pictures.scene(40, 56), "grain")
    shares = api.summary(data)["tones"]
    assert sum(shares.values()) == pytest.approx(1) and list(shares.values()) == sorted(shares.values(), reverse=True)
    damaged = []
    for _, forged in corrupt.forged_payloads(data, 12):
        with pytest.raises(CodectkError) as caught:
            api.summary(forged)
        damaged.append(type(caught.value))
    assert ParameterMismatchError in damaged
