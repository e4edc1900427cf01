"""From a file to a Pillow image whose header has been judged; no pixel is decoded here."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import BinaryIO

# Importing the plugins registers them in Image.OPEN.
from PIL import (  # noqa: F401
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    MpoImagePlugin,
    PngImagePlugin,
    PpmImagePlugin,
    TiffImagePlugin,
    WebPImagePlugin,
)

from codectk.base.errors import CodectkError, InputError
from codectk.base.limits import MAX_SIDE
from codectk.base.resources import current

with suppress(ImportError):  # Pillow from 11.3 on, if it was built with it
    from PIL import AvifImagePlugin  # noqa: F401

_FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "PPM", "GIF", "BMP", "AVIF")
_HEIC_BRANDS = (b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1")
_BITS_PER_SAMPLE = 258

_REFUSED_MODES = {
    "F": "has floating-point pixels; map them to 8 bits per channel first",
    "HSV": "is an HSV image; convert it to RGB first",
    "I": "has 32 bits per channel; save it with 16 or 8 bits per channel first",
    "LAB": "is a CIELAB picture; convert it to RGB first",
}


@contextmanager
def decoding(name: str) -> Iterator[None]:
    """Turn whatever Pillow raises on damaged data into one sentence.

    Pillow's decoders raise a dozen unrelated exception types on bad data, hence the broad net; a bug of codectk does
    not hide in it, because only Pillow's opening and decoding is called inside.

    Raises:
        InputError: something was raised in the block.
    """
    try:
        yield
    except (CodectkError, MemoryError):
        raise
    except Image.DecompressionBombError as error:
        raise InputError(f"{name} declares more pixels than the limit of {current().max_pixels:,}.") from error
    except Exception as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0].rstrip(". ")
        raise InputError(f"{name} cannot be decoded; it is damaged, cut or of a rare kind ({reason}).") from error


def open_image(file: BinaryIO, name: str) -> Image.Image:
    """Open a picture file and read its header.

    Pillow's registry is used rather than `Image.open`, because the latter applies a limit of its own (about 179
    megapixels, process-wide), below `base.limits`.

    Args:
        file: seekable file at its start.
        name: how to call it in messages.

    Raises:
        InputError: empty, not a picture, of a format that is not read here, or a damaged header.
    """
    prefix = file.read(16)
    if not prefix:
        raise InputError(f"{name} is empty.")
    for format_name in _FORMATS:
        if format_name not in Image.OPEN:  # a Pillow built without this format
            continue
        factory, accept = Image.OPEN[format_name]
        # Padded, because some of these look at fixed positions; a text names a missing decoder library.
        accepted = accept(prefix.ljust(16, b"\0")) if accept else False
        if isinstance(accepted, str) or not accepted:
            continue
        file.seek(0)
        with decoding(name):
            return factory(file, "")
    if prefix[4:8] == b"ftyp" and prefix[8:12] in _HEIC_BRANDS:
        return _open_heic(file, name)
    raise InputError(
        f"{name} is not a PNG, JPEG, WebP, AVIF, HEIC, TIFF, PPM, GIF or BMP picture; convert it to PNG first."
    )


def _open_heic(file: BinaryIO, name: str) -> Image.Image:
    """Without registering the format, which would change what Pillow opens elsewhere in this process."""
    try:
        from pillow_heif import HeifImageFile
    except ImportError as error:
        raise InputError(f"{name} is a HEIC picture; to read it: pip install 'codectk[heic]'.") from error
    file.seek(0)
    with decoding(name):
        opened: Image.Image = HeifImageFile(file)  # type: ignore[no-untyped-call, unused-ignore]
        return opened


def check_size(width: int, height: int, name: str) -> None:
    """Compare a declared size with the limits, before anything of that size is allocated.

    Raises:
        InputError: a side is zero or too long, or there are too many pixels.
    """
    if width < 1 or height < 1:
        raise InputError(f"{name} has no pixels ({width} x {height}).")
    most = current().max_pixels
    if width > MAX_SIDE or height > MAX_SIDE or width * height > most:
        raise InputError(
            f"{name} has {width} x {height} pixels; the limits are {MAX_SIDE:,} on a side and {most:,} in all "
            "(--max-pixels or CODECTK_MAX_PIXELS)."
        )


def check_header(image: Image.Image, name: str) -> tuple[str, ...]:
    """Refuse what cannot be coded faithfully, from the header alone.

    Returns:
        Notes for the user.

    Raises:
        InputError: size, depth, color model or number of frames is not supported.
    """
    check_size(image.width, image.height, name)
    with decoding(name):
        frames = int(getattr(image, "n_frames", 1))
        at = image.tell()
        deep = is_deep(image)
    notes: tuple[str, ...] = ()
    if frames > 1:
        # Phones append gain maps, previews and stereo partners to a picture: its first one is the photo.
        if image.format not in ("MPO", "HEIF"):
            raise InputError(f"{name} has {frames} frames or pages; extract the one you want as a PNG first.")
        which = "the first" if at == 0 else f"number {at + 1}"
        notes = (f"Only {which} of the {frames} pictures in the file was read (the rest are previews or gain maps).",)
    reason = None if deep else _REFUSED_MODES.get(image.mode)
    if reason:
        raise InputError(f"{name} {reason}.")
    return notes


def raw_mode(image: Image.Image) -> str:
    """Pillow's name for the samples as the file stores them ("L;2", "RGB;16B"), or "" once the image is loaded."""
    for tile in getattr(image, "tile", ()):
        args = tile[3]
        return str(args[0] if isinstance(args, tuple) and args else args)
    return ""


def is_deep(image: Image.Image) -> bool:
    """Whether samples have 9 to 16 bits. The mode alone does not say: Pillow opens 16-bit RGB as 8-bit RGB.

    Raises:
        Exception: whatever Pillow raises on damaged tags.
    """
    if image.mode.startswith("I;"):
        return True
    if image.mode == "F":
        return False  # refused by mode, with a sentence of its own
    tags = getattr(image, "tag_v2", None)
    bits = max(tags.get(_BITS_PER_SAMPLE, (1,))) if tags is not None else 0
    if 8 < bits <= 16 or ";16" in raw_mode(image):
        return True
    return any(
        tile[0] in ("ppm", "ppm_plain") and isinstance(tile[3], tuple) and tile[3][1] > 255
        for tile in getattr(image, "tile", ())
    )
