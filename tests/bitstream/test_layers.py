"""Files whose end is missing: which part is used, and what is said about the rest."""

import pytest

from codectk.base.errors import ChecksumError, TruncatedError
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.header import Header, pack
from codectk.bitstream.layers import layers_of, read_layers, read_whole
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write

HEADER = Header("hsc", "codectk-hsc", 256, 256, b"\1\2\3\4")
PAYLOADS = [b"base.", b"one..", b"two..", b"three"]
DATA = write(HEADER, [Chunk.of("ICCP", b"profile"), *(Chunk.of("LATS", payload) for payload in PAYLOADS)])
ENDS = [len(pack(HEADER)) + sum(read(DATA).sizes[: count + 1]) for count in range(1, 5)]
"""Where the base layer ends, and each layer after it."""


def test_a_whole_file():
    for layers in (None, 0, 2, 9):
        assert read_layers(DATA, layers) == read(DATA)
    assert layers_of(read_whole(DATA)) == 3


@pytest.mark.parametrize("whole", [0, 1, 2])
@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_a_cut_between_layers(whole, kind):
    data = kind(DATA)[: ENDS[whole]]
    for layers in (None, 0, 9):
        container = read_layers(data, layers)
        assert not container.complete and layers_of(container) == whole
        assert container.payloads("LATS") == tuple(PAYLOADS[: whole + 1])
        assert container.payloads("ICCP") == (b"profile",)
    with pytest.raises(
        TruncatedError, match="incomplete: it is cut behind " + ("the base layer", "layer 1", "layer 2")[whole]
    ):
        read_whole(data)


@pytest.mark.parametrize("cut", [cut for cut in range(ENDS[0] + 1, len(DATA)) if cut not in ENDS])
def test_every_cut_within_a_layer(cut):
    whole = sum(end < cut for end in ENDS) - 1
    for layers in range(whole + 1):
        assert layers_of(read_layers(DATA[:cut], layers)) == whole
    for layers in (None, whole + 1, 9):
        with pytest.raises(TruncatedError, match=f"within layer {whole + 1}; .* whole, and --layers {whole} decodes"):
            read_layers(DATA[:cut], layers)
    with pytest.raises(TruncatedError, match="incomplete"):
        read_whole(DATA[:cut])


@pytest.mark.parametrize("cut", range(ENDS[0]))
def test_before_the_base_layer_is_whole_nothing_is_used(cut):
    with pytest.raises(TruncatedError):
        read_layers(DATA[:cut], 0)


def test_damage_is_no_cut():
    for place in range(len(pack(HEADER)), ENDS[2]):
        damaged = bytearray(DATA)
        damaged[place] ^= 1
        with pytest.raises((ChecksumError, TruncatedError)):
            read_layers(damaged)
    damaged = bytearray(DATA)
    damaged[ENDS[0] - 1] ^= 1
    with pytest.raises(ChecksumError):
        read_layers(damaged, 0)


def test_files_without_layers_are_refused_as_ever():
    data = write(HEADER, [Chunk.of("ICCP", b"profile"), Chunk.of("LATS", b"latents")])
    for cut in range(len(data)):
        for reader in (read_whole, read_layers, lambda data: read_layers(data, 0)):
            with pytest.raises((TruncatedError, ChecksumError)) as ours:
                reader(data[:cut])
            with pytest.raises(type(ours.value)) as theirs:
                read(data[:cut])
            assert str(ours.value) == str(theirs.value)
