"""A codec's stages with the weights asked for: from what its card names, or from its plugin's hook."""

from __future__ import annotations

from typing import Any

from codectk.base.errors import PluginMissingError, UsageError, WeightsAbsentError
from codectk.light.preset import load_light
from codectk.plugins import manager
from codectk.plugins.discover import PluginRecord
from codectk.plugins.known import install_line
from codectk.spec.card import CodecCard
from codectk.spec.stages import Stages
from codectk.weights.locate import Located, locate


def build_codec(card: CodecCard, record: PluginRecord, device: str = "cpu", weights: Located | None = None) -> Stages:
    """A codec with torch, or one that needs none.

    Args:
        card, record: the codec and its plugin, from `manager.find_codec`.
        device: "cpu", "cuda", "cuda:1", ...
        weights: verified weights, or None for the plugin's own.

    Raises:
        PluginError: the plugin is broken, or it built something else than stages, or torch is missing.
        UsageError: the plugin's own weights are the only ones it can use.
        WeightsAbsentError: a package on the index has weights that are not here yet.
        WeightsError: they are missing, damaged, or do not fit the network that they name.
    """
    try:
        built = _of_card(card, record, device, weights) if card.network and card.preset else None
        if built is None:
            path = None if weights is None else weights.path
            plugin = manager.load_record(record)
            built = plugin.call("codectk_codec", name=card.name, device=device, weights=path)
    except WeightsAbsentError as error:
        raise error.for_codec(card.name) from error
    if built is None:
        raise manager.broken(record, f"lists codec '{card.name}' in its card but did not build it.")
    if not isinstance(built, Stages):
        raise manager.broken(record, f"built a {type(built).__name__} instead of Stages for '{card.name}'.")
    if weights is not None and not built.weights_hash.startswith(weights.sha256):
        raise UsageError(
            f"Codec '{card.name}' of {record.owner} cannot use the weights {weights}: it has only its own."
        )
    return built


def build_light(card: CodecCard, record: PluginRecord, weights: Located | None = None) -> Stages | None:
    """A codec without torch; None where there is no light form of it, or none for these weights.

    Raises:
        As `build_codec`.
    """
    try:
        return load_light(card, record, weights)
    except WeightsAbsentError as error:
        raise error.for_codec(card.name) from error


def torch_line(card: CodecCard, record: PluginRecord) -> str:
    """What installs torch for a codec: one that runs whole without it has an extra for the rest."""
    return install_line(f"{record.distribution if card.light and card.light_encodes else 'codectk'}[torch]")


def _of_card(card: CodecCard, record: PluginRecord, device: str, weights: Located | None) -> Any:
    found = weights or locate(card.preset, codec=card.name, package=record.package)
    try:
        from codectk.nn.preset import load_weights
    except ImportError as error:
        raise PluginMissingError(
            f"Codec '{card.name}' needs torch here ({error}): {torch_line(card, record)}"
        ) from error
    factory = manager.named(record, card.network)
    return manager.guarded(record, card.network, lambda: load_weights(found.path, factory, device, sha256=found.sha256))
