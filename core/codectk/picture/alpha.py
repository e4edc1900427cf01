"""Alpha travels losslessly, as an 8-bit grey PNG of its own."""

from __future__ import annotations

import io
import struct

import numpy as np
import numpy.typing as npt
from PIL import Image, PngImagePlugin

from codectk.base.errors import BitstreamError, ContractError

_CHUNK = "ALPH"
_SIGNATURE = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_IHDR = struct.Struct(">IIBBBBB")


def encode_alpha(alpha: npt.NDArray[np.uint8]) -> bytes:
    """Compress an alpha plane.

    Args:
        alpha: uint8 (H, W), 255 opaque.

    Returns:
        A PNG of mode L.

    Raises:
        ContractError: not a uint8 plane.
    """
    if alpha.dtype != np.uint8 or alpha.ndim != 2 or 0 in alpha.shape:
        raise ContractError(f"Alpha must be uint8 (H, W), not {alpha.dtype} of shape {alpha.shape}.")
    file = io.BytesIO()
    Image.fromarray(alpha).save(file, "PNG", optimize=True)
    return file.getvalue()


def decode_alpha(data: bytes, height: int, width: int) -> npt.NDArray[np.uint8]:
    """Decompress an alpha plane of known size.

    The PNG's own size, depth and color type are compared first, so that nothing larger than (height, width) is
    ever allocated for it.

    Args:
        data: what `encode_alpha` made.
        height: expected height in pixels.
        width: expected width in pixels.

    Returns:
        uint8 (height, width).

    Raises:
        BitstreamError: not such a PNG, another size, or damaged.
    """
    start = len(_SIGNATURE)
    if not data.startswith(_SIGNATURE) or len(data) < start + _IHDR.size:
        raise BitstreamError("The alpha chunk is not a PNG.", chunk=_CHUNK)
    found_width, found_height, depth, color, *_ = _IHDR.unpack_from(data, start)
    if (found_height, found_width) != (height, width):
        raise BitstreamError(
            f"The alpha chunk is for {found_width} x {found_height} pixels, the picture has {width} x {height}.",
            chunk=_CHUNK,
        )
    if (depth, color) != (8, 0):
        raise BitstreamError("The alpha chunk is not an 8-bit grey PNG.", chunk=_CHUNK)
    try:
        # The class itself, because Image.open applies a process-wide size limit below base.limits.
        with PngImagePlugin.PngImageFile(io.BytesIO(data)) as image:
            plane: npt.NDArray[np.uint8] = np.array(image)
    except MemoryError:
        raise
    except Exception as error:  # Pillow raises many unrelated types on damaged data
        raise BitstreamError("The alpha chunk cannot be decoded.", chunk=_CHUNK) from error
    if plane.shape != (height, width) or plane.dtype != np.uint8:
        raise BitstreamError("The alpha chunk did not decode to its declared size.", chunk=_CHUNK)
    return plane
