"""What is evaluated: anything that turns pixels into a file and back."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Protocol

from codectk import api
from codectk.base.errors import UsageError
from codectk.base.types import Picture
from codectk.bitstream.reader import read
from codectk.eval import classical
from codectk.eval.classical import Reference
from codectk.eval.probe import Probe, probe
from codectk.metrics.psnr import Pixels
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import card_of, load
from codectk.spec.card import resolve_knobs

ONE_RATE = "own weights"
"""What the point of a codec without rate knob is called where nobody names its weights."""

_LABEL = re.compile(r"[\w.+()-]+( [\w.+()-]+)*")


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

    @property
    def point(self) -> str:
        """What its only setting is called, for a codec without rate knob; codecs of one name join to a curve."""
        ...

    def encode(self, picture: Picture, quality: float | None) -> bytes:
        """A complete file; `quality` is None for a codec without rate knob."""
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
    """A codectk codec: through the public interface, or with weights of its own choice.

    Attributes:
        id: codec id.
        device: where its networks run.
        encoder_knobs, decoder_knobs: values by knob name, without the rate knob.
        label: what it is called in tables and files of results; the id where empty.
        ready: the codec with other weights than the plugin's own, or None.
        point: what its only setting is called, for a codec without rate knob.
    """

    id: str
    device: str = "cpu"
    encoder_knobs: Mapping[str, float | int | str] = field(default_factory=dict)
    decoder_knobs: Mapping[str, float | int | str] = field(default_factory=dict)
    label: str = ""
    ready: Codec | None = None
    suffix: str = ".ctk"
    point: str = ONE_RATE

    @property
    def name(self) -> str:
        return self.label or self.id

    @property
    def rate_knob(self) -> str | None:
        """Name of the knob that an evaluation turns, or None for a codec of one rate."""
        knob = (card_of(self.id) if self.ready is None else self.ready.card).rate_knob
        return None if knob is None else knob.name

    def encode(self, picture: Picture, quality: float | None) -> bytes:
        knobs: dict[str, Any] = dict(self.encoder_knobs)
        if quality is not None:
            if self.rate_knob is None:
                raise UsageError(f"Codec '{self.name}' has no rate knob, so it has no qualities to evaluate.")
            knobs[self.rate_knob] = quality
        # What is decoded is compared with the picture pixel by pixel, so the codec may not reframe it.
        aligned = self.loaded().stages.align is not None
        if self.ready is None:
            return bytes(api.encode(picture, self.id, aligned=aligned, device=self.device, **knobs))
        return bytes(self.ready.encode(picture, **knobs, aligned=aligned))

    def decode(self, data: bytes) -> Pixels:
        knobs: dict[str, Any] = dict(self.decoder_knobs)
        if self.ready is None:
            return api.decode_picture(data, device=self.device, **knobs).pixels
        return self.ready.decode_picture(read(data), **knobs).pixels

    def probe(self, data: bytes) -> Probe | None:
        return probe(data, self.loaded())

    def identity(self) -> Mapping[str, str]:
        ready = self.loaded()
        return {
            "codec": self.id,
            "distribution": ready.distribution,
            "weights_sha256": ready.stages.weights_hash,
            "device": self.device,
            **{f"knob:{name}": str(value) for name, value in {**self.encoder_knobs, **self.decoder_knobs}.items()},
        }

    def loaded(self) -> Codec:
        """The codec itself."""
        return self.ready or load(self.id, device=self.device)


def ctk_codec(
    name: str,
    device: str,
    knobs: Mapping[str, float | int | str],
    *,
    weights: str | Path | None = None,
    label: str = "",
    curve: str = "",
) -> CtkCodec:
    """A codec with each of its knobs on the side that turns it.

    Args:
        name: codec id, or a bundle: its path, or its name in the store.
        device: where its networks run.
        knobs: values by knob name, without the rate knob.
        weights: a weights file, or the name or hash of weights in the store; None for the plugin's own.
        label: what to call it; by default the codec, followed by the name of the weights if they are not its own. For
            a codec without rate knob, what to call its point on the curve; by default the weights' name.
        curve: what to call the curve; by default the label, or for a codec without rate knob the codec.

    Raises:
        UsageError: a knob is unknown, out of range, or the rate knob, or the label cannot be the name of a folder.
        WeightsError: there are no such weights, or they are another codec's.
        PluginError: no usable plugin offers the codec.
    """
    card = card_of(name)
    if card.rate_knob is not None and card.rate_knob.name in knobs:
        raise UsageError(f"Knob '{card.rate_knob.name}' is what an evaluation varies; give it as qualities.")
    # A bundle given as a file need not be in the store, so its files are not decoded by name.
    ready = None if weights is None and card.name == name else load(name, device=device, weights=weights)
    name = card.name
    card = card if ready is None else ready.card
    decoder = {k: v for k, v in knobs.items() if k in card.knobs and card.knobs[k].side == "decoder"}
    encoder = {k: v for k, v in knobs.items() if k not in decoder}
    resolve_knobs(card, encoder, "encoder")
    resolve_knobs(card, decoder, "decoder")
    given = "" if weights is None else weights.stem if isinstance(weights, Path) else weights
    if card.rate_knob is None:
        label, point = curve, label or given or (name if curve else ONE_RATE)
    else:
        label, point = label or (f"{curve or name} {given}" if given else curve), ONE_RATE
    for text in (label, point):
        if text and not _LABEL.fullmatch(text):
            raise UsageError(f"'{text}' names a folder and a curve: letters, digits, spaces and ._+()- only.")
    return CtkCodec(name, device, encoder, decoder, label, ready, point=point)


def decoders(codec: CtkCodec, grid: Mapping[str, Sequence[str]]) -> list[CtkCodec]:
    """The codec at each combination of settings of decoder-side knobs, named after them, as in "egic realism 0.5".

    Args:
        codec: what made the files.
        grid: values by knob name; knobs that the codec does not have are left out.

    Returns:
        At least one; the codec itself where no knob is left.

    Raises:
        UsageError: a knob of the encoder, a value out of range or given twice, or a knob that has a value already.
    """
    knobs = codec.loaded().card.knobs
    mine = {name: values for name, values in grid.items() if name in knobs}
    for name, values in mine.items():
        if knobs[name].side != "decoder":
            raise UsageError(f"Knob '{name}' of codec '{codec.id}' is turned by the encoder, not while decoding.")
        if name in codec.decoder_knobs:
            raise UsageError(f"Knob '{name}' has the value {codec.decoder_knobs[name]} already.")
        numbers = [knobs[name].convert(value) for value in values]
        if len(set(numbers)) != len(numbers):
            raise UsageError(f"A value of knob '{name}' is given twice.")
    if not mine:
        return [codec]
    made = []
    for combination in itertools.product(*mine.values()):
        chosen = {name: knobs[name].convert(value) for name, value in zip(mine, combination, strict=True)}
        label = " ".join([codec.name, *(f"{name} {value:g}" for name, value in chosen.items())])
        made.append(replace(codec, decoder_knobs={**codec.decoder_knobs, **chosen}, label=label))
    return made


@dataclass(frozen=True)
class ClassicCodec:
    """A reference encoder of `eval.classical`; qualities are whole numbers."""

    reference: Reference

    @property
    def name(self) -> str:
        return self.reference.id

    @property
    def suffix(self) -> str:
        return f".{self.reference.id}"

    @property
    def point(self) -> str:
        return ONE_RATE

    def encode(self, picture: Picture, quality: float | None) -> bytes:
        if quality is None:
            raise UsageError(f"The reference encoder '{self.name}' needs a quality.")
        return self.reference.encode(picture.pixels, round(quality))

    def decode(self, data: bytes) -> Pixels:
        return classical.decode(data)

    def probe(self, data: bytes) -> Probe | None:
        return None

    def identity(self) -> Mapping[str, str]:
        return classical.identity(self.reference.id)
