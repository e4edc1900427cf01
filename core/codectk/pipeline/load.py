"""From a codec's name to a codec that was found, built and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codectk.base.errors import PluginMissingError, UsageError, WeightsAbsentError, WeightsError
from codectk.bitstream.header import Header
from codectk.bitstream.info import Info
from codectk.pipeline import bundles, wire
from codectk.plugins import manager
from codectk.spec.card import CodecCard
from codectk.spec.stages import Stages
from codectk.weights.bundle import SUFFIX, Bundle, read_bundle
from codectk.weights.bundle_store import find_bundle


@dataclass(frozen=True)
class Ready:
    """A codec whose stages fit together.

    Attributes:
        codec: the stages.
        card: what the plugin says about its knobs, without those that these weights do not have.
        distribution: what to install to get it, such as "codectk-segpic"; several with spaces between for a bundle.
        needs: for a bundle, its plugins' distributions; () for the codec of a plugin.
    """

    codec: Stages
    card: CodecCard
    distribution: str
    needs: tuple[str, ...] = ()

    @property
    def weights(self) -> bytes:
        """The four bytes by which a file names the weights or the bundle; zeros for a codec without weights."""
        return bytes.fromhex(self.codec.weights_hash[:8]) or bytes(4)


def load(
    codec_id: str, device: str = "cpu", *, distribution: str = "", weights: str | bytes | Path | None = None
) -> Ready:
    """Find, build and check a codec.

    Args:
        codec_id: as on the command line: a plugin's codec, the path of a bundle, or one in the store by name or hash.
        device: "cpu", "cuda", "cuda:1", ...; a codec without torch ignores it.
        distribution: what a file's header says offers it, for the message if it is missing.
        weights: name or hash of other weights than the plugin's own, the four bytes by which a file names them, or
            the path of a weights file.

    Raises:
        PluginError: no plugin offers it, or the one that does is broken or breaks a contract.
        WeightsError: its weights are missing or damaged.
        UsageError: other weights for a bundle, which has its own.
    """
    if codec_id.lower().endswith(SUFFIX):
        return _bundled(read_bundle(codec_id), device, weights)
    try:
        codec, card, record = manager.codec(codec_id, device, distribution=distribution, weights=weights)
    except PluginMissingError:
        # A file that names a distribution was not made with a bundle.
        bundle = None if distribution else find_bundle(codec_id)
        if bundle is None:
            raise
        return _bundled(bundle, device, weights)
    wire.check(codec)
    wire.check_card(codec, card)
    return Ready(codec, card.without(codec.without_knobs), record.distribution)


def load_for(header: Header, device: str = "cpu") -> Ready:
    """The codec that a file names, with the weights it names: the plugin's own, or others or a bundle from the store.

    Raises:
        PluginError: as `load`.
        WeightsAbsentError: a package on the index has the weights.
        WeightsError: the weights are missing or damaged; the sentence has their hash.
    """
    if header.needs:
        return _bundled(bundles.find_for(header.codec, header.weights, header.needs), device)
    others = any(header.weights)
    absent = None
    try:
        ready = load(header.codec, device, distribution=header.distribution)
    except WeightsError as error:
        # The plugin's own weights may be missing where the file does not need them.
        if not others:
            raise
        absent = error if isinstance(error, WeightsAbsentError) else None
    else:
        # A file without weights for a codec that has some is refused where it is decoded.
        if not others or ready.weights == header.weights:
            return ready
    try:
        return load(header.codec, device, distribution=header.distribution, weights=header.weights)
    except WeightsError as error:
        # Once the plugin's own are there, they may turn out to be what the file names.
        raise absent or error from error


def card_of(codec_id: str) -> CodecCard:
    """What can be turned at a codec or bundle, from cards alone; `codec_id` as for `load`.

    Raises:
        InputError, PluginError, WeightsError: as `load`.
    """
    if codec_id.lower().endswith(SUFFIX):
        return bundles.card_of(read_bundle(codec_id))
    try:
        return manager.find_codec(codec_id)[0]
    except PluginMissingError:
        bundle = find_bundle(codec_id)
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


def _bundled(bundle: Bundle, device: str, weights: str | bytes | Path | None = None) -> Ready:
    if weights is not None:
        raise UsageError(f"Bundle {bundle} has weights of its own and takes no others.")
    codec, card = bundles.build(bundle, device)
    wire.check(codec)
    wire.check_card(codec, card)
    needs = bundle.card.distributions
    return Ready(codec, card.without(codec.without_knobs), " ".join(needs), needs)
