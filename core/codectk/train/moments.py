"""The optimizer's state, carried by name.

torch keeps it by the parameters' order, checks no shapes, and its fused kernels then read beyond their buffers. The
order changes when a network's modules are made in another order, so a checkpoint is matched by the names it holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor


def reordered(state: Mapping[str, Any], saved: Sequence[str], parameters: Mapping[str, Tensor]) -> dict[str, Any]:
    """An optimizer's state dict in the order of `parameters`.

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
