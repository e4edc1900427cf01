"""HSC's hooks: the heads are of no use without a generator, which is weights of its own."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from codectk.spec.hooks import hookimpl

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from codectk.spec.edits import Edit
    from codectk.spec.stages import Stages
    from codectk_hsc.network import Network


@hookimpl
def codectk_codec(name: str, device: str, weights: Path | None) -> Stages | None:
    """The shipped heads, or those of a weights file, around the generator in the weights store."""
    if name != "hsc":
        return None
    from functools import partial

    from codectk.nn.preset import load_codec
    from codectk_hsc.generators.library import preset_path, refuse_generator
    from codectk_hsc.network import build

    generator = preset_path()  # heads alone can do nothing, so this comes first
    if weights is not None:
        refuse_generator(weights)
    return load_codec("codectk_hsc", "hsc-small", partial(build, file=generator), device, weights)


@hookimpl
def codectk_edits(codec: str) -> Mapping[str, Edit] | None:
    """The catalogue."""
    if codec != "hsc":
        return None
    from codectk_hsc.editing.catalogue import CATALOGUE

    return {name: direction.edit for name, direction in CATALOGUE.items()}


@hookimpl
def codectk_network(name: str, options: Mapping[str, Any]) -> Network | None:
    """Untrained heads, with the statistics of the generator that they work in."""
    if name != "hsc":
        return None
    from codectk_hsc.network import build

    network = build(options)
    network.synthesis.basis.measure(network.synthesis.generator)
    return network


@hookimpl
def codectk_weights_import(codec: str, path: Path) -> tuple[dict[str, np.ndarray], dict[str, str]] | None:
    """Generators: the wheel of random-face, MobileStyleGAN as safetensors, StyleGAN2 checkpoints."""
    if codec != "hsc":
        return None
    from codectk_hsc.generators.library import import_generator

    return import_generator(path)
