"""What a codec is made of: stages that meet in `codectk.pipeline` and nowhere else.

    encode   x -> [conditioning] -> analysis -> values -> entropy model.code(Encoder) -> bytes
    decode   bytes -> entropy model.code(Decoder) -> latents -> synthesis -> [post] -> x
    train    the same with code(Meter), on batches

Arrays between stages are whatever the codec's `Backend` makes of pixels (torch tensors (B, 3, H, W),
numpy arrays); the core passes them on without looking inside.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Literal, Protocol

import numpy as np

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.spec.capabilities import Align, Capabilities, capabilities

LatentKind = Literal["gaussian", "factorized", "labels", "bytes"]


@dataclass(frozen=True)
class LatentSpec:
    """One named latent.

    Attributes:
        name: key in the latents mapping.
        channels: number of channels, or None if free.
        stride: pixels per latent position, or None for a fixed-size latent (grid, global code).
        kind: how it is modelled.
    """

    name: str
    channels: int | None
    stride: int | None
    kind: LatentKind = "gaussian"


class SymbolCoder(Protocol):
    """The only primitive of entropy coding, in three readings: Encoder, Decoder, Meter."""

    def code(self, index: Any, symbols: Any | None, tables: Any) -> Any:
        """Code one array of symbols.

        Args:
            index: table index per symbol, broadcastable to the symbols' shape when they are given.
            symbols: what to encode, or None to decode; `index` then has the full shape.
            tables: the tables `index` points into.

        Returns:
            The symbols as the decoder sees them, with `index`'s full shape.
        """
        ...

    def raw(self, value: int | None, bits: int) -> int:
        """Code an unsigned integer of `bits` bits (1..32) without a model; None decodes."""
        ...

    def layer(self, more: bool | None) -> bool:
        """Begin the next layer of a layered codec (`Stages.layered`), or end the program.

        What is coded before the first call is the base layer. Each layer has its own place in the file, so a file that
        is cut after any of them still decodes: a program must give useful latents wherever this returns False.

        Args:
            more: whether to code another layer; None to decode.

        Returns:
            Whether there is another layer. False also where the file ends here, or where the person decoding asked
            for no more layers; then nothing more may be coded, and this is not called again.
        """
        ...


class Conditioning(Protocol):
    """Encoder-side information about a picture, such as regions. The decoder never sees it."""

    def __call__(self, x: Any, ctx: Context) -> Any: ...


class Analysis(Protocol):
    """Pixels to values by latent name. Declares what it makes."""

    produces: tuple[LatentSpec, ...]

    def __call__(self, x: Any, condition: Any, ctx: Context) -> Mapping[str, Any]: ...


class EntropyModel(Protocol):
    """One coding program, written once. Declares which latents it needs and gives back."""

    needs: tuple[LatentSpec, ...]
    gives: tuple[LatentSpec, ...]

    def code(self, coder: SymbolCoder, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        """Code `values`, or decode when None. Returns the latents as both ends know them."""
        ...


class Synthesis(Protocol):
    """Latents to pixels. Declares which latents it needs.

    One that takes long says how far it is with `base.progress.report(done, total)`.
    """

    needs: tuple[LatentSpec, ...]

    def __call__(self, latents: Mapping[str, Any], ctx: Context) -> Any: ...


class Post(Protocol):
    """A decoder-side stage after synthesis with a knob of its own, such as output residual prediction.

    `needs` may name latents and the features that the synthesis reveals; `latents` holds both.
    """

    needs: tuple[LatentSpec, ...]

    def __call__(self, x: Any, latents: Mapping[str, Any], ctx: Context) -> Any: ...


class Backend(Protocol):
    """Carries pixels into the codec's array world and back, and guards what runs there; inherit `NumpyBackend`.

    Pixels are float32 (H, W, 3) RGB in [0, 1]; `to_pixels` may return values outside, the core clips.
    """

    def from_pixels(self, pixels: np.ndarray) -> Any: ...

    def to_pixels(self, x: Any) -> np.ndarray: ...

    def to_numpy(self, array: Any) -> np.ndarray:
        """An array of this world, such as a latent, in memory of the host."""
        ...

    def batch(self, pixels: np.ndarray) -> Any:
        """Pictures (B, H, W, 3) as one array (B, 3, H, W) of this world."""
        ...

    def guard(self, *, gradients: bool = False) -> AbstractContextManager[object]:
        """Within it stages run: nothing that the host program set for its own arrays changes what they make.

        Args:
            gradients: record what is needed for gradients.
        """
        ...

    def meter(self) -> Any:
        """A `SymbolCoder` of this world that counts bits with gradients.

        Raises:
            UsageError: this world has no gradients.
        """
        ...


class NumpyBackend:
    """Pixels are the arrays: for codecs without torch."""

    def from_pixels(self, pixels: np.ndarray) -> Any:
        return pixels

    def to_pixels(self, x: Any) -> np.ndarray:
        pixels: np.ndarray = x
        return pixels

    def to_numpy(self, array: Any) -> np.ndarray:
        return np.asarray(array)

    def batch(self, pixels: np.ndarray) -> Any:
        return np.ascontiguousarray(pixels.transpose(0, 3, 1, 2))

    def guard(self, *, gradients: bool = False) -> AbstractContextManager[object]:
        return np.errstate(divide="warn", over="warn", under="ignore", invalid="warn")

    def meter(self) -> Any:
        raise UsageError("A codec without torch has no gradients.")


@dataclass(frozen=True)
class Stages:
    """Stages wired together, plus the identity of their weights.

    Attributes:
        id: codec name as on the command line.
        stride: pictures are padded to a multiple of this many pixels by the core.
        weights_hash: sha256 (hex) of the weights file, or "" for a codec without weights.
        portable: True if everything that feeds the coder is exact on any device.
        analysis, entropy_model, synthesis, conditioning, post: the stages.
        backend: pixel carrier.
        without_knobs: knobs of the card that these weights do not have, such as the quality where weights are
            trained for one rate. Nobody can turn them and no file carries them.
        layered: the entropy model calls `coder.layer`, so files may be cut after any layer.
        align: frames pictures for the codec, or None for one that takes them as they are.
        network: what owns the weights, a torch module, or None for a codec without one.
        training: tables of the recipe by which the weights were trained, as far as their file tells.
    """

    id: str
    stride: int
    weights_hash: str
    portable: bool
    analysis: Analysis
    entropy_model: EntropyModel
    synthesis: Synthesis
    conditioning: Conditioning | None = None
    post: Post | None = None
    backend: Backend = field(default_factory=NumpyBackend)
    without_knobs: frozenset[str] = frozenset()
    layered: bool = False
    align: Align | None = None
    network: Any = field(default=None, compare=False, repr=False)
    training: Mapping[str, Any] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def can(self) -> Capabilities:
        """What these stages can do beyond their calls.

        Raises:
            ContractError: a stage offers half of an ability, or something whose name is a near miss.
        """
        return capabilities(self)
