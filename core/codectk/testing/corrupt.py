"""Damaged and forged files, made from a good one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from codectk.bitstream.chunk import LATENTS, Chunk
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write


def flips(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every single bit turned, and every byte turned over whole.

    Yields:
        What was done, and the damaged file.
    """
    for place in range(len(data)):
        for mask in (1, 2, 4, 8, 16, 32, 64, 128, 255):
            damaged = bytearray(data)
            damaged[place] ^= mask
            yield f"byte {place} ^ {mask:#04x}", bytes(damaged)


def cuts(data: bytes) -> Iterator[tuple[str, bytes]]:
    """Every shorter length, and one byte too many."""
    for length in range(len(data)):
        yield f"cut to {length} bytes", data[:length]
    yield "one byte appended", data + b"\x00"


def forged_payloads(data: bytes, count: int) -> Iterator[tuple[str, bytes]]:
    """Files whose checks are right but whose latents are not those that were encoded.

    Args:
        data: a good file.
        count: how many places of the payload to turn, spread evenly from the first byte to the last.
    """
    payload = read(data).payloads(LATENTS)[0]
    for place in sorted({round(i * (len(payload) - 1) / max(count - 1, 1)) for i in range(count)}):
        turned = bytearray(payload)
        turned[place] ^= 0x55
        yield f"payload byte {place} of {len(payload)} forged", with_payload(data, bytes(turned))
    yield "payload cut in half", with_payload(data, payload[: len(payload) // 2 + 2])
    yield "payload grown", with_payload(data, payload + b"\x01\x02\x03\x04")


def with_payload(data: bytes, payload: bytes) -> bytes:
    """The same file with other latents and right checks."""
    container = read(data)
    others = [chunk for chunk in container.chunks if chunk.tag != LATENTS]
    return write(container.header, [*others, Chunk.of(LATENTS, payload)])


def with_weights(data: bytes, weights: bytes) -> bytes:
    """The same file naming other weights (4 bytes), with right checks."""
    container = read(data)
    return write(replace(container.header, weights=weights), container.chunks)
