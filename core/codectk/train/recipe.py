"""Training recipes: a TOML file, overridden by `--set section.key=value`."""

from __future__ import annotations

import math
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from codectk.base.errors import InputError, UsageError

PRECISIONS = ("float32", "bfloat16")
OBJECTIVES = ("codec", "discriminator")


def _number(default: Any, low: float, high: float = math.inf) -> Any:
    """A field whose values lie in [low, high]."""
    return field(default=default, metadata={"range": (low, high)})


@dataclass(frozen=True)
class CodecSection:
    """What is trained: `name` of the codec, `options` for its network."""

    name: str = "segpic"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSection:
    """Random crops (pixels), `batch` of them per step over all processes; `min_side` drops smaller pictures;
    pictures are reduced by a random factor in [`scale_min`, 1] first.

    `labels` is a folder of label maps, for a discriminator that needs them: PNGs of mode L (0 void, 1..N groups), each
    of the size of the picture with the same stem.
    """

    crop: int = _number(128, 1)
    batch: int = _number(8, 1)
    min_side: int = _number(128, 1)
    scale_min: float = _number(1.0, 0.01, 1.0)
    labels: str = ""


@dataclass(frozen=True)
class LossSection:
    """lambda(q) = low * (high / low)^(q / 100) for quality q; the sample's loss is weighted by lambda^-balance.

    `mse`, `ms_ssim` and `lpips` are weights of the distortions in a mixture: mse is on the 0..255 scale as in
    CompressAI, ms_ssim is 1 - MS-SSIM, lpips is LPIPS v0.1 with AlexNet, whose weights are the safetensors file
    `lpips_weights`.
    """

    low: float = _number(0.0009, 1e-12)
    high: float = _number(0.1, 1e-12)
    balance: float = _number(0.4, 0.0)
    mse: float = _number(1.0, 0.0)
    ms_ssim: float = _number(0.0, 0.0)
    lpips: float = _number(0.0, 0.0)
    lpips_weights: str = ""


@dataclass(frozen=True)
class OptimSection:
    """Adam with linear warm-up over `warmup` steps, constant rate, and linear decay to `lr_final` over the last
    `decay` steps; gradients are clipped to norm `clip`; `ema` is the averaging factor of the exported weights."""

    steps: int = _number(1000, 1, 2**31)
    lr: float = _number(4e-4, 0.0)
    lr_final: float = _number(1e-6, 0.0)
    warmup: int = _number(500, 0)
    decay: int = _number(300, 0)
    clip: float = _number(1.0, 1e-12)
    ema: float = _number(0.999, 0.0, 1.0)
    precision: str = field(default="float32", metadata={"choices": PRECISIONS})
    seed: int = _number(1, 0, 2**31)


@dataclass(frozen=True)
class StageSection:
    """One stage of a training that has several.

    `start` is a checkpoint from whose averaged weights the network starts, with a fresh optimizer at step 0. `copy`
    then copies, once, the weights below one dotted prefix to another: { target = source }. `train` lists prefixes of
    the parameters that are trained, none for all; the others stay as they are, to the bit. `knobs` gives values for
    the codec's knobs other than quality. With the `objective` "discriminator" there is no codec: the discriminator
    alone is pre-trained on real pictures.
    """

    start: str = ""
    train: list[str] = field(default_factory=list, metadata={"items": (str,)})
    copy: Mapping[str, str] = field(default_factory=dict, metadata={"items": (str,)})
    knobs: Mapping[str, float | int] = field(default_factory=dict, metadata={"items": (float, int)})
    objective: str = field(default="codec", metadata={"choices": OBJECTIVES})


@dataclass(frozen=True)
class DiscriminatorSection:
    """What the codec is trained against: component `name` ("" for none) with `options`.

    `weight` is that of its loss in the mixture of distortions. It has an Adam of its own with rate `lr` and first
    moment `beta1`; warm-up, decay, final rate and clipping are those of [optim]. `start` is a checkpoint whose
    discriminator it starts from.
    """

    name: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    weight: float = _number(0.0, 0.0)
    lr: float = _number(1e-4, 0.0)
    beta1: float = _number(0.0, 0.0, 0.999)
    start: str = ""


@dataclass(frozen=True)
class RunSection:
    """How often (steps) a line is logged, and how often (minutes; 0: after every step) a checkpoint is written.

    `deterministic` asks a GPU for algorithms that repeat exactly, which are somewhat slower; a CPU always does.
    """

    log_every: int = _number(50, 1)
    checkpoint_minutes: float = _number(5.0, 0.0)
    deterministic: bool = True


@dataclass(frozen=True)
class Recipe:
    """A whole recipe."""

    codec: CodecSection = CodecSection()
    data: DataSection = DataSection()
    loss: LossSection = LossSection()
    optim: OptimSection = OptimSection()
    stage: StageSection = StageSection()
    discriminator: DiscriminatorSection = DiscriminatorSection()
    run: RunSection = RunSection()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


SECTIONS: dict[str, type] = {f.name: type(f.default) for f in fields(Recipe)}
Section = TypeVar("Section")


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply `section.key=value` overrides (values in TOML syntax; bare words are strings).

    Raises:
        InputError: the file is missing or not TOML.
        UsageError: an unknown section or key, or a value of the wrong type or out of range.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"Cannot read the recipe {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML recipe: {error}.") from error
    return from_dict(data, str(path), overrides)


def from_dict(data: Mapping[str, Any], where: str = "The recipe", overrides: Iterable[str] = ()) -> Recipe:
    """A recipe from nested mappings, with overrides applied, checked.

    Raises:
        UsageError: as `load_recipe`.
    """
    for override in overrides:
        data = _override(data, override)
    if unknown := sorted(set(data) - set(SECTIONS)):
        raise UsageError(f"{where}: unknown section [{unknown[0]}]; sections are {', '.join(SECTIONS)}.")
    sections: dict[str, Any] = {
        name: _section(SECTIONS[name], values, f"{where} [{name}]") for name, values in data.items()
    }
    return Recipe(**sections)


def differences(left: Recipe, right: Recipe) -> list[str]:
    """Names `section.key` of what differs, in the recipe's order."""
    a, b = left.as_dict(), right.as_dict()
    return [f"{section}.{key}" for section in a for key in a[section] if a[section][key] != b[section][key]]


def _section(kind: type[Section], values: object, where: str) -> Section:
    if not isinstance(values, Mapping):
        raise UsageError(f"{where} must be a table, not {values!r}.")
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"{where}: unknown key '{key}'; keys are {', '.join(known)}.")
        checked[key] = _value(value, getattr(kind(), key), known[key].metadata, f"{where}: '{key}'")
    return kind(**checked)


def _value(value: Any, default: Any, limits: Mapping[str, Any], what: str) -> Any:
    if isinstance(default, float) and type(value) is int:
        value = float(value)
    if not isinstance(value, type(default)) or isinstance(value, bool) != isinstance(default, bool):
        name = "table" if isinstance(default, dict) else type(default).__name__
        raise UsageError(f"{what} must be {name}, not {value!r}.")
    if "range" in limits:
        low, high = limits["range"]
        span = f"between {low} and {high}" if high < math.inf else f"at least {low}"
        if not (low <= value <= high and math.isfinite(value)):
            raise UsageError(f"{what} must be {span}, not {value!r}.")
    if "items" in limits:
        for item in value.values() if isinstance(value, Mapping) else value:
            if type(item) not in limits["items"]:
                kinds = " or ".join(kind.__name__ for kind in limits["items"])
                raise UsageError(f"{what} may only hold {kinds}, not {item!r}.")
    if "choices" in limits and value not in limits["choices"]:
        raise UsageError(f"{what} must be one of {', '.join(limits['choices'])}, not {value!r}.")
    return value


def _override(data: Mapping[str, Any], override: str) -> dict[str, Any]:
    """A copy of `data` with one value replaced."""
    name, separator, text = override.partition("=")
    path = name.strip().split(".")
    if not separator or len(path) < 2 or not all(path):
        raise UsageError(f"An override is given as --set section.key=value, not '{override}'.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    changed = dict(data)
    at = changed
    for part in path[:-1]:
        inner = at.get(part, {})
        if not isinstance(inner, Mapping):
            raise UsageError(f"--set {override}: '{part}' is a value, not a table.")
        at[part] = dict(inner)
        at = at[part]
    at[path[-1]] = value
    return changed
