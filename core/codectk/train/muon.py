"""Muon: momentum whose matrices are made orthogonal (Jordan et al. 2024), Adam for everything that is no matrix."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

MOMENTUM = 0.95
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz step x -> a x + b x^3 + c x^5 on singular values, from Jordan's Muon."""
STEPS = 5
LEAST = 16
"""Smaller sides than this make no matrix: depthwise kernels, gains, tables."""


def orthogonal(x: Tensor) -> Tensor:
    """A matrix with the singular vectors of x and singular values near 1 (0.7 to 1.2 where they are not tiny).

    The iteration runs on the Gram matrix of the shorter side, which all its polynomials commute with: x itself, often
    ten times longer, is multiplied twice instead of fifteen times.

    Args:
        x: float32 (rows, columns).
    """
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    a, b, c = QUINTIC
    gram, unit = x @ x.T, torch.eye(x.shape[0], dtype=x.dtype, device=x.device)
    product = unit
    for _ in range(STEPS):
        step = a * unit + gram @ (b * unit + c * gram)
        product = step @ product
        gram = step @ gram @ step
    x = product @ x
    return x.T if tall else x


def is_matrix(parameter: Tensor) -> bool:
    """Whether a parameter, flattened behind its first dimension, is a matrix with no side below `LEAST`."""
    return parameter.dim() >= 2 and min(parameter.shape[0], parameter[0].numel()) >= LEAST


class Muon(torch.optim.Optimizer):
    """Muon with Nesterov momentum; weights of convolutions are matrices of one row per output channel.

    A matrix moves by `lr` * `matrices` * 0.2 sqrt(longer side) times its orthogonal momentum: at `matrices` = 1 its
    elements move about as far as Adam's (Liu et al. 2025, "Muon is Scalable for LLM Training", equation 4).

    Args:
        parameters: what to move, in one group.
        lr: rate of all.
        matrices: factor of the rate for matrices.
        betas: Adam's moments, for what is no matrix.
    """

    def __init__(self, parameters: Iterable[Tensor], lr: float, matrices: float, betas: tuple[float, float]):
        super().__init__(parameters, {"lr": lr, "matrices": matrices, "betas": betas})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        """Move every parameter that has a gradient."""
        if closure is not None:
            raise NotImplementedError("gradients are computed before the step")
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    move = self._turned if is_matrix(parameter) else self._adam
                    move(parameter, parameter.grad, self.state[parameter], group)

    @staticmethod
    def _turned(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        if not state:
            state["momentum"] = torch.zeros_like(parameter)
        momentum = state["momentum"].mul_(MOMENTUM).add_(gradient)
        ahead = gradient.add(momentum, alpha=MOMENTUM).reshape(parameter.shape[0], -1)
        far = group["lr"] * group["matrices"] * 0.2 * max(ahead.shape) ** 0.5
        parameter.add_(orthogonal(ahead.float()).reshape(parameter.shape), alpha=-far)

    @staticmethod
    def _adam(parameter: Tensor, gradient: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        first, second = group["betas"]
        if not state:
            state.update(
                step=torch.tensor(0.0), exp_avg=torch.zeros_like(parameter), exp_avg_sq=torch.zeros_like(parameter)
            )
        state["step"] += 1
        count = state["step"].item()
        mean = state["exp_avg"].lerp_(gradient, 1 - first)
        square = state["exp_avg_sq"].mul_(second).addcmul_(gradient, gradient, value=1 - second)
        size = (square / (1 - second**count)).sqrt_().add_(1e-8)
        parameter.addcdiv_(mean / (1 - first**count), size, value=-group["lr"])
