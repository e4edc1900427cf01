"""The coding program of the integer networks: training, export, encoder and decoder compute the same numbers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from codectk.base.errors import BitstreamError, MismatchError, WeightsError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk.coding.coder import Meter as Counter
from codectk.nn.coders import Meter
from codectk.nn.exact import ExactConv2d, exact_modules
from codectk.nn.storage import install, to_arrays
from codectk.testing.threads import torch_threads
from codectk_segpic.config import BASE, SMALL, Config
from codectk_segpic.network import Network, build
from codectk_segpic.regions import GRIDS, grid_regions

pytestmark = pytest.mark.portable

HEIGHT, WIDTH = 128, 192
CONTEXT = Context(HEIGHT, WIDTH, {"quality": 62.5})


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with torch_threads(1):
        yield


@pytest.fixture(scope="module", params=["small", "base"])
def trained(request: pytest.FixtureRequest) -> Network:
    """Unfrozen, with weights that do something."""
    torch.manual_seed(3)
    network = build({"config": request.param}).eval()
    for layer in network.entropy_model.modules():
        if isinstance(layer, ExactConv2d):
            assert layer.bias is not None
            layer.bias.data.add_(0.2 * torch.randn(layer.bias.shape))
    return network


@pytest.fixture(scope="module")
def exported(trained: Network) -> Network:
    network = Network(trained.config)
    install(network, to_arrays(trained, np.float32))
    return network


def values(network: Network, grid: int, batch: int = 1, seed: int = 0) -> dict[str, Any]:
    generator = torch.Generator().manual_seed(seed)
    regions = grid_regions(grid, batch, HEIGHT // 16, WIDTH // 16, torch.empty(0))

    def normal(scale: float, *shape: int) -> Tensor:
        return scale * torch.randn(batch, *shape, generator=generator)

    return {
        "y": normal(3.0, network.config.latent, HEIGHT // 16, WIDTH // 16),
        "p_mid": normal(4.0, 16, regions.count, 1),
        "p_deep": normal(4.0, 16, regions.count, 1),
        "regions": regions,
    }


def same(one: Mapping[str, Tensor], other: Mapping[str, Tensor]) -> bool:
    assert one.keys() == other.keys()
    return all(torch.equal(one[name], other[name]) for name in one)


@torch.no_grad()
def test_training_and_export_compute_the_same(trained: Network, exported: Network):
    """Every latent, to the bit, and the same again after a second export."""
    meter = Meter([torch.Generator().manual_seed(s) for s in (1, 2)])
    ahead = trained.entropy_model.code(meter, values(exported, 4, 2), CONTEXT)
    assert ahead["y"].std() > 1
    assert same(ahead, exported.entropy_model.code(Meter(), values(exported, 4, 2), CONTEXT))
    again = Network(exported.config)
    install(again, to_arrays(exported, np.float32))
    assert same(ahead, again.entropy_model.code(Meter(), values(exported, 4, 2), CONTEXT))


@pytest.mark.parametrize("size", [1.0, 1000.0], ids=["usual", "huge"])
@torch.no_grad()
def test_integer_layers_see_integers_within_their_bounds(exported: Network, size: float):
    """The premise of the exactness proof, at every layer, also for values far beyond any picture's."""
    seen: dict[str, float] = {}

    def check(name: str, layer: torch.nn.Module, x: Tensor) -> None:
        assert x.dtype == torch.float32 and torch.equal(x, x.round()), name
        assert not isinstance(layer, ExactConv2d) or x.abs().max() <= layer.in_max, name
        seen[name] = float(x.abs().max())

    names = dict(exact_modules(exported))
    hooks = [
        layer.register_forward_pre_hook(lambda layer, inputs, name=name: check(name, layer, inputs[0]))
        for name, layer in names.items()
    ]
    given = values(exported, 4)
    given |= {name: size * given[name] for name in ("y", "p_mid", "p_deep")}
    try:
        exported.entropy_model.code(Meter(), given, CONTEXT)
    finally:
        for hook in hooks:
            hook.remove()
    assert seen.keys() == names.keys() and min(seen.values()) > 0


@pytest.mark.parametrize("grid", GRIDS)
@torch.no_grad()
def test_what_is_encoded_is_decoded(exported: Network, grid: int):
    """The grid travels in the file; only the coded knobs and the size are known at the other end."""
    model = exported.entropy_model
    encoder, counter = Encoder(), Counter()
    written = model.code(encoder, values(exported, grid), CONTEXT)
    assert same(written, model.code(counter, values(exported, grid), CONTEXT))
    (payload,) = encoder.finish()
    decoder = Decoder([payload])
    read = model.code(decoder, None, CONTEXT)
    decoder.finish()
    assert same(written, read)
    assert abs(8 * len(payload) - counter.bits - 24) < 32
    # symbol + mean, then a correction of at most 1/2: within 1 of what was coded
    assert (read["y"] - values(exported, grid)["y"]).abs().max() <= 1.0


@torch.no_grad()
@pytest.mark.parametrize("config", [SMALL, BASE], ids=["small", "base"])
def test_a_rate_estimate_is_what_is_written(config: Config):
    """The training meter on an unfrozen network against the payload, for values that are not far from expected."""
    torch.manual_seed(0)
    trained, exported = Network(config), Network(config)
    for net in (*trained.entropy_model.cc_mean_transforms, *trained.entropy_model.cc_scale_transforms):
        net[-1].weight.zero_()  # means 0 and scales of about 1.3, whatever the rest says
    install(exported, to_arrays(trained, np.float32))
    likely = {**values(exported, 4), "y": 1.2 * torch.randn(1, config.latent, HEIGHT // 16, WIDTH // 16)}
    meter, encoder = Meter(), Encoder()
    trained.entropy_model.code(meter, likely, CONTEXT)
    exported.entropy_model.code(encoder, likely, CONTEXT)
    assert isinstance(meter.bits, Tensor)
    written = 8 * len(encoder.finish()[0])
    assert abs(meter.bits.item() - written) < 0.01 * written + 64
    assert set(meter.by_label) == {"p_mid", "p_deep", "z", "y"}
    assert abs(sum(meter.by_label.values()) + 2 - meter.bits.item()) < 1


@torch.no_grad()
def test_masks_are_for_training_only(trained: Network):
    """Absent regions cost nothing, and no grid is written for masks."""
    ids = torch.randint(0, 5, (2, HEIGHT // 16, WIDTH // 16), generator=torch.Generator().manual_seed(0))
    regions = type(values(trained, 4)["regions"])(ids, 8)
    given = {
        **values(trained, 4, 2),
        "p_mid": torch.randn(2, 16, 8, 1),
        "p_deep": torch.randn(2, 16, 8, 1),
        "regions": regions,
    }
    meter, changed = Meter(), Meter()
    trained.entropy_model.code(meter, given, CONTEXT)
    for name in ("p_mid", "p_deep"):
        given[name] = given[name].clone()
        given[name][:, :, 5:] = 200
    trained.entropy_model.code(changed, given, CONTEXT)
    assert isinstance(meter.bits, Tensor) and isinstance(changed.bits, Tensor)
    assert torch.equal(meter.bits, changed.bits)


@torch.no_grad()
def test_other_weights_are_noticed(exported: Network):
    """One weight of another file: the decoder refuses instead of giving other latents."""
    encoder = Encoder()
    exported.entropy_model.code(encoder, values(exported, 2), CONTEXT)
    other = copy.deepcopy(exported)
    layer = other.entropy_model.h_scale_s[0]
    assert layer.int_weight is not None
    layer.int_weight[3, 5, 1, 1] *= -1
    decoder = Decoder(encoder.finish())
    with pytest.raises((MismatchError, BitstreamError)):
        other.entropy_model.code(decoder, None, CONTEXT)
        decoder.finish()


def test_an_untrained_network_does_not_code(trained: Network):
    with pytest.raises(WeightsError, match="p_mid"):
        trained.entropy_model.code(Encoder(), values(trained, 4), CONTEXT)
