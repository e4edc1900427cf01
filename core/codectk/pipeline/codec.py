"""The handle: a codec that was found, built and checked, and all that can be done with it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from codectk.base.arguments import check
from codectk.base.errors import CodectkWarning, MismatchError, UsageError
from codectk.base.progress import Progress, silent
from codectk.base.types import Context, Picture
from codectk.bitstream.layers import read_source
from codectk.bitstream.reader import Container, TiledFile
from codectk.picture.convert import to_float
from codectk.pipeline import decode, program, sources
from codectk.pipeline import effort as effort_room
from codectk.pipeline.domain import lossless_is_smaller
from codectk.pipeline.encode import Encoding
from codectk.pipeline.goal import Goal
from codectk.spec.card import CodecCard, resolve_knobs
from codectk.spec.stages import Stages

if TYPE_CHECKING:
    from PIL import Image

    from codectk.pipeline.bits import Bits


@dataclass(frozen=True, eq=False)
class Codec:
    """A codec ready to use, made by `codectk.load`.

    Threads may share one. It changes nothing of its process (types, devices, generators of torch, the allocator), and
    nothing that the process set for its own arrays changes what it makes. Pickled, it is loaded again by whoever
    unpickles it, so it can be handed to worker processes. Within `with codectk.load(...) as codec:` it is kept for
    the next `load`, and dropped at the end.

    Attributes:
        stages: what is wired together; for authors and researchers.
        card: what the plugin says about its knobs, without those that these weights do not have.
        distribution: what to install to get it, such as "codectk-segpic"; several with spaces between for a bundle.
        needs: for a bundle, its plugins' distributions; () for the codec of a plugin.
        device: where its networks run.
        engine: what runs them.
    """

    stages: Stages
    card: CodecCard
    distribution: str
    needs: tuple[str, ...] = ()
    device: str = "cpu"
    engine: str = "torch"
    origin: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def name(self) -> str:
        """The codec's id, which its files carry."""
        return self.stages.id

    @property
    def weights(self) -> bytes:
        """The four bytes by which a file names the weights or the bundle; zeros for a codec without weights."""
        return bytes.fromhex(self.stages.weights_hash[:8]) or bytes(4)

    @property
    def network(self) -> Any:
        """The torch module that owns the weights, in evaluation mode; change it in a copy.

        Raises:
            UsageError: the codec has none.
        """
        if self.stages.network is None:
            raise UsageError(f"Codec '{self.name}' has no network of torch here; engine='torch' may load one.")
        return self.stages.network

    def encode(
        self,
        image: Any,
        *,
        target_bpp: float | None = None,
        target_bytes: float | None = None,
        strict: bool = False,
        best_of: int | None = None,
        effort: int | None = None,
        importance: Any = None,
        keep_icc: bool = False,
        keep: str | Iterable[str] = (),
        aligned: bool = False,
        strict_domain: bool = False,
        progress: Progress = silent,
        **knobs: Any,
    ) -> Any:
        """Encode a picture, or several.

        Args:
            image: path, bytes of a picture file, PIL image, numpy uint8 (H, W, 3) or (H, W), or a `Picture`; or a
                list of these; or a batch, floating (B, 3, H, W) RGB in [0, 1] (torch or numpy), which is rounded to
                steps of 1/255. The files of several pictures are those of each alone, to the byte.
            target_bpp, target_bytes: wanted size of the whole file, for which the rate knob is searched.
            strict: with a target, never go above it.
            best_of: for codecs that paint from a seed: paint with so many from the one given on, and keep the closest.
            effort: 0 to 9, how long to look for a better file, never worse than that of 0; None for the card's.
            importance: with an effort, a picture as for `image` of the same size, white where errors count in full.
            keep_icc: keep the picture's color profile instead of converting to sRGB.
            keep: of the picture's metadata what the file shall carry: "exif", "xmp" and "icc", such as "exif,xmp".
            aligned: the picture is framed already as a codec that aligns pictures wants it.
            strict_domain: refuse a picture of another kind than the codec is for; otherwise it is a `DomainWarning`.
            progress: told after each file of a search, or of the steps of all tries.
            **knobs: encoder-side knobs, such as `quality=50`.

        Returns:
            The bytes of a `.ctk` file; for a list or a batch, a list of them.

        Raises:
            InputError: a picture cannot be read or is of an unsupported kind, or cannot be aligned.
            DomainError: a picture is not of the codec's domain, with `strict_domain`.
            UsageError: a knob is unknown or out of range, arguments contradict each other, or the codec cannot do it.
            TargetError, ContractError: the target is out of reach; the codec's stages broke their contract.
        """
        check(keep_icc=keep_icc, aligned=aligned, strict_domain=strict_domain, progress=progress)
        wanted = Goal(target_bpp, target_bytes, strict, best_of)
        wanted.check(self, knobs)
        effort, weights = effort_room.check(self, effort, importance)
        pictures, several = sources.pictures(image, keep_icc=keep_icc, keep=keep)

        def file(picture: Picture) -> bytes:
            how: Any = {"aligned": aligned, "strict_domain": strict_domain, "once": wanted.once, "effort": effort}
            encoding = Encoding(self, picture, knobs, importance=weights, **how)
            made = wanted.file(encoding, progress)
            if (remark := lossless_is_smaller(encoding.picture, len(made))) is not None:
                warnings.warn(CodectkWarning(remark), stacklevel=3)
            return made

        return list(map(file, pictures)) if several else file(pictures[0])

    def decode(
        self,
        data: Any,
        *,
        layers: int | None = None,
        region: Sequence[int] | None = None,
        scale: int = 1,
        **knobs: Any,
    ) -> Any:
        """Decode a `.ctk` file of this codec, or several.

        One of a layered codec may end after any layer, which is an `IncompleteWarning`.

        Args:
            data: the file's bytes or its path, or a list of these.
            layers: most layers to decode after the base layer, for layered codecs; None decodes all.
            region: x, y, width, height in pixels of the part that is wanted; of tiles, only those in it are decoded.
            scale: reduce the picture by 1, 2, 4 or 8, each pixel the mean of scale x scale.
            **knobs: decoder-side knobs, such as `realism=0.5`.

        Returns:
            An image of mode RGB, RGBA, L or LA; a kept color profile is in `info["icc_profile"]`. A list for a list.

        Raises:
            BitstreamError: a file is damaged, cut or not ours.
            MismatchError: it was made by another codec, or with other weights or parameters.
            UsageError: a knob is unknown or out of range, or the codec has no layers.
        """
        from codectk.picture.write import to_pil

        def image(one: Any) -> Image.Image:
            return to_pil(self.decode_picture(one, layers=layers, region=region, scale=scale, **knobs))

        return [image(one) for one in data] if isinstance(data, list | tuple) else image(data)

    def decode_tensor(self, data: Sequence[Any], *, layers: int | None = None, **knobs: Any) -> Any:
        """Decode files of pictures of one size to a batch.

        Args:
            data, layers, knobs: as for `decode`.

        Returns:
            float32 (B, 3, H, W) RGB in [0, 1], in steps of 1/255, on the codec's device: a torch tensor, or a numpy
            array for a codec without torch. Alpha is left out.

        Raises:
            UsageError: the pictures are not of one size; else as `decode`.
        """
        pixels = [self.decode_picture(one, layers=layers, **knobs).pixels for one in data]
        if len({plane.shape for plane in pixels}) != 1:
            raise UsageError("A batch takes one or more files of pictures of one size.")
        return self.stages.backend.batch(np.stack([to_float(plane) for plane in pixels]))

    def decode_picture(
        self, data: Any, *, layers: int | None = None, region: Any = None, scale: int = 1, **knobs: Any
    ) -> Picture:
        """Decode one file to a `Picture`, which keeps alpha, grey and color profile apart; else as `decode`."""
        return next(self.decode_pictures(data, [knobs], layers=layers, region=region, scale=scale))

    def decode_pictures(
        self,
        data: Any,
        settings: Sequence[Mapping[str, object]],
        *,
        layers: int | None = None,
        region: Sequence[int] | None = None,
        scale: int = 1,
    ) -> Iterator[Picture]:
        """Decode one file and paint it with each setting of its decoder-side knobs; else as `decode_picture`."""
        source = self._own(data, layers, tiles=region is not None)
        return decode.decode_settings(source, self, settings, layers=layers, region=region, scale=scale)

    def prepare(
        self, image: Any, *, keep_icc: bool = False, aligned: bool = False, strict_domain: bool = False, **knobs: Any
    ) -> Encoding:
        """One picture after the costly part of its analysis, for files at many values of the rate knob.

        Args:
            image, keep_icc, aligned, strict_domain, knobs: as for `encode`.
        """
        (picture,), _ = sources.pictures(image, keep_icc=keep_icc)
        return Encoding(self, picture, knobs, aligned=aligned, strict_domain=strict_domain)

    def bits(self, image: Any, *, aligned: bool = False, **knobs: Any) -> Bits:
        """What coding one picture takes, in all and at each position of its latents; no file is written.

        Args:
            image, aligned, knobs: as for `encode`.
        """
        from codectk.pipeline.bits import measure

        return measure(self.prepare(image, aligned=aligned, **knobs))

    def latents(self, source: Any, *, aligned: bool = False, **knobs: Any) -> dict[str, np.ndarray]:
        """The latents as both ends know them, by name: of a picture, or of a `.ctk` file as `decode` reads it.

        Args:
            source: a picture as for `encode`, or the bytes or the path of a `.ctk` file.
            aligned, knobs: as for `encode`, for a picture.
        """
        from codectk.coding.coder import Meter

        if sources.is_file(source):
            container = self._own(source, None)
            assert isinstance(container, Container)
            made = decode.decode_latents(container, self)
        else:
            made, _ = self.prepare(source, aligned=aligned, **knobs).code(Meter())
        return {name: self.stages.backend.to_numpy(array) for name, array in made.items()}

    def forward(self, x: Any, **knobs: Any) -> program.Forward:
        """The whole program on a batch, with gradients: a codec of torch as training runs it.

        Args:
            x: float32 (B, 3, H, W) RGB in [0, 1] on the codec's device, sides multiples of `stages.stride`.
            **knobs: of both ends, numbers; those left out take the card's defaults.

        Returns:
            Pictures `x`, `latents` (rounded, with straight-through gradients), `values` before coding, and `bits`
            float32 (B,) of each picture.

        Raises:
            UsageError: the codec has no network of torch, or a knob is unknown or out of range.
        """
        mine = {name for name in knobs if name in self.card.knobs and self.card.knobs[name].side == "decoder"}
        values = {
            **resolve_knobs(self.card, {name: knobs[name] for name in knobs if name not in mine}, "encoder"),
            **resolve_knobs(self.card, {name: knobs[name] for name in mine}, "decoder"),
        }
        stages = self.stages
        meter = stages.backend.meter()
        with stages.backend.guard(gradients=True):
            made = program.forward(stages, x, meter, Context(x.shape[2], x.shape[3], values))
        return program.Forward(made.x, made.latents, made.values, meter.bits)

    def close(self) -> None:
        """Let the next `load` load it anew, and its memory go with its last user."""
        from codectk.pipeline.load import drop

        drop(self)

    def __enter__(self) -> Codec:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __reduce__(self) -> tuple[Callable[..., Codec], tuple[Mapping[str, Any]]]:
        if self.origin is None:
            raise UsageError(f"Codec '{self.name}' was not made by load, so no other process can load it again.")
        from codectk.pipeline.load import reload

        return reload, (self.origin,)

    def _own(self, data: Any, layers: int | None, *, tiles: bool = False) -> Container | TiledFile:
        """A file whose checks all come before any network runs; with `tiles`, those of its tiles as they are read."""
        source = read_source(data, layers, tiles=tiles)
        if source.header.codec != self.name:
            raise MismatchError(f"The file was made by codec '{source.header.codec}', not by '{self.name}'.")
        return source
