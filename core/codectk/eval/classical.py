"""Reference encoders behind one interface: JPEG, WebP, AVIF and JPEG 2000 by Pillow, HEIC and JPEG XL by its plugins.

JPEG XL also works through the programs cjxl and djxl where the plugin is not installed. What is encoded are pixels
alone: a color profile in the file would cost bytes that no other codec of a comparison pays.
"""

from __future__ import annotations

import io
import re
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
from PIL import Image, features

from codectk.base.errors import InputError
from codectk.metrics.psnr import Pixels


@dataclass(frozen=True)
class Reference:
    """A classical codec with one integer quality.

    Attributes:
        id: name as on the command line.
        title: name for tables and plots.
        best: largest quality.
        sweep: qualities that make a curve from about 0.1 to 3 bpp on photos.
        encode: (uint8 (H, W, 3) RGB, quality) -> complete file.
    """

    id: str
    title: str
    best: int
    sweep: tuple[int, ...]
    encode: Callable[[Pixels, int], bytes]


@dataclass(frozen=True)
class SizedFile:
    """A reference file made to the size of another one.

    Attributes:
        data: the file.
        quality: the quality that made it.
    """

    data: bytes
    quality: int


def encode_jpeg(pixels: Pixels, quality: int) -> bytes:
    """JPEG 4:2:0, progressive, with optimized Huffman tables: JPEG as a careful user would write it.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        quality: 1..100.

    Returns:
        The complete file.
    """
    return _save(pixels, "JPEG", quality=quality, subsampling="4:2:0", optimize=True, progressive=True)


def encode_webp(pixels: Pixels, quality: int) -> bytes:
    """Lossy WebP at method 6, the slowest and best.

    Args:
        pixels: uint8 (H, W, 3) RGB, sides up to 16383.
        quality: 0..100.

    Returns:
        The complete file.

    Raises:
        InputError: this Pillow was built without WebP, or the picture is too large for it.
    """
    if not features.check("webp"):
        raise InputError("This installation of Pillow cannot write WebP.")
    if max(pixels.shape[:2]) > 16383:
        raise InputError("WebP cannot hold a side of more than 16383 pixels.")
    return _save(pixels, "WEBP", quality=quality, method=6)


def encode_avif(pixels: Pixels, quality: int, tune: str = "ssim") -> bytes:
    """AVIF 4:4:4 by libaom at speed 6. Tuned for SSIM it is, at 0.2 to 0.3 bpp, the best of its tunings in LPIPS.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        quality: 0..100.
        tune: "ssim", libaom's own choice for still pictures, or "psnr".

    Returns:
        The complete file.

    Raises:
        InputError: this Pillow was built without AVIF.
    """
    if not features.check("avif"):
        raise InputError("This installation of Pillow cannot write AVIF; version 11.3 or later can.")
    return _save(pixels, "AVIF", quality=quality, subsampling="4:4:4", speed=6, codec="aom", advanced={"tune": tune})


def encode_jpeg2000(pixels: Pixels, quality: int) -> bytes:
    """JPEG 2000 by OpenJPEG at a constant rate: 9/7 wavelet, irreversible color transform, one layer, .jp2.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        quality: the rate in hundredths of a bit per pixel, 1..600.

    Returns:
        The complete file.

    Raises:
        InputError: this Pillow was built without JPEG 2000.
    """
    if not features.check("jpg_2000"):
        raise InputError("This installation of Pillow cannot write JPEG 2000.")
    rate = {"quality_mode": "rates", "quality_layers": [2400 / quality]}
    return _save(pixels, "JPEG2000", irreversible=True, mct=1, **rate)


def encode_jxl(pixels: Pixels, quality: int) -> bytes:
    """JPEG XL at effort 7, by the package pillow-jxl-plugin or the program cjxl.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        quality: 0..99; cjxl's scale.

    Returns:
        The complete file.

    Raises:
        InputError: neither the package nor the program is here.
    """
    if _jxl_plugin() is not None:
        return _save(pixels, "JXL", quality=quality, effort=7)
    with tempfile.TemporaryDirectory(prefix="codectk-jxl-") as folder:
        source, made = Path(folder) / "source.png", Path(folder) / "made.jxl"
        Image.fromarray(pixels).save(source, compress_level=1)
        _run("cjxl", str(source), str(made), "-q", str(quality), "-e", "7")
        return made.read_bytes()


def encode_heic(pixels: Pixels, quality: int, tune: str = "ssim") -> bytes:
    """HEIC 4:4:4 by x265 at preset slow.

    Args:
        pixels: uint8 (H, W, 3) RGB.
        quality: 0..100.
        tune: "ssim", as libheif does it by itself, or "psnr", with all that works against it turned off.

    Returns:
        The complete file.

    Raises:
        InputError: the package pillow-heif is not installed.
    """
    _heif()
    plain = {f"x265:{name}": "0" for name in ("aq-mode", "cutree", "psy-rd", "psy-rdoq")}
    more = {"tune": "psnr", **plain} if tune == "psnr" else {}
    return _save(pixels, "HEIF", quality=quality, chroma=444, enc_params={"preset": "slow", **more})


_AVIF_PSNR, _HEIC_PSNR = partial(encode_avif, tune="psnr"), partial(encode_heic, tune="psnr")

REFERENCES: Mapping[str, Reference] = MappingProxyType(
    {
        "jpeg": Reference("jpeg", "JPEG 4:2:0", 100, (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95), encode_jpeg),
        "webp": Reference("webp", "WebP", 100, (0, 1, 3, 5, 10, 20, 30, 40, 50, 60, 70, 80, 85, 90), encode_webp),
        "avif": Reference("avif", "AVIF 4:4:4", 100, (1, 10, 16, 23, 30, 40, 50, 60, 70, 80, 90), encode_avif),
        "avif-psnr": Reference(
            "avif-psnr", "AVIF 4:4:4, PSNR", 100, (1, 8, 16, 25, 35, 47, 63, 78), partial(encode_avif, tune="psnr")
        ),
        "heic": Reference("heic", "HEIC 4:4:4", 100, (1, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70), encode_heic),
        "heic-psnr": Reference("heic-psnr", "HEIC 4:4:4, PSNR", 100, (1, 5, 10, 20, 30, 40, 50, 60), _HEIC_PSNR),
        "jxl": Reference("jxl", "JPEG XL", 99, (5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95), encode_jxl),
        "jpeg2000": Reference("jpeg2000", "JPEG 2000", 600, (6, 10, 20, 30, 45, 60, 100, 150, 200), encode_jpeg2000),
    }
)
"""The reference codecs by name."""


def decode(data: bytes) -> Pixels:
    """Decode a reference file.

    Args:
        data: a complete file of one of `REFERENCES`.

    Returns:
        uint8 (H, W, 3) RGB.
    """
    if data.startswith(_JXL) and _jxl_plugin() is None:
        with tempfile.TemporaryDirectory(prefix="codectk-jxl-") as folder:
            source, shown = Path(folder) / "source.jxl", Path(folder) / "shown.png"
            source.write_bytes(data)
            _run("djxl", str(source), str(shown))
            with Image.open(shown) as image:
                return np.asarray(image.convert("RGB"))
    if data[4:8] == b"ftyp" and data[8:12] != b"avif":
        _heif()
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image.convert("RGB"))


def identity(name: str) -> dict[str, str]:
    """Distribution and library that a reference encoder is from.

    Args:
        name: of `REFERENCES`.
    """
    if name.startswith("heic"):
        known = _heif().libheif_info()
        return {"distribution": "pillow-heif", "library": f"libheif {known['libheif']}, {known['encoders']['x265']}"}
    if name == "jxl":
        if _jxl_plugin() is not None:
            return {"distribution": "pillow-jxl-plugin", "library": f"libjxl in {version('pillow-jxl-plugin')}"}
        found = re.search(r"v?\d+\.\d+\S*", _run("cjxl", "--version"))
        return {"program": "cjxl", "library": f"libjxl {found[0] if found else 'unknown'}"}
    library = {"jpeg": "libjpeg_turbo", "jpeg2000": "jpg_2000"}.get(name, name.partition("-")[0])
    return {"distribution": "pillow", "library": f"{library} {features.version(library)}"}


def encode_at_size(reference: Reference, pixels: Pixels, size: int) -> SizedFile:
    """The lowest quality whose file has at least `size` bytes, so that a comparison favors the reference.

    Where even the best quality stays below `size`, the file of that quality; where even the lowest is above it, that.

    Args:
        reference: which codec.
        pixels: uint8 (H, W, 3) RGB.
        size: bytes of the file to compare with.

    Returns:
        The file and its quality. File sizes are taken to rise with quality, which holds but for a few bytes.
    """
    low, high = 1, reference.best
    found = SizedFile(reference.encode(pixels, high), high)
    while low < high:
        middle = (low + high) // 2
        data = reference.encode(pixels, middle)
        if len(data) >= size:
            high, found = middle, SizedFile(data, middle)
        else:
            low = middle + 1
    return found


def _heif() -> Any:
    """The package pillow-heif, with Pillow told of it."""
    try:
        import pillow_heif
    except ImportError as error:
        raise InputError("HEIC needs the package pillow-heif; install it with: pip install pillow-heif") from error
    pillow_heif.register_heif_opener()
    return pillow_heif


_JXL = (b"\xff\x0a", b"\x00\x00\x00\x0cJXL ")
"""Beginnings of a bare codestream and of a container."""


def _jxl_plugin() -> Any:
    """The package pillow-jxl-plugin, which tells Pillow of itself, or None."""
    try:
        import pillow_jxl
    except ImportError:
        return None
    return pillow_jxl


def _run(program: str, *arguments: str) -> str:
    """Output of a program of libjxl."""
    found = shutil.which(program)
    if found is None:
        raise InputError("JPEG XL needs the package pillow-jxl-plugin, or the programs cjxl and djxl of libjxl.")
    try:
        done = subprocess.run([found, *arguments], capture_output=True, text=True, timeout=600, check=True)
    except (OSError, subprocess.SubprocessError) as error:
        said = " ".join(str(getattr(error, "stderr", "") or error).split())
        raise InputError(f"{program} failed: {said}.") from error
    return done.stdout


def _save(pixels: Pixels, kind: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(pixels).save(buffer, kind, **options)
    return buffer.getvalue()
