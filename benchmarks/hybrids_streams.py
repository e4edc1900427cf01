"""For hybrids.py: what each stream of a file takes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.coding.coder import Decoder, Meter
from codectk.eval.codecs import CtkCodec
from codectk.eval.pictures import Source
from codectk.nn.chain import CodingChain
from codectk.nn.priors import Prior
from codectk.pipeline import program
from codectk.pipeline.decode import coding_context


class Split:
    """A decoder that adds up -log2 p of what it decodes, by prior.

    Args:
        payloads: of a file.
        names: of priors, by the id of their tables.
    """

    def __init__(self, payloads: Sequence[bytes], names: Mapping[int, str]):
        self._decoder, self._meter, self._names = Decoder(payloads), Meter(), names
        self.bits: defaultdict[str, float] = defaultdict(float)

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Any:
        before, decoded = self._meter.bits, self._decoder.code(index, symbols, tables)
        self._meter.code(index, decoded, tables)
        self.bits[self._names[id(tables)]] += self._meter.bits - before
        return decoded

    def raw(self, value: int | None, bits: int) -> int:
        self.bits["raw"] += bits
        return self._decoder.raw(value, bits)

    def layer(self, more: bool | None) -> bool:
        return self._decoder.layer(more)


def stream_bytes(
    codec: CtkCodec, folder: Path, sources: Sequence[Source], qualities: Sequence[float]
) -> dict[str, dict[str, float]]:
    """Mean bytes of each prior's symbols, by setting and prior; "file" is all else (header, digest, rounding).

    Args:
        codec: what made the files.
        folder: of the evaluation.
    """
    ready = codec.loaded()
    model: Any = ready.stages.entropy_model
    models = [*model.others, model.model] if isinstance(model, CodingChain) else [model]
    priors = [module for one in models for module in one.modules() if isinstance(module, Prior)]
    names = {id(prior.tables): prior.label for prior in priors}
    found: dict[str, dict[str, float]] = {}
    for quality in qualities:
        sums: defaultdict[str, float] = defaultdict(float)
        for source in sources:
            data = (folder / codec.name / f"{source.name}-q{quality:g}.ctk").read_bytes()
            container = read(data)
            split = Split(container.payloads(LATENTS), names)
            program.code(ready.stages, split, None, coding_context(container.header, ready))
            for label, bits in split.bits.items():
                sums[label] += bits / 8
            sums["file"] += len(data) - sum(split.bits.values()) / 8
        found[f"q{quality:g}"] = {label: total / len(sources) for label, total in sums.items()}
    return found
