"""Muon: orthogonal steps of matrices, Adam's for the rest, and its state in checkpoints."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from codectk.train.muon import Muon, is_matrix, orthogonal
from codectk.train.optimizer import Descent, reordered
from codectk.train.settings import OptimSection


@pytest.mark.parametrize("shape", [(32, 32), (24, 300), (300, 24)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, int]) -> None:
    torch.manual_seed(1)
    u, _, v = torch.linalg.svd(torch.randn(shape), full_matrices=False)
    values = torch.logspace(0, -2, min(shape))
    made = orthogonal(u * values @ v)
    inside = u.T @ made @ v.T
    assert (inside.diag() > 0.5).all() and (inside.diag() < 1.3).all()
    assert (inside - torch.diag(inside.diag())).abs().max() < 1e-3


def test_the_gram_iteration_is_the_iteration_on_the_matrix_itself() -> None:
    torch.manual_seed(1)
    x = torch.randn(16, 80, dtype=torch.float64)
    direct = x / x.norm()
    for _ in range(5):
        gram = direct @ direct.T
        direct = 3.4445 * direct + (-4.7750 * gram + 2.0315 * gram @ gram) @ direct
    torch.testing.assert_close(orthogonal(x), direct, rtol=1e-6, atol=1e-8)


def test_no_gradient_direction_is_lost_where_one_is_tiny() -> None:
    x = torch.zeros(20, 40)
    x[0, 0], x[1, 1] = 1.0, 1e-6
    assert torch.isfinite(orthogonal(x)).all()
    assert torch.isfinite(orthogonal(torch.zeros(20, 40))).all()


def test_depthwise_kernels_and_vectors_are_no_matrices() -> None:
    assert all(is_matrix(torch.empty(shape)) for shape in [(32, 32, 3, 3), (16, 16)])
    assert not any(is_matrix(torch.empty(shape)) for shape in [(64, 1, 3, 3), (64,), (3, 48)])


def test_what_is_no_matrix_moves_as_with_adam() -> None:
    torch.manual_seed(1)
    ours, theirs = (nn.Parameter(torch.ones(5)) for _ in range(2))
    muon = Muon([ours], 1e-2, 3.0, (0.9, 0.999))
    adam = torch.optim.Adam([theirs], 1e-2, betas=(0.9, 0.999))
    for _ in range(4):
        gradient = torch.randn(5)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        muon.step()
        adam.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-7)


def test_a_matrix_moves_as_far_as_the_rate_and_its_longer_side_say() -> None:
    torch.manual_seed(1)
    weight = nn.Parameter(torch.zeros(16, 64))
    weight.grad = torch.randn(16, 64)
    Muon([weight], 1e-2, 2.0, (0.9, 0.999)).step()
    far = torch.linalg.matrix_norm(weight, 2).item()
    assert 0.7 * 1e-2 * 2 * 0.2 * 8 < far < 1.3 * 1e-2 * 2 * 0.2 * 8


def test_it_learns_and_goes_on_exactly_from_its_state() -> None:
    def made() -> tuple[nn.Module, Descent]:
        torch.manual_seed(1)
        net = nn.Sequential(nn.Linear(20, 32), nn.ReLU(), nn.Linear(32, 20))
        section = OptimSection(method="muon", lr=1e-2, warmup=0, decay=0, clip=1e9)
        return net, Descent(net, [name for name, _ in net.named_parameters()], section)

    def steps(net: nn.Module, descent: Descent, first: int, last: int) -> list[float]:
        losses = []
        for number in range(first, last):
            generator = torch.Generator().manual_seed(number)
            x = torch.randn(64, 20, generator=generator)
            loss = (net(x) - x.flip(1)).square().mean()
            descent.backward(loss)
            descent.descend(descent.gradients(), torch.tensor(1.0), number)
            losses.append(loss.item())
        return losses

    net, descent = made()
    whole = steps(net, descent, 0, 40)
    assert whole[-1] < 0.5 * whole[0]

    first, before = made()
    steps(first, before, 0, 20)
    second, after = made()
    second.load_state_dict(first.state_dict())
    after.load(before.optimizer.state_dict(), list(before.parameters))
    assert steps(second, after, 20, 40) == whole[20:]


def test_the_state_of_another_method_is_refused() -> None:
    weight = {"w": nn.Parameter(torch.zeros(16, 16))}
    adam = torch.optim.Adam(weight.values())
    weight["w"].grad = torch.ones(16, 16)
    adam.step()
    net = nn.Linear(16, 16, bias=False)
    descent = Descent(net, ["weight"], OptimSection(method="muon"))
    with pytest.raises(ValueError, match="method"):
        descent.load(adam.state_dict(), ["weight"])
    assert reordered(adam.state_dict(), ["w"], weight)["state"][0]["step"] == 1
