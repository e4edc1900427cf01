"""codectk in six functions: encode, decode, edit, info, summary, verify."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from codectk.base.errors import UsageError
from codectk.base.inputs import Data, read_bytes
from codectk.base.limits import MAX_FILE_BYTES
from codectk.base.progress import Progress, silent
from codectk.base.types import Picture
from codectk.bitstream.info import Info, describe
from codectk.bitstream.layers import read_layers, read_whole

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

    from codectk.spec.summary import Summary

    Source = str | os.PathLike[str] | bytes | Image.Image | np.ndarray | Picture


def encode(
    image: Source,
    codec: str = "segpic",
    *,
    weights: str | None = None,
    target_bpp: float | None = None,
    target_bytes: float | None = None,
    strict: bool = False,
    best_of: int | None = None,
    keep_icc: bool = False,
    aligned: bool = False,
    strict_domain: bool = False,
    device: str = "cpu",
    progress: Progress = silent,
    **knobs: Any,
) -> bytes:
    """Encode a picture.

    Args:
        image: path, bytes of a picture file, PIL image, numpy uint8 (H, W, 3) or (H, W), or a `Picture`.
        codec: name of an installed codec.
        weights: name or hash of other weights than the codec's own, from `codectk weights list`.
        target_bpp: wanted size of the whole file in bits per pixel; the rate knob is searched.
        target_bytes: the same in bytes.
        strict: with a target, never go above it.
        best_of: for codecs that paint from a seed: try so many, beginning with the one given, and write the one that
            comes closest to the picture. Each try takes as long as decoding.
        keep_icc: keep the picture's color profile instead of converting to sRGB.
        aligned: the picture is framed already as a codec that aligns pictures wants it.
        strict_domain: refuse a picture of another kind than the codec is for; otherwise it is a `DomainWarning`.
        device: "cpu", "cuda", "cuda:1", ...
        progress: told after each file of a search, or of the steps of all tries.
        **knobs: encoder-side knobs, such as `quality=50`.

    Returns:
        The bytes of a `.ctk` file.

    Raises:
        InputError: the picture cannot be read or is of an unsupported kind, or cannot be aligned.
        DomainError: the picture is not of the codec's domain, with `strict_domain`.
        UsageError: a knob is unknown or out of range, arguments contradict each other, or the codec has no seeds to
            choose from.
        TargetError: the target is out of reach for this picture.
        PluginError: the codec is missing, broken or breaks a contract.
        WeightsError: its weights are missing or damaged; a `WeightsAbsentError` where they can be pulled.
    """
    from codectk.picture.read import read_picture
    from codectk.pipeline.best_of import check_codec, check_tries, encode_best
    from codectk.pipeline.encode import Encoding
    from codectk.pipeline.load import load
    from codectk.pipeline.search import encode_to_target

    if target_bpp is not None and target_bytes is not None:
        raise UsageError("Give target_bpp or target_bytes, not both.")
    if strict and target_bpp is None and target_bytes is None:
        raise UsageError("strict has a meaning only together with a target size.")
    targeted = target_bytes is not None or target_bpp is not None
    if best_of is not None:
        check_tries(best_of)
        if targeted:
            raise UsageError("Give a target size or best_of, not both.")
    # The picture first: a wrong path should not cost the seconds that a codec takes to load.
    picture = image if isinstance(image, Picture) else read_picture(image, keep_icc=keep_icc)
    ready = load(codec, device, weights=weights)
    if best_of is not None:
        check_codec(ready)  # before the picture is prepared, which may take long
    rate = ready.card.rate_knob
    if targeted and rate is not None and rate.name in knobs:
        raise UsageError(f"A target size and {rate.name} contradict each other; give one of them.")
    encoding = Encoding(ready, picture, knobs, aligned=aligned, strict_domain=strict_domain)
    if best_of is not None:
        return encode_best(encoding, best_of, progress=progress)
    if target_bpp is not None:
        target_bytes = target_bpp * encoding.picture.width * encoding.picture.height / 8
    if target_bytes is None:
        return encoding.file()
    return encode_to_target(encoding, target_bytes, strict=strict, progress=progress)


def decode(data: Data, *, layers: int | None = None, device: str = "cpu", **knobs: Any) -> Image.Image:
    """Decode a `.ctk` file. One of a layered codec may end after any layer, which is an `IncompleteWarning`.

    Args:
        data: the file's bytes, its path, or the file open for reading bytes.
        layers: most layers to decode after the base layer, for layered codecs; None decodes all.
        device: "cpu", "cuda", "cuda:1", ...
        **knobs: decoder-side knobs, such as `realism=0.5`.

    Returns:
        An image of mode RGB, RGBA, L or LA; a kept color profile is in `info["icc_profile"]`.

    Raises:
        BitstreamError: the file is damaged, cut or not ours.
        PluginMissingError: its codec is not installed; the message says what to install.
        MismatchError: the installed weights or parameters are not those that made the file.
        UsageError: a knob is unknown or out of range, or the codec has no layers.
    """
    from codectk.picture.write import to_pil

    return to_pil(decode_picture(data, layers=layers, device=device, **knobs))


def decode_picture(data: Data, *, layers: int | None = None, device: str = "cpu", **knobs: Any) -> Picture:
    """Decode a `.ctk` file to a `Picture`, which keeps alpha, grey and color profile apart; else as `decode`."""
    return next(decode_pictures(data, [knobs], layers=layers, device=device))


def decode_pictures(
    data: Data, settings: Sequence[Mapping[str, object]], *, layers: int | None = None, device: str = "cpu"
) -> Iterator[Picture]:
    """Decode a `.ctk` file once and paint it with each setting of its decoder-side knobs; else as `decode`."""
    # Every check of the container comes before the plugin is looked for, let alone its networks run.
    container = read_layers(_bytes(data), layers)

    from codectk.pipeline.decode import decode_settings
    from codectk.pipeline.load import load_for

    return decode_settings(container, load_for(container.header, device), settings, layers=layers)


def edit(data: Data, edits: Mapping[str, object] | None = None, *, clear: bool = False) -> bytes:
    """Set edits of a `.ctk` file, such as `{"smile": 1.5}`; needs the plugin of its codec, but not its weights.

    Args:
        data: the file's bytes, its path, or the file open for reading bytes.
        edits: amount by name; 0 removes an edit, those not named stay.
        clear: take out all edits first. Without `edits`, this gives back the file as it was encoded, to the byte.

    Returns:
        The bytes of the edited file.

    Raises:
        BitstreamError: the file is damaged, cut or not ours.
        PluginMissingError: its codec is not installed.
        UsageError: an edit is unknown or its amount out of range.
    """
    container = read_whole(_bytes(data))

    from codectk.pipeline.edit import edit

    return edit(container, edits or {}, clear=clear)


def info(data: Data) -> Info:
    """Describe a `.ctk` file; needs neither its plugin nor torch.

    Args:
        data: the file's bytes, its path, or the file open for reading bytes.

    Raises:
        BitstreamError: the file is damaged or not ours, or cut before anything can be decoded.
        InputError: the path cannot be read.
    """
    return describe(_bytes(data))


def summary(data: Data) -> Summary:
    """Say what is in a `.ctk` file, such as {"labels": {"sky": 0.6, "sea": 0.4}}; needs its plugin, but not torch.

    Args:
        data: the file's bytes, its path, or the file open for reading bytes.

    Returns:
        Sentences, or shares by name; empty where the plugin is missing or has nothing to say.

    Raises:
        BitstreamError, InputError: as `info`.
        PluginError: its plugin is broken.
        WeightsError: it needs weights that are missing or damaged.
    """
    from codectk.plugins.summaries import summary_of

    return summary_of(read_layers(_bytes(data), 0))


def verify(data: Data) -> None:
    """Check that a `.ctk` file is whole: its structure and the check of every chunk.

    Args:
        data: the file's bytes, its path, or the file open for reading bytes.

    Raises:
        BitstreamError: the file is damaged, cut or not ours; the message says where.
        InputError: the path cannot be read.
    """
    read_whole(_bytes(data))


def _bytes(data: Data) -> bytes | bytearray | memoryview:
    return read_bytes(data, MAX_FILE_BYTES, "A .ctk file")
