"""`info` tells everything without a plugin and without a heavy import."""

import json
import subprocess
import sys

import pytest

from codectk.base.errors import ChecksumError, NotCtkError, TruncatedError
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.edits import pack_edits
from codectk.bitstream.header import Header
from codectk.bitstream.info import describe
from codectk.bitstream.writer import write

HEADER = Header("egic", "codectk-egic", 640, 480, bytes.fromhex("00c0ffee"), {"quality": 12.34, "seed": 7}, grey=True)
CHUNKS = [
    Chunk.of("LATS", bytes(3 + 100)),
    Chunk.of("ICCP", bytes(30)),
    Chunk.of("EDIT", pack_edits({"smile": -0.5, "glasses": 1})),
    Chunk.of("LATS", bytes(3)),
]


def test_describe():
    data = write(HEADER, CHUNKS)
    info = describe(data)
    assert info.to_json() == {
        "codec": "egic",
        "codec_distribution": "codectk-egic",
        "needs": [],
        "install": "pip install codectk-egic",
        "format_version": 1,
        "width": 640,
        "height": 480,
        "bytes": len(data),
        "bpp": len(data) * 8 / (640 * 480),
        "overhead_bytes": len(data) - 100,
        "weights_hash": "00c0ffee",
        "portable": False,
        "grey": True,
        "knobs": {"quality": 12.34, "seed": 7},
        "edits": {"glasses": 1.0, "smile": -0.5},
        "layers": [109, 8],
        "tiles": None,
        "complete": True,
        "chunks": [
            {"tag": "ICCP", "bytes": 36, "critical": False, "check": "ok"},
            {"tag": "EDIT", "bytes": 20, "critical": True, "check": "ok"},
            {"tag": "LATS", "bytes": 109, "critical": True, "check": "ok"},
            {"tag": "LATS", "bytes": 8, "critical": True, "check": "ok"},
        ],
    }
    assert json.loads(json.dumps(info.to_json())) == info.to_json()


def test_another_codec_and_no_weights():
    info = describe(write(Header("toy", "somebodys-toy", 1, 1), [Chunk.of("LATS", b"abc")]))
    assert (info.codec, info.install, info.weights_hash) == ("toy", "pip install somebodys-toy", "")
    assert info.bpp == info.bytes * 8


def test_a_bundle():
    header = Header("crisp", "", 8, 8, bytes.fromhex("00c0ffee"), needs=("codectk-segpic", "My_Toy"))
    info = describe(write(header, [Chunk.of("LATS", b"abc")]))
    assert (info.codec, info.codec_distribution, info.needs) == ("crisp", "", ("codectk-segpic", "My_Toy"))
    assert info.install == "pip install codectk-segpic My_Toy" and info.weights_hash == "00c0ffee"


def test_a_damaged_file_is_not_described():
    for chunks, place in [(CHUNKS, 60), (CHUNKS[:3], -1)]:
        data = bytearray(write(HEADER, chunks))
        data[place] ^= 1
        with pytest.raises(ChecksumError):
            describe(data)
    with pytest.raises(NotCtkError):
        describe(b"\x89PNG\r\n\x1a\n")


def test_of_a_file_whose_end_is_missing_the_whole_layers_are_described():
    data = write(HEADER, CHUNKS)
    for cut in (data[:-8], data[:-1], data[:-8] + b"\xa0" + bytes(7), data[:-8] + b"\x20"):
        info = describe(cut)
        assert (info.complete, info.layers, info.bytes) == (False, (109,), len(cut))
        assert info.overhead_bytes == len(data) - 8 - 100
        assert info.edits == {"glasses": 1.0, "smile": -0.5}
    for cut in (data[:-9], data[:60], data[:8]):
        with pytest.raises(TruncatedError):
            describe(cut)


def test_the_room_needs_only_the_standard_library_and_base():
    code = """
import importlib, json, pkgutil, sys
before = set(sys.modules)
import codectk.bitstream
for module in pkgutil.iter_modules(codectk.bitstream.__path__):
    importlib.import_module("codectk.bitstream." + module.name)
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    new = json.loads(run.stdout)
    assert "codectk.bitstream.info" in new
    tops = {name.partition(".")[0] for name in new}
    assert tops - set(sys.stdlib_module_names) == {"codectk"}
    allowed = {"bitstream", "base"}
    assert {name.split(".")[1] for name in new if name.startswith("codectk.")} == allowed
