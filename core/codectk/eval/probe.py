"""What a finished file says about its entropy coding: estimated bits, and the coder's own time."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from codectk.bitstream.chunk import DIGEST_BYTES, LATENTS
from codectk.bitstream.reader import read
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk.pipeline import program
from codectk.pipeline.codec import Codec
from codectk.pipeline.decode import coding_context
from codectk.spec.stages import SymbolCoder


@dataclass(frozen=True)
class Probe:
    """Entropy coding of one file.

    Attributes:
        estimated_bits: -log2 of the probability of every coded symbol, escapes and raw bits included.
        payload_bytes: what they really took, without the digests.
        overhead_bytes: all other bytes of the file.
        encode_s, decode_s: seconds inside the entropy coder, without any network.
    """

    estimated_bits: float
    payload_bytes: int
    overhead_bytes: int
    encode_s: float
    decode_s: float


def probe(data: bytes, ready: Codec) -> Probe:
    """Run the coding program over a file once more, watching the coder.

    Args:
        data: a complete `.ctk` file.
        ready: the codec that made it.

    Returns:
        The measurements.

    Raises:
        CodectkError: as decoding does.
    """
    container = read(data)
    payloads = container.payloads(LATENTS)
    watch = _Watch(payloads)
    with ready.stages.backend.guard():
        program.code(ready.stages, watch, None, coding_context(container.header, ready))
    return watch.result(sum(len(payload) - DIGEST_BYTES for payload in payloads), len(data))


class _Watch:
    """A decoder that also counts bits, and times itself and an encoder that gets the same calls."""

    def __init__(self, payloads: Sequence[bytes]) -> None:
        self._meter, self._encoder = Meter(), Encoder()
        self._encode_s = 0.0
        start = time.perf_counter()
        self._decoder = Decoder(payloads)
        self._decode_s = time.perf_counter() - start

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Any:
        decoded = self._timed(self._decoder, "code", index, symbols, tables)
        self._timed(self._encoder, "code", index, decoded, tables)
        self._meter.code(index, decoded, tables)
        return decoded

    def raw(self, value: int | None, bits: int) -> int:
        decoded: int = self._timed(self._decoder, "raw", value, bits)
        self._timed(self._encoder, "raw", decoded, bits)
        self._meter.raw(decoded, bits)
        return decoded

    def layer(self, more: bool | None) -> bool:
        another: bool = self._timed(self._decoder, "layer", more)
        self._timed(self._encoder, "layer", another)
        self._meter.layer(another)
        return another

    def result(self, payload_bytes: int, file_bytes: int) -> Probe:
        self._timed(self._decoder, "finish")
        self._timed(self._encoder, "finish")
        return Probe(self._meter.bits, payload_bytes, file_bytes - payload_bytes, self._encode_s, self._decode_s)

    def _timed(self, coder: SymbolCoder, method: str, *arguments: Any) -> Any:
        start = time.perf_counter()
        result = getattr(coder, method)(*arguments)
        taken = time.perf_counter() - start
        if coder is self._decoder:
            self._decode_s += taken
        else:
            self._encode_s += taken
        return result
