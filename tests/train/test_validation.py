"""Pictures kept out of training: what is measured, when, and that training does not notice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from codectk.base.errors import InputError, UsageError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk.picture.convert import to_uint8
from codectk.picture.pad import crop, pad
from codectk.picture.read import read_picture
from codectk.pipeline.build import build_codec
from codectk.pipeline.program import analyze, code, synthesize
from codectk.plugins import manager
from codectk.train.checkpoint import load_checkpoint
from codectk.train.curve import plot_log
from codectk.train.exporting import export
from codectk.train.log import read_log
from codectk.train.loop import CHECKPOINT, LOG
from codectk.weights.locate import locate

QUALITIES = (10, 60)


@pytest.fixture(scope="session")
def kept_out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two pictures that no training crop comes from, of sizes that need padding."""
    folder = tmp_path_factory.mktemp("kept-out")
    for number, size in enumerate(((75, 66), (64, 90))):
        small = np.random.default_rng(50 + number).integers(0, 256, (5, 6, 3)).astype(np.uint8)
        Image.fromarray(small).resize(size, Image.Resampling.BICUBIC).save(folder / f"{number}.png")
    return folder


@pytest.fixture(scope="session")
def validated(kept_out: Path) -> tuple[str, ...]:
    return (f"validation.paths=['{kept_out}']", "validation.every=5", f"validation.qualities={list(QUALITIES)}")


def ratings(folder: Path) -> list[dict]:
    return [record for record in read_log(folder / LOG) if "val_loss" in record]


def test_it_is_measured_when_due_and_training_does_not_notice(
    start, finished: Path, validated: tuple[str, ...], tmp_path: Path
):
    start(tmp_path, *validated)
    found = ratings(tmp_path)
    assert [record["step"] for record in found] == [5, 10, 12]
    for record in found:
        rows = record["val_by_quality"]
        assert [row["quality"] for row in rows] == list(QUALITIES)
        for key in ("loss", "bpp", "psnr"):
            assert record[f"val_{key}"] == pytest.approx(np.mean([row[key] for row in rows]))
        assert rows[0]["bpp"] < rows[1]["bpp"]
    with_, without = (load_checkpoint(folder / CHECKPOINT) for folder in (tmp_path, finished))
    for part in ("network", "ema", "optimizer"):
        assert str(with_[part]) == str(without[part])
    assert all(torch.equal(with_["network"][name], value) for name, value in without["network"].items())
    plain = [record for record in read_log(tmp_path / LOG) if "val_loss" not in record]
    assert [record["loss"] for record in plain] == [record["loss"] for record in read_log(finished / LOG)]


def test_it_is_what_the_exported_weights_give(start, validated: tuple[str, ...], kept_out: Path, tmp_path: Path):
    """Bits by the coder's own estimate, pixels by its decoder."""
    start(tmp_path, *validated)
    export(tmp_path / CHECKPOINT, tmp_path / "w.safetensors")
    found = locate(tmp_path / "w.safetensors", codec="segpic", package="codectk_segpic")
    codec = build_codec(*manager.find_codec("segpic"), weights=found)
    pictures = [read_picture(path).pixels for path in sorted(kept_out.iterdir())]
    for row in ratings(tmp_path)[-1]["val_by_quality"]:
        rates, decibels = [], []
        for pixels in pictures:
            x = pad(pixels / np.float32(255), codec.stride)
            ctx = Context(*x.shape[:2], {"quality": row["quality"], "grid": 4})
            encoder = Encoder()
            code(codec, encoder, analyze(codec, codec.backend.from_pixels(x), ctx), ctx)
            (payload,) = encoder.finish()
            decoder = Decoder([payload])
            decoded = codec.backend.to_pixels(synthesize(codec, code(codec, decoder, None, ctx), ctx))
            written = to_uint8(crop(decoded, *pixels.shape[:2])) / 255
            rates.append(8 * len(payload) / pixels[..., 0].size)
            decibels.append(-10 * np.log10(np.square(written - pixels / 255).mean()))
        assert row["psnr"] == pytest.approx(np.mean(decibels), abs=1e-3)
        # A payload has three bytes of digest beside the symbols, and ends with a whole word.
        assert 0 < np.mean(rates) - row["bpp"] < 10 * 8 / pictures[0][..., 0].size


@pytest.mark.parametrize("stop_at", [5, 7])
def test_a_resumed_run_measures_the_same(start, assert_same, validated: tuple[str, ...], tmp_path: Path, stop_at: int):
    """Also what was due in the step that ended the first part."""
    start(tmp_path / "whole", *validated)
    start(tmp_path / "parts", *validated, stop_at=stop_at)
    start(tmp_path / "parts", *validated, resume=True)
    assert_same(tmp_path / "whole", tmp_path / "parts")
    before = (tmp_path / "parts" / LOG).read_bytes()
    start(tmp_path / "parts", *validated, resume=True)
    assert (tmp_path / "parts" / LOG).read_bytes() == before, "nothing is due in a finished run"


def test_central_crops(start, validated: tuple[str, ...], kept_out: Path, tmp_path: Path):
    start(tmp_path / "run", *validated, "validation.crop=64", stop_at=5)
    start(tmp_path / "run", *validated, "validation.crop=64", resume=True, stop_at=6)
    folder = tmp_path / "cropped"
    folder.mkdir()
    for path in sorted(kept_out.iterdir()):
        with Image.open(path) as image:
            left, top = (image.width - 64) // 2, (image.height - 64) // 2
            image.crop((left, top, left + 64, top + 64)).save(folder / path.name)
    cropped = (f"validation.paths=['{folder}']", *validated[1:])
    start(tmp_path / "other", *cropped, stop_at=5)
    start(tmp_path / "other", *cropped, resume=True, stop_at=6)
    assert ratings(tmp_path / "run") == ratings(tmp_path / "other") != []


def test_it_is_in_the_curve(start, validated: tuple[str, ...], tmp_path: Path):
    start(tmp_path, *validated, "run.log_every=1")
    plot_log(tmp_path / LOG, tmp_path / "with.png")
    lines = [line for line in (tmp_path / LOG).read_text().splitlines() if "val_loss" not in line]
    (tmp_path / "without.jsonl").write_text("\n".join(lines) + "\n")
    plot_log(tmp_path / "without.jsonl", tmp_path / "without.png")
    ink = []
    for name in ("with.png", "without.png"):
        with Image.open(tmp_path / name) as image:
            ink.append(int((np.abs(np.asarray(image.convert("RGB")).astype(int) - (27, 31, 39)).sum(-1) < 30).sum()))
    assert ink[0] > ink[1] + 300, "points and a line in three panels"


def test_what_is_refused(start, validated: tuple[str, ...], tmp_path: Path):
    with pytest.raises(InputError, match="There is no"):
        start(tmp_path / "a", *validated, f"validation.paths=['{tmp_path / 'nowhere'}']")
    with pytest.raises(UsageError, match=r"'quality' must be between .* not 101"):
        start(tmp_path / "b", *validated, "validation.qualities=[101]")
    with pytest.raises(UsageError, match=r"validation\.qualities is empty"):
        start(tmp_path / "c", *validated, "validation.qualities=[]")
