"""What is evaluated: anything that turns pixels into a file and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from PIL import features

from codectk import api
from codectk.base.errors import UsageError
from codectk.base.types import Picture
from codectk.eval import classic
from codectk.eval.classic import Reference
from codectk.eval.metrics import Pixels
from codectk.eval.probe import Probe, probe
from codectk.pipeline.load import load
from codectk.plugins.manager import find_codec
from codectk.spec.card import resolve_knobs


class FileCodec(Protocol):
    """A codec as its user sees it."""

    @property
    def name(self) -> str:
        """For tables and files of results."""
        ...

    @property
    def suffix(self) -> str:
        """Of its files, with the dot."""
        ...

    def encode(self, picture: Picture, quality: float) -> bytes:
        """A complete file."""
        ...

    def decode(self, data: bytes) -> Pixels:
        """The picture of a file, uint8 (H, W, 3) RGB."""
        ...

    def probe(self, data: bytes) -> Probe | None:
        """Estimated bits and coder time of a file, or None where the codec cannot be watched."""
        ...

    def identity(self) -> Mapping[str, str]:
        """What exactly was measured: distribution and weights, or the library's version."""
        ...


@dataclass(frozen=True)
class CtkCodec:
    """A codectk codec through the public interface.

    Attributes:
        name: codec id.
        device: where its networks run.
        encoder_knobs, decoder_knobs: values by knob name, without the rate knob.
    """

    name: str
    device: str = "cpu"
    encoder_knobs: Mapping[str, float | int | str] = field(default_factory=dict)
    decoder_knobs: Mapping[str, float | int | str] = field(default_factory=dict)
    suffix: str = ".ctk"

    def encode(self, picture: Picture, quality: float) -> bytes:
        knobs: dict[str, Any] = {**self.encoder_knobs, self._rate_knob(): quality}
        return api.encode(picture, self.name, device=self.device, **knobs)

    def decode(self, data: bytes) -> Pixels:
        return api.decode_picture(data, device=self.device, **self.decoder_knobs).pixels

    def probe(self, data: bytes) -> Probe | None:
        return probe(data, load(self.name, self.device))

    def identity(self) -> Mapping[str, str]:
        ready = load(self.name, self.device)
        return {
            "distribution": ready.distribution,
            "weights_sha256": ready.codec.weights_hash,
            "device": self.device,
            **{f"knob:{name}": str(value) for name, value in {**self.encoder_knobs, **self.decoder_knobs}.items()},
        }

    def _rate_knob(self) -> str:
        knob = find_codec(self.name)[0].rate_knob
        if knob is None:
            raise UsageError(f"Codec '{self.name}' has no rate knob, so it has no qualities to evaluate.")
        return knob.name


def ctk_codec(name: str, device: str, knobs: Mapping[str, float | int | str]) -> CtkCodec:
    """A codec with each of its knobs on the side that turns it.

    Args:
        name: codec id.
        device: where its networks run.
        knobs: values by knob name, without the rate knob.

    Raises:
        UsageError: a knob is unknown, out of range, or the rate knob.
        PluginError: no usable plugin offers the codec.
    """
    card, _ = find_codec(name)
    if card.rate_knob is not None and card.rate_knob.name in knobs:
        raise UsageError(f"Knob '{card.rate_knob.name}' is what an evaluation varies; give it as qualities.")
    decoder = {k: v for k, v in knobs.items() if k in card.knobs and card.knobs[k].side == "decoder"}
    encoder = {k: v for k, v in knobs.items() if k not in decoder}
    resolve_knobs(card, encoder, "encoder")
    resolve_knobs(card, decoder, "decoder")
    return CtkCodec(name, device, encoder, decoder)


@dataclass(frozen=True)
class ClassicCodec:
    """A reference encoder of `eval.classic`; qualities are whole numbers."""

    reference: Reference

    @property
    def name(self) -> str:
        return self.reference.id

    @property
    def suffix(self) -> str:
        return f".{self.reference.id}"

    def encode(self, picture: Picture, quality: float) -> bytes:
        return self.reference.encode(picture.pixels, round(quality))

    def decode(self, data: bytes) -> Pixels:
        return classic.decode(data)

    def probe(self, data: bytes) -> Probe | None:
        return None

    def identity(self) -> Mapping[str, str]:
        library = "libjpeg_turbo" if self.reference.id == "jpeg" else self.reference.id
        return {"distribution": "pillow", "library": f"{library} {features.version(library)}"}
