"""A network's parts become graphs that compute the same, from the tensors of its weights file."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from codectk.base.types import Context
from codectk.light.backend import ChannelsFirst
from codectk.light.graphs import Parts, read_graphs, write_graphs
from codectk.nn.exact import ExactConv2d
from codectk.nn.graphs import graphs_of
from codectk.nn.priors import FactorizedPrior
from codectk.nn.storage import install, to_arrays
from codectk.programs.values import code_channels, everywhere, value_coder
from codectk.spec.light import Light
from codectk.spec.stages import LatentSpec, Stages

pytest.importorskip("onnxscript")
Y = (LatentSpec("y", 4, 2, "factorized"),)


class Stage:
    produces = needs = gives = Y

    def __init__(self, run: Any):
        self.__call__ = self.code = run

    def __call__(self, *args: Any) -> Any:
        return self.code(*args)


class Network(nn.Module):
    """Halves a picture to y, and codes what an integer layer makes of it."""

    compact = ("down",)

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.Sequential(nn.PixelUnshuffle(2), nn.Conv2d(12, 4, 1))
        self.exact = nn.ModuleList([ExactConv2d(4, 4, in_bits=0, in_max=255), ExactConv2d(4, 4, leaky=True)])
        self.up = nn.Sequential(nn.Conv2d(4, 12, 3, padding=1), nn.PixelShuffle(2))
        self.prior = FactorizedPrior("y", 4)
        self.register_buffer("gain", torch.full((1, 4, 1, 1), 7.0))


def wire(parts: Any, options: Mapping[str, Any], sha256: str, backend: Any) -> Stages:
    nets = parts.find

    def code(coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        prior = nets("prior")
        here = everywhere(prior.medians, 1, ctx.height // 2, ctx.width // 2)
        y = None if values is None else values["y"]
        return {"y": code_channels(value_coder(coder, prior.medians), y, prior, here, 255)}

    def paint(latents: Mapping[str, Any], ctx: Context) -> Any:
        y = latents["y"]
        for layer in nets("exact"):
            y = layer(y)
        return nets("up")(y)

    analyze = Stage(lambda x, condition, ctx: {"y": nets("down")(x) * nets("gain")})
    return Stages("tiny", 2, sha256, True, analyze, Stage(code), Stage(paint), backend=backend)


LIGHT = Light(wire, (Context(8, 12), Context(16, 10)))


@pytest.fixture(scope="module")
def network() -> Network:
    torch.manual_seed(0)
    trained, made = Network(), Network()
    install(made, to_arrays(trained))
    return made


def test_graphs_compute_what_modules_do(network: Network, tmp_path: Path):
    """At a size that no example had, with weights from a file, int8 and float16 and integer ones."""
    torch.manual_seed(0)
    stored = to_arrays(Network())
    assert stored["down.1.weight"].dtype == np.int8
    file = graphs_of(network, {"config": "tiny"}, LIGHT, tmp_path / "tiny.graphs")
    assert set(file.graphs) == {"down", "exact.0", "exact.1", "up"}
    assert set(file.tensors["exact.0"]) == {"exact.0.int_weight", "exact.0.int_bias", "exact.0.scale"}
    assert set(file.tensors["down"]) == {"down.1.weight", "down.1.bias"}
    write_graphs(file)
    read = read_graphs(tmp_path / "tiny.graphs")
    assert read is not None and read.configuration == {"config": "tiny"}
    parts = Parts(read, stored)
    x = torch.rand(1, 3, 22, 26)

    def differ(made: np.ndarray, expected: Tensor) -> float:
        assert made.dtype == np.float32
        return float(np.abs(made - expected.detach().numpy()).max())

    assert differ(parts.find("down")(x.numpy()), network.down(x)) < 1e-6
    y = torch.randint(-255, 256, (1, 4, 7, 9)).float()
    for layer, graph in zip(network.exact, parts.find("exact"), strict=True):
        assert differ(graph(y.numpy()), layer(y)) == 0
    assert differ(parts.find("gain"), network.gain) == 0
    prior = parts.find("prior")
    assert np.array_equal(prior.tables.frequencies, network.prior.tables.frequencies)
    assert prior.medians.shape == (1, 4, 1, 1)
    light = wire(parts, {}, "", ChannelsFirst())
    ctx = Context(14, 6)
    pixels = np.random.default_rng(0).random((14, 6, 3), np.float32)
    values = light.analysis(light.backend.from_pixels(pixels), None, ctx)
    painted = light.backend.to_pixels(light.synthesis({"y": np.round(values["y"])}, ctx))
    assert painted.shape == (14, 6, 3) and painted.std() > 0
