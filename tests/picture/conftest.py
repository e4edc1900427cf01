"""Builders of files that Pillow cannot write: PNGs of any depth, ICC profiles with given curves."""

import struct
import zlib

import numpy as np
import pytest


@pytest.fixture(scope="session")
def make_png():
    """make_png(width, height, depth, color_type, rows, extra=()) -> bytes; rows are the packed bytes of each row."""

    def chunk(tag, data):
        return struct.pack(">I", len(data)) + tag + data + struct.pack(">I", zlib.crc32(tag + data))

    def build(width, height, depth, color_type, rows, extra=()):
        header = struct.pack(">IIBBBBB", width, height, depth, color_type, 0, 0, 0)
        body = b"".join(b"\0" + row for row in rows)
        parts = [chunk(b"IHDR", header), *(chunk(*pair) for pair in extra), chunk(b"IDAT", zlib.compress(body))]
        return b"\x89PNG\r\n\x1a\n" + b"".join(parts) + chunk(b"IEND", b"")

    return build


def fixed(*values):
    """s15Fixed16Number of ICC.1."""
    return b"".join(struct.pack(">i", round(value * 65536)) for value in values)


def icc_profile(device_class, space, connection, tags, name):
    """A profile of version 2.4 (ICC.1:2001-04) with these tags, (signature, data) each, and a description."""
    text = name.encode() + b"\0"
    tags = [(b"desc", b"desc" + bytes(4) + struct.pack(">I", len(text)) + text + bytes(78)), *tags]
    table, body = b"", b""
    start = 128 + 4 + 12 * len(tags)
    for signature, data in tags:
        table += signature + struct.pack(">II", start + len(body), len(data))
        body += data + bytes(-len(data) % 4)
    header = struct.pack(">I", start + len(body)) + bytes(4) + struct.pack(">I", 0x02400000)
    header += device_class + space + connection + bytes(12) + b"acsp" + bytes(28) + fixed(0.9642, 1.0, 0.8249)
    return header + bytes(128 - len(header)) + struct.pack(">I", len(tags)) + table + body


@pytest.fixture(scope="session")
def make_icc():
    """make_icc(space, primaries, curve, name) -> bytes; space "srgb", "p3" or "gray"; curve "srgb" or a gamma."""
    primaries = {
        "srgb": ((0.43607, 0.22249, 0.01392), (0.38515, 0.71687, 0.09708), (0.14307, 0.06061, 0.7141)),
        "p3": ((0.51512, 0.2412, -0.00105), (0.29198, 0.69225, 0.04189), (0.1571, 0.06657, 0.78407)),
    }
    screen_white = (0.9505, 1.0, 1.0891)  # D65; must not tint the result

    def curve_tag(curve):
        if curve == "srgb":
            x = np.arange(1024) / 1023
            linear = np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)
            table = np.rint(linear * 65535).astype(">u2").tobytes()
            return b"curv" + bytes(4) + struct.pack(">I", 1024) + table
        return b"curv" + bytes(4) + struct.pack(">IH", 1, round(curve * 256))

    def build(space, curve, name="test"):
        tags = [(b"wtpt", b"XYZ " + bytes(4) + fixed(*screen_white))]
        if space == "gray":
            tags.append((b"kTRC", curve_tag(curve)))
        else:
            for letter, column in zip(b"rgb", primaries[space], strict=True):
                tags.append((bytes([letter]) + b"XYZ", b"XYZ " + bytes(4) + fixed(*column)))
                tags.append((bytes([letter]) + b"TRC", curve_tag(curve)))
        return icc_profile(b"mntr", b"GRAY" if space == "gray" else b"RGB ", b"XYZ ", tags, name)

    return build


@pytest.fixture(scope="session")
def make_cmyk_icc():
    """make_cmyk_icc(kind, corners, name) -> bytes; kind "lut8" or "lut16", corners (2, 2, 2, 2, 3): CIELAB (D50) where
    each ink, cyan first, is absent or full. Between them colors are interpolated."""

    def lut(kind, corners):
        lab, front = np.reshape(corners, (16, 3)), bytes([4, 3, 2, 0]) + fixed(1, 0, 0, 0, 1, 0, 0, 0, 1)
        if kind == "lut8":
            cells, line = lab * (2.55, 1, 1) + (0, 128, 128), bytes(range(256))
            return b"mft1" + bytes(4) + front + 4 * line + np.rint(cells).astype(np.uint8).tobytes() + 3 * line
        cells, line = lab * (652.8, 256, 256) + (0, 32768, 32768), struct.pack(">2H", 0, 65535)
        front += struct.pack(">2H", 2, 2)
        return b"mft2" + bytes(4) + front + 4 * line + np.rint(cells).astype(">u2").tobytes() + 3 * line

    def build(kind, corners, name="test"):
        white = (b"wtpt", b"XYZ " + bytes(4) + fixed(0.9642, 1.0, 0.8249))
        return icc_profile(b"prtr", b"CMYK", b"Lab ", [white, (b"A2B0", lut(kind, corners))], name)

    return build
