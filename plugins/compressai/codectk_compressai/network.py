"""A weights file becomes a codec."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

from codectk.base.errors import WeightsError
from codectk.coding.tables import Tables
from codectk.nn.backend import TorchBackend, move
from codectk.nn.building import Building
from codectk.nn.guard import guard
from codectk.spec.stages import EntropyModel, LatentSpec, Stages
from codectk.weights.store import sha256_of
from codectk.weights.tensors import load_tensors
from codectk_compressai import tables
from codectk_compressai.entropy import Factorized, Hyperprior, Serial
from codectk_compressai.library import model_class
from codectk_compressai.presets import Preset
from codectk_compressai.rules import MAIN, SIDE, rules_of
from codectk_compressai.transforms import Analysis, Synthesis

STEPPED_SIDE = "gayn2zqstep.0.weight"
"""A tensor of variable-rate models whose z has a step of its own."""

UNSTORED = tuple(f"{model}.{name}" for model in (SIDE, MAIN) for name in ("_quantized_cdf", "_offset", "_cdf_length"))
"""Buffers that a weights file has as tables."""

SCALES = f"{MAIN}.scale_table"
"""The scales of the tables. A weights file has them: the logarithm of another machine may differ in its last bit."""


def build(preset: Preset, path: Path, device: str) -> Stages:
    """The codec of a weights file that `checkpoint.import_checkpoint` made.

    Raises:
        WeightsError: it is none.
        InputError: torch does not know the device.
    """
    arrays = load_tensors(path)
    state = {name: torch.from_numpy(value) for name, value in arrays.items() if not name.startswith(tables.PREFIX)}
    with guard():
        with Building():
            model = make_model(preset, state, str(path))
        move(model, device)
        return wire(preset, model, tables.unpack(arrays), sha256_of(path), device)


def make_model(preset: Preset, state: Mapping[str, torch.Tensor], where: str) -> Any:
    """CompressAI's network with the weights of a state dict under today's names; its tables are not made.

    Raises:
        WeightsError: a tensor is missing, superfluous or of another shape.
    """
    kept = {name: value for name, value in state.items() if name not in UNSTORED}
    has = {name.partition(".")[0] for name in kept}
    kept |= {name: torch.IntTensor() for name in UNSTORED if name.partition(".")[0] in has}
    if MAIN in has:
        kept.setdefault(SCALES, torch.Tensor())
    # Only some of the variable-rate models can have a step for z, and only they have this argument.
    options = {"vr_entbttlnck": True} if STEPPED_SIDE in state else {}
    try:
        model = model_class(preset.architecture).from_state_dict(kept, **options)
    except (KeyError, RuntimeError, TypeError, ValueError, IndexError) as error:
        raise WeightsError(f"{where} is no checkpoint of {preset.architecture}: {_reason(error)}.") from error
    return model.eval().requires_grad_(False)


def wire(preset: Preset, model: Any, own: Mapping[str, Tables], weights_hash: str, device: str) -> Stages:
    """The stages around a network."""
    y = LatentSpec("y", int(model.M), 16, "gaussian" if MAIN in own else "factorized")
    rules = rules_of(model, own)
    latents: tuple[LatentSpec, ...]
    program: EntropyModel
    if MAIN not in own:
        latents = (y,)
        program = Factorized(latents, rules)
    else:
        latents = (y, LatentSpec("z", int(model.N), 64, "factorized"))
        program = (Serial if hasattr(model, "context_prediction") else Hyperprior)(model, latents, rules)
    return Stages(
        id=preset.name,
        stride=preset.stride,
        weights_hash=weights_hash,
        portable=False,  # scales and means come from networks in floats
        analysis=Analysis(model, latents, magnitudes="hyperprior" in preset.architecture),
        entropy_model=program,
        synthesis=Synthesis(model, (y,)),
        backend=TorchBackend(device),
        network=model,
    )


def arrays_of(model: Any) -> dict[str, np.ndarray]:
    """What a weights file stores of a network, beside its tables."""
    return {name: value.numpy() for name, value in model.state_dict().items() if name not in UNSTORED}


def _reason(error: Exception) -> str:
    """What torch says about a state dict, as one short clause."""
    if isinstance(error, KeyError):
        return f"it lacks {error.args[0]}"
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = lines[1] if len(lines) > 1 else lines[0] if lines else type(error).__name__
    return (text.split('", "')[0] if "key(s)" in text else text)[:200].rstrip('". ')
