"""One plugin is imported at a time, and whatever it does wrong is a sentence with its name."""

from __future__ import annotations

import sys

import pytest

from codectk.base.errors import (
    PluginBrokenError,
    PluginIncompatibleError,
    PluginMissingError,
    UsageError,
    WeightsError,
)
from codectk.graph import wire
from codectk.pipeline.build import build_codec
from codectk.pipeline.load import forget, load
from codectk.plugins import discover, manager

GOOD = """
from codectk.spec.hooks import hookimpl
from codectk.spec.stages import Stages

@hookimpl
def codectk_codec(name, device):
    return Stages(id=name, stride=8, weights_hash="", portable=True, analysis=device, entropy_model=0, synthesis=0)

@hookimpl
def codectk_post(name, options):
    return (name, options) if name == "alpha.sharpen" else None
"""

NETWORK = """
@hookimpl
def codectk_network(name, options):
    return [name, options]
"""

COMPONENTS = """
[[component]]
id = "{name}.sharpen"
kind = "post"

[[component]]
id = "{name}.forgotten"
kind = "post"
"""


@pytest.fixture(autouse=True)
def _fresh():
    forget()
    yield
    forget()


def _codec_hook(body: str) -> str:
    return f"from codectk.spec.hooks import hookimpl\n@hookimpl\ndef codectk_codec(name, device):\n    {body}\n"


def test_only_the_plugin_in_use_is_imported(site):
    site.add("alpha", GOOD)
    site.add("beta", "raise RuntimeError('imported')")
    card, record = manager.find_codec("alpha")
    codec = build_codec(card, record, "cuda:1")
    assert (codec.id, codec.analysis, card.stride, record.distribution) == ("alpha", "cuda:1", 8, "codectk-alpha")
    assert "fake_alpha.plugin" in sys.modules and "fake_beta" not in sys.modules


def test_finding_a_card_imports_nothing(site):
    site.add("alpha", "raise RuntimeError('imported')")
    card, _ = manager.find_codec("alpha")
    assert card.rate_knob is not None and card.rate_knob.name == "quality"
    assert "fake_alpha" not in sys.modules


def test_a_codec_is_built_once_per_device(site, monkeypatch):
    site.add("alpha", GOOD)
    monkeypatch.setattr(wire, "check", lambda stages: None)
    first = load("alpha")
    assert load("alpha") is first
    assert load("alpha", device="cuda") is not first
    first.close()
    assert load("alpha") is not first


@pytest.mark.parametrize(
    ("code", "sentence"),
    [
        ("raise RuntimeError('first line\\nsecond')", "cannot be imported: RuntimeError: first line second."),
        ("import a_package_nobody_has", "cannot be imported: ModuleNotFoundError: No module named"),
        ("import sys; sys.exit(3)", "cannot be imported: SystemExit: 3."),
        ("def broken(:", "cannot be imported: SyntaxError"),
        (_codec_hook("return None").replace("device", "gadget"), "has a wrong hook"),
        (_codec_hook("return None").replace("codectk_codec", "codectk_kodec"), "has a wrong hook"),
        (_codec_hook("return None"), "lists codec 'alpha' in its card but did not build it"),
        ("", "lists codec 'alpha' in its card but did not build it"),
        (_codec_hook("return 'a string'"), "built a str instead of Stages"),
        (_codec_hook("return {}[name]"), "failed in codectk_codec('alpha', 'cpu'): KeyError: 'alpha'."),
    ],
)
def test_a_faulty_module_is_named(site, code: str, sentence: str):
    site.add("alpha", code)
    with pytest.raises(PluginBrokenError) as caught:
        build_codec(*manager.find_codec("alpha"))
    assert str(caught.value).startswith("Plugin 'alpha' (codectk-alpha 1.0) ")
    assert sentence in str(caught.value) and "\n" not in str(caught.value)


def test_errors_raised_on_purpose_pass_through(site):
    site.add("alpha", _codec_hook("from codectk.base.errors import WeightsError; raise WeightsError('No weights.')"))
    with pytest.raises(WeightsError, match="No weights"):
        build_codec(*manager.find_codec("alpha"))


def test_a_codec_of_a_plugin_that_is_not_ok(site):
    site.add("alpha", card=None)
    site.add("beta", card="api = 9")
    with pytest.raises(PluginBrokenError, match=r"'alpha' .* is broken: .*card.toml"):
        build_codec(*manager.find_codec("alpha"))
    with pytest.raises(PluginIncompatibleError, match="API 9"):
        manager.find_codec("other", distribution="codectk-beta")
    with pytest.raises(PluginIncompatibleError, match="API 9"):
        manager.load("beta")


def test_a_duplicate_names_both_owners(site):
    site.add("alpha", GOOD)
    site.add("beta", GOOD, card=(site.path / "fake_alpha" / "card.toml").read_text())
    with pytest.raises(PluginBrokenError, match=r"codectk-alpha 1.0.*codectk-beta 1.0"):
        build_codec(*manager.find_codec("alpha"))


def test_a_missing_codec_names_what_to_install(site, monkeypatch):
    site.add("alpha", GOOD)
    with monkeypatch.context() as empty:
        empty.setattr(discover, "distributions", lambda: [])  # as if no plugin were installed
        with pytest.raises(PluginMissingError, match=r"pip install codectk-sgc$"):
            manager.find_codec("sgc")
    monkeypatch.setenv("CODECTK_PLUGINS", "alpha")
    with pytest.raises(PluginMissingError, match=r"pip install acme-codecs$"):
        manager.find_codec("acme", distribution="acme-codecs")
    with pytest.raises(PluginMissingError, match=r"did you mean 'alpha'.*installed codecs: alpha"):
        manager.find_codec("alfa")


def test_the_allow_list_is_mentioned_when_it_hides_a_plugin(site, monkeypatch):
    site.add("alpha", GOOD)
    monkeypatch.setenv("CODECTK_PLUGINS", "beta")
    with pytest.raises(PluginMissingError, match="CODECTK_PLUGINS leaves"):
        build_codec(*manager.find_codec("alpha"))
    with pytest.raises(PluginMissingError, match="CODECTK_PLUGINS leaves"):
        manager.load("alpha")
    with pytest.raises(PluginMissingError, match="No plugin 'zeta'"):
        manager.load("zeta")


def test_networks(site):
    site.add("alpha", GOOD + NETWORK)
    site.add("beta", GOOD)
    assert manager.network("alpha", {"config": "small"}) == ["alpha", {"config": "small"}]
    with pytest.raises(UsageError, match="offers no network to train"):
        manager.network("beta")


NAMED = """
api = 1
title = ""
summary = ""
licence = ""

[[codec]]
name = "alpha"
summary = ""
stride = 8
network = "fake_alpha.plugin:build"

[[component]]
id = "alpha.one"
kind = "analysis"
part = "one"

[[component]]
id = "alpha.two"
kind = "synthesis"
part = "two"

[[component]]
id = "alpha.sharpen"
kind = "post"
factory = "fake_alpha.plugin:sharpen"
"""

BUILDERS = """
from types import SimpleNamespace

def build(options):
    whole = SimpleNamespace(**options)
    whole.one, whole.two = ("one", whole), ("two", whole)
    return whole

def sharpen(options):
    return ("sharpened", 1 / options["amount"])
"""


def test_what_a_card_names_needs_no_hook(site):
    site.add("alpha", BUILDERS, card=NAMED)
    assert manager.network("alpha", {"width": 3}).width == 3
    assert manager.component("analysis", "alpha.one", {"width": 3})[0] == "one"
    assert manager.component("post", "alpha.sharpen", {"amount": 2}) == ("sharpened", 0.5)
    one, two = manager.stages(["alpha.one", "alpha.two"], {"width": 4})
    assert one[1] is two[1] and one[1].width == 4
    with pytest.raises(
        PluginBrokenError, match=r"failed in fake_alpha.plugin:sharpen\(\{'amount': 0\}\): ZeroDivision"
    ):
        manager.component("post", "alpha.sharpen", {"amount": 0})


def test_a_name_in_a_card_that_leads_nowhere(site):
    site.add("alpha", BUILDERS, card=NAMED.replace(":build", ":biuld").replace("plugin:sharpen", "missing:sharpen"))
    with pytest.raises(PluginBrokenError, match=r"has no 'biuld' in fake_alpha.plugin, which its card names"):
        manager.network("alpha")
    with pytest.raises(PluginBrokenError, match="cannot be imported: ModuleNotFoundError"):
        manager.component("post", "alpha.sharpen")


def test_what_an_extra_may_bring_is_said(site):
    site.add("alpha", "import a_package_nobody_has")
    with (site.path / "codectk_alpha-1.0.dist-info" / "METADATA").open("a", encoding="utf-8") as metadata:
        metadata.write("Provides-Extra: torch\n")
    with pytest.raises(PluginBrokenError, match=r"Its extra may have it: pip install 'codectk-alpha\[torch\]'"):
        manager.load("alpha")


def test_plugins_answer_for_themselves_alone(site):
    """All hooks of one kind are in one manager; neither another's answer nor another's fault comes in between."""
    site.add("alpha", GOOD + NETWORK)
    site.add("beta", GOOD + NETWORK.replace("[name, options]", "1 / 0"))
    site.add("gamma", _codec_hook("return None").replace("codectk_codec", "codectk_kodec"))
    manager.load("beta")
    with pytest.raises(PluginBrokenError, match=r"'gamma' .* has a wrong hook"):
        manager.load("gamma")
    assert manager.network("alpha") == ["alpha", {}]
    with pytest.raises(PluginBrokenError, match=r"'beta' .* ZeroDivisionError"):
        manager.network("beta")
    site.add("delta", GOOD)
    with pytest.raises(UsageError, match=r"'delta' .* offers no network"):
        manager.network("delta")


def test_a_plugin_that_was_imported_anew_is_asked_anew(site):
    site.add("alpha", GOOD + NETWORK)
    assert manager.network("alpha") == ["alpha", {}]
    del sys.modules["fake_alpha.plugin"]
    (site.path / "fake_alpha" / "plugin.py").write_text(GOOD + NETWORK.replace("[name, options]", "'anew, and longer'"))
    assert manager.network("alpha") == "anew, and longer"


def test_components(site):
    site.add("alpha", GOOD, card='api = 1\ntitle = ""\nsummary = ""\nlicence = ""\n' + COMPONENTS)
    assert manager.component("post", "alpha.sharpen", {"amount": 2}) == ("alpha.sharpen", {"amount": 2})
    with pytest.raises(PluginBrokenError, match=r"lists 'alpha.forgotten' in its card but did not build it"):
        manager.component("post", "alpha.forgotten")
    with pytest.raises(UsageError, match=r"no post component 'alpha.blur'; plugin 'alpha' has: alpha.sharpen"):
        manager.component("post", "alpha.blur")
    with pytest.raises(UsageError, match=r"no analysis component 'alpha.sharpen'.*has: none"):
        manager.component("analysis", "alpha.sharpen")
    with pytest.raises(UsageError, match="no component kind 'filter'"):
        manager.component("filter", "alpha.sharpen")
    with pytest.raises(PluginMissingError, match="No plugin 'beta'"):
        manager.component("post", "beta.sharpen")
