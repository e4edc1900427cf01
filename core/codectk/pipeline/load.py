"""From a codec's name to a codec that was found, built and checked."""

from __future__ import annotations

from dataclasses import dataclass

from codectk.pipeline import wire
from codectk.plugins import manager
from codectk.spec.card import CodecCard
from codectk.spec.stages import Codec


@dataclass(frozen=True)
class Ready:
    """A codec whose stages fit together.

    Attributes:
        codec: the stages.
        card: what the plugin says about its knobs.
        distribution: what to install to get it, such as "codectk-segpic".
    """

    codec: Codec
    card: CodecCard
    distribution: str

    @property
    def weights(self) -> bytes:
        """The four bytes by which a file names the weights; zeros for a codec without weights."""
        return bytes.fromhex(self.codec.weights_hash[:8]) or bytes(4)


def load(codec_id: str, device: str = "cpu", *, distribution: str = "") -> Ready:
    """Find, build and check a codec.

    Args:
        codec_id: as on the command line.
        device: "cpu", "cuda", "cuda:1", ...; a codec without torch ignores it.
        distribution: what a file's header says offers it, for the message if it is missing.

    Raises:
        PluginError: no plugin offers it, or the one that does is broken or breaks a contract.
        WeightsError: its weights are missing or damaged.
    """
    codec, card, record = manager.codec(codec_id, device, distribution=distribution)
    wire.check(codec)
    wire.check_card(codec, card)
    return Ready(codec, card, record.distribution)
