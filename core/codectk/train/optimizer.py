"""One optimizer over the trained parameters of one module, its schedule, and the moving average of the weights."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError, UsageError
from codectk.train.muon import Muon
from codectk.train.settings import OptimSection


class Measured(NamedTuple):
    """What a forward pass gave: the loss to descend, and the means to log by name."""

    loss: Tensor
    row: dict[str, Tensor]


def learning_rate(section: OptimSection, step: int) -> float:
    """Rate of step number `step` (from 0): linear warm-up, constant, linear decay.

    In a run too short for warm-up and decay both are shorter in proportion, so that the full rate is reached.
    """
    fits = min(1.0, section.steps / max(1, section.warmup + section.decay))
    warm = min(1.0, (step + 1) / max(1.0, section.warmup * fits))
    left = min(1.0, (section.steps - step) / max(1.0, section.decay * fits))
    return section.lr_final + (section.lr * warm - section.lr_final) * left


class Descent:
    """Takes a module's gradients and makes a clipped step of them.

    Args:
        module: on its device.
        names: its parameters in training. The others get no gradient from now on, and modules that have none of them
            are switched to evaluation, so that nothing in them changes.
        section: rate, schedule and clipping.
        beta1: Adam's first moment.
        prefix: of the names under which rate and gradient norm are logged.

    Raises:
        UsageError: there are no names.
    """

    def __init__(
        self, module: nn.Module, names: Sequence[str], section: OptimSection, *, beta1: float = 0.9, prefix: str = ""
    ):
        self.section, self.prefix = section, prefix
        found = dict(module.named_parameters())
        self.parameters = {name: found[name] for name in names}
        for name, parameter in found.items():
            if name not in self.parameters:
                parameter.requires_grad_(False)
        for part in module.modules():
            inside = {id(parameter) for parameter in part.parameters()}
            if inside and inside.isdisjoint(map(id, self.parameters.values())):
                part.eval()
        if not self.parameters:
            raise UsageError("There are no parameters to train.")
        betas = (beta1, 0.999)
        self.optimizer: torch.optim.Optimizer
        if section.method == "muon":
            self.optimizer = Muon(self.parameters.values(), section.lr, section.matrices, betas)
        else:
            fused = next(module.parameters()).device.type in ("cpu", "cuda")
            self.optimizer = torch.optim.Adam(self.parameters.values(), lr=section.lr, betas=betas, fused=fused)

    def backward(self, loss: Tensor) -> None:
        """Compute the gradients of a scalar, in place of older ones.

        Raises:
            TrainingError: it has none.
        """
        self.optimizer.zero_grad(set_to_none=True)
        if not loss.requires_grad:
            raise TrainingError("The loss depends on no parameter in training; see stage.train and stage.knobs.")
        loss.backward()

    def gradients(self) -> list[Tensor]:
        """Those that there are: a part of the network that took no part in the step has none."""
        return [p.grad for p in self.parameters.values() if p.grad is not None]

    def rate(self, step: int) -> float:
        """The learning rate of step number `step`."""
        return learning_rate(self.section, step)

    def descend(self, gradients: Sequence[Tensor], norm: Tensor, step: int) -> None:
        """Make step number `step` along `gradients`, which are clipped in place; `norm`: theirs, as a scalar."""
        torch._foreach_mul_(list(gradients), (self.section.clip / (norm + 1e-6)).clamp(max=1.0))
        for group in self.optimizer.param_groups:
            group["lr"] = self.rate(step)
        self.optimizer.step()

    def load(self, state: Mapping[str, Any], saved: Sequence[str]) -> None:
        """Go on from the state dict of an optimizer over the parameters named `saved`.

        Raises:
            ValueError: these are other parameters.
        """
        ordered = reordered(state, saved, self.parameters)
        if ("matrices" in ordered["param_groups"][0]) != isinstance(self.optimizer, Muon):
            raise ValueError("the optimizer's state is that of another method")
        self.optimizer.load_state_dict(ordered)


class Cycle:
    """Steps of a small network over one cycle of rates (Smith and Topin 2018), for what plugins train by themselves.

    Args:
        optimizer: over the parameters in training.
        top: highest rate.
        steps: of the whole run.
        warmup: share of them until the highest rate.
        clip: largest norm of the gradients; None for any.
    """

    def __init__(
        self, optimizer: torch.optim.Optimizer, top: float, steps: int, warmup: float = 0.3, clip: float | None = None
    ):
        self.optimizer, self.clip = optimizer, clip
        self.schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, top, total_steps=steps, pct_start=warmup)

    def descend(self, loss: Tensor) -> None:
        """Make one step."""
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        if self.clip is not None:
            nn.utils.clip_grad_norm_([p for group in self.optimizer.param_groups for p in group["params"]], self.clip)
        self.optimizer.step()
        self.schedule.step()

    def state(self) -> dict[str, Any]:
        """What `load` takes."""
        return {"descent": self.optimizer.state_dict(), "schedule": self.schedule.state_dict()}

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`.

        Raises:
            ValueError: it is that of other parameters.
        """
        self.optimizer.load_state_dict(state["descent"])
        self.schedule.load_state_dict(state["schedule"])


class Average:
    """Exponential moving average of a network's parameters and buffers, which is what gets exported.

    The factor warms up as (1 + t) / (10 + t), so early averages do not remember the initialization.

    Args:
        network: where to start.
        factor: share of the old average in [0, 1].
        fixed: names of parameters that are not trained; their averages stay what they are, to the bit.
    """

    def __init__(self, network: nn.Module, factor: float, fixed: Iterable[str] = ()):
        self.factor = factor
        self.fixed = frozenset(fixed)
        self.steps = 0
        self.values = {k: v.detach().clone() for k, v in network.state_dict().items()}

    @torch.no_grad()
    def update(self, network: nn.Module) -> None:
        """Take in the weights after a step."""
        self.steps += 1
        factor = min(self.factor, (1 + self.steps) / (10 + self.steps))
        floats, currents = [], []
        for key, value in network.state_dict().items():
            if key in self.fixed:
                continue
            if value.dtype.is_floating_point:
                floats.append(self.values[key])
                currents.append(value)
            else:
                self.values[key].copy_(value)
        torch._foreach_lerp_(floats, currents, 1 - factor)

    def state(self) -> dict[str, Any]:
        return {"steps": self.steps, "values": self.values}

    @torch.no_grad()
    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state()`; values stay on the device of the network."""
        self.steps = state["steps"]
        for key, value in self.values.items():
            value.copy_(state["values"][key])


def reordered(state: Mapping[str, Any], saved: Sequence[str], parameters: Mapping[str, Tensor]) -> dict[str, Any]:
    """An optimizer's state dict in the order of `parameters`.

    torch keeps it by the parameters' order, checks no shapes, and its fused kernels then read beyond their buffers. The
    order changes when a network's modules are made in another order, so a checkpoint is matched by the names it holds.

    Args:
        state: as saved, by the order of parameters then.
        saved: names of those parameters, in that order.
        parameters: what the optimizer optimizes now, all in one group.

    Raises:
        ValueError: the state is not that of these parameters.
    """
    groups, moments = state["param_groups"], state["state"]
    if len(groups) != 1 or not len(saved) == len(parameters) == len(groups[0]["params"]):
        raise ValueError("the optimizer has another number of parameters")
    place = dict(zip(saved, groups[0]["params"], strict=True))
    ordered: dict[int, Any] = {}
    for number, (name, parameter) in enumerate(parameters.items()):
        if name not in place:
            raise ValueError(f"the optimizer has no state of {name}")
        if place[name] not in moments:
            continue
        ordered[number] = moments[place[name]]
        for value in ordered[number].values():
            if isinstance(value, Tensor) and value.dim() and value.shape != parameter.shape:
                raise ValueError(f"the optimizer's state of {name} has shape {tuple(value.shape)}")
    return {"state": ordered, "param_groups": [{**groups[0], "params": list(range(len(parameters)))}]}
