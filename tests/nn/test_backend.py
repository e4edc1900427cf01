"""Pixels to tensors and back."""

from __future__ import annotations

import numpy as np
import torch

from codectk.nn.backend import TorchBackend


def test_pixels_come_back():
    pixels = np.random.default_rng(0).random((5, 7, 3), np.float32)
    backend = TorchBackend()
    x = backend.from_pixels(pixels)
    assert x.shape == (1, 3, 5, 7) and x.dtype == torch.float32
    assert x.is_contiguous(memory_format=torch.channels_last)
    assert x[0, 1, 4, 2] == pixels[4, 2, 1]
    assert np.array_equal(backend.to_pixels(x), pixels)


def test_odd_arrays_are_taken():
    pixels = np.random.default_rng(0).random((6, 4, 3))
    for array in (pixels, pixels[::-1, ::2], np.asfortranarray(pixels)):
        assert np.array_equal(TorchBackend().from_pixels(array)[0].permute(1, 2, 0), array.astype(np.float32))


def test_results_of_any_kind_are_given_back():
    x = torch.rand(1, 3, 4, 5, requires_grad=True)
    for tensor in (x, x.double(), x.bfloat16(), x.to(memory_format=torch.channels_last)):
        pixels = TorchBackend().to_pixels(tensor)
        assert pixels.dtype == np.float32 and pixels.shape == (4, 5, 3)
        assert np.array_equal(pixels, tensor.detach().float()[0].permute(1, 2, 0).numpy())
