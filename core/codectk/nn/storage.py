"""A trained network as tensors for one safetensors file, and back.

    integer layers    <name>.int_weight int8, .int_bias int32, .shift int8, .table int16
    other weights     their state-dict name, float16 (or float32), and what holds integers as it is; below a prefix that
                      the network names in its attribute `compact`, weights of two and more dimensions are int8 with
                      <name>.scale float32 per row
    coding tables     tables.<prior name>.{frequencies uint16 (ragged), sizes int32, offsets int32}
                      and .medians float32 (channels) where published weights have some

A prior's trainable density is not stored: its tables are what codes.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import WeightsError
from codectk.nn.exact import ExactConv2d, exact_modules, freeze
from codectk.nn.priors import FactorizedPrior, Prior
from codectk.weights.stored import dequantized, pack_tables, table_names, unpack_tables

INTEGER_TYPES = {"int_weight": np.int8, "int_bias": np.int32, "shift": np.int8, "table": np.int16}
Arrays = dict[str, np.ndarray]


def to_arrays(network: nn.Module, dtype: type[np.floating] = np.float16) -> Arrays:
    """Everything that coding needs, from a trained network (left as it is).

    Args:
        network: trained, with integer layers not yet frozen.
        dtype: of the float weights.

    Raises:
        WeightsError: values that their type cannot hold, or medians in front of integer layers.
    """
    frozen = copy.deepcopy(network).cpu()
    freeze(frozen)
    density = tuple(f"{name}." for name, _ in _priors(frozen))
    integers = tuple(f"{name}." for name, _ in exact_modules(frozen))
    compact = tuple(getattr(network, "compact", ())) if dtype is np.float16 else ()
    arrays: Arrays = {}
    for name, value in frozen.state_dict().items():
        if name.startswith(density):
            continue
        if not value.is_floating_point():
            arrays[name] = value.numpy()
            continue
        if name.startswith(compact) and not name.startswith(integers) and name.endswith(".weight") and value.ndim > 1:
            arrays[name], arrays[f"{name}.scale"] = _quantize_rows(name, value.numpy())
            continue
        kind = INTEGER_TYPES[name.rsplit(".", 1)[-1]] if name.startswith(integers) else dtype
        with np.errstate(over="ignore", invalid="ignore"):  # found below
            arrays[name] = value.numpy().astype(kind)
        if kind is not dtype and not np.array_equal(arrays[name], value.numpy()):
            raise WeightsError(f"the integers of {name} do not fit {kind.__name__}.")
        if not np.isfinite(arrays[name]).all():
            raise WeightsError(f"{name} has values that {kind.__name__} cannot hold.")
    for name, prior in _priors(frozen):
        # An installed prior has no trained density any more, but tables.
        tables = prior.tables if prior.tables is not None else prior.build_tables()
        arrays |= {f"tables.{name}.{key}": value for key, value in pack_tables(tables).items()}
        if isinstance(prior, FactorizedPrior) and prior.medians.any():
            _check_medians(frozen, name)
            arrays[f"tables.{name}.medians"] = prior.medians.flatten().numpy().astype(np.float32)
    return arrays


def install(network: nn.Module, arrays: Mapping[str, np.ndarray]) -> None:
    """Make an untrained network of the same configuration ready to code.

    Raises:
        WeightsError: a tensor is missing, superfluous, of the wrong shape, or breaks an exactness bound.
    """
    left = dict(arrays)

    def take(name: str) -> np.ndarray:
        if name not in left:
            raise WeightsError(f"the weights lack {name}.")
        return left.pop(name)

    layers, priors = exact_modules(network), _priors(network)
    for name, layer in layers:
        keys = ("int_weight", "int_bias", "shift") if isinstance(layer, ExactConv2d) else ("table",)
        parts = [_tensor(take(f"{name}.{key}")) for key in keys]
        try:
            layer.install(*parts)
        except WeightsError as error:
            raise WeightsError(f"{name}: {error}") from error
    for name, prior in priors:
        prior.tables = unpack_tables({key: take(key) for key in table_names(name)}, name)
        if isinstance(prior, FactorizedPrior) and f"tables.{name}.medians" in left:
            _check_medians(network, name)
            medians = _tensor(take(f"tables.{name}.medians"))
            if medians.shape != (prior.channels,) or not torch.isfinite(medians).all():
                raise WeightsError(f"the medians of {name} are not {prior.channels} finite numbers.")
            prior.medians.copy_(medians.view_as(prior.medians))
        prior.requires_grad_(False)
    taken = tuple(f"{name}." for name, _ in (*layers, *priors))
    for name, value in network.state_dict().items():
        if name.startswith(taken):
            continue
        array = take(name)
        if not value.is_floating_point():
            if array.shape != tuple(value.shape) or torch.from_numpy(array).dtype != value.dtype:
                raise WeightsError(
                    f"{name} is {array.dtype} {array.shape}, expected {value.dtype} {tuple(value.shape)}."
                )
            value.copy_(torch.from_numpy(array))
            continue
        if array.dtype == np.int8:
            scale = take(f"{name}.scale")
            if scale.shape != array.shape[:1]:
                raise WeightsError(f"{name}.scale has shape {scale.shape}, expected {array.shape[:1]}.")
            array = dequantized(array, scale)
        stored = _tensor(array)
        if stored.shape != value.shape:
            raise WeightsError(f"{name} has shape {tuple(stored.shape)}, expected {tuple(value.shape)}.")
        value.copy_(stored)
    if left:
        raise WeightsError(f"the weights hold {next(iter(left))}, which this network does not have.")
    network.requires_grad_(False).eval()


def thaw(network: nn.Module) -> None:
    """Make an installed network trainable again, all of it.

    Integer layers start from their integers, densities from the closest fit to their tables.
    """
    for _, layer in exact_modules(network):
        layer.thaw()
    for _, prior in _priors(network):
        prior.thaw()
    network.requires_grad_(True).train()


def compact_prefixes(network: nn.Module) -> tuple[str, ...]:
    """A network's `compact` from those of its stages."""
    return tuple(
        f"{name}.{prefix}" for name, stage in network.named_children() for prefix in getattr(stage, "compact", ())
    )


def _quantize_rows(name: str, weight: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """int8 rows and their float32 scales: weight[i] is about scale[i] * rows[i]."""
    if not np.isfinite(weight).all():
        raise WeightsError(f"{name} has values that int8 cannot hold.")
    largest = np.abs(weight).reshape(len(weight), -1).max(1)
    scale = np.where(largest > 0, largest / 127, 1.0).astype(np.float32)
    return np.rint(weight / scale.reshape(-1, *[1] * (weight.ndim - 1))).astype(np.int8), scale


def _check_medians(network: nn.Module, name: str) -> None:
    """Integer layers read integers, and a symbol plus a median is none."""
    if exact_modules(network):
        raise WeightsError(f"{name} has medians, but this network's integer layers need whole numbers.")


def _tensor(array: np.ndarray) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(array).astype(np.float32))


def _priors(network: nn.Module) -> list[tuple[str, Prior]]:
    return [(name, module) for name, module in network.named_modules() if isinstance(module, Prior)]
