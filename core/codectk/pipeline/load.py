"""From a codec's name, or from what a file says, to the handle; the last few handles are kept."""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from codectk.base.arguments import check
from codectk.base.errors import (
    OutputError,
    PluginError,
    PluginMissingError,
    UsageError,
    WeightsAbsentError,
    WeightsError,
)
from codectk.base.locks import ProcessLock
from codectk.bitstream.header import Header
from codectk.graph import wire
from codectk.pipeline import bundles
from codectk.pipeline.build import build_codec, build_light, torch_line
from codectk.pipeline.codec import Codec
from codectk.plugins import manager
from codectk.spec.card import CodecCard
from codectk.spec.light import ENGINES
from codectk.weights.bundle import Bundle
from codectk.weights.locate import Located, Reference, UnknownWeightsError, keep, locate, names_file

KEPT = 4
"""How many handles are kept."""

_kept: OrderedDict[Hashable, Codec] = OrderedDict()
_lock = ProcessLock()


def load(
    name: str = "segpic",
    *,
    device: str = "cpu",
    engine: str = "auto",
    weights: Reference | None = None,
    distribution: str = "",
    decodes: bool = False,
) -> Codec:
    """Find, build and check a codec, or return the one that was loaded before.

    Args:
        name: as on the command line: a plugin's codec, the path of a bundle, or one in the store by name or hash.
        device: "cpu", "cuda", "cuda:1", ...; a codec without torch ignores it.
        engine: see `spec.light.ENGINES`.
        weights: other weights than the plugin's own, see `codectk.weights.locate`: by name or hash, the path of a
            weights file, or the four bytes by which a file names them.
        distribution: what a file's header says offers it, for the message if it is missing.
        decodes: it is for decoding alone, so that "auto" takes a light form that does not encode, too.

    Raises:
        PluginError: no plugin offers it, or the one that does is broken or breaks a contract.
        WeightsError: its weights are missing or damaged; a `WeightsAbsentError` where they can be pulled.
        UsageError: there is no such engine, or not for this codec, or other weights for a bundle, which has its own.
        InputError: torch does not know the device.
    """
    check(codec=name, device=device, engine=engine, weights=None if isinstance(weights, bytes) else weights)
    if engine not in ENGINES:
        raise UsageError(f"There is no engine {engine!r}; engines are {', '.join(ENGINES)}.")
    # A file that names a distribution was not made with a bundle.
    bundle = None if distribution else _bundle(name)
    if bundle is not None:
        return _bundled(bundle, device, engine, weights)
    offered, record = manager.find_codec(name, distribution=distribution)
    if engine == "torch" and find_spec("torch") is None:
        raise UsageError(f"The engine torch needs the package torch: {torch_line(offered, record)}")
    # What lies at a path may change between two calls; its hash does not.
    named = located(weights, name, record.package) if weights is not None and names_file(weights) else weights
    whole = decodes or offered.light_encodes or find_spec("torch") is None
    light = engine == "onnx" or (engine == "auto" and device == "cpu" and whole and _starts_light())

    def make() -> Codec:
        found = named if named is None or isinstance(named, Located) else located(named, name, record.package)
        made = build_light(offered, record, found) if light else None
        if engine == "onnx" and (made is None or device != "cpu"):
            raise UsageError(f"Codec '{name}' has no graphs for these weights on the device '{device}'; use torch.")
        runs = "torch" if made is None else "onnx"
        stages = made or build_codec(offered, record, device, found)
        wire.check(stages)
        wire.check_card(stages, offered)
        origin = {"name": name, "device": device, "engine": engine, "weights": weights}
        # What the card says of fidelity, it says of the codec's own weights.
        card = replace(offered, fidelity=offered.fidelity if named is None else None)
        return Codec(stages, card.without(stages.without_knobs), record.distribution, (), device, runs, origin)

    return _keep((name, device, light, record, named), make)


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
        WeightsError: the weights are missing or damaged, the sentence has their hash; or `weights` did not make the
            file.
    """
    check(device=device, engine=engine, weights=weights)
    if header.needs:
        return _bundled(_bundle_for(header.codec, header.weights, header.needs, weights), device, engine)
    load_own = partial(load, header.codec, device=device, engine=engine, distribution=header.distribution, decodes=True)
    if weights is not None:
        return load_own(weights=weights)  # what did not make the file is refused where it is decoded
    others = any(header.weights)
    absent = None
    try:
        codec = load_own()
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
        return load_own(weights=header.weights)
    except WeightsError as error:
        # Once the plugin's own are there, they may turn out to be what the file names.
        raise absent or error from error


def card_of(name: str) -> CodecCard:
    """The knobs of a codec or bundle, read from cards alone; `name` as for `load`.

    Raises:
        InputError, PluginError, WeightsError: as `load`.
    """
    bundle = _bundle(name)
    return manager.find_codec(name)[0] if bundle is None else bundles.card_of(bundle)


def card_for(header: Header, weights: str | Path | None = None) -> CodecCard:
    """The knobs of the codec that a file names, read from cards alone; `weights` as for `load_for`.

    Raises:
        PluginError, WeightsError: as `load_for`.
    """
    if header.needs:
        return bundles.card_of(_bundle_for(header.codec, header.weights, header.needs, weights))
    return manager.find_codec(header.codec, distribution=header.distribution)[0]


def located(weights: Reference, codec: str, package: str) -> Located:
    """Weights for a codec, as `locate` finds them; what is absent names the codec."""
    try:
        return locate(weights, codec=codec, package=package)
    except WeightsAbsentError as error:
        raise error.for_codec(codec) from error


def keep_used(codec: str, weights: str | Path | None = None) -> str:
    """Have the store hold a bundle or weights that were named as files, so that what they encode decodes here.

    Args:
        codec, weights: as for `load`.

    Returns:
        A sentence that says so; "" if they were there already.
    """
    if names_file(codec):
        found, owner, package = locate(codec), "", ""
    elif weights is not None and names_file(weights):
        owner, package = codec, manager.find_codec(codec)[1].package
        found = locate(weights, codec=owner, package=package)
    else:
        return ""
    try:
        locate(bytes.fromhex(found.sha256[:8]), codec=owner or found.name, package=package)  # as decoding will
    except WeightsError:
        try:
            path = keep(found)
        except OutputError as error:
            return f"{found} is not in the weights store, so its files need 'codectk decode --weights' here: {error}"
        return f"{found} is in the weights store now, so that its files can be decoded here: {path}"
    return ""


def reload(origin: Mapping[str, Any]) -> Codec:
    """The codec that another process loaded with these arguments."""
    return load(**origin)


def drop(codec: Codec) -> None:
    """Keep a codec no longer."""
    with _lock.held():
        for key in [key for key, kept in _kept.items() if kept is codec]:
            del _kept[key]


def forget() -> None:
    """Keep none any longer."""
    with _lock.held():
        _kept.clear()


def _bundle(name: str) -> Bundle | None:
    """The bundle that goes by the name of a codec: a file, or one in the store where no plugin offers such a codec."""
    if names_file(name):
        return locate(name).bundle
    try:
        manager.find_codec(name)
    except PluginMissingError:
        with suppress(UnknownWeightsError):
            return locate(name).bundle
    except PluginError:  # it is said where the codec is built
        pass
    return None


def _bundle_for(name: str, weights: bytes, needs: tuple[str, ...], given: str | Path | None) -> Bundle:
    """The bundle that made a file, by what its header says; `given` says where it is.

    Raises:
        WeightsError: it is missing or damaged; the sentence says which it is, how to get it, and what it needs.
    """
    if given is None:
        return bundles.find_for(name, weights, needs)
    found = locate(given)
    if (found.name, found.sha256[:8]) != (name, weights.hex()):
        raise WeightsError(
            f"The file was made with bundle '{name}' (sha256 {weights.hex()}...), and {given} is {found}."
        )
    assert found.bundle is not None
    return found.bundle


def _bundled(bundle: Bundle, device: str, engine: str, weights: Reference | None = None) -> Codec:
    if engine == "onnx":
        raise UsageError(f"Bundle {bundle} has no graphs; use torch.")
    if weights is not None:
        raise UsageError(f"Bundle {bundle} has weights of its own and takes no others.")

    def make() -> Codec:
        stages, card = bundles.build(bundle, device)
        wire.check(stages)
        wire.check_card(stages, card)
        needs = bundle.card.distributions
        origin = {"name": str(bundle.path), "device": device}
        return Codec(stages, card.without(stages.without_knobs), " ".join(needs), needs, device, "torch", origin)

    return _keep((bundle, device), make)


def _keep(key: Hashable, make: Callable[[], Codec]) -> Codec:
    """The codec that is kept under a key; else it is made, by one thread while others wait for it."""
    with _lock.held():
        if key not in _kept:
            _kept[key] = make()
        _kept.move_to_end(key)
        while len(_kept) > KEPT:
            _kept.popitem(last=False)
        return _kept[key]
