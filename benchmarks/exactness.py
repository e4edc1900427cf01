"""Does a decoder find the same table indices whatever computes them? The integer entropy path against a float one.

    python -m benchmarks exactness [--side 256] [--rows FILE.md]

Runs the coding program of two untrained SegPIC networks with lively random weights, one on integers and one on
floats, in every combination of threads, memory layout, oneDNN, place in the batch, matrix precision and autocast
(and on CUDA where there is one), and compares scale indices, means and symbols with those of the first combination.
The values to code are the same in all of them; so is z, which the encoder alone computes.
"""

from __future__ import annotations

import argparse
import copy
import itertools
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor, nn

from benchmarks.common import options
from codectk.base.types import Context
from codectk.nn.coders import Meter
from codectk.nn.exact import ExactConv2d
from codectk.nn.storage import install, to_arrays
from codectk_segpic.config import SMALL
from codectk_segpic.network import Network, build
from codectk_segpic.regions import grid_regions

QUALITY, GRID = 40.0, 4
BATCH, PLACE = 4, 2
HEADER = ("device", "threads", "layout", "oneDNN", "in a batch", "integers", "floats", "mean off by", "indices changed")


@dataclass(frozen=True)
class Setting:
    """One way to compute the same thing.

    Attributes:
        layout: "NCHW" or "NHWC", of weights and inputs.
        place: None for the picture alone, else its place in a batch of four.
        precision: of float32 matrix products, as torch names it.
    """

    device: str
    threads: int
    layout: str
    onednn: bool
    place: int | None
    precision: str
    autocast: bool


def settings(device: str = "cpu") -> list[Setting]:
    """All combinations that make sense on a device."""
    threads, onednn = ((1, 2), (True, False)) if device == "cpu" else ((1,), (True,))
    return [
        Setting(device, *rest)
        for rest in itertools.product(
            threads, ("NCHW", "NHWC"), onednn, (None, PLACE), ("highest", "medium"), (False, True)
        )
    ]


@contextmanager
def applied(setting: Setting) -> Iterator[None]:
    """The process as `setting` wants it."""
    with ExitStack() as stack:
        stack.callback(torch.set_num_threads, torch.get_num_threads())
        torch.set_num_threads(setting.threads)
        stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        torch.set_float32_matmul_precision(setting.precision)
        onednn: Any = torch.backends.mkldnn
        stack.callback(setattr, onednn, "enabled", onednn.enabled)
        onednn.enabled = setting.onednn
        if setting.autocast:
            stack.enter_context(torch.autocast(setting.device, torch.bfloat16))
        stack.enter_context(torch.no_grad())
        yield


@torch.no_grad()
def lively(exact: bool, values: Mapping[str, Any], context: Context) -> Network:
    """An untrained network, exported and installed, whose activations and scale indices use their whole range.

    One run of the coding program over `values` scales every layer's weights to a fitting spread of its outputs.
    """
    options = {"config": "small", "exact": exact}
    network = build(options)
    model = network.entropy_model
    spread = {layer: 2.0 for layer in model.modules() if isinstance(layer, ExactConv2d | nn.Conv2d)}
    for rat in (model.dyn_dec_hyper_means, model.dyn_dec_hyper_scales):
        spread[rat.k_sp_gen[-1]] = 0.3  # multiplies features
    for net in model.cc_scale_transforms:
        # integers: index / 8, so 32 +- 16; floats: a standard deviation, nothing below 0.11
        last = [layer for layer in net if layer in spread][-1]
        spread[last] = 2.0 if exact else 30.0
        last.bias.fill_(4.0 if exact else 30.0)

    def fit(layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
        unit = 2.0**-layer.out_bits if isinstance(layer, ExactConv2d) else 1.0
        layer.weight.mul_(spread[layer] / (unit * output.std()))
        return layer.forward(*inputs)

    hooks = [layer.register_forward_hook(fit) for layer in spread]
    model.code(Meter(), values, context)
    for hook in hooks:
        hook.remove()
    ready = build(options)
    install(ready, to_arrays(network, np.float32))
    return ready


@dataclass
class Found:
    """What one picture's run of the coding program computed, slice after slice.

    Attributes:
        indices, symbols: int32 (C, h, w) each; means: float32 (C, h, w), as the network gives them.
        z: int32 (C, H/64, W/64).
    """

    indices: list[np.ndarray] = field(default_factory=list)
    means: list[np.ndarray] = field(default_factory=list)
    symbols: list[np.ndarray] = field(default_factory=list)
    z: np.ndarray | None = None

    def same_as(self, other: Found) -> bool:
        mine, theirs = (run.indices + run.means + run.symbols for run in (self, other))
        return all(np.array_equal(a, b) for a, b in zip(mine, theirs, strict=True))

    def mean_difference(self, other: Found) -> float:
        """Largest difference of two means."""
        return max(float(np.abs(a - b).max()) for a, b in zip(self.means, other.means, strict=True))

    def changed_indices(self, other: Found) -> int:
        """Number of scale indices that differ."""
        return sum(int((a != b).sum()) for a, b in zip(self.indices, other.indices, strict=True))


class Recorder:
    """A symbol coder that writes nothing: it keeps what one picture of the batch was coded with.

    Args:
        model: the entropy model that will run.
        place: of the picture in its batch.
        z: what the picture's z decodes to, or None for what the encoder makes of it.
    """

    def __init__(self, model: nn.Module, place: int, z: np.ndarray | None):
        self.model, self.place, self.z = model, place, z
        self.found = Found()

    def code(self, index: np.ndarray, symbols: np.ndarray, tables: Any) -> np.ndarray:
        if tables is self.model.prior_y.tables:
            self.found.indices.append(index[self.place].copy())
            self.found.symbols.append(symbols[self.place].copy())
        elif tables is self.model.prior_z.tables:
            if self.z is not None:
                symbols = symbols.copy()
                symbols[self.place] = self.z
            self.found.z = symbols[self.place].copy()
        return symbols

    def raw(self, value: int, bits: int) -> int:
        return value

    def mean(self, layer: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        """Forward hook of the networks that compute means."""
        self.found.means.append(output[self.place].cpu().numpy().copy())


class Bench:
    """A network with a picture to code in different settings; three more make the batch.

    Args:
        exact: integers, or else floats behind the hyperprior.
        height, width: of the picture in pixels, multiples of 64.
    """

    def __init__(self, exact: bool, height: int, width: int, seed: int = 0):
        self.context = Context(height, width, {"quality": QUALITY})
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.values = {
                "y": 6.0 * torch.randn(BATCH, SMALL.latent, height // 16, width // 16),
                "p_mid": 8.0 * torch.randn(BATCH, SMALL.code_mid[-1], GRID**2, 1),
                "p_deep": 8.0 * torch.randn(BATCH, SMALL.code_deep[-1], GRID**2, 1),
            }
            regions = grid_regions(GRID, BATCH, height // 16, width // 16, torch.empty(0))
            self.network = lively(exact, {**self.values, "regions": regions}, self.context)
        self.z: np.ndarray | None = None

    def run(self, setting: Setting) -> Found:
        """Code the picture; the first run decides its z."""
        layout = torch.channels_last if setting.layout == "NHWC" else torch.contiguous_format
        network = self.network if setting.device == "cpu" else copy.deepcopy(self.network).to(setting.device)
        model = network.to(memory_format=layout).entropy_model
        alone = setting.place is None
        chosen = slice(PLACE, PLACE + 1) if alone else slice(None)
        values: dict[str, Any] = {
            name: value[chosen].to(setting.device, memory_format=layout) for name, value in self.values.items()
        }
        batch, _, height, width = values["y"].shape
        values["regions"] = grid_regions(GRID, batch, height, width, values["y"])
        recorder = Recorder(model, 0 if alone else setting.place, self.z)
        hooks = [net.register_forward_hook(recorder.mean) for net in model.cc_mean_transforms]
        try:
            with applied(setting):
                model.code(recorder, values, self.context)
        finally:
            for hook in hooks:
                hook.remove()
        if self.z is None:
            self.z = recorder.found.z
        return recorder.found


def arguments(parser: argparse.ArgumentParser) -> None:
    options(parser, "--side", side={"default": 256, "help": "of the picture in pixels, a multiple of 64"})
    parser.add_argument("--rows", type=Path, help="also write the table as Markdown")


def main(a: argparse.Namespace) -> int:
    exact, plain = (Bench(kind, a.side, a.side) for kind in (True, False))
    devices = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]
    first = settings()[0]
    benches = (exact, plain)
    references = [bench.run(first) for bench in benches]
    count = sum(index.size for index in references[0].indices)
    rows = []
    # Precision and autocast are merged into one row: four runs each.
    for key, group in itertools.groupby(
        (setting for device in devices for setting in settings(device)),
        lambda s: (s.device, s.threads, s.layout, s.onednn, s.place),
    ):
        device, threads, layout, onednn, place = key
        batch = "alone" if place is None else f"{place + 1} of {BATCH}"
        row = [device, str(threads), layout, "on" if onednn else "off", batch]
        members = list(group)
        runs = [[bench.run(setting) for setting in members] for bench in benches]
        for found, reference in zip(runs, references, strict=True):
            other = sum(not run.same_as(reference) for run in found)
            row.append(f"differ {other}/{len(found)}" if other else "identical")
        difference = max(run.mean_difference(references[1]) for run in runs[1])
        changed = max(run.changed_indices(references[1]) for run in runs[1])
        rows.append([*row, f"{difference:.1e}" if difference else "0", str(changed)])
    table = Table(*HEADER, title="Scale indices, means and symbols against the first row", min_width=100)
    table.caption = f"Each row: two matrix precisions, autocast off and on. The floats' means and {count} indices."
    for row in rows:
        table.add_row(*row)
    Console(width=110).print(table)
    if a.rows:
        lines = [HEADER, ["---"] * len(HEADER), *rows]
        a.rows.write_text("".join(f"| {' | '.join(line)} |\n" for line in lines), encoding="utf-8")
    return 0 if all(row[5] == "identical" for row in rows) else 1
