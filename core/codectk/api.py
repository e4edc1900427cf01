"""codectk in a few functions: load and its handle, and encode, decode, edit, info, summary, verify beside it."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from codectk.base.arguments import check
from codectk.base.errors import StoreWarning
from codectk.base.inputs import Data
from codectk.base.types import Picture
from codectk.bitstream.info import Info, describe
from codectk.bitstream.layers import read_layers, read_source, read_whole
from codectk.bitstream.reader import Container, TiledFile, file_bytes

if TYPE_CHECKING:
    from PIL import Image

    from codectk.pipeline.codec import Codec
    from codectk.spec.summary import Summary


def load(
    name: str = "segpic", *, device: str = "cpu", engine: str = "auto", weights: str | Path | None = None
) -> Codec:
    """A codec ready to use, or the one that was loaded before.

    Args:
        name: an installed codec, the path of a bundle, or one in the store by name or hash.
        device: "cpu", "cuda", "cuda:1", ...
        engine: what runs its networks: "torch", "onnx" (graphs; needs no torch), or "auto": graphs on the CPU where
            there are some, unless this process has imported torch already.
        weights: name or hash of other weights than the codec's own, from `codectk weights list`, or the path of a
            weights file.

    Raises:
        PluginError: the codec is missing, broken or breaks a contract.
        WeightsError: its weights are missing or damaged; a `WeightsAbsentError` where they can be pulled.
        UsageError: there is no such engine.
        InputError: torch does not know the device.
    """
    from codectk.pipeline.load import load

    return load(name, device=device, engine=engine, weights=weights)


def encode(
    image: Any,
    codec: str = "segpic",
    *,
    device: str = "cpu",
    engine: str = "auto",
    weights: str | Path | None = None,
    keep_icc: bool = False,
    keep: str | Iterable[str] = (),
    **options: Any,
) -> Any:
    """Encode a picture, or several: `load(codec).encode(image, ...)`.

    A bundle or weights that are given as a file are put into the weights store, with a `StoreWarning`, so that what
    they encode can be decoded.

    Args:
        image, keep_icc, keep, **options: as for `Codec.encode`, such as `quality=50` or `target_bpp=0.2`.
        codec, device, engine, weights: as for `load`.

    Returns:
        The bytes of a `.ctk` file; for a list or a batch, a list of them.

    Raises:
        CodectkError: as `load` and `Codec.encode`.
    """
    from codectk.pipeline.load import card_of, keep_used
    from codectk.pipeline.sources import pictures

    check(codec=codec, device=device, engine=engine, weights=weights, keep_icc=keep_icc)
    # The pictures first: a wrong path should not cost the seconds that a codec takes to load.
    read, several = pictures(image, keep_icc=keep_icc, keep=keep)
    effort = options.get("effort")
    if engine == "auto" and (card_of(codec).effort if effort is None else effort):
        engine = "torch"  # the others have no gradients
    handle = load(codec, device=device, engine=engine, weights=weights)
    made = handle.encode(read if several else read[0], **options)
    if kept := keep_used(codec, weights):
        warnings.warn(kept, StoreWarning, stacklevel=2)
    return made


def decode(data: Data, **options: Any) -> Image.Image:
    """Decode a `.ctk` file with the codec that it names: `load(...).decode(data, ...)`.

    Args:
        data: the file's bytes, its path, or the file open for reading bytes.
        layers: most layers to decode after the base layer, for layered codecs; None decodes all.
        region: x, y, width and height in pixels of the part that is wanted. Of a picture in tiles, only those that show
            in it are read and decoded.
        scale: reduce the picture by 1, 2, 4 or 8, each pixel the mean of scale x scale.
        device, engine: as for `load`.
        weights: where to look for the weights or the bundle that the file names, if neither the codec's package nor the
            store has them: a path, or a name or hash.
        **options: further ones are decoder-side knobs, such as `realism=0.5`.

    Returns:
        An image of mode RGB, RGBA, L or LA; a kept color profile is in `info["icc_profile"]`.

    Raises:
        BitstreamError: the file is damaged, cut or not ours.
        PluginMissingError: its codec is not installed; the message says what to install.
        MismatchError: the installed weights or parameters are not those that made the file.
        UsageError: a knob is unknown or out of range, or the codec has no layers.
    """
    from codectk.picture.write import to_pil

    return to_pil(decode_picture(data, **options))


def decode_picture(data: Data, **options: Any) -> Picture:
    """Decode a `.ctk` file to a `Picture`, which keeps alpha, grey and color profile apart; else as `decode`."""
    codec, source, rest = _opened(data, **options)
    return codec.decode_picture(source, **rest)


def decode_pictures(
    data: Data | Container | TiledFile, settings: Sequence[Mapping[str, object]], **options: Any
) -> Iterator[Picture]:
    """Decode a `.ctk` file once and paint it with each setting of its decoder-side knobs; else as `decode`."""
    codec, source, rest = _opened(data, **options)
    return codec.decode_pictures(source, settings, **rest)


def _opened(
    data: Data | Container | TiledFile,
    *,
    device: str = "cpu",
    engine: str = "auto",
    weights: str | Path | None = None,
    **options: Any,
) -> tuple[Codec, Container | TiledFile, dict[str, Any]]:
    """The codec that a file names, the file, and the options that are left for the codec."""
    # Every check of the container comes before the plugin is looked for, let alone its networks run.
    source = read_source(data, options.get("layers"), tiles=options.get("region") is not None)

    from codectk.pipeline.load import load_for

    return load_for(source.header, device=device, engine=engine, weights=weights), source, options


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
    check(edits=edits, clear=clear)
    container = read_whole(file_bytes(data))

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
    return describe(file_bytes(data))


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

    return summary_of(read_layers(file_bytes(data), 0))


def verify(data: Data) -> None:
    """Check that a `.ctk` file is whole: its structure and the check of every chunk.

    Args:
        data: the file's bytes, its path, or the file open for reading bytes.

    Raises:
        BitstreamError: the file is damaged, cut or not ours; the message says where.
        InputError: the path cannot be read.
    """
    read_whole(file_bytes(data))
