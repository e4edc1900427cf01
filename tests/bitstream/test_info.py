"""`info` tells everything without a plugin and without a heavy import."""

import json
import subprocess
import sys

import pytest

from codectk.base.errors import ChecksumError, NotCtkError
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.header import Header
from codectk.bitstream.info import describe
from codectk.bitstream.writer import write

HEADER = Header("egic", "codectk-egic", 640, 480, bytes.fromhex("00c0ffee"), {"quality": 12.34, "seed": 7}, grey=True)
CHUNKS = [Chunk.of("LATS", bytes(3 + 100)), Chunk.of("ICCP", bytes(30)), Chunk.of("LATS", bytes(3))]


def test_describe():
    data = write(HEADER, CHUNKS)
    info = describe(data)
    assert info.to_json() == {
        "codec": "egic",
        "codec_distribution": "codectk-egic",
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
        "chunks": [
            {"tag": "ICCP", "bytes": 36, "critical": False, "check": "ok"},
            {"tag": "LATS", "bytes": 109, "critical": True, "check": "ok"},
            {"tag": "LATS", "bytes": 8, "critical": True, "check": "ok"},
        ],
    }
    assert json.loads(json.dumps(info.to_json())) == info.to_json()


def test_another_codec_and_no_weights():
    info = describe(write(Header("toy", "somebodys-toy", 1, 1), [Chunk.of("LATS", b"abc")]))
    assert (info.codec, info.install, info.weights_hash) == ("toy", "pip install somebodys-toy", "")
    assert info.bpp == info.bytes * 8


def test_a_damaged_file_is_not_described():
    data = bytearray(write(HEADER, CHUNKS))
    data[-1] ^= 1
    with pytest.raises(ChecksumError):
        describe(data)
    with pytest.raises(NotCtkError):
        describe(b"\x89PNG\r\n\x1a\n")


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
