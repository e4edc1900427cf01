"""ICC profiles: to sRGB, or kept on request."""

from __future__ import annotations

import io
from functools import cache

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageCms, features

from codectk.base.errors import InputError
from codectk.base.limits import MAX_METADATA_BYTES

Pixels = npt.NDArray[np.uint8]

# A profile that moves no probe color by more than this (of 255) is sRGB, whatever it calls itself.
_SRGB_TOLERANCE = 2


def color_space(icc: bytes) -> str:
    """The profile's color space signature, such as "RGB", "GRAY" or "CMYK"; "" if it is no ICC profile."""
    if len(icc) < 128 or icc[36:40] != b"acsp":
        return ""
    return icc[16:20].decode("latin-1").strip()


def apply_profile(
    pixels: Pixels, grey: bool, icc: bytes, *, keep: bool
) -> tuple[Pixels, bytes | None, tuple[str, ...]]:
    """Bring pixels to sRGB, or check that their profile can travel with them.

    Args:
        pixels: uint8 (H, W, 3) in the profile's color space; three equal channels if `grey`.
        grey: whether the picture has one luminance channel.
        icc: the profile.
        keep: leave the pixels alone and hand the profile back.

    Returns:
        The pixels (uint8 (H, W, 3)), the profile to keep or None for sRGB, and notes for the user. A profile that
        is sRGB already is dropped without a note; a broken or unfitting one is ignored with a note.

    Raises:
        InputError: Pillow was built without LittleCMS, or a profile to keep is larger than the limit.
    """
    _need_littlecms()
    space = color_space(icc)
    if space not in (("RGB", "GRAY") if grey else ("RGB",)):
        what = f"is for {space} pictures" if space.isalnum() else "is damaged"
        return pixels, None, (f"The ICC profile was ignored: it {what}.",)
    try:
        profile = ImageCms.getOpenProfile(io.BytesIO(icc))
        transform = _to_srgb(profile, "L" if space == "GRAY" else "RGB")
        is_srgb = _moves_nothing(transform, space)
        name = _printable(ImageCms.getProfileDescription(profile))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return pixels, None, ("The ICC profile was ignored: it is damaged.",)
    if is_srgb:
        return pixels, None, ()
    if keep:
        if len(icc) > MAX_METADATA_BYTES:
            raise InputError(f"The ICC profile to keep has {len(icc):,} bytes; the limit is {MAX_METADATA_BYTES:,}.")
        return pixels, icc, ()
    source = Image.fromarray(np.ascontiguousarray(pixels[..., 0]) if space == "GRAY" else pixels)
    converted = np.array(ImageCms.applyTransform(source, transform))
    if grey:  # neutral up to rounding
        converted = np.repeat(converted[..., 1:2], 3, axis=2)
    return converted, None, (f"Colors were converted from the ICC profile {name} to sRGB.",)


def from_cmyk(image: Image.Image, icc: bytes | None) -> tuple[Pixels, tuple[str, ...]]:
    """A loaded CMYK picture as uint8 (H, W, 3) in sRGB, and notes: through its profile, or roughly without one.

    Raises:
        InputError: Pillow was built without LittleCMS.
    """
    _need_littlecms()
    if icc and color_space(icc) == "CMYK":
        try:
            profile = ImageCms.getOpenProfile(io.BytesIO(icc))
            converted = np.array(ImageCms.applyTransform(image, _to_srgb(profile, "CMYK")))
            name = _printable(ImageCms.getProfileDescription(profile))
        except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
            pass
        else:
            return converted, (f"Colors were converted from CMYK by the ICC profile {name} to sRGB.",)
    note = "Colors were converted from CMYK without a profile that fits, so they are not exact."
    return np.array(image.convert("RGB")), (note,)


def _need_littlecms() -> None:
    if not features.check("littlecms2"):
        raise InputError("This Pillow was built without LittleCMS and cannot read ICC profiles; install its wheel.")


def _to_srgb(profile: ImageCms.ImageCmsProfile, mode: str) -> ImageCms.ImageCmsTransform:
    return ImageCms.buildTransform(
        profile,
        ImageCms.createProfile("sRGB"),
        mode,
        "RGB",
        ImageCms.Intent.RELATIVE_COLORIMETRIC,
        ImageCms.Flags.BLACKPOINTCOMPENSATION,
    )


def _moves_nothing(transform: ImageCms.ImageCmsTransform, space: str) -> bool:
    expected = _probe()
    given = expected[:, :256, 0] if space == "GRAY" else expected
    got = np.array(ImageCms.applyTransform(Image.fromarray(given), transform)).astype(np.int16)
    return bool(np.abs(got - expected[:, : got.shape[1]]).max() <= _SRGB_TOLERANCE)


@cache
def _probe() -> Pixels:
    """uint8 (1, 985, 3): all 256 greys, then a cube of 9 x 9 x 9 colors."""
    greys = np.repeat(np.arange(256)[:, None], 3, axis=1)
    levels = np.linspace(0, 255, 9)
    cube = np.stack(np.meshgrid(levels, levels, levels), axis=-1).reshape(-1, 3)
    return np.concatenate([greys, cube])[None].astype(np.uint8)


def _printable(description: str) -> str:
    """A description fit for a terminal: one short line without control characters."""
    text = "".join(char for char in description if char.isprintable()).strip()
    return f'"{text[:60]}"' if text else "without a name"
