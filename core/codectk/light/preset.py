"""Weights files and the graphs beside them become light codecs."""

from __future__ import annotations

from typing import Any

from codectk.light.backend import ChannelsFirst
from codectk.light.graphs import SUFFIX, Parts, configuration, read_graphs
from codectk.plugins import manager
from codectk.plugins.discover import PluginRecord
from codectk.spec.card import CodecCard
from codectk.spec.light import Light
from codectk.spec.stages import Stages
from codectk.weights.locate import Located
from codectk.weights.manifest import find_entry, package_folder
from codectk.weights.store import resolve
from codectk.weights.tensors import load_tensors, read_metadata


def light_form(card: CodecCard, record: PluginRecord) -> Light | None:
    """How a codec is wired without torch; None where its card does not say.

    Raises:
        PluginBrokenError: what the card names is not there, or no `Light`.
    """
    if not card.light:
        return None
    light = manager.named(record, card.light)
    if not isinstance(light, Light):
        raise manager.broken(record, f"has a {type(light).__name__} as light form of '{card.name}'.")
    return light


def load_light(card: CodecCard, record: PluginRecord, weights: Located | None = None, **settings: Any) -> Stages | None:
    """The codec with its own or other weights; None where there are no graphs for these.

    Args:
        card, record: the codec and its plugin.
        weights: verified, or None for the preset.
        settings: see `Parts`.

    Raises:
        WeightsError: a file is missing or damaged.
        PluginBrokenError: as `light_form`, or the plugin fails to wire it.
    """
    light = light_form(card, record)
    if light is None:
        return None
    entry = find_entry(record.package, card.preset)
    path, sha256 = (resolve(entry, record.package), entry.sha256) if weights is None else (weights.path, weights.sha256)
    options = configuration(read_metadata(path))
    # Graphs fit all weights of their configuration, so those of the preset serve others, too.
    own = (package_folder(record.package) / entry.file).with_suffix(SUFFIX)
    beside = path.with_suffix(SUFFIX)
    known = [(beside, "")] * (beside != own) + [(own, entry.graphs_sha256)]
    files = filter(None, (read_graphs(*one) for one in known))
    fitting = next((file for file in files if file.configuration == options), None)
    if fitting is None:
        return None
    parts = Parts(fitting, load_tensors(path), **settings)
    wired: Stages = manager.guarded(record, card.light, lambda: light.wire(parts, options, sha256, ChannelsFirst()))
    return wired
