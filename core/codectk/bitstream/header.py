"""The header: what a reader needs before it can choose a decoder. 14 bytes for a common picture."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codectk.base.errors import BitstreamError, FormatVersionError, LimitError, NotCtkError, TruncatedError
from codectk.base.limits import MAX_PIXELS, MAX_SIDE
from codectk.bitstream.codecs import (
    BUNDLE,
    KNOWN,
    MAX_NAME_BYTES,
    MAX_NEEDS,
    check_codec,
    check_distribution,
    distribution_of,
    number_of,
)
from codectk.bitstream.knobs import pack_knobs, unpack_knobs
from codectk.bitstream.varint import Buffer, decode_varint, encode_varint

MAGIC = b"\xc7TK"
"""First bytes of every file: not text in any common encoding, so text tools leave the file alone."""

VERSION = 1
"""The only format version so far."""

WEIGHTS_BYTES = 4
"""Bytes of the weights' sha256 that the header carries."""

NO_WEIGHTS = bytes(WEIGHTS_BYTES)
"""Stands for a codec without weights."""

_PORTABLE, _GREY, _RESERVED = 0x01, 0x02, 0x0C


@dataclass(frozen=True)
class Header:
    """What the front of a file says.

    Attributes:
        codec: codec id as on the command line, or the name of a bundle.
        distribution: name of the distribution that decodes the file; "" for a bundle.
        width, height: true size in pixels, before any padding.
        weights: first 4 bytes of the sha256 of the weights file or the bundle, all zero for a codec without weights.
        knobs: coded knobs by name (`codectk.bitstream.knobs`); `pack` rounds them as `quantize_knob` does.
        portable: True if the entropy decoder is exact on any device.
        grey: True if the source had one luminance channel.
        version: format version.
        needs: for a bundle, the distributions of its plugins, at least one; () for the codec of a plugin.
    """

    codec: str
    distribution: str
    width: int
    height: int
    weights: bytes = NO_WEIGHTS
    knobs: Mapping[str, float | int] = field(default_factory=dict)
    portable: bool = False
    grey: bool = False
    version: int = VERSION
    needs: tuple[str, ...] = ()


def pack(header: Header) -> bytes:
    """The header as bytes.

    Raises:
        LimitError: if the picture is larger than the limits.
        UsageError: if a knob cannot be coded.
        FormatVersionError: if the version is not 1.
        BitstreamError: if a name, the size or the weights hash cannot be written.
    """
    _check_version(header.version)
    _check_size(header.width, header.height)
    if len(header.weights) != WEIGHTS_BYTES:
        raise BitstreamError(f"The weights hash has {WEIGHTS_BYTES} bytes in a header, not {len(header.weights)}.")
    flags = (_PORTABLE if header.portable else 0) | (_GREY if header.grey else 0)
    return b"".join(
        (
            MAGIC,
            bytes([header.version << 4 | flags]),
            _pack_codec(header),
            header.weights,
            encode_varint(header.width),
            encode_varint(header.height),
            pack_knobs(header.knobs),
        )
    )


def unpack(buf: Buffer) -> tuple[Header, int]:
    """Read the header at the front of `buf`.

    The bytes are not verified yet: the check of the first chunk covers them.

    Returns:
        The header and the position after it.

    Raises:
        NotCtkError: if the data does not start with the magic.
        TruncatedError: if the data ends within the header.
        FormatVersionError: if the version, a flag, a codec number or a knob is not known to this version.
        LimitError: if the picture is larger than the limits.
        BitstreamError: if a field is not valid.
    """
    end = len(buf)
    if bytes(buf[: len(MAGIC)]) != MAGIC[:end]:
        raise NotCtkError("This is not a .ctk file.", offset=0)
    pos = len(MAGIC)
    if end <= pos:
        raise TruncatedError("The data ends within the header.", offset=end)
    version, flags = buf[pos] >> 4, buf[pos] & 0x0F
    _check_version(version, offset=pos)
    if flags & _RESERVED:
        raise FormatVersionError(
            "The file has a flag that this version does not know; it is newer than this codectk, or damaged.",
            offset=pos,
        )
    codec, distribution, needs, pos = _unpack_codec(buf, pos + 1, end)
    if end - pos < WEIGHTS_BYTES:
        raise TruncatedError("The data ends within the weights hash.", offset=end)
    weights = bytes(buf[pos : pos + WEIGHTS_BYTES])
    at_size = pos + WEIGHTS_BYTES
    width, pos = decode_varint(buf, at_size, end)
    height, pos = decode_varint(buf, pos, end)
    _check_size(width, height, offset=at_size)
    knobs, pos = unpack_knobs(buf, pos, end)
    header = Header(
        codec=codec,
        distribution=distribution,
        width=width,
        height=height,
        weights=weights,
        knobs=knobs,
        portable=bool(flags & _PORTABLE),
        grey=bool(flags & _GREY),
        version=version,
        needs=needs,
    )
    return header, pos


def _pack_codec(header: Header) -> bytes:
    if header.needs:
        return _pack_bundle(header)
    number = number_of(header.codec)
    if number is not None and header.distribution == distribution_of(header.codec):
        return bytes([number])
    name, distribution = _encoded(header.codec), _encoded(header.distribution)
    check_codec(name)
    check_distribution(distribution)
    return b"\x00" + _pack_name(name) + _pack_name(distribution)


def _pack_bundle(header: Header) -> bytes:
    name = _encoded(header.codec)
    check_codec(name)
    if header.distribution:
        raise BitstreamError(f"A bundle is of no distribution, not of {header.distribution!r}.")
    _check_needs(header.needs)
    parts = [bytes([BUNDLE]), _pack_name(name), bytes([len(header.needs)])]
    for distribution in header.needs:
        number = next((number for number, codec in KNOWN.items() if distribution_of(codec) == distribution), 0)
        parts.append(bytes([number]))
        if not number:
            text = _encoded(distribution)
            check_distribution(text)
            parts.append(_pack_name(text))
    return b"".join(parts)


def _encoded(name: str) -> bytes:
    # A lone surrogate must end in the checks of names, not in a UnicodeEncodeError.
    return name.encode(errors="surrogatepass")


def _pack_name(name: bytes) -> bytes:
    return encode_varint(len(name)) + name


def _unpack_codec(buf: Buffer, pos: int, end: int) -> tuple[str, str, tuple[str, ...], int]:
    """Codec id or bundle, distribution, what a bundle needs, and the position after them."""
    number = _byte(buf, pos, end)
    if number == BUNDLE:
        name, needs, pos = _unpack_bundle(buf, pos + 1, end)
        return name, "", needs, pos
    if number:
        return _known(number, pos), f"codectk-{KNOWN[number]}", (), pos + 1
    at_codec = pos + 1
    codec, at_distribution = _unpack_name(buf, at_codec, end)
    distribution, pos = _unpack_name(buf, at_distribution, end)
    return check_codec(codec, offset=at_codec), check_distribution(distribution, offset=at_distribution), (), pos


def _unpack_bundle(buf: Buffer, at_name: int, end: int) -> tuple[str, tuple[str, ...], int]:
    name, pos = _unpack_name(buf, at_name, end)
    bundle = check_codec(name, offset=at_name)
    count, at_count = _byte(buf, pos, end), pos
    if not 1 <= count <= MAX_NEEDS:
        raise BitstreamError(f"A bundle needs 1 to {MAX_NEEDS} distributions, not {count}.", offset=at_count)
    needs: list[str] = []
    pos += 1
    for _ in range(count):
        number, start = _byte(buf, pos, end), pos
        pos += 1
        if number:
            needs.append(f"codectk-{_known(number, start)}")
        else:
            distribution, pos = _unpack_name(buf, start + 1, end)
            needs.append(check_distribution(distribution, offset=start + 1))
    _check_needs(tuple(needs), offset=at_count)
    return bundle, tuple(needs), pos


def _byte(buf: Buffer, pos: int, end: int) -> int:
    if pos >= end:
        raise TruncatedError("The data ends before the codec.", offset=end)
    return buf[pos]


def _known(number: int, offset: int) -> str:
    if number not in KNOWN:
        raise FormatVersionError(
            f"Codec number {number} is not known; the file is newer than this codectk, or damaged.", offset=offset
        )
    return KNOWN[number]


def _unpack_name(buf: Buffer, pos: int, end: int) -> tuple[bytes, int]:
    start = pos
    length, pos = decode_varint(buf, pos, end)
    if length > MAX_NAME_BYTES:
        raise BitstreamError(f"A name has at most {MAX_NAME_BYTES} bytes, this one has {length}.", offset=start)
    if length > end - pos:
        raise TruncatedError("The data ends within a name.", offset=end)
    return bytes(buf[pos : pos + length]), pos + length


def _check_version(version: int, *, offset: int | None = None) -> None:
    if version != VERSION:
        raise FormatVersionError(
            f"This codectk reads and writes format version {VERSION}, not {version}.", offset=offset
        )


def _check_size(width: int, height: int, *, offset: int | None = None) -> None:
    if width < 1 or height < 1:
        raise BitstreamError(f"A picture of {width} x {height} pixels has no pixels.", offset=offset)
    if max(width, height) > MAX_SIDE or width * height > MAX_PIXELS:
        raise LimitError(
            f"A picture of {width} x {height} pixels is beyond the limit of {MAX_SIDE} a side and {MAX_PIXELS} in all.",
            offset=offset,
        )


def _check_needs(needs: tuple[str, ...], *, offset: int | None = None) -> None:
    if not 1 <= len(needs) <= MAX_NEEDS or len(set(needs)) != len(needs):
        raise BitstreamError(
            f"A bundle needs 1 to {MAX_NEEDS} distributions, each named once, not {len(needs)}.", offset=offset
        )
