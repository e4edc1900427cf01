"""Fit the networks of the label coder and the color coder: `python -m codectk_sgc.fit`.

    python -m codectk_sgc.fit --labels PNGS... --void 0 --pictures PHOTOS... -o sgc-coders.safetensors

The networks are trained in floating point on the bits that the coders will spend, and rounded to integers at the end.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError
from codectk.train.data import list_pictures
from codectk.train.optimizer import Cycle
from codectk.weights.tensors import save_tensors
from codectk_sgc.colors.tables import FIRST, GROWTH, MORE, PHASES, WIDTHS
from codectk_sgc.colors.widths import FINE as WIDTH_FINE
from codectk_sgc.integers import quantized
from codectk_sgc.labels.decide import FINE as CHANCE_FINE
from codectk_sgc.samples import Samples, color_maps, color_samples, label_maps, label_samples

HIDDEN = {"labels.": (24, 16, 12), "colors.": (32, 32, 32)}
"""Hidden values of each network."""

CHANCE_UNIT = CHANCE_FINE / math.log(9 / 8)
"""Fine steps per unit of a logit."""

Bits = Callable[[Tensor, Tensor], Tensor]


def label_bits(said: Tensor, answers: Tensor) -> Tensor:
    """Bits of answers (n,) by what the network said (n, 1) in fine steps."""
    logits = said[:, 0] / CHANCE_UNIT
    return nn.functional.softplus(torch.where(answers > 0, -logits, logits)) / math.log(2)


def color_bits(said: Tensor, away: Tensor) -> Tensor:
    """Bits of levels less their starting point (n,) by what the network said (n, 2): eighths, fine widths."""
    center, width = said[:, 0] / PHASES, (said[:, 1] / WIDTH_FINE).clamp(0, WIDTHS - 1)
    mass = torch.zeros_like(away)
    for part, wider in ((0.8, 0), (0.2, MORE)):
        a = FIRST * (GROWTH[0] / GROWTH[1]) ** (width + wider)
        scale = 1 / torch.log1p(2**16 / a) / PHASES
        mass = mass + part * (
            torch.sigmoid((away + 0.5 - center) / scale) - torch.sigmoid((away - 0.5 - center) / scale)
        )
    return -torch.log2(mass + 2**-16)


def fit(
    samples: Samples, hidden: int, start: Sequence[float], unit: Sequence[float], bits: Bits, epochs: int, seed: int
) -> dict[str, np.ndarray]:
    """Train one network.

    Args:
        samples: inputs (n, F) and answers (n,).
        hidden: hidden values.
        start: outputs before training.
        unit: what one step of the optimizer's scale means in each output.
        bits: what an answer costs by what was said.
        epochs: passes over the samples.
        seed: of weights and order.

    Returns:
        Float layers w1, b1, w2, b2 for `quantized`.

    Raises:
        TrainingError: there are fewer than two samples.
    """
    if len(samples[0]) < 2:
        raise TrainingError("There are too few maps, or too little in them, to fit the coders' networks on.")
    torch.manual_seed(seed)
    x, answers = (torch.from_numpy(part) for part in samples)
    # Inputs are brought to a common spread for training; the spread is folded into the first layer afterwards.
    spread = x.std(0).clamp_min(0.05)
    first, second = nn.Linear(x.shape[1], hidden), nn.Linear(hidden, len(start))
    nn.init.zeros_(second.bias)
    base, units = torch.tensor(start), torch.tensor(unit)
    parameters = [*first.parameters(), *second.parameters()]
    batch = min(1024, len(x))
    steps = epochs * (len(x) // batch) + 1
    cycle = Cycle(torch.optim.Adam(parameters, lr=5e-3), 5e-3, steps)
    for _ in range(epochs):
        order = torch.randperm(len(x))
        for at in range(0, len(x) - batch + 1, batch):
            some = order[at : at + batch]
            said = second(torch.relu(first(x[some] / spread))) * units + base
            cycle.descend(bits(said, answers[some]).mean())
    # The integers are rounded down, so half a step is added.
    layers = {
        "w1": (first.weight / spread).T, "b1": first.bias,
        "w2": (second.weight * units[:, None]).T, "b2": second.bias * units + base + 0.5,
    }  # fmt: skip
    return {name: layer.detach().numpy() for name, layer in layers.items()}


def fit_labels(maps: Iterable[np.ndarray], epochs: int, seed: int) -> dict[str, np.ndarray]:
    """The arrays of the label coder."""
    arrays: dict[str, np.ndarray] = {}
    for number, samples in enumerate(label_samples(maps)):
        # The later a candidate, the fewer cells ask for it.
        layers = fit(samples, HIDDEN["labels."][number], [0.0], [CHANCE_UNIT], label_bits, epochs, seed)
        arrays |= quantized(layers, f"labels.{number}.")
    return arrays


def fit_colors(maps: Iterable[np.ndarray], epochs: int, seed: int) -> dict[str, np.ndarray]:
    """The arrays of the color coder."""
    arrays: dict[str, np.ndarray] = {}
    for plane, samples in enumerate(color_samples(maps)):
        unit = [PHASES * (4.0 if plane == 0 else 1.5), WIDTH_FINE * 5.0]
        layers = fit(samples, HIDDEN["colors."][plane], [0.0, WIDTH_FINE * 15.0], unit, color_bits, epochs, seed)
        arrays |= quantized(layers, f"colors.{plane}.")
    return arrays


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--labels", type=Path, nargs="+", required=True, help="folders of 8-bit PNGs, a label per pixel"
    )
    parser.add_argument("--void", type=int, default=0, help="the label of pixels without one")
    parser.add_argument("--pictures", type=Path, nargs="+", required=True, help="folders of photos")
    parser.add_argument("--label-crops", type=int, default=8, help="squares per label PNG")
    parser.add_argument("--picture-crops", type=int, default=2, help="squares per photo")
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("-o", "--output", type=Path, required=True)
    a = parser.parse_args()
    labels = list(label_maps(list_pictures(a.labels), a.void, a.label_crops, a.seed))
    colors = list(color_maps(list_pictures(a.pictures), a.picture_crops, a.seed))
    print(f"{len(labels)} label maps, {len(colors)} color maps", flush=True)
    # Mirrored pictures are pictures, too.
    arrays = fit_labels([*labels, *(np.ascontiguousarray(one[:, ::-1]) for one in labels)], a.epochs, a.seed)
    arrays |= fit_colors([*colors, *(np.ascontiguousarray(one[:, ::-1]) for one in colors)], a.epochs, a.seed)
    save_tensors(a.output, arrays, {"title": "SGC's label coder and color coder"})
    print(f"{a.output}: {a.output.stat().st_size} bytes")


if __name__ == "__main__":
    main()
