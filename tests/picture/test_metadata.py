"""EXIF and XMP are kept on request, true of the upright picture in sRGB, and written back by formats that hold them."""

import io
import zlib
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

import codectk
from codectk.base.errors import BitstreamError, ChecksumError, CodectkWarning, UsageError
from codectk.base.limits import MAX_METADATA_BYTES
from codectk.bitstream import writer
from codectk.bitstream.chunk import EXIF
from codectk.bitstream.chunk import XMP as XMP_CHUNK
from codectk.bitstream.metadata import pack_metadata
from codectk.bitstream.reader import read
from codectk.picture.metadata import upright_exif
from codectk.picture.read import read_picture
from codectk.picture.write import encode_file

RGB = np.random.default_rng(2).integers(0, 256, (32, 48, 3), dtype=np.uint8)
XMP = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:Description tiff:Orientation="6" dc:title="\xc3\xa9"/></x:xmpmeta>'


def photo(kind: str = "JPEG", interop: str = "") -> bytes:
    """A picture that lies on its side, with who took it, when, and what the maker wrote."""
    exif = Image.Exif()
    exif[0x0112], exif[0x010F], exif[0x013B] = 6, "Maker", "Somebody"
    inner = exif.get_ifd(0x8769)
    inner[0x9003], inner[0x927C], inner[0xA001] = "2024:05:06 07:08:09", b"Maker's note" * 9, 0xFFFF if interop else 1
    if interop:
        inner[0xA005] = {1: interop}
    exif.get_ifd(0x8825)[1] = "N"
    file = io.BytesIO()
    if kind == "TIFF":
        block, exif = exif.tobytes(), Image.Exif()
        exif.load(block)
        exif[700] = XMP
        Image.fromarray(RGB).save(file, kind, exif=exif)
    else:
        Image.fromarray(RGB).save(file, kind, exif=exif.tobytes(), xmp=XMP)
    return file.getvalue()


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "TIFF"])
@pytest.mark.parametrize("name", ["x.png", "x.jpg", "x.webp", "x.tif"])
def test_round_trip(pocket, kind, name):
    data = codectk.encode(photo(kind), "pocket", keep="exif,xmp")
    found = {chunk.tag: chunk.bytes for chunk in codectk.info(data).chunks}
    assert {"EXIF", "XMPP"} <= set(found) and not any(
        chunk.critical for chunk in codectk.info(data).chunks if chunk.tag == "EXIF"
    )
    written = encode_file(codectk.api.decode_picture(data), name)
    with Image.open(io.BytesIO(written)) as image:
        assert image.size == (32, 48)  # upright
        exif = image.getexif()
        assert exif.get(0x0112, 1) == 1 and (exif[0x010F], exif[0x013B]) == ("Maker", "Somebody")
        inner = exif.get_ifd(0x8769)
        assert inner[0x9003] == "2024:05:06 07:08:09" and inner[0x927C] == b"Maker's note" * 9
        assert exif.get_ifd(0x8825)[1] == "N"
    again = read_picture(written, keep=["exif", "xmp"])
    assert b'Orientation="6"' not in again.xmp and "é".encode() in again.xmp
    assert again.pixels.shape == (48, 32, 3) and not any("orientation" in note for note in again.notes)
    assert codectk.decode(data).info["exif"].startswith(b"Exif\0\0")


def test_nothing_is_kept_unless_asked_for(pocket):
    plain = codectk.encode(photo(), "pocket")
    assert [chunk.tag for chunk in codectk.info(plain).chunks] == ["LATS"]
    picture = read_picture(photo(), keep="xmp")
    assert picture.exif is None and picture.xmp is not None
    assert picture.notes[0] == "The EXIF metadata was not kept."
    assert codectk.encode(photo(), "pocket", keep=()) == plain
    with pytest.raises(UsageError, match="'iptc' cannot be kept; what can is exif, xmp, icc"):
        codectk.encode(photo(), "pocket", keep="exif,iptc")


def test_colors_are_not_converted_twice(pocket):
    data = codectk.encode(photo(interop="R03"), "pocket", keep="exif")
    written = encode_file(codectk.api.decode_picture(data), "x.png")
    assert not any("olors" in note for note in read_picture(written).notes)


def test_icc_as_a_kind(make_icc):
    icc, file = make_icc("p3", "srgb"), io.BytesIO()
    Image.fromarray(RGB).save(file, "PNG", icc_profile=icc)
    assert read_picture(file.getvalue(), keep="icc").icc == read_picture(file.getvalue(), keep_icc=True).icc == icc


def test_only_values_are_changed():
    for order in ("II", "MM"):
        exif = Image.Exif()
        exif.endian = "<" if order == "II" else ">"
        exif[0x0112], exif[0x010F] = 8, "Maker"
        data = exif.tobytes()[6:]
        turned = upright_exif(data)
        assert len(turned) == len(data) and sum(a != b for a, b in zip(data, turned, strict=True)) == 1
    for wrong in (b"nonsense", b"II*\0\xff\xff\xff\xff"):
        with pytest.raises(Exception, match=r"TIFF|unpack"):
            upright_exif(wrong)


def test_a_format_without_metadata_says_so(pocket):
    picture = codectk.api.decode_picture(codectk.encode(photo(), "pocket", keep="exif"))
    with pytest.warns(CodectkWarning, match="PPM files hold no metadata"):
        encode_file(picture, "x.ppm")


def test_damaged_exif_is_told(pocket):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, "PNG", exif=b"II*\0\xff\xff\xff\xff")
    for keep in ("", "exif"):
        picture = read_picture(file.getvalue(), keep=keep)
        assert picture.exif is None and picture.notes == ("The EXIF data was ignored: it is damaged.",)


@pytest.mark.parametrize(
    ("tag", "payload", "reason"),
    [
        (EXIF, b"no stream", "cannot be decompressed"),
        (EXIF, pack_metadata(b"nonsense"), "no TIFF structure"),
        (EXIF, zlib.compress(bytes(MAX_METADATA_BYTES + 1)), "more than"),
        (XMP_CHUNK, pack_metadata(b"caf\xe9"), "not in UTF-8"),
    ],
)
def test_metadata_against_the_rules_are_left_out_with_a_warning(pocket, monkeypatch, tag, payload, reason):
    container = read(codectk.encode(photo(), "pocket", keep="exif,xmp"))
    changed = [replace(chunk, payload=payload) if chunk.tag == tag else chunk for chunk in container.chunks]
    with monkeypatch.context() as patch:
        patch.setattr(writer, "check_payload", lambda chunk: None)  # no writer of ours would
        data = writer.write(container.header, changed)
    codectk.verify(data)
    assert tag in [chunk.tag for chunk in codectk.info(data).chunks]
    with pytest.warns(CodectkWarning, match=f"chunk {tag} was left out: .*{reason}"):
        picture = codectk.api.decode_picture(data)
    good = codectk.api.decode_picture(codectk.encode(photo(), "pocket", keep="exif,xmp"))
    assert np.array_equal(picture.pixels, good.pixels)
    assert (picture.exif is None, picture.xmp is None) == (tag == EXIF, tag == XMP_CHUNK)
    with pytest.raises(BitstreamError, match=reason):
        codectk.edit(data, clear=True)
    damaged = data[:-1] + bytes([data[-1] ^ 1])
    with pytest.raises(ChecksumError):
        codectk.decode(damaged)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP"])
def test_xmp_that_is_not_in_utf8_is_not_kept(kind):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, kind, xmp="<x/>".encode("utf-16"))
    picture = read_picture(file.getvalue(), keep="xmp")
    assert picture.xmp is None and picture.notes == ("The XMP metadata was not kept.",)
