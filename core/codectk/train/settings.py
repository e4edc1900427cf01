"""Training recipes: a TOML file, overridden by `--set section.key=value`.

The codec is an installed one, [codec], or a hybrid that the recipe describes slot by slot (`codectk.graph.recipe`).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, TypeVar

from codectk.base import toml
from codectk.base.errors import UsageError
from codectk.base.toml import Document, override
from codectk.graph.recipe import GRAPH, TOP, Graph, graph_of, has_graph

METHODS = ("adam", "muon")
PRECISIONS = ("float32", "bfloat16")
OBJECTIVES = ("codec", "discriminator", "lesson")


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
    """Random crops (pixels) of the pictures in `paths`, files and folders, `batch` of them per step over all processes;
    `min_side` drops smaller pictures; pictures are reduced by a random factor in [`scale_min`, 1] first; at random,
    crops are flipped (`mirror`) and transposed (`transpose`).

    `shares` gives folders of the data their part of the crops: { name = share }, for pictures somewhere below a folder
    of that name. The others share the rest; within a share, big pictures are drawn more often.

    `labels` is a folder of label maps, for a discriminator or a lesson that needs them: PNGs of mode L (0 void, 1..N
    groups), each of the size of the picture with the same stem.
    """

    paths: list[str] = field(default_factory=list, metadata={"items": (str,)})
    crop: int = _number(128, 1)
    batch: int = _number(8, 1)
    min_side: int = _number(128, 1)
    scale_min: float = _number(1.0, 0.01, 1.0)
    mirror: bool = True
    transpose: bool = True
    labels: str = ""
    shares: Mapping[str, float] = field(default_factory=dict, metadata={"items": (float,)})


@dataclass(frozen=True)
class LossSection:
    """lambda(q) = low * (high / low)^(q / 100) for quality q; the sample's loss is weighted by lambda^-balance.

    With a `top`, lambda leaves that line at quality `knee` and rises, exponentially too, to `top` at quality 100.

    `mse`, `ms_ssim`, `eye` and `lpips` are weights of the distortions in a mixture: mse is on the 0..255 scale as in
    CompressAI, ms_ssim is 1 - MS-SSIM of RGB, eye the same of the channels that an eye sees (brightness and opponent
    colors, XYB), lpips is LPIPS v0.1 with AlexNet, whose weights are the safetensors file `lpips_weights`.
    `components` adds distortions that plugins offer: { id = { weight = 1.0, options = {} } }.
    """

    low: float = _number(0.0009, 1e-12)
    high: float = _number(0.1, 1e-12)
    top: float = _number(0.0, 0.0)
    knee: float = _number(80.0, 0.0, 99.0)
    balance: float = _number(0.4, 0.0)
    mse: float = _number(1.0, 0.0)
    ms_ssim: float = _number(0.0, 0.0)
    eye: float = _number(0.0, 0.0)
    lpips: float = _number(0.0, 0.0)
    lpips_weights: str = ""
    components: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata={"items": (dict,)})


@dataclass(frozen=True)
class OptimSection:
    """Adam, or Muon with `matrices` as factor of the rate for matrices, with linear warm-up over `warmup` steps, a
    constant rate, and linear decay to `lr_final` over the last `decay` steps (both shorter in proportion where `steps`
    has no room for them); gradients are clipped to norm `clip`; `ema` is the averaging factor of exported weights."""

    method: str = field(default="adam", metadata={"choices": METHODS})
    matrices: float = _number(3.0, 0.0)
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

    `weights` takes parts of the network from weights that code already: { prefix = source }, where a source is an
    installed codec, a safetensors file or a checkpoint, with ":prefix" behind it if the part has another place there or
    is not quite the same; then what both have is taken.
    `start` is what the network starts from, with a fresh optimizer at step 0: a checkpoint's averaged weights, or
    weights that code (an installed codec or a safetensors file), whose integer layers are trained, too. `copy`
    then copies, once, the weights below one dotted prefix to another: { target = source }. `train` lists prefixes of
    the parameters that are trained, none for all; the others stay as they are, to the bit. `knobs` gives values for
    the codec's knobs other than quality. With the `objective` "discriminator" there is no codec: the discriminator
    alone is pre-trained on real pictures. With "lesson" the network learns what the component `lesson` with
    `lesson_options` says, such as latents that are known; its plugin's name may be left out.
    """

    weights: Mapping[str, str] = field(default_factory=dict, metadata={"items": (str,)})
    start: str = ""
    train: list[str] = field(default_factory=list, metadata={"items": (str,)})
    copy: Mapping[str, str] = field(default_factory=dict, metadata={"items": (str,)})
    knobs: Mapping[str, float | int] = field(default_factory=dict, metadata={"items": (float, int)})
    objective: str = field(default="codec", metadata={"choices": OBJECTIVES})
    lesson: str = ""
    lesson_options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class DiscriminatorSection:
    """What the codec is trained against: component `name` ("" for none) with `options`.

    `weight` is that of its loss in the mixture of distortions. It has Adam of its own with rate `lr` and first
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
class ValidationSection:
    """Pictures kept out of training, files and folders in `paths`, coded every `every` steps and after the last one at
    each of the `qualities`, with the averaged weights as they would be exported.

    They are taken whole, or as central crops of at most `crop` pixels a side where that is not 0.
    """

    paths: list[str] = field(default_factory=list, metadata={"items": (str,)})
    every: int = _number(1000, 1)
    qualities: list[float] = field(
        default_factory=lambda: [10.0, 30.0, 50.0, 70.0, 90.0], metadata={"items": (float, int)}
    )
    crop: int = _number(0, 0)


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
    """A whole recipe. `graph` describes a hybrid; then `codec` only has its name."""

    codec: CodecSection = CodecSection()
    data: DataSection = DataSection()
    loss: LossSection = LossSection()
    optim: OptimSection = OptimSection()
    stage: StageSection = StageSection()
    discriminator: DiscriminatorSection = DiscriminatorSection()
    validation: ValidationSection = ValidationSection()
    run: RunSection = RunSection()
    graph: Graph | None = None

    def as_dict(self) -> dict[str, Any]:
        """Nested tables of plain values, from which `from_dict` makes the recipe again."""
        sections = asdict(replace(self, graph=None))
        del sections["graph"]
        if self.graph is not None:
            del sections["codec"]
            sections |= self.graph.tables()
        return sections

    def on(self, paths: Sequence[str | Path], validation: Sequence[str | Path] = ()) -> Recipe:
        """The recipe with other training pictures, and other kept-out ones if some are given; files and folders."""
        made = replace(self, data=replace(self.data, paths=[str(Path(path).absolute()) for path in paths]))
        if not validation:
            return made
        return replace(
            made, validation=replace(self.validation, paths=[str(Path(path).absolute()) for path in validation])
        )

    @property
    def network(self) -> object:
        """What the network is made of; recipes that are alike in it can go on from each other's checkpoints."""
        return self.codec if self.graph is None else (self.graph.slots, self.graph.adapters)


SECTIONS: dict[str, type] = {f.name: type(f.default) for f in fields(Recipe) if f.name != "graph"}
Section = TypeVar("Section")


def load_recipe(path: str | Path, overrides: Iterable[str] = ()) -> Recipe:
    """Read a recipe and apply `section.key=value` overrides (values in TOML syntax; bare words are strings).

    Raises:
        InputError: the file is missing or not TOML.
        UsageError: an unknown section or key, or a value of the wrong type or out of range.
        PluginError: a plugin that a hybrid needs is missing or broken.
    """
    return _of(override(toml.read(path), overrides, TOP))


def from_dict(data: Mapping[str, Any], where: str = "The recipe", overrides: Iterable[str] = ()) -> Recipe:
    """A recipe from nested mappings, with overrides applied, checked.

    Raises:
        UsageError, PluginError: as `load_recipe`.
    """
    return _of(override(Document(data, where), overrides, TOP))


def _of(document: Document) -> Recipe:
    data, where = document.data, document.where
    known = (*SECTIONS, *GRAPH)
    if unknown := sorted(set(data) - set(known)):
        raise UsageError(f"{where}: unknown section [{unknown[0]}]; sections are {', '.join(SECTIONS)}.")
    graph = graph_of(document) if has_graph(data) else None
    sections: dict[str, Any] = {
        name: _section(SECTIONS[name], values, f"{where} [{name}]") for name, values in data.items() if name in SECTIONS
    }
    if graph is not None:
        sections["codec"] = CodecSection(graph.name)
    return Recipe(**sections, graph=graph)


def differences(left: Recipe, right: Recipe) -> list[str]:
    """Names `section.key` of what differs, in the recipe's order, but for where the training pictures lie."""
    a, b = _flat(left.on(()).as_dict()), _flat(right.on(()).as_dict())
    return [name for name in dict.fromkeys((*a, *b)) if name not in a or name not in b or a[name] != b[name]]


def _flat(sections: Mapping[str, Any]) -> dict[str, Any]:
    flat = {key: value for key, value in sections.items() if not isinstance(value, Mapping)}
    tables = {key: value for key, value in sections.items() if isinstance(value, Mapping)}
    return flat | {f"{section}.{key}": value for section, table in tables.items() for key, value in table.items()}


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
        raise UsageError(f"{what} must be {_title(type(default))}, not {value!r}.")
    if "range" in limits:
        low, high = limits["range"]
        span = f"between {low} and {high}" if high < math.inf else f"at least {low}"
        if not (low <= value <= high and math.isfinite(value)):
            raise UsageError(f"{what} must be {span}, not {value!r}.")
    if "items" in limits:
        for item in value.values() if isinstance(value, Mapping) else value:
            if type(item) not in limits["items"]:
                kinds = " or ".join(_title(kind) for kind in limits["items"])
                raise UsageError(f"{what} may only hold {kinds}, not {item!r}.")
    if "choices" in limits and value not in limits["choices"]:
        raise UsageError(f"{what} must be one of {', '.join(limits['choices'])}, not {value!r}.")
    return value


def _title(kind: type) -> str:
    """A type as TOML calls it."""
    return "table" if kind is dict else kind.__name__
