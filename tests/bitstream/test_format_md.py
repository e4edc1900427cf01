"""FORMAT.md is enough to write a reader: the one below was written from that page alone, without
importing anything of the room, and must agree with the room on every example and on thousands of files."""

import json
import re
import zlib
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import codectk.bitstream
from codectk.base import errors, limits
from codectk.bitstream.chunk import Chunk, check_payload
from codectk.bitstream.header import Header
from codectk.bitstream.info import describe
from codectk.bitstream.reader import read
from codectk.bitstream.varint import encode_varint
from codectk.bitstream.writer import write

ROOM = Path(codectk.bitstream.__path__[0])
PAGE = (ROOM / "FORMAT.md").read_text(encoding="utf-8")


# ---------------------------------------------------------------- the independent reader


class Refused(Exception):
    pass


def need(condition):
    if not condition:
        raise Refused


def crc32(data):
    register = 0xFFFFFFFF
    for byte in data:
        register ^= byte
        for _ in range(8):
            register = register >> 1 ^ (0xEDB88320 if register & 1 else 0)
    return register ^ 0xFFFFFFFF


class Bytes:
    def __init__(self, data):
        self.data, self.pos = data, 0

    def take(self, count):
        need(self.pos + count <= len(self.data))
        self.pos += count
        return self.data[self.pos - count : self.pos]

    def varint(self):
        groups = []
        while not groups or groups[-1] & 0x80:
            groups += self.take(1)
            need(len(groups) <= 5)
        need(len(groups) == 1 or groups[-1] != 0)
        value = sum((group & 0x7F) << 7 * k for k, group in enumerate(groups))
        need(value < 2**32)
        return value


def read_by_the_page(data):
    """header fields as a dict, and chunks as (tag number, critical, payload, bytes in file)."""
    need(len(data) <= 1073741824)
    src = Bytes(data)
    need(src.take(3) == bytes.fromhex("c7544b"))
    byte = src.take(1)[0]
    need(byte >> 4 == 1 and byte & 0b1100 == 0)
    table = ["segpic", "egic", "hsc", "sgc"]
    number = src.take(1)[0]
    needs = []
    if number in (0, 255):
        codec, dist = src.take(src.varint()).decode("latin-1"), ""
        need(len(codec) <= 64 and re.fullmatch("[a-z0-9]|[a-z0-9][a-z0-9._-]*[a-z0-9]", codec))
        count = 1
        if number == 255:
            count = src.take(1)[0]
            need(1 <= count <= 8)
        for _ in range(count):
            row = src.take(1)[0] if number == 255 else 0
            need(row <= 4)
            dist = f"codectk-{table[row - 1]}" if row else src.take(src.varint()).decode("latin-1")
            need(len(dist) <= 64 and re.fullmatch("[A-Za-z0-9]|[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]", dist))
            needs.append(dist)
        if number == 255:
            need(len(set(needs)) == count)
            dist = ""
        else:
            needs = []
    else:
        need(number <= 4)
        codec = table[number - 1]
        dist = "codectk-" + codec
    weights = src.take(4)
    width, height = src.varint(), src.varint()
    need(1 <= width <= 65535 and 1 <= height <= 65535 and width * height <= 200000000)
    mask = src.take(1)[0]
    need(mask < 64)
    table = [
        ("quality", 100, 10000), ("seed", 1, 4294967295), ("steps", 1, 1000),
        ("strength", 1000, 1000), ("guidance", 100, 10000), ("realism", 1000, 1000),
    ]  # fmt: skip
    knobs = {}
    for bit, (name, scale, largest) in enumerate(table):
        if mask & 1 << bit:
            value = src.varint()
            need(value <= largest)
            knobs[name] = value if scale == 1 else value / scale
    covered = data[: src.pos]
    chunks, last, edits, tiles = [], False, {}, None
    while not last:
        begin = src.pos
        head = src.take(1)[0]
        last = head & 0x80 != 0
        length = len(data) - 4 - src.pos if last else src.varint()
        need(length >= 0)
        payload = src.take(length)
        covered += data[begin : src.pos]
        need(src.take(4) == crc32(covered).to_bytes(4, "little"))
        tag, critical = head & 31, head & 32 != 0
        need(head & 64 == 0)
        earlier = [chunk[0] for chunk in chunks]
        if tag == 0:
            need(critical and length >= 3)
        elif tag in (1, 2, 3, 5, 6, 7):
            need(critical == (tag in (1, 3, 5)) and length >= 1 and tag not in earlier and 0 not in earlier)
            need(tag == 1 or length <= 16777216)
            if tag == 3:
                need(2 <= length <= 4096)
                edits = edits_by_the_page(payload)
            if tag == 5:
                tiles = tiles_by_the_page(payload, width, height)
        else:
            need(not critical and length <= 16777216)
        chunks.append((tag, critical, payload, src.pos - begin))
        need(len(chunks) <= 4096)
    need(src.pos == len(data) and any(chunk[0] == 0 for chunk in chunks))
    if tiles is not None:
        behind = chunks[[chunk[0] for chunk in chunks].index(5) + 1 :]
        need(all(chunk[0] == 0 for chunk in behind))
        need([(len(chunk[2]), crc32(chunk[2])) for chunk in behind] == tiles)
    fields = {
        "codec": codec, "distribution": dist, "version": byte >> 4, "width": width, "height": height,
        "weights": weights, "portable": byte & 1 != 0, "grey": byte & 2 != 0, "knobs": knobs, "needs": tuple(needs),
        "edits": edits,
    }  # fmt: skip
    return fields, chunks


def edits_by_the_page(payload):
    src, edits = Bytes(payload), {}
    while src.pos < len(payload):
        letters = []
        while not letters or letters[-1] < 0x80:
            letters += src.take(1)
        name = "".join(chr(letter & 0x7F) for letter in letters)
        need(re.fullmatch("[a-z][a-z0-9_]{0,31}", name) and all(earlier < name for earlier in edits))
        amount = src.varint()
        need(1 <= amount <= 2 * 65536)
        edits[name] = (amount + 1) // 2 / 64 if amount % 2 else -amount // 2 / 64
    need(edits)
    return edits


def metadata_by_the_page(tag, payload):
    """Whether a reader shows what is in EXIF (6) or XMPP (7)."""
    stream = zlib.decompressobj()
    try:
        plain = stream.decompress(payload)
        fits = plain[:4] in (b"II*\0", b"MM\0*") if tag == 6 else plain.decode("utf-8")
    except (zlib.error, UnicodeDecodeError):
        return False
    return bool(fits) and stream.eof and not stream.unused_data and 1 <= len(plain) <= 16777216


def tiles_by_the_page(payload, width, height):
    """Length and check of each tile."""
    src = Bytes(payload)
    w, h, v = src.varint(), src.varint(), src.varint()
    need(w >= 64 and h >= 64 and 2 * v <= min(w, h))

    def count(length, side):
        start, n = 0, 1
        while start + side < length:
            start, n = start + side - v, n + 1
        return n

    total = count(width, w) * count(height, h)
    need(2 <= total < 2048)
    tiles = []
    while src.pos < len(payload):
        length = src.varint()
        need(3 <= length <= 1073741824)
        tiles.append((length, int.from_bytes(src.take(4), "little")))
    need(len(tiles) == total)
    return tiles


# ---------------------------------------------------------------- the examples on the page


def blocks(kind):
    return re.findall(rf"^```{kind}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def unhex(text):
    return bytes.fromhex("".join(line.partition("|")[0] for line in text.splitlines()))


EXAMPLES = list(zip(map(unhex, blocks("ctk")), map(json.loads, blocks("json")), strict=True))
REFUSED = [line.split("|") for line in "".join(blocks("refuse")).splitlines()]


def test_the_page_has_its_examples():
    assert len(EXAMPLES) >= 3
    assert len(REFUSED) >= 20
    for link in re.findall(r"\]\((.*?)\)", PAGE):
        assert (ROOM / link).is_file()


@pytest.mark.parametrize(("data", "expected"), EXAMPLES)
def test_examples_are_decoded_as_the_page_says(data, expected):
    assert describe(data).to_json() == expected


@pytest.mark.parametrize(("data", "expected"), EXAMPLES)
def test_examples_are_what_the_writer_writes(data, expected):
    found = read(data)
    assert write(found.header, found.chunks) == data


@pytest.mark.parametrize(("data", "expected"), EXAMPLES)
def test_examples_are_decoded_by_the_independent_reader(data, expected):
    fields, chunks = read_by_the_page(data)
    for ours, theirs in [("distribution", "codec_distribution"), ("version", "format_version")]:
        assert fields.pop(ours) == expected[theirs]
    needs = fields.pop("needs")
    assert list(needs) == expected["needs"]
    assert expected["install"] == "pip install " + " ".join(needs or [expected["codec_distribution"]])
    assert fields.pop("weights").hex() == (expected["weights_hash"] or "00000000")
    assert fields == {name: expected[name] for name in fields}
    assert [(chunk[3], chunk[1]) for chunk in chunks] == [(c["bytes"], c["critical"]) for c in expected["chunks"]]


@pytest.mark.parametrize(("text", "remark"), REFUSED, ids=[remark.strip() for _, remark in REFUSED])
def test_what_the_page_refuses(text, remark):
    name = remark.partition(":")[0].strip()
    with pytest.raises(errors.BitstreamError) as caught:
        read(bytes.fromhex(text))
    assert type(caught.value).__name__ == name
    with pytest.raises(Refused):
        read_by_the_page(bytes.fromhex(text))


def test_the_smallest_file_is_the_one_the_page_names():
    data = bytes.fromhex(re.search(r"smallest file: `([0-9a-f ]+)`", PAGE)[1])
    assert write(Header("egic", "codectk-egic", 1, 1), [Chunk.of("LATS", b"\x01\x02\x03")]) == data


def test_varint_examples():
    listed = re.search(r"Examples: (.*)\.$", PAGE, re.MULTILINE)[1]
    pairs = re.findall(r"(\d+) is `([0-9a-f ]+)`", listed)
    assert len(pairs) == 5
    for value, code in pairs:
        assert encode_varint(int(value)) == bytes.fromhex(code)


def test_check_value_of_the_crc():
    assert crc32(b"123456789") == 0xCBF43926
    assert "CBF43926" in PAGE


def test_every_error_is_on_the_page():
    tree = {errors.BitstreamError, *errors.BitstreamError.__subclasses__()}
    section = PAGE.partition("## 8. Errors")[2].partition("## 9.")[0]
    assert set(re.findall(r"^\| `(\w+)`", section, re.MULTILINE)) == {error.__name__ for error in tree}


def test_limits_on_the_page_are_those_of_the_code():
    values = [value for name, value in vars(limits).items() if name.startswith("MAX_")]
    assert len(values) == 5
    for value in values:
        assert re.search(rf"\b{value}\b", PAGE)


# ---------------------------------------------------------------- agreement far from the examples


def agree(data):
    """Both readers accept `data` with the same meaning, or both refuse it."""
    try:
        fields, chunks = read_by_the_page(data)
    except Refused:
        with pytest.raises(errors.BitstreamError):
            read(data)
        return False
    found = read(data)
    assert fields.pop("edits") == found.edits
    assert {name: getattr(found.header, name) for name in fields} == fields
    names = {0: "LATS", 1: "ALPH", 2: "ICCP", 3: "EDIT", 6: "EXIF", 7: "XMPP"}
    assert [(names.get(n, f"x{n}"), p, c, size) for n, c, p, size in chunks] == [
        (c.tag, c.payload, c.critical, size) for c, size in zip(found.chunks, found.sizes, strict=True)
    ]
    for number, _, payload, _ in chunks:
        if number in (6, 7):
            assert metadata_by_the_page(number, payload) == shown(Chunk.of(names[number], payload))
    return True


def shown(chunk):
    try:
        check_payload(chunk)
    except errors.BitstreamError:
        return False
    return True


# Each part is mostly valid, so that about every third file is, and the others break few rules at once.
ODD_VARINTS = ["8001", "8000", "ffff03", "808004", "ffffffff0f", "ffffffff1f", "e807", "e907", "904e", "914e", "00"]
SMALL = st.integers(1, 127).map(lambda value: bytes([value]))
VARINTS = st.one_of(SMALL, SMALL, SMALL, st.sampled_from(ODD_VARINTS).map(bytes.fromhex))
TEXTS = st.sampled_from([b"\x01a", b"\x03a.b", b"\x02a-", b"\x00", b"\x40" + b"a" * 64, b"\x41" + b"a" * 65, b"\x02Ab"])
NEEDS = st.one_of(st.integers(1, 4).map(lambda number: bytes([number])), TEXTS.map(lambda text: b"\x00" + text))
CODECS = st.one_of(
    st.integers(1, 4).map(lambda number: bytes([number])),
    st.integers(1, 6).map(lambda number: bytes([number])),
    st.tuples(TEXTS, TEXTS).map(lambda names: b"\x00" + names[0] + names[1]),
    st.tuples(TEXTS, st.integers(0, 3), st.lists(NEEDS, max_size=3)).map(
        lambda bundle: b"\xff" + bundle[0] + bytes([bundle[1]]) + b"".join(bundle[2])
    ),
    st.tuples(st.just(b"\x01a"), st.lists(NEEDS, min_size=1, max_size=9, unique=True)).map(
        lambda bundle: b"\xff" + bundle[0] + bytes([len(bundle[1])]) + b"".join(bundle[1])
    ),
)
KNOBS = st.one_of(st.integers(0, 3), st.integers(0, 70)).flatmap(
    lambda mask: st.lists(VARINTS, min_size=mask.bit_count(), max_size=mask.bit_count()).map(
        lambda values: bytes([mask]) + b"".join(values)
    )
)
FLAGS = st.sampled_from([0x10, 0x11, 0x12, 0x13] * 3 + [0x14, 0x20]).map(lambda byte: bytes([0xC7, 0x54, 0x4B, byte]))
ZLIB = zlib.compress(b"x")
EDIT_PARTS = [
    b"\xe1",
    b"\x61",
    b"ab\xe5",
    b"b_\xb1",
    b"\xb1",
    b"\x01",
    b"\xff\x01",
    b"\x00",
    b"\x80\x80\x08",
    b"\x81\x80\x08",
]
CHUNKS = st.one_of(
    st.tuples(st.sampled_from([0x20, 0x20, 0x20, 0x0D, 0x03]), st.binary(min_size=3, max_size=6)),
    st.tuples(st.sampled_from([0x20, 0x20, 0x20, 0x0D, 0x03]), st.binary(min_size=3, max_size=6)),
    st.tuples(st.sampled_from([0x20, 0x21, 0x02, 0x22, 0x01, 0x00, 0x2D, 0x60]), st.binary(max_size=6)),
    st.tuples(
        st.sampled_from([0x06, 0x07, 0x26]),
        st.sampled_from(
            [zlib.compress(b"II*\0"), ZLIB, ZLIB + b"y", ZLIB[:-1], zlib.compress(b"\xff"), zlib.compress(b""), b""]
        ),
    ),
    st.tuples(st.sampled_from([0x23, 0x23, 0x03]), st.lists(st.sampled_from(EDIT_PARTS), max_size=5).map(b"".join)),
)


@settings(max_examples=300, deadline=None)
@given(
    st.tuples(FLAGS, CODECS, st.binary(min_size=4, max_size=4), VARINTS, VARINTS, KNOBS),
    st.lists(CHUNKS, max_size=3),
    CHUNKS,
)
def test_both_readers_agree_on_files_whose_checks_fit(header, middle, end):
    covered = data = b"".join(header)
    for head, payload, last in [(*chunk, False) for chunk in middle] + [(*end, True)]:
        part = bytes([head | 0x80]) + payload if last else bytes([head, len(payload)]) + payload
        covered += part
        data += part + crc32(covered).to_bytes(4, "little")
    agree(data)


@settings(max_examples=200, deadline=None)
@given(
    st.integers(1, 65535), st.integers(1, 3000), st.lists(st.binary(min_size=3, max_size=200), min_size=1, max_size=4),
    st.one_of(st.none(), st.binary(min_size=1, max_size=200)), st.integers(0, 10000), st.booleans(),
)  # fmt: skip
def test_both_readers_agree_on_written_files(width, height, slices, icc, quality, grey):
    header = Header("toy", "Toy", width, height, knobs={"quality": quality / 100, "seed": width}, grey=grey)
    chunks = [Chunk.of("LATS", data) for data in slices] + ([] if icc is None else [Chunk.of("ICCP", icc)])
    assert agree(write(header, chunks))


@settings(deadline=None)
@given(st.sampled_from([data for data, _ in EXAMPLES]), st.integers(0, 10**6), st.integers(1, 255))
def test_both_readers_refuse_damage(data, place, mask):
    damaged = bytearray(data)
    damaged[place % len(data)] ^= mask
    assert not agree(bytes(damaged))
