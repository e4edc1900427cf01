"""Import one plugin by name, guarded, and let its card and its hooks build codecs and components.

What a card names (`network`, `light`, `part`, `factory`) is imported from there; the rest is asked of the plugin's
hooks. One pluggy manager holds the modules with hooks of the plugins in use. A hook is asked of one of them at a time,
through `subset_hook_caller`, so nobody else's answer, or fault, comes in between.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Any

import pluggy

from codectk.base.errors import CodectkError, PluginBrokenError, PluginMissingError, UsageError
from codectk.base.locks import ProcessLock
from codectk.plugins import discover, trace
from codectk.plugins.discover import PluginRecord
from codectk.plugins.known import missing_codec
from codectk.spec import hooks
from codectk.spec.card import CodecCard
from codectk.spec.component import COMPONENT_KINDS, ComponentCard
from codectk.spec.edits import Edit

_lock = ProcessLock()


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin whose module is imported and registered."""

    record: PluginRecord
    module: ModuleType

    def call(self, hook: str, **arguments: Any) -> Any:
        """What the plugin's hook returns; None if it has no such hook.

        Raises:
            CodectkError: raised by the plugin on purpose, such as WeightsError.
            PluginBrokenError: the plugin raised anything else.
        """
        with _lock.held():
            registered = _manager()
            others = registered.get_plugins() - {self.module}
            caller = registered.subset_hook_caller(hook, others)
        return guarded(self.record, hook, caller, bool(caller.get_hookimpls()), **arguments)


def load(name: str) -> LoadedPlugin:
    """Import the plugin `name`; no other plugin is touched.

    Raises:
        PluginMissingError: no such plugin, or CODECTK_PLUGINS leaves it out.
        PluginBrokenError, PluginIncompatibleError: it is listed as such, fails to import, or its hooks are wrong.
    """
    for record in discover.discover():
        if record.name == name:
            return load_record(record)
    if any(record.name == name for record in discover.installed()):
        raise PluginMissingError(f"Plugin '{name}' is installed, but CODECTK_PLUGINS leaves it out.")
    raise PluginMissingError(f"No plugin '{name}' is installed.")


def load_record(record: PluginRecord) -> LoadedPlugin:
    """Import a plugin that was found.

    Raises:
        PluginBrokenError, PluginIncompatibleError: as `load`.
    """
    if record.status != "ok":
        raise discover.error_of(record)
    module = _imported(record, record.module)
    with _lock.held():
        _register(record, module)
    return LoadedPlugin(record, module)


def find_codec(codec: str, *, distribution: str = "") -> tuple[CodecCard, PluginRecord]:
    """Return the card of a codec without importing its plugin.

    Args:
        codec: codec name.
        distribution: what a file's header says offers it, for the message.

    Raises:
        PluginMissingError: no plugin offers it; the message has the line that installs it.
        PluginBrokenError, PluginIncompatibleError: the plugin that should offer it is not ok.
    """
    records = discover.discover()
    offers = _offers(records)
    for card, record in offers:
        if card.name == codec:
            if record.status != "ok":
                raise discover.error_of(record)
            return card, record
    # A plugin whose card cannot be read says nothing about its codecs; its distribution's name does.
    for record in records:
        if record.status != "ok" and (record.name == codec or record.distribution == distribution):
            raise discover.error_of(record)
    if any(card.name == codec for card, _ in _offers(discover.installed())):
        raise PluginMissingError(f"Codec '{codec}' is installed, but CODECTK_PLUGINS leaves its plugin out.")
    usable = [card.name for card, record in offers if record.status == "ok"]
    raise PluginMissingError(missing_codec(codec, usable, distribution))


def named(record: PluginRecord, place: str) -> Any:
    """What a card names as "module:object", imported.

    Raises:
        PluginBrokenError: the module cannot be imported, or has no such object.
    """
    module, _, name = place.partition(":")
    found = getattr(_imported(record, module), name, None)
    if found is None:
        raise broken(record, f"has no '{name}' in {module}, which its card names.")
    return found


def network(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Build the network of codec `name` with fresh weights, for training.

    Args:
        name: codec name.
        options: as the plugin documents them, such as a configuration.

    Returns:
        A torch module whose `codec()` wires its `Stages`.

    Raises:
        UsageError: the codec has nothing to train, or the plugin refuses the options.
        PluginError: as `find_codec` and `load`.
    """
    card, record = find_codec(name)
    given = dict(options or {})
    if card.network:
        return guarded(record, card.network, named(record, card.network), options=given)
    built = load_record(record).call("codectk_network", name=name, options=given)
    if built is None:
        raise UsageError(f"Codec '{name}' of {record.owner} offers no network to train.")
    return built


def components(plugin: str, kind: str) -> list[str]:
    """Ids of a plugin's components of one kind, by its card.

    Raises:
        PluginError: as `load`.
    """
    return [one.id for one in _cards(load(plugin).record).values() if one.kind == kind]


def component(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Build the component with id `name`, such as "egic.oasis_c".

    Raises:
        UsageError: unknown kind, or the plugin has no such component.
        PluginError: as `load`, or the plugin fails to build it.
    """
    if kind not in COMPONENT_KINDS:
        raise UsageError(f"There is no component kind '{kind}'; kinds are {', '.join(COMPONENT_KINDS)}.")
    plugin = load(name.split(".", 1)[0])
    card = _cards(plugin.record).get(name)
    if card is None or card.kind != kind:
        listed = ", ".join(one.id for one in _cards(plugin.record).values() if one.kind == kind) or "none"
        raise UsageError(f"There is no {kind} component '{name}'; plugin '{plugin.record.name}' has: {listed}.")
    return _component(plugin, card, dict(options or {}))


def stages(names: Sequence[str], options: Mapping[str, Any] | None = None) -> list[Any]:
    """Build several components of one plugin with the same options; parts of one network share it.

    Args:
        names: component ids of one plugin, each at most once, all in its card.
        options: for all of them.

    Raises:
        As `component`.
    """
    plugin = load(names[0].split(".", 1)[0])
    whole = functools.cache(lambda codec: network(codec, options))
    cards = [_cards(plugin.record)[name] for name in names]
    return [
        getattr(whole(card.codec), card.part) if card.part else _component(plugin, card, dict(options or {}))
        for card in cards
    ]


def edits_of(codec: str, *, distribution: str = "") -> Mapping[str, Edit]:
    """Edits that files of a codec can carry, by name; its weights are not loaded.

    Args:
        codec: codec name.
        distribution: what a file's header says offers it, for the message if it is missing.

    Raises:
        PluginError: as `find_codec` and `load`, or an edit breaks the rules of `spec.edits.Edit`.
    """
    _, record = find_codec(codec, distribution=distribution)
    listed = load_record(record).call("codectk_edits", codec=codec)
    if listed is None:
        return {}
    if not isinstance(listed, Mapping):
        raise broken(record, f"lists edits as {type(listed).__name__} instead of a mapping.")
    for name, edit in listed.items():
        wrong = edit.wrong if isinstance(edit, Edit) else f"it is a {type(edit).__name__} and no Edit"
        if not wrong and edit.name != name:
            wrong = f"it calls itself '{edit.name}'"
        if wrong:
            raise broken(record, f"lists a wrong edit '{name}' of codec '{codec}': {wrong}.")
    return listed


def guarded(
    record: PluginRecord, what: str, function: Callable[..., Any], there: bool = True, /, **arguments: Any
) -> Any:
    """Call a function of a plugin, traced; whatever goes wrong inside is this plugin's error.

    Args:
        record: the plugin.
        what: how messages and the trace call the function.
        function: called with `arguments`.
        there: false for a hook that the plugin does not have.

    Raises:
        CodectkError: raised by the plugin on purpose.
        PluginBrokenError: the plugin raised anything else.
    """
    try:
        return trace.watched(record.name, what, function, arguments, there)
    except CodectkError:
        raise
    except Exception as error:
        values = ", ".join(trace.short(repr(value)) for value in arguments.values() if value is not None)
        raise broken(record, f"failed in {what}({values}): {_text(error)}") from error


def broken(record: PluginRecord, what: str) -> PluginBrokenError:
    """The error that says what a plugin did wrong."""
    return PluginBrokenError(f"{record.owner[0].upper()}{record.owner[1:]} {what}")


@functools.cache
def _manager() -> pluggy.PluginManager:
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    return manager


def _register(record: PluginRecord, module: ModuleType) -> None:
    """Check a module's hooks and keep it; what does not pass leaves no trace."""
    manager = _manager()
    if manager.get_plugin(record.module) is module:
        return
    if manager.has_plugin(record.module):  # it was imported anew since
        manager.unregister(name=record.module)
    try:
        manager.register(module, record.module)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        if manager.has_plugin(record.module):
            manager.unregister(name=record.module)
        raise broken(record, f"has a wrong hook: {_text(error)}") from error


def _imported(record: PluginRecord, module: str) -> ModuleType:
    try:
        return importlib.import_module(module)
    except (Exception, SystemExit) as error:
        raise broken(record, f"cannot be imported: {_text(error)}{discover.advice(record, error)}") from error


def _component(plugin: LoadedPlugin, card: ComponentCard, options: dict[str, Any]) -> Any:
    if card.part:
        return getattr(network(card.codec, options), card.part)
    if card.factory:
        return guarded(plugin.record, card.factory, named(plugin.record, card.factory), options=options)
    built = plugin.call(f"codectk_{card.kind}", name=card.id, options=options)
    if built is None:
        raise broken(plugin.record, f"lists '{card.id}' in its card but did not build it.")
    return built


def _cards(record: PluginRecord) -> dict[str, ComponentCard]:
    return {card.id: card for card in record.card.components} if record.card else {}


def _offers(records: list[PluginRecord]) -> list[tuple[CodecCard, PluginRecord]]:
    return [(card, record) for record in records if record.card is not None for card in record.card.codecs]


def _text(error: BaseException) -> str:
    """Return an exception as one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}." if message else f"{type(error).__name__}."
