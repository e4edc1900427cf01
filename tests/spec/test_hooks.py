"""The hook specs are those of the contract, and each kind of component has one."""

from __future__ import annotations

import inspect

import pluggy

from codectk.spec import hooks
from codectk.spec.component import COMPONENT_KINDS


def _specs() -> dict[str, inspect.Signature]:
    return {name: inspect.signature(value) for name, value in vars(hooks).items() if name.startswith("codectk_")}


def test_the_hooks_and_their_arguments():
    arguments = {name: tuple(signature.parameters) for name, signature in _specs().items()}
    assert arguments.pop("codectk_codec") == ("name", "device", "weights")
    assert arguments.pop("codectk_weights_import") == ("codec", "path")
    assert arguments.pop("codectk_weights_published") == ("codec",)
    assert arguments.pop("codectk_edits") == ("codec",)
    assert arguments.pop("codectk_summary") == ("codec", "container")
    assert arguments.pop("codectk_network") == ("name", "options")
    assert arguments == {f"codectk_{kind}": ("name", "options") for kind in COMPONENT_KINDS}


def test_the_first_answer_wins():
    class Silent:
        @hooks.hookimpl
        def codectk_codec(self, name):
            return None

    class Answers:
        @hooks.hookimpl
        def codectk_codec(self, name, device):
            return (name, device)

    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    manager.register(Answers())
    manager.register(Silent())
    assert manager.hook.codectk_codec(name="x", device="cpu", weights=None) == ("x", "cpu")


def test_every_hook_is_documented():
    assert all(vars(hooks)[name].__doc__ for name in _specs())
