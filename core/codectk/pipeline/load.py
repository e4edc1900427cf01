"""From a codec's name, or from what a file says, to the handle; the last few handles are kept."""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from codectk.base.arguments import check
from codectk.base.errors import PluginMissingError, UsageError, WeightsAbsentError, WeightsError
from codectk.bitstream.header import Header
from codectk.bitstream.info import Info
from codectk.pipeline import bundles, wire
from codectk.pipeline.codec import Codec
from codectk.plugins import manager
from codectk.plugins.known import install_line
from codectk.spec.card import CodecCard
from codectk.spec.light import ENGINES
from codectk.weights.bundle import SUFFIX, Bundle, read_bundle
from codectk.weights.bundle_store import find_bundle
from codectk.weights.find import find

KEPT = 4
"""How many handles are kept."""

_kept: OrderedDict[Hashable, Codec] = OrderedDict()
_lock = threading.RLock()


def load(
    name: str = "segpic",
    *,
    device: str = "cpu",
    engine: str = "auto",
    weights: str | bytes | Path | None = None,
    distribution: str = "",
) -> Codec:
    """Find, build and check a codec, or return the one that was loaded before.

    Args:
        name: as on the command line: a plugin's codec, the path of a bundle, or one in the store by name or hash.
        device: "cpu", "cuda", "cuda:1", ...; a codec without torch ignores it.
        engine: see `spec.light.ENGINES`.
        weights: name or hash of other weights than the plugin's own (see `codectk weights list`), the four bytes by
            which a file names them, or the path of a weights file.
        distribution: what a file's header says offers it, for the message if it is missing.

    Raises:
        PluginError: no plugin offers it, or the one that does is broken or breaks a contract.
        WeightsError: its weights are missing or damaged; a `WeightsAbsentError` where they can be pulled.
        UsageError: there is no such engine, or not for this codec, or other weights for a bundle, which has its own.
        InputError: torch does not know the device.
    """
    check(codec=name, device=device, engine=engine, weights=None if isinstance(weights, bytes) else weights)
    if engine not in ENGINES:
        raise UsageError(f"There is no engine {engine!r}; engines are {', '.join(ENGINES)}.")
    if engine == "torch" and find_spec("torch") is None:
        raise UsageError(f"The engine torch needs the package torch: {install_line('codectk[torch]')}")
    if name.lower().endswith(SUFFIX):
        return _bundled(read_bundle(name), device, engine, weights)
    try:
        _, record = manager.find_codec(name, distribution=distribution)
    except PluginMissingError:
        # A file that names a distribution was not made with a bundle.
        bundle = None if distribution else find_bundle(name)
        if bundle is None:
            raise
        return _bundled(bundle, device, engine, weights)
    # What lies at a path may change between two calls; its hash does not.
    named = find(weights, name, record.package) if isinstance(weights, Path) else weights

    light = engine == "onnx" or (engine == "auto" and device == "cpu" and _starts_light())

    def build() -> Codec:
        made = manager.light_codec(name, distribution=distribution, weights=named) if light else None
        if engine == "onnx" and (made is None or device != "cpu"):
            raise UsageError(f"Codec '{name}' has no graphs for these weights on the device '{device}'; use torch.")
        runs = "torch" if made is None else "onnx"
        stages, card, _ = made or manager.codec(name, device, distribution=distribution, weights=named)
        wire.check(stages)
        wire.check_card(stages, card)
        origin = {"name": name, "device": device, "engine": engine, "weights": weights}
        return Codec(stages, card.without(stages.without_knobs), record.distribution, (), device, runs, origin)

    return _keep((name, device, light, record, named), build)


def _starts_light() -> bool:
    """Whether graphs are what starts at once here."""
    return "torch" not in sys.modules and find_spec("onnxruntime") is not None


def load_for(header: Header, *, device: str = "cpu", engine: str = "auto", weights: str | Path | None = None) -> Codec:
    """The codec that a file names, with the weights it names: the plugin's own, or others or a bundle from the store.

    Args:
        header: of the file.
        device, engine: as for `load`.
        weights: name or hash of weights, or the path of a weights file or a bundle, where to look instead.

    Raises:
        PluginError: as `load`.
        WeightsAbsentError: a package on the index has the weights.
        WeightsError: the weights are missing or damaged; the sentence has their hash.
    """
    check(device=device, engine=engine, weights=weights)
    if weights is not None:
        return _with(header, weights, device, engine)
    if header.needs:
        return _bundled(bundles.find_for(header.codec, header.weights, header.needs), device, engine)
    others = any(header.weights)
    absent = None
    try:
        codec = load(header.codec, device=device, engine=engine, distribution=header.distribution)
    except WeightsError as error:
        # The plugin's own weights may be missing where the file does not need them.
        if not others:
            raise
        absent = error if isinstance(error, WeightsAbsentError) else None
    else:
        # A file without weights for a codec that has some is refused where it is decoded.
        if not others or codec.weights == header.weights:
            return codec
    try:
        return load(
            header.codec, device=device, engine=engine, weights=header.weights, distribution=header.distribution
        )
    except WeightsError as error:
        # Once the plugin's own are there, they may turn out to be what the file names.
        raise absent or error from error


def _with(header: Header, weights: str | Path, device: str, engine: str) -> Codec:
    """The codec that a file names with the weights that a person names; whether they fit is seen when decoding."""
    if not header.needs:
        named = Path(weights) if Path(weights).is_file() else weights
        return load(header.codec, device=device, engine=engine, weights=named, distribution=header.distribution)
    text = str(weights)
    bundle = read_bundle(text) if text.lower().endswith(SUFFIX) else find_bundle(text)
    if bundle is None:
        raise WeightsError(f"There is no bundle '{text}' in the weights store.")
    if bundle.card.name != header.codec or not bundle.sha256.startswith(header.weights.hex()):
        raise WeightsError(
            f"The file was made with bundle '{header.codec}' ({header.weights.hex()}), not with {bundle}."
        )
    return _bundled(bundle, device, engine)


def card_of(name: str) -> CodecCard:
    """What can be turned at a codec or bundle, from cards alone; `name` as for `load`.

    Raises:
        InputError, PluginError, WeightsError: as `load`.
    """
    if name.lower().endswith(SUFFIX):
        return bundles.card_of(read_bundle(name))
    try:
        return manager.find_codec(name)[0]
    except PluginMissingError:
        bundle = find_bundle(name)
        if bundle is None:
            raise
        return bundles.card_of(bundle)


def card_for(info: Info) -> CodecCard:
    """What can be turned at the codec that a file names, from cards alone.

    Raises:
        PluginError, WeightsError: as `load_for`.
    """
    if info.needs:
        return bundles.card_of(bundles.find_for(info.codec, bytes.fromhex(info.weights_hash), info.needs))
    return manager.find_codec(info.codec, distribution=info.codec_distribution)[0]


def reload(origin: Mapping[str, Any]) -> Codec:
    """The codec that another process loaded with these arguments."""
    return load(**origin)


def drop(codec: Codec) -> None:
    """Keep a codec no longer."""
    with _lock:
        for key in [key for key, kept in _kept.items() if kept is codec]:
            del _kept[key]


def forget() -> None:
    """Keep none any longer."""
    with _lock:
        _kept.clear()


def _bundled(bundle: Bundle, device: str, engine: str, weights: str | bytes | Path | None = None) -> Codec:
    if engine == "onnx":
        raise UsageError(f"Bundle {bundle} has no graphs; use torch.")
    if weights is not None:
        raise UsageError(f"Bundle {bundle} has weights of its own and takes no others.")

    def build() -> Codec:
        stages, card = bundles.build(bundle, device)
        wire.check(stages)
        wire.check_card(stages, card)
        needs = bundle.card.distributions
        origin = {"name": str(bundle.path), "device": device}
        return Codec(stages, card.without(stages.without_knobs), " ".join(needs), needs, device, "torch", origin)

    return _keep((bundle, device), build)


def _keep(key: Hashable, build: Callable[[], Codec]) -> Codec:
    """The codec that is kept under a key; else it is built, by one thread while others wait for it."""
    with _lock:
        if key not in _kept:
            _kept[key] = build()
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return _kept[key]


def _new_lock() -> None:
    global _lock
    _lock = threading.RLock()


if hasattr(os, "register_at_fork"):
    # A thread that was loading does not go on in a forked process, and would never release the lock there.
    os.register_at_fork(after_in_child=_new_lock)
