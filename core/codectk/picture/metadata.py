"""EXIF and XMP of a picture whose pixels were turned upright: taken from a file as they are, with orientation 1."""

from __future__ import annotations

import re
import struct

from PIL import ExifTags, Image

from codectk.bitstream.metadata import TIFF_STARTS
from codectk.picture.declared import SRGB

EXIF_START = b"Exif\0\0"

_ORIENTATION, _COLOR_SPACE, _INTEROP_INDEX = 0x0112, 0xA001, 1
_ASCII, _SHORT, _RATIONAL = 2, 3, 5
_OF_SRGB = {0x013E: SRGB[:2], 0x013F: SRGB[2:], 0xA500: (2.2,)}
"""White, primaries and gamma."""

_OF_TIFF = (
    ExifTags.Base.ImageDescription,
    ExifTags.Base.Make,
    ExifTags.Base.Model,
    ExifTags.Base.Software,
    ExifTags.Base.DateTime,
    ExifTags.Base.Artist,
    ExifTags.Base.Copyright,
    ExifTags.IFD.Exif,
    ExifTags.IFD.GPSInfo,
)
"""Tags of a TIFF file that are about the picture and not about its pixels' place in the file."""

_XMP_ORIENTATION = re.compile(
    rb"(tiff:Orientation\s*=\s*[\"']|<tiff:Orientation>)\s*\d+\s*(?=[\"']|</tiff:Orientation>)"
)


def exif_of(image: Image.Image) -> bytes | None:
    """The EXIF data of a loaded image as a TIFF structure with orientation 1, or None if there are none.

    Raises:
        Exception: whatever Pillow raises on a damaged block.
    """
    if image.format == "TIFF":
        found, kept = image.getexif(), Image.Exif()
        for tag in _OF_TIFF:
            if tag in found:
                kept[tag] = found.get_ifd(tag) if tag in tuple(ExifTags.IFD) else found[tag]
        data = kept.tobytes() if len(kept) else b""
    else:
        data = image.info.get("exif") or b""
        if not data and image.getexif():
            data = image.getexif().tobytes()
    return upright_exif(data.removeprefix(EXIF_START)) or None


def xmp_of(image: Image.Image) -> bytes | None:
    """The XMP packet of a loaded image with orientation 1, or None if there is none in UTF-8."""
    found = image.info.get("xmp") or image.info.get("XML:com.adobe.xmp") or b""
    data = found.encode() if isinstance(found, str) else bytes(found)
    try:
        data.decode()
    except UnicodeDecodeError:
        return None
    return _XMP_ORIENTATION.sub(rb"\g<1>1", data) or None


def upright_exif(data: bytes) -> bytes:
    """A TIFF structure that says of itself what is true once its picture is upright and in sRGB.

    Only values are changed, and only of what the next reader would take up: the orientation, and the color space.
    Nothing is moved, so that what makers put in with addresses of their own stays readable.

    Raises:
        ValueError, struct.error: it is no TIFF structure.
    """
    if not data:
        return data
    if data[:4] not in TIFF_STARTS:
        raise ValueError("no TIFF structure")
    order, turned = TIFF_STARTS[data[:4]], bytearray(data)
    folders = list(struct.unpack_from(f"{order}I", data, 4))
    for at in folders:  # which grows by what lies within
        (count,) = struct.unpack_from(f"{order}H", data, at)
        for entry in range(at + 2, at + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from(f"{order}HHI", data, entry)
            if tag in (ExifTags.IFD.Exif, ExifTags.IFD.Interop) and len(folders) < 3:
                folders += struct.unpack_from(f"{order}I", data, entry + 8)
            elif (tag, kind) in ((_ORIENTATION, _SHORT), (_COLOR_SPACE, _SHORT)):
                struct.pack_into(f"{order}H", turned, entry + 8, 1)
            elif (tag, kind) == (_INTEROP_INDEX, _ASCII) and data[entry + 8 : entry + 11] == b"R03":
                turned[entry + 8 : entry + 11] = b"R98"
            elif kind == _RATIONAL and number == len(_OF_SRGB.get(tag, ())):
                (place,) = struct.unpack_from(f"{order}I", data, entry + 8)
                pairs = (part for value in _OF_SRGB[tag] for part in (round(value * 10000), 10000))
                struct.pack_into(f"{order}{2 * number}I", turned, place, *pairs)
    return bytes(turned)
