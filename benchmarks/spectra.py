"""How much of the fine structure survives? Radial power spectra of decoded pictures, relative to the originals.

    codectk eval KODAK --codec egic --weights a.safetensors=A --weights b.safetensors=B --qualities 50 --keep kept/
    python -m benchmarks spectra --pictures KODAK --decoded OASIS-C=kept/A PatchGAN=kept/B --suffix=-q50 --out spectra

0 dB means as much power as the original has at that spatial frequency: blur falls below it, invented grain rises above.
Writes OUT.png and OUT.svg.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt
import numpy as np

from benchmarks.common import options
from codectk.picture.read import read_picture

BINS = 64
LUMA = np.array([0.299, 0.587, 0.114])


def radial_power(pixels: np.ndarray) -> np.ndarray:
    """Mean power in `BINS` rings of spatial frequency from 0 to 1/2 cycle per pixel, of luma under a Hann window."""
    luma = pixels.astype(float) @ LUMA
    luma = (luma - luma.mean()) * np.outer(np.hanning(luma.shape[0]), np.hanning(luma.shape[1]))
    power = np.abs(np.fft.fft2(luma)) ** 2
    radius = np.hypot(*np.meshgrid(*(np.fft.fftfreq(n) for n in luma.shape), indexing="ij"))
    ring = np.minimum((radius * 2 * BINS).astype(int), BINS)
    return np.bincount(ring.ravel(), power.ravel())[:BINS] / np.bincount(ring.ravel())[:BINS]


def relative(originals: list[Path], folder: Path, suffix: str) -> np.ndarray:
    """Power of the decoded pictures over that of the originals in dB, mean over pictures, (BINS,)."""
    ratios = []
    for path in originals:
        decoded = read_picture(folder / f"{path.stem}{suffix}.png").pixels
        ratios.append(10 * np.log10(radial_power(decoded) / radial_power(read_picture(path).pixels)))
    return np.mean(ratios, 0)


def arguments(parser: argparse.ArgumentParser) -> None:
    options(parser, "--pictures", "--decoded", "--suffix", "--out")


def main(a: argparse.Namespace) -> None:
    originals = sorted(a.pictures.glob("*.png"))
    frequency = (np.arange(BINS) + 0.5) / (2 * BINS)
    figure, axes = plt.subplots(figsize=(7, 4.2), layout="constrained")
    for item in a.decoded:
        label, _, folder = item.partition("=")
        power = relative(originals, Path(folder), a.suffix)
        axes.plot(frequency, power, label=label)
        octaves = [
            f"{power[(frequency >= low) & (frequency < 2 * low)].mean():+.1f}" for low in (1 / 32, 1 / 16, 1 / 8, 1 / 4)
        ]
        print(f"{label}: dB in the octaves from 1/32, 1/16, 1/8, 1/4 cycles per pixel: {' '.join(octaves)}")
    axes.axhline(0, color="gray", linewidth=0.8)
    axes.set(xlabel="spatial frequency, cycles per pixel", ylabel="power relative to the original, dB", ylim=(-25, 6))
    axes.legend(frameon=False)
    for suffix in (".png", ".svg"):
        figure.savefig(a.out.with_suffix(suffix), dpi=120)
