"""Import one plugin by name, guarded, and let its hooks build codecs and components."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pluggy

from codectk.base.errors import CodectkError, PluginBrokenError, PluginMissingError, UsageError, WeightsAbsentError
from codectk.plugins import discover, trace
from codectk.plugins.discover import PluginRecord
from codectk.plugins.known import missing_codec
from codectk.spec import hooks
from codectk.spec.card import CodecCard
from codectk.spec.component import COMPONENT_KINDS
from codectk.spec.light import Light
from codectk.spec.published import PublishedWeights
from codectk.spec.stages import Stages
from codectk.weights.locate import Located

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True)
class LoadedPlugin:
    """A plugin whose module is imported, and a pluggy manager with that module only."""

    record: PluginRecord
    hooks: pluggy.PluginManager

    def call(self, hook: str, **arguments: Any) -> Any:
        """Call a hook; whatever goes wrong inside is this plugin's error.

        Raises:
            CodectkError: raised by the plugin on purpose, such as WeightsError.
            PluginBrokenError: the plugin raised anything else.
        """
        try:
            return getattr(self.hooks.hook, hook)(**arguments)
        except CodectkError:
            raise
        except Exception as error:
            values = ", ".join(trace.short(repr(value)) for value in arguments.values() if value is not None)
            raise PluginBrokenError(f"{_name(self.record)} failed in {hook}({values}): {_text(error)}") from error


def load(name: str) -> LoadedPlugin:
    """Import the plugin `name`; no other plugin is touched.

    Raises:
        PluginMissingError: no such plugin, or CODECTK_PLUGINS leaves it out.
        PluginBrokenError, PluginIncompatibleError: it is listed as such, fails to import, or its hooks are wrong.
    """
    for record in discover.discover():
        if record.name == name:
            return _load(record)
    if any(record.name == name for record in discover.installed()):
        raise PluginMissingError(f"Plugin '{name}' is installed, but CODECTK_PLUGINS leaves it out.")
    raise PluginMissingError(f"No plugin '{name}' is installed.")


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


def codec(
    name: str, device: str = "cpu", *, distribution: str = "", weights: Located | None = None
) -> tuple[Stages, CodecCard, PluginRecord]:
    """Build a codec's stages, with its card and its plugin.

    Args:
        name: codec name.
        device: "cpu", "cuda", "cuda:1", ...
        distribution: what a file's header says offers it, for the message if it is missing.
        weights: verified weights, or None for the plugin's own.

    Raises:
        PluginError: missing, broken or incompatible, or it built something else than stages.
        UsageError: the plugin's own weights are the only ones it can use.
        WeightsAbsentError: a package on the index has weights that are not here yet.
        WeightsError: as the plugin raises it.
    """
    card, record = find_codec(name, distribution=distribution)

    def build(path: Path | None) -> Any:
        return _load(record).call("codectk_codec", name=name, device=device, weights=path)

    return _built(name, record, weights, build), card, record


def light_codec(
    name: str, *, distribution: str = "", weights: Located | None = None
) -> tuple[Stages, CodecCard, PluginRecord] | None:
    """As `codec`, without torch; None where there is no light form of it, or none for these weights."""
    from codectk.light.preset import light_parts, wire_light  # later: most verbs need no graphs

    card, record = find_codec(name, distribution=distribution)
    light = light_form(name, record)
    if light is None:
        return None
    parts = light_parts(light, record.package, None if weights is None else weights.path)
    if parts is None:
        return None
    return _built(name, record, weights, lambda path: wire_light(light, parts)), card, record


def light_form(name: str, record: PluginRecord) -> Light | None:
    """How a codec is wired without torch; None where its plugin does not say."""
    light = _load(record).call("codectk_light", name=name)
    if not isinstance(light, Light | None):
        raise PluginBrokenError(f"{_name(record)} gave a {type(light).__name__} as light form of '{name}'.")
    return light


def _built(name: str, record: PluginRecord, weights: Located | None, build: Callable[[Path | None], Any]) -> Stages:
    """The stages that `build` makes with the weights asked for, checked."""
    try:
        built = build(None if weights is None else weights.path)
    except WeightsAbsentError as error:
        raise error.for_codec(name) from error
    if built is None:
        raise PluginBrokenError(f"{_name(record)} lists codec '{name}' in its card but did not build it.")
    if not isinstance(built, Stages):
        raise PluginBrokenError(f"{_name(record)} built a {type(built).__name__} instead of Stages for '{name}'.")
    if weights is not None and not built.weights_hash.startswith(weights.sha256):
        raise UsageError(f"Codec '{name}' of {record.owner} cannot use the weights {weights}: it has only its own.")
    return built


def import_weights(codec: str, path: Path) -> tuple[Mapping[str, np.ndarray], Mapping[str, str]]:
    """Let the plugin of `codec` read a checkpoint of another project.

    Returns:
        Arrays by name, and metadata.

    Raises:
        UsageError: the plugin reads none.
        WeightsError: the file is not such a checkpoint.
        PluginError: as `codec`.
    """
    _, record = find_codec(codec)
    read = _load(record).call("codectk_weights_import", codec=codec, path=path)
    if read is None:
        raise UsageError(f"Codec '{codec}' of {record.owner} imports no weights of other projects.")
    if not (isinstance(read, tuple) and len(read) == 2 and all(isinstance(part, Mapping) for part in read)):
        raise PluginBrokenError(f"{_name(record)} imported something else than arrays and metadata from {path}.")
    return read


def published_weights(codec: str) -> PublishedWeights | None:
    """Ask the plugin of `codec` where a checkpoint can be fetched; None where it names none.

    Raises:
        PluginError: as `codec`.
    """
    _, record = find_codec(codec)
    published = _load(record).call("codectk_weights_published", codec=codec)
    if not isinstance(published, PublishedWeights | None):
        raise PluginBrokenError(f"{_name(record)} gave a {type(published).__name__} as published weights of '{codec}'.")
    return published


def network(name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Build the network of codec `name` with fresh weights, for training.

    Args:
        name: codec name.
        options: as the plugin documents them, such as a configuration.

    Returns:
        A torch module whose `codec()` wires its `Stages`.

    Raises:
        UsageError: the codec has nothing to train, or the plugin refuses the options.
        PluginError: as `codec`.
    """
    _, record = find_codec(name)
    built = _load(record).call("codectk_network", name=name, options=dict(options or {}))
    if built is None:
        raise UsageError(f"Codec '{name}' of {record.owner} offers no network to train.")
    return built


def components(plugin: str, kind: str) -> list[str]:
    """Ids of a plugin's components of one kind, by its card.

    Raises:
        PluginError: as `load`.
    """
    card = load(plugin).record.card
    return [one.id for one in card.components if one.kind == kind] if card else []


def component(kind: str, name: str, options: Mapping[str, Any] | None = None) -> Any:
    """Build the component with id `name`, such as "egic.oasis_c".

    Raises:
        UsageError: unknown kind, or the plugin has no such component.
        PluginError: as `load`, or the plugin fails to build it.
    """
    if kind not in COMPONENT_KINDS:
        raise UsageError(f"There is no component kind '{kind}'; kinds are {', '.join(COMPONENT_KINDS)}.")
    plugin = load(name.split(".", 1)[0])
    if name not in (offered := components(plugin.record.name, kind)):
        listed = ", ".join(offered) or "none"
        raise UsageError(f"There is no {kind} component '{name}'; plugin '{plugin.record.name}' has: {listed}.")
    built = plugin.call(f"codectk_{kind}", name=name, options=dict(options or {}))
    if built is None:
        raise PluginBrokenError(f"{_name(plugin.record)} lists '{name}' in its card but did not build it.")
    return built


def stages(names: Sequence[str], options: Mapping[str, Any] | None = None) -> list[Any]:
    """Build several components of one plugin with the same options, sharing what their codec shares.

    Args:
        names: component ids of one plugin, each at most once.
        options: for all of them.

    Raises:
        As `component`.
    """
    plugin = load(names[0].split(".", 1)[0])
    cards = {card.id: card for card in plugin.record.card.components} if plugin.record.card else {}
    built = None
    if len(names) > 1 and cards.keys() >= set(names):
        built = plugin.call("codectk_stages", names=list(names), options=dict(options or {}))
    if built is None:
        return [component(cards[name].kind if name in cards else "analysis", name, options) for name in names]
    if len(made := list(built)) != len(names) or None in made:
        raise PluginBrokenError(f"{_name(plugin.record)} did not build all of {', '.join(names)} in codectk_stages.")
    return made


def _load(record: PluginRecord) -> LoadedPlugin:
    if record.status != "ok":
        raise discover.error_of(record)
    try:
        module = importlib.import_module(record.module)
    except (Exception, SystemExit) as error:
        raise PluginBrokenError(f"{_name(record)} cannot be imported: {_text(error)}") from error
    manager = pluggy.PluginManager(hooks.PROJECT)
    manager.add_hookspecs(hooks)
    try:
        manager.register(module, record.name)
        manager.check_pending()
    except (pluggy.PluginValidationError, ValueError) as error:
        raise PluginBrokenError(f"{_name(record)} has a wrong hook: {_text(error)}") from error
    trace.watch(manager, record.name)
    return LoadedPlugin(record, manager)


def _offers(records: list[PluginRecord]) -> list[tuple[CodecCard, PluginRecord]]:
    return [(card, record) for record in records if record.card is not None for card in record.card.codecs]


def _name(record: PluginRecord) -> str:
    return record.owner[0].upper() + record.owner[1:]


def _text(error: BaseException) -> str:
    """Return an exception as one line."""
    message = " ".join(str(error).split())
    return f"{type(error).__name__}: {message}." if message else f"{type(error).__name__}."
