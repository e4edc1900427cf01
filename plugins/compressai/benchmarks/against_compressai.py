"""Bytes, pictures and seconds beside CompressAI's own, for every architecture.

    python against_compressai.py PICTURE --train FOLDER [--steps 80] [--out rows.csv]

No published checkpoint is needed: networks of N = 64, M = 96 are trained for some steps on crops of the folder's
pictures, saved as CompressAI saves them, and imported. Such a network is bad, but its latents are no noise.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

warnings.filterwarnings("ignore", category=FutureWarning)

from codectk.base.types import Context  # noqa: E402
from codectk.bitstream.reader import read  # noqa: E402
from codectk.metrics.psnr import psnr  # noqa: E402
from codectk.picture.read import read_picture  # noqa: E402
from codectk.pipeline.decode import decode_latents  # noqa: E402
from codectk.pipeline.load import forget, load  # noqa: E402
from codectk.weights.importing import import_file  # noqa: E402
from codectk_compressai.library import model_class  # noqa: E402
from codectk_compressai.presets import ARCHITECTURES, PRESETS  # noqa: E402

WIDTHS = (64, 96)
LAMBDA = 0.013 * 255**2
CROP, BATCH = 128, 4


def train(architecture: str, photos: list[np.ndarray], steps: int) -> Any:
    """A network after some steps on the rate-distortion loss; variable-rate models in their first stage."""
    torch.manual_seed(0)
    rng = np.random.default_rng(0)
    variable = not ARCHITECTURES[architecture].qualities
    options: dict[str, Any] = {"stage": 1, "s": 7} if variable else {}
    stepped = {"vr_entbttlnck": True} if variable and architecture != "mbt2018-vbr" else {}
    model = model_class(architecture)(*WIDTHS[: 1 if architecture.startswith("cheng") else 2], **stepped).train()
    quantiles = [model.entropy_bottleneck.quantiles]
    others = [p for n, p in model.named_parameters() if not n.endswith("quantiles")]
    optimizers = [torch.optim.Adam(others, 1e-3), torch.optim.Adam(quantiles, 0.05)]
    for _ in range(steps):
        x = torch.stack([crop(photos[rng.integers(len(photos))], rng) for _ in range(BATCH)])
        out = model(x, **options)
        bits = -sum(p.log2().sum() for p in out["likelihoods"].values()) / x[:, 0].numel()
        loss = bits + LAMBDA * (out["x_hat"] - x).square().mean() + model.entropy_bottleneck.loss()
        for optimizer in optimizers:
            optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(others, 1.0)
        for optimizer in optimizers:
            optimizer.step()
    return model.eval()


def crop(photo: np.ndarray, rng: np.random.Generator) -> Tensor:
    """A random square, float (3, CROP, CROP) in [0, 1]."""
    top, left = (int(rng.integers(side - CROP + 1)) for side in photo.shape[:2])
    return torch.from_numpy(photo[top : top + CROP, left : left + CROP].copy()).permute(2, 0, 1) / 255


def row(architecture: str, model: Any, picture: Path, folder: Path, level: int | None) -> dict[str, Any]:
    """One comparison; `level` is the index of a gain of variable-rate models, 0 or 7."""
    name = next(name for name, preset in PRESETS.items() if preset.architecture == architecture)
    checkpoint = folder / f"{architecture}.pth.tar"
    if not checkpoint.exists():
        torch.save({"state_dict": model.state_dict()}, checkpoint)
        import_file(name, checkpoint)
    forget()
    ready, source = load(name), read_picture(picture)
    knobs = {} if level is None else {"quality": 100 * level / 7}
    data, encoding = timed(lambda: ready.encode(source, **knobs))
    container = read(data)

    def decode() -> tuple[Any, Tensor]:
        latents = decode_latents(container, ready)
        height, width = (-(-side // ready.stages.stride) * ready.stages.stride for side in source.pixels.shape[:2])
        return latents, ready.stages.synthesis(latents, Context(height, width, knobs))

    (_, mine), decoding = timed(decode)
    x = torch.from_numpy(source.pixels).permute(2, 0, 1)[None] / 255
    options = {} if level is None else {"s": level}
    with torch.no_grad():
        model.update(force=True, **({} if level is None else {"scale": model.Gain[level].abs()}))
        coded, their_encoding = timed(lambda: model.compress(x, **options))
        back, their_decoding = timed(lambda: model.decompress(coded["strings"], coded["shape"], **options))
    strings = sum(len(string[0]) for string in coded["strings"])
    payload = sum(len(part) for part in container.payloads("LATS"))
    pixels = (mine[0].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    return {
        "architecture": architecture + ("" if level is None else f" s={level}"),
        "strings": strings,
        "payload": payload,
        "payload / strings": f"{payload / strings:.5f}",
        "file": len(data),
        "file / strings": f"{len(data) / strings:.5f}",
        "same picture": torch.equal(mine, back["x_hat"]),
        "PSNR": f"{psnr(source.pixels, pixels):.2f}",
        "encode s": f"{encoding:.2f}",
        "theirs": f"{their_encoding:.2f}",
        "decode s": f"{decoding:.2f}",
        "theirs ": f"{their_decoding:.2f}",
    }


def timed(run: Any) -> tuple[Any, float]:
    """What a function returns, and the seconds it took."""
    start = time.perf_counter()
    return run(), time.perf_counter() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("picture", type=Path)
    parser.add_argument("--train", type=Path, required=True, help="folder with PNG pictures")
    parser.add_argument("--steps", type=int, default=80)
    parser.add_argument("--out", type=Path, help="CSV; standard output without it")
    parser.add_argument("--only", nargs="*", choices=list(ARCHITECTURES), default=list(ARCHITECTURES))
    given = parser.parse_args()
    paths = [path for path in sorted(given.train.glob("*.png")) if path.name != given.picture.name]
    photos = [np.asarray(Image.open(path).convert("RGB")) for path in paths]
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CODECTK_HOME"] = folder
        rows = []
        for architecture in given.only:
            model = train(architecture, photos, given.steps)
            levels = (None,) if ARCHITECTURES[architecture].qualities else (0, 7)
            for level in levels:
                rows.append(row(architecture, model, given.picture, Path(folder), level))
                print(rows[-1], file=sys.stderr, flush=True)
    with given.out.open("w", newline="") if given.out else sys.stdout as file:
        writer = csv.DictWriter(file, rows[0].keys())
        writer.writeheader()
        writer.writerows(rows)


if __name__ == "__main__":
    main()
