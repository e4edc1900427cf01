"""SGC's files and what can be painted from them, kept in a folder so that a measurement goes on where it stopped."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.sgc_pictures import Shot
from codectk.base.atomic import atomic_write
from codectk.base.types import Picture
from codectk.bitstream.reader import read
from codectk.pipeline.codec import Codec
from codectk.pipeline.decode import decode_latents
from codectk.pipeline.load import load


@dataclass(frozen=True)
class Setting:
    """How a file is painted; `labels` and `colors` False paint as if the file had none."""

    steps: int
    strength: float
    guidance: float
    seed: int = 0
    labels: bool = True
    colors: bool = True

    @property
    def folder(self) -> str:
        """A name that no other setting has."""
        parts = [f"steps{self.steps}", f"strength{self.strength:g}", f"guidance{self.guidance:g}", f"seed{self.seed}"]
        return "-".join([*parts, *["nolabels"] * (not self.labels), *["nocolors"] * (not self.colors)])


@dataclass(frozen=True)
class Coded:
    """A file, and its label map (2 h, 2 w) and color map (h, w, 3) as levels."""

    shot: Shot
    data: bytes
    labels: np.ndarray
    levels: np.ndarray


def load_codec(text: str) -> Codec:
    """The codec of a name, of a bundle's file, of a weights file of SGC's, or of a checkpoint of its training."""
    path = Path(text)
    if path.suffix == ".safetensors":
        return load("sgc", weights=path)
    if path.suffix != ".pt":
        return load(text)
    from codectk.train.exporting import export

    with tempfile.TemporaryDirectory() as folder:
        return load("sgc", weights=export(path, Path(folder) / "sgc.safetensors").path)


class Painter:
    """One codec.

    Args:
        ready: SGC.
        keep: folder for painted pictures, by weights and setting; None keeps none.
    """

    def __init__(self, ready: Codec, keep: Path | None = None):
        self.ready = ready
        self._keep = None if keep is None else keep / (ready.weights.hex() or "none")

    def setting(self, steps: int | None = None) -> Setting:
        """What the codec does if nothing is said, perhaps with another number of steps."""
        knobs = self.ready.card.knobs
        count = int(knobs["steps"].default) if steps is None else steps
        return Setting(count, float(knobs["strength"].default), float(knobs["guidance"].default))

    def coded(self, shot: Shot) -> Coded:
        """The file of a picture."""
        data = self.ready.encode(Picture(shot.pixels))
        latents = decode_latents(read(data), self.ready)
        return Coded(shot, data, np.asarray(latents["labels"]), np.asarray(latents["colors"]))

    def painted(self, coded: Coded, setting: Setting) -> np.ndarray:
        """The picture of a file, uint8 (H, W, 3)."""
        file = None if self._keep is None else self._keep / setting.folder / f"{coded.shot.name}.png"
        if file is not None and file.exists():
            return np.asarray(Image.open(file))
        pixels = self._paint(coded, setting)
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
            with atomic_write(file) as out:
                Image.fromarray(pixels).save(out, "PNG")
        return pixels

    @torch.inference_mode()
    def rebuilt(self, shot: Shot) -> np.ndarray:
        """What the autoencoder alone makes of a picture: no file of this decoder can be better than about this."""
        autoencoder = self._synthesis.autoencoder
        x = torch.from_numpy(shot.pixels.copy()).permute(2, 0, 1)[None].float() / 255
        height, width = x.shape[-2:]
        padded = torch.nn.functional.pad(x, (0, -width % 32, 0, -height % 32), mode="replicate")
        return to_pixels(autoencoder.decode(autoencoder.encode(padded))[..., :height, :width])

    def _paint(self, coded: Coded, setting: Setting) -> np.ndarray:
        knobs: dict[str, Any] = {
            "steps": setting.steps, "strength": setting.strength, "guidance": setting.guidance, "seed": setting.seed,
        }  # fmt: skip
        if setting.labels and setting.colors:
            return self.ready.decode_picture(read(coded.data), **knobs).pixels
        labels = coded.labels if setting.labels else None
        x = self._synthesis.paint(labels, coded.levels, with_colors=setting.colors, **knobs)
        return fitted(x, coded.shot.pixels)

    @property
    def _synthesis(self) -> Any:
        return self.ready.stages.synthesis


def enlarged_colors(coded: Coded) -> np.ndarray:
    """The color map alone, enlarged: what a file tells without any painting, uint8 (H, W, 3)."""
    from codectk_sgc.decoder.colors import enlarged, known_colors

    height, width = (32 * side for side in coded.levels.shape[:2])
    return fitted(enlarged(known_colors(coded.levels), height, width), coded.shot.pixels)


def fitted(x: torch.Tensor, like: np.ndarray) -> np.ndarray:
    """A picture (1, 3, h, w) at another's size, resized as SGC's decoder does it."""
    size = like.shape[:2]
    if tuple(x.shape[-2:]) != size:
        x = torch.nn.functional.interpolate(x, size, mode="bicubic", antialias=True, align_corners=False)
    return to_pixels(x)


def to_pixels(x: torch.Tensor) -> np.ndarray:
    """uint8 (H, W, 3) of a picture (1, 3, H, W) in [0, 1]."""
    return (x[0].clamp(0, 1) * 255).round().byte().permute(1, 2, 0).cpu().numpy()
