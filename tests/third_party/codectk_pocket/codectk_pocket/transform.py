"""Pixels to quantized cosine coefficients and back. Everything here is float; nothing here feeds the coder.

RGB -> YCbCr (BT.601, full range) -> 4:2:0 -> 8x8 DCT-II, orthonormal -> divide by step, round
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from codectk.base.types import Context
from codectk.spec.stages import LatentSpec

BLOCK = 8

LATENTS: tuple[LatentSpec, ...] = (LatentSpec("luma", 64, 8, "factorized"), LatentSpec("chroma", 128, 16, "factorized"))
"""int32 (channels, H/stride, W/stride); channel 8 v + u is the coefficient of vertical frequency v, horizontal u."""

_TO_YCC = np.array([[0.299, 0.587, 0.114], [-0.168736, -0.331264, 0.5], [0.5, -0.418688, -0.081312]], np.float32)
_TO_RGB = np.linalg.inv(_TO_YCC.astype(np.float64)).astype(np.float32)

_N = np.arange(BLOCK)
_DCT = np.cos((2 * _N + 1) * _N[:, None] * np.pi / (2 * BLOCK)) / 2
_DCT[0] /= np.sqrt(2)
_DCT = _DCT.astype(np.float32)

_ROUND_UP_AT = 0.6
"""A magnitude is rounded up above this fraction: small coefficients cost more bits than they are worth."""

_CHROMA_COARSER = 1.25


def step_of(quality: float) -> float:
    """Quantizer step in grey levels (of 255) for quality 0..100: 128 down to 0.5."""
    return float(128.0 * 2.0 ** (-quality / 12.5))


class BlockAnalysis:
    """float32 (H, W, 3) RGB in [0, 1] to integer latents; the transform is run once for all qualities."""

    produces = LATENTS

    def __call__(self, x: np.ndarray, condition: None, ctx: Context) -> Mapping[str, np.ndarray]:
        return self.finish(self.prepare(x, condition, ctx), ctx)

    def prepare(self, x: np.ndarray, condition: None, ctx: Context) -> tuple[np.ndarray, np.ndarray]:
        """Coefficients of luma (64, H/8, W/8) and chroma (128, H/16, W/16) in grey levels."""
        ycc = np.moveaxis(x @ _TO_YCC.T, -1, 0) * np.float32(255)
        ycc[0] -= np.float32(128)
        small = ycc[1:].reshape(2, ctx.height // 2, 2, ctx.width // 2, 2).mean(axis=(2, 4))
        return _to_blocks(ycc[:1]), _to_blocks(small)

    def finish(self, prepared: tuple[np.ndarray, np.ndarray], ctx: Context) -> Mapping[str, np.ndarray]:
        step = step_of(ctx.knobs["quality"])
        luma, chroma = prepared
        return {"luma": _quantize(luma, step), "chroma": _quantize(chroma, step * _CHROMA_COARSER)}


class BlockSynthesis:
    """Integer latents to float32 (H, W, 3) RGB."""

    needs = LATENTS

    def __call__(self, latents: Mapping[str, np.ndarray], ctx: Context) -> np.ndarray:
        step = np.float32(step_of(ctx.knobs["quality"]))
        luma = _from_blocks(latents["luma"] * step)
        chroma = _from_blocks(latents["chroma"] * (step * np.float32(_CHROMA_COARSER)))
        chroma = chroma.repeat(2, axis=1).repeat(2, axis=2)
        ycc = np.concatenate([luma + np.float32(128), chroma])
        return np.moveaxis(ycc, 0, -1) @ _TO_RGB.T / np.float32(255)


class Deblock:
    """Moves the two pixels beside every block border towards each other, by up to a quarter of their difference."""

    needs: tuple[LatentSpec, ...] = ()

    def __call__(self, x: np.ndarray, latents: Mapping[str, Any], ctx: Context) -> np.ndarray:
        strength = np.float32(ctx.knobs["deblock"] / 4)
        # A jump larger than one quantizer step is an edge of the picture, not of a block.
        edge = step_of(ctx.knobs["quality"]) / 255
        x = x.copy()
        for view in (x, x.swapaxes(0, 1)):
            before, after = view[BLOCK - 1 : -1 : BLOCK], view[BLOCK::BLOCK]
            jump = after - before
            move = np.where(np.abs(jump) < edge, jump * strength, np.float32(0))
            before += move
            after -= move
        return x


def _to_blocks(planes: np.ndarray) -> np.ndarray:
    """(P, H, W) to coefficients (64 P, H/8, W/8)."""
    count, height, width = planes.shape
    blocks = planes.reshape(count, height // BLOCK, BLOCK, width // BLOCK, BLOCK)
    coefficients = np.einsum("vy,pbycx,ux->pvubc", _DCT, blocks, _DCT, optimize=True)
    return coefficients.reshape(count * BLOCK * BLOCK, height // BLOCK, width // BLOCK)


def _from_blocks(coefficients: np.ndarray) -> np.ndarray:
    """The inverse of `_to_blocks`."""
    channels, rows, columns = coefficients.shape
    count = channels // (BLOCK * BLOCK)
    blocks = coefficients.reshape(count, BLOCK, BLOCK, rows, columns)
    planes = np.einsum("vy,pvubc,ux->pbycx", _DCT, blocks, _DCT, optimize=True)
    return planes.reshape(count, rows * BLOCK, columns * BLOCK)


def _quantize(coefficients: np.ndarray, step: float) -> np.ndarray:
    levels = np.floor(np.abs(coefficients) / np.float32(step) + np.float32(1 - _ROUND_UP_AT))
    return (np.sign(coefficients) * levels).astype(np.int32)
