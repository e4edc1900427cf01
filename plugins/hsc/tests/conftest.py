"""What the plugin's tests share."""

from __future__ import annotations

import importlib.util
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from torch import nn

from codectk.nn.storage import install, to_arrays
from codectk.spec.stages import Stages
from codectk.testing.threads import torch_threads
from codectk_hsc.config import SMALL
from codectk_hsc.generators.mobilestylegan import MobileStyleGAN, from_arrays
from codectk_hsc.network import Network

DATA = Path(__file__).parents[4] / "shared" / "data"


@pytest.fixture(autouse=True)
def _one_thread():
    with torch_threads(1):
        yield


@pytest.fixture(scope="session")
def reference() -> ModuleType:
    """The module reference.py beside this file; tests are not importable by name."""
    spec = importlib.util.spec_from_file_location("hsc_reference", Path(__file__).with_name("reference.py"))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared data."""
    if not (DATA / "weights" / "mobilestylegan_ffhq_fp16.safetensors").is_file():
        pytest.skip("the pre-trained generator is not in ../shared")
    return DATA


def random_arrays(network: nn.Module, seed: int = 0) -> dict[str, np.ndarray]:
    """Values for every tensor of a network on the meta device, of a scale that keeps the signal alive."""
    random = np.random.default_rng(seed)
    arrays = {}
    for name, value in network.state_dict().items():
        fan = int(np.prod(value.shape[1:])) if value.ndim > 1 else 1
        scale = 1.0 if "noise" in name or name.startswith(("const", "input")) else 1.4 / np.sqrt(max(fan, 1))
        arrays[name] = (scale * random.standard_normal(tuple(value.shape))).astype(np.float32)
    return arrays


@pytest.fixture(scope="session")
def fill():
    """random_arrays."""
    return random_arrays


@pytest.fixture
def mobile_arrays() -> dict[str, np.ndarray]:
    """A MobileStyleGAN of 64 pixels with 12-valued styles."""
    with torch.device("meta"):
        network = MobileStyleGAN(12, 2, {4: 16, 8: 16, 16: 24, 32: 8})
    return random_arrays(network)


@pytest.fixture
def tiny(mobile_arrays: dict[str, np.ndarray]) -> Network:
    """Untrained heads around that generator, with the statistics they work in."""
    torch.manual_seed(0)
    config = replace(
        SMALL, slots=8, dim=12, components=9, widths=(16, 16, 32), trunk=32, depth=1, regression_rank=4, pooled=16,
        hidden=24, core=10, core_hidden=12, slices=(2, 3, 4),
    )  # fmt: skip
    network = Network(config, from_arrays(mobile_arrays, "a test's generator"))
    network.synthesis.basis.measure(network.synthesis.generator)
    return network


@pytest.fixture
def coded(tiny: Network) -> tuple[Network, Stages]:
    """The same heads, ready to code."""
    network = Network(tiny.config, tiny.synthesis.generator)
    install(network, to_arrays(tiny))
    return network, network.codec("0" * 64)
