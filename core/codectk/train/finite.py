"""Where a value that is not finite comes from. Slow; runs once, when training has to stop."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn


def culprit(network: nn.Module, loss: Callable[[], Tensor]) -> str:
    """Name the module at fault, as a clause that follows "at step 7: ".

    Args:
        network: its weights are looked at first.
        loss: runs the step again, up to its loss.
    """
    for name, tensor in (*network.named_parameters(), *network.named_buffers()):
        if not bad(tensor):
            continue
        owner, _, attribute = name.rpartition(".")
        return f"{_title(network, owner)} has a value that is not finite in its {attribute}"
    seen: list[str] = []
    hooks = [hook for name, module in network.named_modules() for hook in _watch(module, _title(network, name), seen)]
    network.zero_grad(set_to_none=True)
    try:
        # Nothing is blamed on the way back if the way there had failed already.
        if not bad(total := loss()) and not seen:
            total.backward()
    finally:
        for hook in hooks:
            hook.remove()
    if seen:
        return seen[0]
    for name, parameter in network.named_parameters():
        if parameter.grad is not None and bad(parameter.grad):
            owner, _, attribute = name.rpartition(".")
            return f"{_title(network, owner)} gets a gradient that is not finite for its {attribute}"
    return "no module is at fault here; it is the loss itself, or another process"


def bad(tensor: Tensor) -> bool:
    """Whether a tensor holds NaN or infinity."""
    return tensor.dtype.is_floating_point and not bool(torch.isfinite(tensor).all())


def _watch(module: nn.Module, title: str, seen: list[str]) -> Iterator[Any]:
    """Hooks that append a clause for each bad value at a module's ends, in the order of computation."""

    def note(clause: str, value: Tensor) -> None:
        if bad(value):
            seen.append(clause)

    def entering(_: nn.Module, args: tuple[Any, ...]) -> tuple[Any, ...]:
        taken = []
        for value in args:
            if isinstance(value, Tensor):
                note(f"{title} is the first to be given a value that is not finite", value)
                if value.requires_grad:
                    value = value.view_as(value)  # its gradient is then what this module alone passes back
                    _on_gradient(value, partial(note, f"{title} passes back a gradient that is not finite"))
            taken.append(value)
        return tuple(taken)

    def leaving(_: nn.Module, args: tuple[Any, ...], result: object) -> None:
        for value in _tensors(result):
            note(f"{title} is the first whose result is not finite", value)
            if value.requires_grad:
                _on_gradient(value, partial(note, f"what follows {title} passes back a gradient that is not finite"))

    yield module.register_forward_pre_hook(entering)
    yield module.register_forward_hook(leaving)


def _on_gradient(value: Tensor, look: Callable[[Tensor], None]) -> None:
    value.register_hook(look)


def _tensors(value: object) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for part in value.values():
            yield from _tensors(part)
    elif isinstance(value, (tuple, list)):
        for part in value:
            yield from _tensors(part)


def _title(network: nn.Module, name: str) -> str:
    kind = type(network.get_submodule(name)).__name__
    return f"module {name} ({kind})" if name else f"the network ({kind})"
