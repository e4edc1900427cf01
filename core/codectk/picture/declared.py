"""Color spaces that a picture declares without an ICC profile, made into one.

A profile made here goes the way of every other: colors are converted to sRGB, or the profile is kept.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import numpy as np
import numpy.typing as npt

Curve = Callable[[npt.NDArray[np.float64]], npt.NDArray[np.float64]]
"""From a stored value in [0, 1] to linear light in [0, 1]."""

Chromaticities = tuple[float, float, float, float, float, float, float, float]
"""x and y of white, red, green, blue, as PNG orders them."""

_D65 = (0.3127, 0.3290)
_D50 = np.array([0.9642, 1.0, 0.8249])
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_TABLE = 4096


def srgb_curve(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """IEC 61966-2-1."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def bt709_curve(x: npt.NDArray[np.float64]) -> npt.NDArray[np.float64]:
    """The inverse of the opto-electronic transfer of ITU-R BT.709."""
    return np.where(x < 0.081, x / 4.5, ((x + 0.099) / 1.099) ** (1 / 0.45))


def power_curve(exponent: float) -> Curve:
    return lambda x: x**exponent


SRGB: Chromaticities = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
ADOBE_RGB: Chromaticities = (*_D65, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06)
ADOBE_GAMMA = 563 / 256

_PRIMARIES: Mapping[int, Chromaticities] = MappingProxyType(
    {
        1: SRGB,
        4: (0.310, 0.316, 0.67, 0.33, 0.21, 0.71, 0.14, 0.08),
        5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
        6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
        7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
        9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),
        11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
        12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),
        22: (*_D65, 0.630, 0.340, 0.295, 0.605, 0.155, 0.077),
    }
)
"""Color primaries of ITU-T H.273, table 2, that are those of a display."""

_TRANSFERS: Mapping[int, Curve] = MappingProxyType(
    {
        1: bt709_curve,
        4: power_curve(2.2),
        5: power_curve(2.8),
        6: bt709_curve,
        8: power_curve(1.0),
        13: srgb_curve,
        14: bt709_curve,
        15: bt709_curve,
    }
)
"""Transfer characteristics of ITU-T H.273, table 3, that end at the white of a page."""

_HDR = {16: "PQ", 18: "HLG"}
_UNSAID = 2

_EXIF, _INTEROP = 0x8769, 0xA005
_WHITE, _PRIMARY, _COLOR_SPACE, _GAMMA = 0x013E, 0x013F, 0xA001, 0xA500
_UNCALIBRATED, _ADOBE = 0xFFFF, 2


@dataclass(frozen=True)
class Declared:
    """What was found: a profile and what to call it, or a remark on what cannot be converted, or neither for sRGB."""

    icc: bytes | None = None
    name: str = ""
    note: str = ""

    @property
    def says_something(self) -> bool:
        return bool(self.icc or self.note)


def from_cicp(numbers: tuple[int, int, int, int], where: str) -> Declared:
    """A color space by the numbers of ITU-T H.273; `where` says where it stood, for remarks."""
    primaries, transfer = numbers[:2]
    if transfer in _HDR:
        return Declared(
            note=f"{_start(where)} declares high dynamic range ({_HDR[transfer]}); its colors were taken as sRGB."
        )
    if (primaries, transfer) in ((1, 13), (_UNSAID, 13), (_UNSAID, _UNSAID), (1, _UNSAID)):
        return Declared()
    # BT.709 and BT.601 are what cameras and encoders say for pictures that everybody shows as sRGB.
    if primaries in (1, 5, 6, 7, _UNSAID) and transfer in (1, 6, 14, 15):
        return Declared()
    known = _PRIMARIES.get(1 if primaries == _UNSAID else primaries)
    curve = _TRANSFERS.get(13 if transfer == _UNSAID else transfer)
    name = f"the color space {primaries}/{transfer} of ITU-T H.273"
    if known is None or curve is None:
        return Declared(note=f"{_start(where)} declares {name}, which was taken as sRGB.")
    return _profile(known, curve, f"{name}, which {where} declares")


def from_png(info: Mapping[Any, Any]) -> Declared:
    """A PNG's cHRM and gAMA, as Pillow tells them; an sRGB chunk comes before both."""
    gamma, chromaticity = info.get("gamma"), info.get("chromaticity")
    if "srgb" in info or (gamma is None and chromaticity is None):
        return Declared()
    if gamma is not None and not 0.01 <= gamma <= 100:
        return Declared(note=f"The PNG's gamma of {gamma:.4f} makes no sense; its colors were taken as sRGB.")
    primaries = SRGB if chromaticity is None else tuple(float(value) for value in chromaticity)
    same = bool(np.abs(np.subtract(primaries, SRGB)).max() < 0.002)
    # What says 1/2.2 and means sRGB is taken at its meaning.
    curve = srgb_curve if gamma is None or (same and abs(gamma - 1 / 2.2) <= 0.01) else power_curve(1 / gamma)
    if same and curve is srgb_curve:
        return Declared()
    return _profile(primaries, curve, "the space of the PNG's cHRM and gAMA")


def from_exif(exif: Any) -> Declared:
    """What EXIF or TIFF tags say, from Pillow's `Exif`: interoperability R03 (Adobe RGB), or primaries and white.

    Raises:
        Exception: whatever Pillow raises on a damaged block.
    """
    inner = exif.get_ifd(_EXIF)
    space = inner.get(_COLOR_SPACE)
    try:
        interop = exif.get_ifd(_INTEROP).get(1)
    except KeyError:  # older Pillows, where there is none
        interop = None
    if space == _ADOBE or (isinstance(interop, str | bytes) and interop[:3] in ("R03", b"R03")):
        return _profile(ADOBE_RGB, power_curve(ADOBE_GAMMA), "Adobe RGB (1998), which the EXIF data names")
    white, primary = exif.get(_WHITE), exif.get(_PRIMARY)
    if white is not None and primary is not None:
        numbers = [float(value) for value in (*white, *primary)]
        gamma = float(inner.get(_GAMMA) or 0)
        same = len(numbers) == 8 and bool(np.abs(np.subtract(numbers, SRGB)).max() < 0.002)
        curve = srgb_curve if not gamma or (same and abs(gamma - 2.2) < 0.05) else power_curve(gamma)
        if same and curve is srgb_curve:
            return Declared()
        return _profile(numbers, curve, "the space of the primaries in the metadata")
    if space == _UNCALIBRATED:
        return Declared(note="The EXIF data says that the colors are not sRGB, but not what they are; taken as sRGB.")
    return Declared()


def from_bmp(data: bytes) -> Declared:
    """What the header of a BMP of version 4 or 5 says: an ICC profile within, or a color space without one."""
    if len(data) < 138 or struct.unpack_from("<I", data, 14)[0] < 108:
        return Declared()
    kind = data[70:74]
    if kind == b"DEBM" and struct.unpack_from("<I", data, 14)[0] >= 124:
        offset, size = struct.unpack_from("<II", data, 14 + 112)
        return Declared(icc=data[14 + offset : 14 + offset + size])
    if kind in (b"BGRs", b" niW"):
        return Declared()
    return Declared(note="The BMP declares a color space of its own; its colors were taken as sRGB.")


def _profile(chromaticities: Sequence[float], curve: Curve, name: str) -> Declared:
    """A matrix profile (ICC.1:2001-04, version 2.4), or a remark that none can be made."""
    try:
        columns = _columns(chromaticities)
    except (np.linalg.LinAlgError, ValueError, ZeroDivisionError):
        return Declared(note=f"Colors were taken as sRGB: {name} cannot be one.")
    table = np.rint(curve(np.linspace(0, 1, _TABLE)) * 65535).astype(">u2").tobytes()
    text = name.encode("ascii", "replace") + b"\0"
    tags = [
        (b"desc", b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)),
        (b"cprt", b"text" + bytes(4) + b"No rights reserved.\0"),
        (b"wtpt", _xyz(_D50)),
        *((letter + b"XYZ", _xyz(column)) for letter, column in zip((b"r", b"g", b"b"), columns.T, strict=True)),
        (b"rTRC", b"curv" + bytes(4) + struct.pack(">I", _TABLE) + table),
    ]
    start = 128 + 4 + 12 * (len(tags) + 2)
    index, body = b"", b""
    for signature, content in tags:
        at = start + len(body)
        index += signature + struct.pack(">II", at, len(content))
        body += content + bytes(-len(content) % 4)
    for signature in (b"gTRC", b"bTRC"):  # one curve for all
        index += signature + struct.pack(">II", at, len(content))
    header = struct.pack(">I4sI4s4s4s", start + len(body), b"\0\0\0\0", 0x02400000, b"mntr", b"RGB ", b"XYZ ")
    header += struct.pack(">6H4s", 2000, 1, 1, 0, 0, 0, b"acsp") + bytes(28) + _fixed(_D50)
    return Declared(header + bytes(128 - len(header)) + struct.pack(">I", len(tags) + 2) + index + body, name)


def _start(text: str) -> str:
    return text[0].upper() + text[1:]


def _columns(chromaticities: Sequence[float]) -> npt.NDArray[np.float64]:
    """XYZ of red, green and blue as columns, adapted to D50 (Bradford)."""
    xy = np.asarray(chromaticities, dtype=np.float64).reshape(4, 2)
    if not np.isfinite(xy).all() or (xy[:, 1] <= 0).any() or (xy < 0).any() or (xy.sum(axis=1) > 1.001).any():
        raise ValueError("not chromaticities")
    xyz = np.stack([xy[:, 0] / xy[:, 1], np.ones(4), (1 - xy.sum(axis=1)) / xy[:, 1]])
    white, primaries = xyz[:, 0], xyz[:, 1:]
    scaled = primaries * np.linalg.solve(primaries, white)
    adapt = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ _D50) / (_BRADFORD @ white)) @ _BRADFORD
    adapted: npt.NDArray[np.float64] = adapt @ scaled
    return adapted


def _xyz(values: npt.NDArray[np.float64]) -> bytes:
    return b"XYZ " + bytes(4) + _fixed(values)


def _fixed(values: npt.NDArray[np.float64]) -> bytes:
    return b"".join(struct.pack(">i", round(float(value) * 65536)) for value in values)
