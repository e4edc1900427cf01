"""From a codec's name to a codec that was found, built and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from codectk.base.errors import WeightsError
from codectk.bitstream.header import Header
from codectk.pipeline import wire
from codectk.plugins import manager
from codectk.spec.card import CodecCard
from codectk.spec.stages import Codec


@dataclass(frozen=True)
class Ready:
    """A codec whose stages fit together.

    Attributes:
        codec: the stages.
        card: what the plugin says about its knobs, without those that these weights do not have.
        distribution: what to install to get it, such as "codectk-segpic".
    """

    codec: Codec
    card: CodecCard
    distribution: str

    @property
    def weights(self) -> bytes:
        """The four bytes by which a file names the weights; zeros for a codec without weights."""
        return bytes.fromhex(self.codec.weights_hash[:8]) or bytes(4)


def load(
    codec_id: str, device: str = "cpu", *, distribution: str = "", weights: str | bytes | Path | None = None
) -> Ready:
    """Find, build and check a codec.

    Args:
        codec_id: as on the command line.
        device: "cpu", "cuda", "cuda:1", ...; a codec without torch ignores it.
        distribution: what a file's header says offers it, for the message if it is missing.
        weights: name or hash of other weights than the plugin's own, the four bytes by which a file names them, or
            the path of a weights file.

    Raises:
        PluginError: no plugin offers it, or the one that does is broken or breaks a contract.
        WeightsError: its weights are missing or damaged.
    """
    codec, card, record = manager.codec(codec_id, device, distribution=distribution, weights=weights)
    wire.check(codec)
    wire.check_card(codec, card)
    return Ready(codec, card.without(codec.without_knobs), record.distribution)


def load_for(header: Header, device: str = "cpu") -> Ready:
    """The codec that a file names, with the weights it names: the plugin's own, or others from the store.

    Raises:
        PluginError: as `load`.
        WeightsError: the weights are missing or damaged; the sentence has their hash.
    """
    others = any(header.weights)
    try:
        ready = load(header.codec, device, distribution=header.distribution)
    except WeightsError:
        # The plugin's own weights may be missing where the file does not need them.
        if not others:
            raise
    else:
        # A file without weights for a codec that has some is refused where it is decoded.
        if not others or ready.weights == header.weights:
            return ready
    return load(header.codec, device, distribution=header.distribution, weights=header.weights)
