"""The lapped block transform: orthonormal, exact at borders, and better than blocks alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codectk.nn.linear import BLOCK, LinearAnalysis, LinearSynthesis, across_edges, dct2, dct4, dct_basis, edge_filter

pytestmark = pytest.mark.portable


@pytest.mark.parametrize("matrix", [dct2(8), dct4(8), dct2(16), edge_filter(16)])
def test_matrices_are_orthonormal(matrix: torch.Tensor):
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(len(matrix), dtype=torch.float64))


def test_the_edge_filter_leaves_what_is_even_about_the_edge():
    half = torch.rand(8, dtype=torch.float64)
    mirrored = torch.cat([half, half.flip(0)])
    torch.testing.assert_close(edge_filter(16) @ mirrored, mirrored)


@pytest.mark.parametrize(("height", "width"), [(16, 16), (64, 96)])
def test_all_coefficients_give_the_picture_back(height: int, width: int):
    x = torch.rand(2, 3, height, width, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        torch.testing.assert_close(LinearSynthesis(768)(LinearAnalysis(768)(x)), x, atol=1e-5, rtol=0)


def test_energy_is_kept():
    x = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        torch.testing.assert_close(LinearAnalysis(768)(x).square().sum(), x.square().sum())


def test_a_flat_picture_needs_one_coefficient_a_color():
    """Borders included: mirroring makes them no special case."""
    with torch.no_grad():
        y = LinearAnalysis(64)(torch.full((1, 3, 48, 48), 0.25))
    assert y[0, 0].allclose(torch.tensor(0.25 * BLOCK * 3**0.5))
    assert y[0, 1:].abs().max() < 1e-5


def test_basis_starts_with_the_lowest_frequencies():
    basis = dct_basis(768)
    torch.testing.assert_close(basis @ basis.T, torch.eye(768), atol=1e-5, rtol=0)
    assert basis[0].std() < 1e-6, "the mean of all three colors"


def test_lapping_gains_a_quarter_decibel_on_a_markov_source():
    """Coding gain on a first-order Markov source of correlation 0.95, 16 coefficients (about 9.76 dB against 9.46)."""

    def gain(rows: np.ndarray) -> float:
        lag = np.abs(np.subtract.outer(np.arange(rows.shape[1]), np.arange(rows.shape[1])))
        variance = np.diag(rows @ 0.95**lag @ rows.T)
        return float(10 * np.log10(variance.mean() / np.exp(np.log(variance).mean())))

    plain = dct2(BLOCK).numpy()
    impulses = torch.eye(48, dtype=torch.float64).view(48, 1, 1, 48).expand(48, 1, 16, 48)
    filtered = across_edges(impulses, edge_filter(BLOCK))[:, 0, 0, 16:32]  # the middle block, by input sample
    lapped = plain @ filtered.T.numpy()
    assert gain(lapped) > gain(np.pad(plain, ((0, 0), (16, 16)))) + 0.25
