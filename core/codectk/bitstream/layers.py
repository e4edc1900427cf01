"""Files of layered codecs: what is whole of a file whose end is missing, and how to say so."""

from __future__ import annotations

from codectk.base.errors import BitstreamError, ChecksumError, TruncatedError, UsageError
from codectk.base.inputs import Data, in_parts
from codectk.base.limits import MAX_FILE_BYTES
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import Container, TiledFile, file_bytes, open_tiles, read
from codectk.bitstream.varint import Buffer


def read_layers(data: Buffer, layers: int | None = None) -> Container:
    """Read a file, or what is whole of it if it ends between two layers.

    Args:
        data: the file.
        layers: most layers that are wanted after the base layer; None wants all. Where they are whole, a cut behind
            them does not matter.

    Returns:
        The container; `complete` is False where the end of the file is missing. Only files of layered codecs may be
        used then, which whoever has the codec must check.

    Raises:
        UsageError: `layers` is no number of layers.
        BitstreamError: as `reader.read`. For a file that is cut within a layer, the sentence says which are whole.
    """
    check_number(layers)
    try:
        return read(data)
    except (TruncatedError, ChecksumError) as error:
        part = _whole_part(data, error)
        _refuse_tiles(part, error)
        whole = layers_of(part)
        if _ends_between_layers(data, part) or (layers is not None and layers <= whole):
            return part
        raise TruncatedError(
            f"The file is cut or damaged within layer {whole + 1}; {_listed(whole)}, "
            f"and --layers {whole} decodes as much.",
            offset=part.data_len,
            chunk=LATENTS,
        ) from error


def read_source(
    data: Data | Container | TiledFile, layers: int | None = None, *, tiles: bool = False
) -> Container | TiledFile:
    """Read a file, or only the front of it where a part of a picture in tiles is wanted.

    Args:
        data: as for `file_bytes`; a file that was read already stays as it is.
        layers: as for `read_layers`.
        tiles: few of the tiles are wanted; a file of one piece is read as a whole nevertheless.

    Raises:
        BitstreamError: as `read_layers` and `open_tiles`.
        UsageError, InputError, LimitError: as `file_bytes`.
    """
    if isinstance(data, Container | TiledFile):
        return data
    if tiles:
        data = in_parts(data, MAX_FILE_BYTES, "A .ctk file")
        if (found := open_tiles(data)) is not None:
            return found
    return read_layers(file_bytes(data), layers)


def read_whole(data: Buffer) -> Container:
    """Read a file of which nothing may be missing, as `reader.read`; a cut one is told how much of it is whole.

    Raises:
        BitstreamError: as `reader.read`.
    """
    try:
        return read(data)
    except (TruncatedError, ChecksumError) as error:
        part = _whole_part(data, error)
        _refuse_tiles(part, error)
        where = "behind" if _ends_between_layers(data, part) else "or damaged behind"
        raise TruncatedError(
            f"The file is incomplete: it is cut {where} {name_of(layers_of(part))}.",
            offset=part.data_len,
            chunk=LATENTS,
        ) from error


def check_number(layers: object) -> None:
    """Check a wanted number of layers; None wants all.

    Raises:
        UsageError: it is not a whole number from 0.
    """
    if layers is not None and (isinstance(layers, bool) or not isinstance(layers, int) or layers < 0):
        raise UsageError(f"The number of layers is a whole number from 0, not {layers!r}.")


def layers_of(container: Container) -> int:
    """How many layers there are after the base layer."""
    return len(container.payloads(LATENTS)) - 1


def name_of(layer: int) -> str:
    """What a layer is called."""
    return f"layer {layer}" if layer else "the base layer"


def _whole_part(data: Buffer, error: BitstreamError) -> Container:
    """What is whole of a file that could not be read.

    Raises:
        BitstreamError: `error`, if nothing useful is.
    """
    try:
        return read(data, prefix=True)
    except BitstreamError:
        raise error from None


def _refuse_tiles(part: Container, error: BitstreamError) -> None:
    """A file of tiles has no layers to fall back on: say which tile is the first that is not whole."""
    if part.tiling is not None:
        whole, count = len(part.payloads(LATENTS)), len(part.tiling.lengths)
        raise TruncatedError(
            f"The file is cut or damaged within tile {whole + 1} of {count}.", offset=part.data_len, chunk=LATENTS
        ) from error


def _listed(whole: int) -> str:
    return f"the base layer and {whole} more are whole" if whole else "only the base layer is whole"


def _ends_between_layers(data: Buffer, part: Container) -> bool:
    """Whether nothing follows what is whole."""
    return part.data_len == memoryview(data).nbytes
