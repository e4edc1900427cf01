"""What a file says about itself, without its plugin, without numpy and without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from codectk.bitstream.chunk import DIGEST_BYTES, LATENTS
from codectk.bitstream.header import NO_WEIGHTS
from codectk.bitstream.layers import read_layers
from codectk.bitstream.varint import Buffer


@dataclass(frozen=True)
class ChunkInfo:
    """One line about a chunk.

    Attributes:
        tag: its tag.
        bytes: bytes it takes in the file, with head, length and check.
        critical: True if a reader that does not know it must refuse the file.
        check: "ok"; a chunk whose check fails is an error, not a line.
    """

    tag: str
    bytes: int
    critical: bool
    check: str = "ok"


@dataclass(frozen=True)
class Info:
    """A verified file in a few words. Of one whose end is missing, all but its size is about what is whole.

    Attributes:
        codec: codec id, or the name of a bundle.
        codec_distribution: distribution that decodes it, "" for a bundle.
        needs: for a bundle, the distributions of its plugins; the bundle itself must be in the weights store, too.
        install: the command that installs that distribution, or those of the bundle's plugins.
        format_version: version of the format.
        width, height: true size in pixels.
        bytes: size of the file.
        bpp: bits of the file per true pixel.
        overhead_bytes: bytes that are not entropy-coded latents (header, chunk frames, digests, metadata).
        weights_hash: first 8 hex digits of the sha256 of the weights or the bundle, "" for a codec without weights.
        portable: True if the entropy decoder is exact on any device.
        grey: True if the source had one luminance channel.
        knobs: coded knobs by name.
        edits: amounts of the edits by name.
        layers: bytes of each layer's chunk, the base layer first; files of codecs without layers have one.
        tiles: for a picture in tiles, their count and, in pixels, the sides of one and the overlap of neighbors
            ("count", "width", "height", "overlap"); None for one piece.
        complete: False if the end of the file is missing or damaged, and the layers listed can be decoded.
        chunks: the chunks in file order.
    """

    codec: str
    codec_distribution: str
    needs: tuple[str, ...]
    install: str
    format_version: int
    width: int
    height: int
    bytes: int
    bpp: float
    overhead_bytes: int
    weights_hash: str
    portable: bool
    grey: bool
    knobs: Mapping[str, float | int]
    edits: Mapping[str, float]
    layers: tuple[int, ...]
    tiles: Mapping[str, int] | None
    complete: bool
    chunks: tuple[ChunkInfo, ...]

    def to_json(self) -> dict[str, Any]:
        """The same as a dict of plain values, ready for `json.dumps`; keys are the attribute names."""
        lists = {"needs": list(self.needs), "layers": list(self.layers)}
        return {**asdict(self), **lists, "chunks": [asdict(chunk) for chunk in self.chunks]}


def describe(data: Buffer) -> Info:
    """Verify a file and describe it; if layers at its end are missing, what is whole of it.

    Raises:
        BitstreamError: as `codectk.bitstream.reader.read` does.
    """
    container = read_layers(data, 0)
    size = len(memoryview(data).cast("B"))
    header, tiling = container.header, container.tiling
    latents = tuple(n for chunk, n in zip(container.chunks, container.sizes, strict=True) if chunk.tag == LATENTS)
    coded = sum(len(payload) - DIGEST_BYTES for payload in container.payloads(LATENTS))
    return Info(
        codec=header.codec,
        codec_distribution=header.distribution,
        needs=header.needs,
        install=f"pip install {' '.join(header.needs or (header.distribution,))}",
        format_version=header.version,
        width=header.width,
        height=header.height,
        bytes=size,
        bpp=size * 8 / (header.width * header.height),
        overhead_bytes=container.data_len - coded,
        weights_hash="" if header.weights == NO_WEIGHTS else header.weights.hex(),
        portable=header.portable,
        grey=header.grey,
        knobs=header.knobs,
        edits=container.edits,
        layers=latents if tiling is None else (sum(latents),),
        tiles=None if tiling is None else {"count": len(tiling.lengths), **asdict(tiling.grid)},
        complete=container.complete,
        chunks=tuple(
            ChunkInfo(chunk.tag, size, chunk.critical)
            for chunk, size in zip(container.chunks, container.sizes, strict=True)
        ),
    )
