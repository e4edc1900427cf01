"""Damaged and forged files, made from a good one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

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
        count: how many places of each layer's payload to turn, spread evenly from the first byte to the last.
    """
    for layer, payload in enumerate(read(data).payloads(LATENTS)):
        of = f"of layer {layer} " if layer else ""
        for place in sorted({round(i * (len(payload) - 1) / max(count - 1, 1)) for i in range(count)}):
            turned = bytearray(payload)
            turned[place] ^= 0x55
            yield f"payload byte {place} {of}of {len(payload)} forged", with_payload(data, bytes(turned), layer)
        yield f"payload {of}cut in half", with_payload(data, payload[: len(payload) // 2 + 2], layer)
        yield f"payload {of}grown", with_payload(data, payload + b"\x01\x02\x03\x04", layer)


def with_payload(data: bytes, payload: bytes, layer: int = 0) -> bytes:
    """The same file with other latents of one layer (0 is the base) and right checks."""
    container = read(data)
    payloads = list(container.payloads(LATENTS))
    payloads[layer] = payload
    others = [chunk for chunk in container.chunks if chunk.tag != LATENTS]
    return write(container.header, [*others, *(Chunk.of(LATENTS, payload) for payload in payloads)])


def layer_ends(data: bytes) -> list[int]:
    """Where a file may be cut: the position behind each layer, from the base layer on, the whole file last."""
    container = read(data)
    ends = np.cumsum([container.data_len - sum(container.sizes), *container.sizes])[1:]
    return [int(end) for end, chunk in zip(ends, container.chunks, strict=True) if chunk.tag == LATENTS]


def with_weights(data: bytes, weights: bytes) -> bytes:
    """The same file naming other weights (4 bytes), with right checks."""
    container = read(data)
    return write(replace(container.header, weights=weights), container.chunks)
