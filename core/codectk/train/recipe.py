"""Training recipes: a TOML file, overridden by `--set section.key=value`."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, TypeVar

from codectk.base.errors import InputError, UsageError


@dataclass(frozen=True)
class CodecSection:
    """What is trained: `name` of the codec, `options` for its network."""

    name: str = "segpic"
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DataSection:
    """Random crops (pixels), `batch` of them per step over all processes; `min_side` drops smaller pictures."""

    crop: int = 128
    batch: int = 8
    min_side: int = 128
    scale_min: float = 1.0


@dataclass(frozen=True)
class LossSection:
    """lambda(q) = low * (high / low)^(q / 100) for quality q; the sample's loss is weighted by lambda^-balance.

    `mse`, `ms_ssim` and `lpips` mix the distortions: mse is on the 0..255 scale as in CompressAI, ms_ssim is
    1 - MS-SSIM, lpips is LPIPS-Alex (needs `lpips_weights`).
    """

    low: float = 0.0009
    high: float = 0.1
    balance: float = 0.4
    mse: float = 1.0
    ms_ssim: float = 0.0
    lpips: float = 0.0
    lpips_weights: str = ""


@dataclass(frozen=True)
class OptimSection:
    """Adam with linear warm-up over `warmup` steps, constant rate, and linear decay to `lr_final` over the last
    `decay` steps; gradients are clipped to norm `clip`; `ema` is the averaging factor of the exported weights."""

    steps: int = 1000
    lr: float = 4e-4
    lr_final: float = 1e-6
    warmup: int = 500
    decay: int = 300
    clip: float = 1.0
    ema: float = 0.999
    precision: str = "float32"
    seed: int = 1


@dataclass(frozen=True)
class RunSection:
    """How often (steps) a line is logged, and how often (minutes) a checkpoint is written."""

    log_every: int = 50
    checkpoint_minutes: float = 5.0


@dataclass(frozen=True)
class Recipe:
    """A whole recipe."""

    codec: CodecSection = CodecSection()
    data: DataSection = DataSection()
    loss: LossSection = LossSection()
    optim: OptimSection = OptimSection()
    run: RunSection = RunSection()

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


SECTIONS = {f.name: type(f.default) for f in fields(Recipe)}
Section = TypeVar("Section")


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply `section.key=value` overrides (values in TOML syntax; bare words are strings).

    Raises:
        InputError: the file is missing or not TOML.
        UsageError: an unknown section or key, or a value of the wrong type.
    """
    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise InputError(f"cannot read the recipe {path}: {error.strerror}.") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path} is not a TOML recipe: {error}.") from error
    for override in overrides:
        _apply(data, override)
    return from_dict(data, str(path))


def from_dict(data: Mapping[str, Any], where: str = "recipe") -> Recipe:
    """A recipe from nested mappings, checked."""
    if unknown := sorted(set(data) - set(SECTIONS)):
        raise UsageError(f"{where}: unknown section [{unknown[0]}]; sections are {', '.join(SECTIONS)}.")
    return Recipe(**{name: _section(SECTIONS[name], values, f"{where} [{name}]") for name, values in data.items()})


def _section(kind: type[Section], values: Mapping[str, Any], where: str) -> Section:
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    checked: dict[str, Any] = {}
    for key, value in values.items():
        if key not in known:
            raise UsageError(f"{where}: unknown key '{key}'; keys are {', '.join(known)}.")
        default = getattr(kind(), key)
        if isinstance(default, float) and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if not isinstance(value, type(default)):
            raise UsageError(f"{where}: '{key}' must be {type(default).__name__}, not {value!r}.")
        checked[key] = value
    return kind(**checked)


def _apply(data: dict[str, Any], override: str) -> None:
    name, separator, text = override.partition("=")
    path = name.strip().split(".")
    if not separator or len(path) < 2:
        raise UsageError(f"--set takes section.key=value, not '{override}'.")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text
    at = data
    for part in path[:-1]:
        at = at.setdefault(part, {})
    at[path[-1]] = value
