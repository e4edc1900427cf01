"""The one form of zip file that a bundle may have: members stored as they are, one way to write each byte of it.

Any unzip program opens such a file. The reader here accepts it and nothing else, so no two readers can disagree about
what is inside, and nothing a file claims is believed before it was compared with the file's size.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import BinaryIO

from codectk.base.errors import WeightsError

SIGNATURE = b"PK\x03\x04"
"""First bytes of every zip file with members."""

MAX_BYTES = 0xFFFF_FFFF
"""Largest file in bytes; beyond it zip needs another layout."""

_LOCAL = struct.Struct("<4s5H3I2H")  # signature; version, flags, method, time, date; crc, stored, size; name, extra
_CENTRAL = struct.Struct("<4s6H3I5H2I")  # as above with "made by" in front; comment, disk, attributes, offset behind
_END = struct.Struct("<4s4H2IH")  # signature; disks and members; directory's size, its offset; comment
_VERSION, _DATE = 20, 1 << 5 | 1  # PKZIP 2.0; 1 January 1980, the earliest date zip knows
_BLOCK = 1 << 20


@dataclass(frozen=True)
class Member:
    """Where a member's bytes lie: `size` bytes from `start`, whose CRC-32 the archive says is `crc`."""

    name: str
    start: int
    size: int
    crc: int

    @property
    def _front(self) -> int:
        """Offset of its local header."""
        return self.start - len(self.name) - _LOCAL.size

    def local(self) -> bytes:
        """Its local header."""
        fields = (_VERSION, 0, 0, 0, _DATE, self.crc, self.size, self.size, len(self.name), 0)
        return _LOCAL.pack(SIGNATURE, *fields) + self.name.encode("ascii")

    def central(self) -> bytes:
        """Its entry of the directory."""
        fields = (_VERSION, 0, 0, 0, _DATE, self.crc, self.size, self.size, len(self.name), 0, 0, 0, 0, 0, self._front)
        return _CENTRAL.pack(b"PK\x01\x02", _VERSION, *fields) + self.name.encode("ascii")


def write_members(file: BinaryIO, members: Mapping[str, BinaryIO]) -> None:
    """Write an archive.

    Args:
        file: empty, seekable.
        members: readers by name (ASCII), in their order.

    Raises:
        WeightsError: it would be larger than `MAX_BYTES`.
    """
    written: list[Member] = []
    for name, reader in members.items():
        front = file.tell()
        start = front + _LOCAL.size + len(name)
        file.seek(start)
        size = crc = 0
        while block := reader.read(_BLOCK):
            file.write(block)
            size, crc = size + len(block), zlib.crc32(block, crc)
            _check_total(start + size)
        member = Member(name, start, size, crc)
        file.seek(front)
        file.write(member.local())
        file.seek(start + size)
        written.append(member)
    directory = _directory(written)
    _check_total(file.tell() + len(directory))
    file.write(directory)


def read_members(file: BinaryIO, total: int, most: Mapping[str, int], what: str) -> tuple[Member, ...]:
    """Find the members of an archive. Reads their headers and the directory, a few hundred bytes.

    Args:
        file: the archive, at its start.
        total: its size in bytes.
        most: the names it must have, in this order, with the largest size of each in bytes.
        what: how to call the file in messages.

    Raises:
        WeightsError: it is cut, or has any other form than `write_members` gives.
    """
    members: list[Member] = []
    at = 0
    for name, limit in most.items():
        file.seek(at)
        member = _member(file.read(_LOCAL.size + len(name)), name, at, what)
        if member.size > limit:
            raise WeightsError(f"{what}: {name} has {member.size:,} bytes, the most is {limit:,}.")
        at = member.start + member.size
        if at > total:
            raise WeightsError(f"{what} is cut within {name}.")
        members.append(member)
    directory = _directory(members)
    file.seek(at)
    rest = file.read(len(directory) + 1)
    if len(rest) < len(directory) and directory.startswith(rest):
        raise WeightsError(f"{what} is cut within its directory.")
    if rest != directory or at + len(rest) != total:
        raise WeightsError(f"{what} holds more than {', '.join(most)}, or was packed by another program.")
    return tuple(members)


def read_member(file: BinaryIO, member: Member, what: str) -> bytes:
    """A small member's bytes, verified.

    Raises:
        WeightsError: they are damaged.
    """
    file.seek(member.start)
    data = file.read(member.size)
    if len(data) != member.size or zlib.crc32(data) != member.crc:
        raise WeightsError(f"{what} is damaged: the check of {member.name} does not fit.")
    return data


def copy_member(file: BinaryIO, member: Member, target: BinaryIO | None, what: str) -> None:
    """Verify a member of any size, and copy it if there is a target.

    Raises:
        WeightsError: it is damaged; what was copied is then worthless.
    """
    file.seek(member.start)
    left, crc = member.size, 0
    while left and (block := file.read(min(left, _BLOCK))):
        left, crc = left - len(block), zlib.crc32(block, crc)
        if target is not None:
            target.write(block)
    if left or crc != member.crc:
        raise WeightsError(f"{what} is damaged: the check of {member.name} does not fit.")


def _member(front: bytes, name: str, at: int, what: str) -> Member:
    if front[:4] != SIGNATURE[: len(front)] or not front:
        raise WeightsError(f"{what} is not a bundle." if at == 0 else f"{what} lacks {name}, or is damaged or cut.")
    if len(front) < _LOCAL.size + len(name):
        raise WeightsError(f"{what} is cut before {name}.")
    _, version, flags, method, time, date, crc, stored, size, length, extra = _LOCAL.unpack_from(front)
    if front[_LOCAL.size :] != name.encode("ascii") or length != len(name):
        found = front[_LOCAL.size : _LOCAL.size + length].decode("ascii", "replace")
        raise WeightsError(f"{what} has {found!r} where {name} belongs.")
    if method or stored != size:
        raise WeightsError(f"{what}: {name} is compressed; in a bundle it lies as it is.")
    if (version, flags, time, date, extra) != (_VERSION, 0, 0, _DATE, 0):
        raise WeightsError(f"{what} was packed by another program: the header of {name} is not as it must be.")
    return Member(name, at + len(front), size, crc)


def _directory(members: list[Member]) -> bytes:
    entries = b"".join(member.central() for member in members)
    at = members[-1].start + members[-1].size
    return entries + _END.pack(b"PK\x05\x06", 0, 0, len(members), len(members), len(entries), at, 0)


def _check_total(total: int) -> None:
    if total > MAX_BYTES:
        raise WeightsError(f"A bundle has at most {MAX_BYTES:,} bytes.")
