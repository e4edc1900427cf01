"""Inputs are read once, whatever they are, and no further than their limit."""

from __future__ import annotations

import io
import os
from pathlib import Path

import pytest

from codectk.base.errors import InputError, LimitError, UsageError
from codectk.base.inputs import read_bytes


def test_all_kinds(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    for data in (b"12345", bytearray(b"12345"), memoryview(b"12345"), path, str(path), io.BytesIO(b"12345")):
        assert bytes(read_bytes(data, 5)) == b"12345"
    with path.open("rb") as file:
        file.seek(2)
        assert read_bytes(file, 5) == b"345"
    with path.open("rb", buffering=0) as file:
        assert read_bytes(file, 5) == b"12345"


def test_a_pipe(tmp_path: Path):
    read, write = os.pipe()
    os.write(write, b"12345")
    os.close(write)
    assert read_bytes(f"/dev/fd/{read}", 5) == b"12345"
    os.close(read)


def test_limits(tmp_path: Path):
    path = tmp_path / "x"
    path.write_bytes(b"12345")
    for data in (path, io.BytesIO(b"12345")):
        with pytest.raises(LimitError, match="the most"):
            read_bytes(data, 4)


def test_what_cannot_be_read(tmp_path: Path):
    with pytest.raises(InputError, match="No such file"):
        read_bytes(tmp_path / "missing", 9)
    with pytest.raises(InputError, match="Is a directory"):
        read_bytes(tmp_path, 9)
    with pytest.raises(InputError, match="null"):
        read_bytes("a\0b", 9)
    for wrong in ("", 3, None, io.StringIO("text")):
        with pytest.raises(UsageError):
            read_bytes(wrong, 9)
