"""The boxes of AVIF and HEIC files: color spaces by numbers (nclx), and depths."""

import io
import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, features

from codectk.picture.boxes import BoxFacts, facts
from codectk.picture.read import read_picture

P3, BT709, SRGB, PQ = (12, 13, 6, 1), (1, 1, 1, 0), (1, 13, 6, 1), (9, 16, 9, 1)


def box(tag, *content):
    body = b"".join(content)
    return struct.pack(">I4s", 8 + len(body), tag) + body


def nclx(primaries, transfer, matrix, full):
    return box(b"colr", b"nclx", struct.pack(">HHHB", primaries, transfer, matrix, full << 7))


def pixi(*bits):
    return box(b"pixi", bytes(4), bytes([len(bits), *bits]))


def picture_file(*properties):
    """A file with these properties; no picture is in it."""
    meta = box(b"meta", bytes(4), box(b"hdlr", bytes(24)), box(b"iprp", box(b"ipco", *properties), box(b"ipma")))
    return box(b"ftyp", b"avif", bytes(4), b"mif1") + meta + box(b"mdat", bytes(20))


@pytest.mark.parametrize(
    ("properties", "expected"),
    [
        ((), BoxFacts()),
        ((nclx(*P3),), BoxFacts(P3)),
        ((nclx(*BT709), nclx(*P3)), BoxFacts(BT709)),  # the main picture's comes first
        ((box(b"colr", b"prof", bytes(200)), nclx(*P3)), BoxFacts(P3)),
        ((box(b"colr", b"nclx", bytes(6)),), BoxFacts()),  # a byte short
        ((pixi(8, 8, 8),), BoxFacts(None, 8)),
        ((pixi(8), pixi(10, 12, 10), nclx(*PQ)), BoxFacts(PQ, 12)),
        ((pixi(1),), BoxFacts(None, 8)),
        ((pixi(),), BoxFacts(None, 8)),
        ((box(b"ispe", nclx(*P3)),), BoxFacts()),  # not what it looks like
    ],
)
def test_facts(properties, expected):
    assert facts(picture_file(*properties)) == expected


def test_only_properties_count():
    for data in (nclx(*P3), box(b"ipco", nclx(*P3)), box(b"mdat", picture_file(nclx(*P3)))):
        assert facts(data) == BoxFacts()


def test_sizes_in_eight_bytes_and_to_the_end():
    content = bytes(4) + box(b"iprp", box(b"ipco", nclx(*P3)))
    long = struct.pack(">I4sQ", 1, b"meta", 16 + len(content)) + content
    open_ended = struct.pack(">I4s", 0, b"meta") + content
    assert facts(long) == facts(box(b"free", bytes(9)) + open_ended) == BoxFacts(P3)


@given(st.data())
def test_damage_is_never_an_error(data):
    whole = bytearray(picture_file(pixi(10, 10, 10), nclx(*P3)))
    for _ in range(data.draw(st.integers(0, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    found = facts(bytes(whole[: data.draw(st.integers(0, len(whole)))]))
    assert 8 <= found.bits <= 255 and (found.cicp is None or len(found.cicp) == 4)


def test_boxes_within_boxes_without_end():
    nested = b""
    for _ in range(5000):
        nested = box(b"meta", bytes(4), nested)
    assert facts(nested) == BoxFacts()


needs_avif = pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")


def avif(numbers):
    """An AVIF of a flat color, lossless but for its chroma, that declares a color space by these numbers."""
    file = io.BytesIO()
    Image.new("RGB", (16, 16), (200, 90, 60)).save(file, "AVIF", quality=100, subsampling="4:4:4")
    data = file.getvalue()
    assert data.count(b"nclx") == 1
    at = data.index(b"nclx") + 4
    primaries, transfer, *_ = numbers
    return data[:at] + struct.pack(">HH", primaries, transfer) + data[at + 4 :]


@needs_avif
def test_avif_in_display_p3_is_converted():
    picture = read_picture(avif(P3))
    # (200, 90, 60) of Display P3, by CSS Color 4's matrices: color(srgb 0.8459 0.3176 0.1906).
    assert np.abs(picture.pixels.astype(int) - (216, 81, 49)).max() <= 2
    assert len(picture.notes) == 1 and "12/13 of ITU-T H.273, which the AVIF file declares" in picture.notes[0]
    assert read_picture(avif(P3), keep="icc").icc is not None


@needs_avif
@pytest.mark.parametrize("numbers", [SRGB, BT709, (2, 2)])
def test_avif_in_srgb_is_left_alone(numbers):
    picture = read_picture(avif(numbers))
    assert np.abs(picture.pixels.astype(int) - (200, 90, 60)).max() <= 2 and picture.notes == ()


@needs_avif
def test_avif_of_high_dynamic_range_gets_a_remark():
    (note,) = read_picture(avif(PQ)).notes
    assert "AVIF file declares high dynamic range (PQ)" in note
