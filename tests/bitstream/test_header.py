"""The header: round trips, names, limits."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, FormatVersionError, LimitError, NotCtkError, TruncatedError, UsageError
from codectk.base.limits import MAX_PIXELS, MAX_SIDE
from codectk.bitstream.codecs import KNOWN, distribution_of, number_of
from codectk.bitstream.header import Header, pack, unpack
from codectk.bitstream.varint import encode_varint

NAMES = st.from_regex(r"[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?", fullmatch=True)
SIZES = st.tuples(st.integers(1, MAX_SIDE), st.integers(1, MAX_SIDE)).filter(lambda s: s[0] * s[1] <= MAX_PIXELS)
HEADERS = st.builds(
    lambda names, size, weights, quality, portable, grey: Header(
        *names, *size, weights, {} if quality is None else {"quality": quality / 100}, portable, grey
    ),
    st.one_of(st.tuples(NAMES, NAMES), st.sampled_from(list(KNOWN.values())).map(lambda c: (c, f"codectk-{c}"))),
    SIZES,
    st.binary(min_size=4, max_size=4),
    st.one_of(st.none(), st.integers(0, 10_000)),
    st.booleans(),
    st.booleans(),
)
PLAIN = Header("segpic", "codectk-segpic", 768, 512, b"\x01\x02\x03\x04", {"quality": 50.0})


@settings(deadline=None)
@given(HEADERS, st.binary(max_size=4))
def test_round_trip(header, rest):
    data = pack(header)
    assert unpack(data + rest) == (header, len(data))


@settings(deadline=None)
@given(HEADERS)
def test_every_cut_is_truncated(header):
    data = pack(header)
    for end in range(len(data)):
        with pytest.raises(TruncatedError) as caught:
            unpack(data[:end])
        assert caught.value.offset == end


def test_a_common_header_takes_16_bytes_or_less():
    assert len(pack(PLAIN)) == 16
    assert len(pack(Header("egic", "codectk-egic", 16383, 16383 // 2, b"abcd", {"quality": 99.99}))) == 16


@pytest.mark.parametrize(("number", "codec"), KNOWN.items())
def test_known_codecs_take_one_byte(number, codec):
    assert (number_of(codec), distribution_of(codec)) == (number, f"codectk-{codec}")
    data = pack(Header(codec, f"codectk-{codec}", 1, 1))
    assert data[4] == number
    assert len(data) == 12


def test_numbers_never_change():
    assert dict(KNOWN) == {1: "segpic", 2: "egic", 3: "hsc", 4: "sgc"}


def test_a_known_codec_from_elsewhere_keeps_its_distribution():
    header = Header("segpic", "another-segpic", 1, 1)
    assert unpack(pack(header))[0] == header
    assert (number_of("toy"), distribution_of("toy")) == (None, None)


def test_names_that_have_a_number_are_read_as_text_too():
    text = b"\x03hsc\x0bcodectk-hsc"
    header, _ = unpack(b"\xc7TK\x10\x00" + text + bytes(4) + b"\x01\x01\x00")
    assert header == Header("hsc", "codectk-hsc", 1, 1)


@pytest.mark.parametrize(
    ("codec", "distribution"),
    [
        ("", "a"), ("a", ""), ("A", "a"), ("a b", "a"), ("a", "a b"), ("a", "-a"), ("a", "a-"), (".a", "a"),
        ("ä", "a"), ("a", "ä"), ("a\n", "a"), ("a", "a\n"), ("a" * 65, "a"), ("a", "a" * 65), ("a", "\ud800"),
        ("a", "a;b"), ("a", "a\0"),
    ],
)  # fmt: skip
def test_other_names_are_refused_both_ways(codec, distribution):
    with pytest.raises(BitstreamError):
        pack(Header(codec, distribution, 1, 1))
    names = [name.encode(errors="surrogatepass") for name in (codec, distribution)]
    text = b"".join(bytes([len(name)]) + name for name in names)
    with pytest.raises(BitstreamError) as caught:
        unpack(b"\xc7TK\x10\x00" + text + bytes(4) + b"\x01\x01\x00")
    assert type(caught.value) is BitstreamError
    assert caught.value.offset is not None


@pytest.mark.parametrize(
    ("width", "height", "error"),
    [
        (0, 1, BitstreamError), (1, 0, BitstreamError), (MAX_SIDE + 1, 1, LimitError), (1, MAX_SIDE + 1, LimitError),
        (20_000, 10_001, LimitError), (2**32 - 1, 2**32 - 1, LimitError),
    ],
)  # fmt: skip
def test_sizes_beyond_the_limits(width, height, error):
    with pytest.raises(error):
        pack(Header("hsc", "codectk-hsc", width, height))
    with pytest.raises(error) as caught:
        unpack(b"\xc7TK\x10\x03" + bytes(4) + encode_varint(width) + encode_varint(height) + b"\x00")
    assert caught.value.offset == 9


def test_the_largest_sizes_are_accepted():
    for size in [(MAX_SIDE, 1), (1, MAX_SIDE), (20_000, 10_000)]:
        assert unpack(pack(Header("hsc", "codectk-hsc", *size)))[0].width == size[0]


@pytest.mark.parametrize("version", [v for v in range(16) if v != 1])
def test_other_versions(version):
    with pytest.raises(FormatVersionError):
        unpack(bytes([0xC7, 0x54, 0x4B, version << 4, 1]))
    with pytest.raises(FormatVersionError):
        pack(Header("hsc", "codectk-hsc", 1, 1, version=version))


@pytest.mark.parametrize("front", [b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff\xe0", b"TK\xc7", b"\xc7TJ", b"\xc7t", b"x"])
def test_other_kinds_of_files(front):
    with pytest.raises(NotCtkError):
        unpack(front)


@pytest.mark.parametrize("number", [0xFE, len(KNOWN) + 1])
def test_unknown_codec_numbers(number):
    with pytest.raises(FormatVersionError):
        unpack(b"\xc7TK\x10" + bytes([number]) + bytes(4) + b"\x01\x01\x00")


BUNDLE = Header("crisp", "", 768, 512, b"\x01\x02\x03\x04", needs=("codectk-segpic", "codectk-egic"))


def test_a_bundle_costs_its_name_and_a_byte_per_known_plugin():
    data = pack(BUNDLE)
    assert data[4:13] == b"\xff\x05crisp\x02\x01"
    assert unpack(data) == (BUNDLE, len(data))
    assert len(data) == len(pack(replace(PLAIN, knobs={}))) + 2 + len("crisp") + 2
    foreign = replace(BUNDLE, needs=("codectk-egic", "My_Toy"))
    assert pack(foreign)[11:21] == b"\x02\x02\x00\x06My_Toy"
    assert unpack(pack(foreign))[0] == foreign


def test_every_cut_of_a_bundles_header_is_truncated():
    data = pack(replace(BUNDLE, needs=("codectk-egic", "My_Toy")))
    for end in range(len(data)):
        with pytest.raises(TruncatedError) as caught:
            unpack(data[:end])
        assert caught.value.offset == end


@pytest.mark.parametrize(
    "changes",
    [
        {"needs": ("a", "a")}, {"needs": tuple("abcdefghi")}, {"needs": ("-rf",)}, {"needs": ("a b",)},
        {"needs": ("\ud800",)}, {"codec": "Crisp"}, {"codec": ""}, {"distribution": "codectk-segpic"},
    ],
)  # fmt: skip
def test_bundles_that_cannot_be_written(changes):
    with pytest.raises(BitstreamError):
        pack(replace(BUNDLE, **changes))


@pytest.mark.parametrize("flags", [4, 8, 12, 7])
def test_reserved_flags(flags):
    with pytest.raises(FormatVersionError):
        unpack(bytes([0xC7, 0x54, 0x4B, 0x10 | flags, 1]) + bytes(4) + b"\x01\x01\x00")


def test_fields_that_cannot_be_written():
    with pytest.raises(BitstreamError):
        pack(Header("hsc", "codectk-hsc", 1, 1, weights=b"abc"))
    with pytest.raises(UsageError):
        pack(Header("hsc", "codectk-hsc", 1, 1, knobs={"quality": 101}))


@pytest.mark.parametrize("length", ["41", "ffffffff0f"])
def test_a_long_name_is_refused_by_its_length_alone(length):
    with pytest.raises(BitstreamError) as caught:
        unpack(b"\xc7TK\x10\x00" + bytes.fromhex(length) + b"a" * 50)
    assert type(caught.value) is BitstreamError
    assert caught.value.offset == 5


@pytest.mark.parametrize(("kept", "part"), [(4, "codec"), (8, "weights"), (9, "number"), (10, "number"), (11, "knobs")])
def test_a_cut_header_says_what_is_missing(kept, part):
    with pytest.raises(TruncatedError, match=part):
        unpack(pack(Header("hsc", "codectk-hsc", 1, 1))[:kept])
