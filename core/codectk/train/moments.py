"""The optimizer's state, carried by name.

torch keeps it by the parameters' order, checks no shapes, and its fused kernels then read beyond their buffers. The
order changes when a network's modules are made in another order, so a checkpoint is matched by the names it holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor, nn


def reordered(state: Mapping[str, Any], saved: Iterable[str], network: nn.Module) -> dict[str, Any]:
    """An optimizer's state dict in the order of `network.parameters()`.

    Args:
        state: as saved, by the order of parameters then.
        saved: names of the network's tensors in the order in which they were saved.
        network: what the optimizer optimizes now, all parameters in one group.

    Raises:
        ValueError: the state is not that of a network with these parameters.
    """
    parameters = dict(network.named_parameters())
    before = [name for name in saved if name in parameters]
    groups, moments = state["param_groups"], state["state"]
    if len(groups) != 1 or not len(before) == len(parameters) == len(groups[0]["params"]):
        raise ValueError("the optimizer has another number of parameters")
    place = dict(zip(before, groups[0]["params"], strict=True))
    ordered: dict[int, Any] = {}
    for number, (name, parameter) in enumerate(parameters.items()):
        if place[name] not in moments:
            continue
        ordered[number] = moments[place[name]]
        for value in ordered[number].values():
            if isinstance(value, Tensor) and value.dim() and value.shape != parameter.shape:
                raise ValueError(f"the optimizer's state of {name} has shape {tuple(value.shape)}")
    return {"state": ordered, "param_groups": [{**groups[0], "params": list(range(len(parameters)))}]}
