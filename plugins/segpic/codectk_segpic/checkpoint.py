"""Checkpoints of the published SegPIC training code (`segpic_<lambda>.pth.tar`), mapped onto our network.

What such a file has beside weights (optimizers, constants, coding tables of another coder) is left out. Blocks that it
holds under two names must agree. Names below are `official` (the file's) or `ours` (`Network.state_dict`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codectk.base.errors import WeightsError
from codectk.nn.storage import to_arrays
from codectk.weights.pickles import read_state
from codectk_segpic.network import Network, build

FULL: Mapping[str, Any] = {"config": "full"}

PRIORS = {"prior_z": "entropy_bottleneck", "prior_mid": "entropy_bottleneck_b", "prior_deep": "entropy_bottleneck_b2"}
"""Ours to official."""

_PREFIX = re.compile(r"^(module\.)+")
_ALIASES = {
    "g_a1.0.": "basic_E.0.",
    "g_a1.1.": "basic_E.1.",
    "g_a2.0.": "basic_E.2.",
    "g_a2.1.": "basic_E.3.",
    "g_s0.1.": "basic_D.0.",
    "g_s0.2.": "basic_D.1.",
    "g_s1.1.": "basic_D.2.",
    "g_s1.2.": "basic_D.3.",
}
"""Second to first name of the blocks that are stored twice."""

_DENSITY = re.compile(r"^(entropy_bottleneck\w*)\._?(matri|bias|factor)(?:x|ces|es|s)?\.?(\d+)$")
_UNUSED = re.compile(
    r"""\.(beta|gamma)_reparam\.                     # constants of GDN's reparametrization
    | \.relative_position_index$                     # follows from the window
    | ^gaussian_conditional\.                        # scale table and its coding tables
    | ^entropy_bottleneck\w*\.(target|_offset|_quantized_cdf|_cdf_length|likelihood_lower_bound\.bound)$""",
    re.VERBOSE,
)


def import_checkpoint(path: Path, options: Mapping[str, Any] = FULL) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """Read a checkpoint into arrays for one weights file, and metadata.

    Args:
        path: what the published training code saved.
        options: the network it is for, as in `network.build`.

    Raises:
        WeightsError: not such a checkpoint; the sentence names the first tensor that is missing or does not fit.
    """
    state = read_state(path)  # the optimizer's moments, twice the size of the weights, are never read
    network = build(options)
    load(network, state, str(path))
    metadata = {"config": str(options["config"]), "options": json.dumps(dict(options)), "source": path.name}
    return to_arrays(network, np.float32), metadata


@torch.no_grad()
def load(network: Network, state: Mapping[str, Any], where: str) -> None:
    """Fill a float network with an official state dict.

    Raises:
        WeightsError: a tensor is missing, superfluous, of another shape or not finite, or two copies differ.
    """
    left = canonical(state, where)
    filled: dict[str, Tensor] = {}
    for ours, target in network.state_dict().items():
        filled[ours] = _take(left, official_name(ours), target.shape, where)
    network.load_state_dict(filled)
    for ours, official in PRIORS.items():
        prior = getattr(network.entropy_model, ours)
        quantiles = _take(left, f"{official}.quantiles", torch.Size((prior.channels, 1, 3)), where)
        prior.medians.copy_(quantiles[:, 0, 1].view_as(prior.medians))
    if left:
        raise WeightsError(f"{where} is not a SegPIC checkpoint: it holds '{next(iter(left))}', which SegPIC lacks.")


def canonical(state: Mapping[str, Any], where: str) -> dict[str, Tensor]:
    """A state dict with every tensor that is used once, under the first of its official names."""
    result: dict[str, Tensor] = {}
    for name, value in state.items():
        official = canonical_name(str(name))
        if official is None or not isinstance(value, Tensor):
            continue
        if official in result and not torch.equal(result[official], value):
            raise WeightsError(f"{where} contradicts itself: '{name}' differs from '{official}', which it repeats.")
        result[official] = value
    return result


def canonical_name(name: str) -> str | None:
    """The first of an entry's official names: without the prefix of parallel training, aliases and newer spellings.

    None for an entry that is not used.
    """
    name = _PREFIX.sub("", name)
    if _UNUSED.search(name):
        return None
    if density := _DENSITY.match(name):
        prior, kind, number = density.groups()
        return f"{prior}._{'matrix' if kind == 'matri' else kind}{number}"
    for alias, first in _ALIASES.items():
        if name.startswith(alias):
            return first + name.removeprefix(alias)
    return name


def official_name(ours: str) -> str:
    """The canonical official name of an entry of `Network(FULL).state_dict()`."""
    name = re.sub(r"^(analysis|entropy_model|synthesis)\.", "", ours)
    for prior, official in PRIORS.items():
        if name.startswith(f"{prior}."):
            name = official + name.removeprefix(prior)
    # Our g_a1 starts with the place of a space-to-depth stem.
    name = re.sub(r"^g_a1\.(\d)", lambda match: f"g_a1.{int(match[1]) - 1}", name)
    name = name.replace(".sal.scales_bias.", ".scales_bias.")
    name = re.sub(r"\.conv_b\.0\.", ".conv_b.0.attn.", name)
    known = canonical_name(name)
    assert known is not None, ours
    return known


def _take(left: dict[str, Tensor], name: str, shape: torch.Size, where: str) -> Tensor:
    if name not in left:
        raise WeightsError(f"{where} is not a SegPIC checkpoint: it lacks '{name}'.")
    value = left.pop(name).float()
    if value.shape != shape:
        raise WeightsError(
            f"{where} is not a checkpoint of this SegPIC: '{name}' has shape {tuple(value.shape)}, not {tuple(shape)}."
        )
    if not torch.isfinite(value).all():
        raise WeightsError(f"{where} is of no use: '{name}' has values that are not finite.")
    return value
