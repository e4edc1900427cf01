"""The two configurations: published sizes, any picture size, one program at both ends."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk.coding.coder import Meter as Counter
from codectk.graph import wire
from codectk.nn.coders import Meter
from codectk.nn.exact import ExactConv2d
from codectk.nn.storage import install, to_arrays
from codectk.pipeline.program import analyze, code, forward, synthesize
from codectk.testing.threads import torch_threads
from codectk_egic.network import Network, build

pytestmark = pytest.mark.portable


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    with torch_threads(1):
        yield


@pytest.fixture(scope="module")
def trained() -> Network:
    """Unfrozen, with weights that do something."""
    torch.manual_seed(3)
    network = build({}).eval().requires_grad_(False)
    for layer in network.entropy_model.modules():
        if isinstance(layer, ExactConv2d):
            assert layer.bias is not None
            layer.bias.data.add_(0.2 * torch.randn(layer.bias.shape))
    return network


@pytest.fixture(scope="module")
def exported(trained: Network) -> Network:
    network = build({})
    install(network, to_arrays(trained, np.float32))
    return network


def parameters(*modules: nn.Module) -> int:
    return sum(p.numel() for module in modules for p in module.parameters())


def knobs(quality: float = 50.0, realism: float = 1.0) -> dict[str, float]:
    return {"quality": quality, "realism": realism}


def test_full_has_the_published_number_of_parameters():
    with torch.device("meta"):
        network = build({"config": "full"})
    entropy = network.entropy_model
    assert parameters(network.analysis) == 9_139_416
    assert parameters(entropy.h_a) == 3_065_892
    assert parameters(entropy.h_s) == 3_314_020
    assert parameters(network.synthesis) == 9_139_300
    assert parameters(entropy.cc_mean_transforms, entropy.cc_scale_transforms) == 7_892_236
    assert parameters(network.post) == 399_892


def test_full_runs_on_sizes_that_are_no_multiples_of_its_windows():
    torch.manual_seed(1)
    network = build({"config": "full"}).eval().requires_grad_(False)
    codec = network.codec()
    wire.check(codec)
    assert not codec.portable and codec.without_knobs == {"quality"}
    out = forward(codec, torch.rand(1, 3, 64, 192), Meter(), Context(64, 192, {"realism": 0.5}))
    assert out.x.shape == (1, 3, 64, 192) and torch.isfinite(out.x).all()


def test_small_is_wired_and_portable(trained: Network):
    codec = trained.codec()
    wire.check(codec)
    assert codec.portable and codec.stride == 64


def test_unknown_options_are_refused():
    with pytest.raises(UsageError, match="no configuration 'tiny'"):
        build({"config": "tiny"})
    with pytest.raises(UsageError, match="has no option"):
        build({"widht": 3})


@pytest.mark.parametrize(("height", "width"), [(64, 64), (128, 320)])
def test_the_decoder_repeats_the_encoder(trained: Network, exported: Network, height: int, width: int):
    """The meter of the trained network, encoder and decoder of the exported one agree on every latent."""
    x = torch.rand(1, 3, height, width, generator=torch.Generator().manual_seed(1))
    ctx = Context(height, width, {"quality": 62.5})
    codec = exported.codec()
    values = analyze(codec, x, ctx)
    metered = code(trained.codec(), Meter(), values, ctx)["y"]
    encoder = Encoder()
    encoded = code(codec, encoder, values, ctx)["y"]
    decoder = Decoder(encoder.finish())
    decoded = code(codec, decoder, None, ctx)["y"]
    decoder.finish()
    assert torch.equal(encoded, decoded) and torch.equal(metered, decoded)
    assert decoded.std() > 0.5, "something was coded"


def test_the_estimated_rate_is_the_real_one(exported: Network):
    x = torch.rand(1, 3, 128, 128, generator=torch.Generator().manual_seed(2))
    ctx = Context(128, 128, {"quality": 50.0})
    values = analyze(exported.codec(), x, ctx)
    counter, encoder = Counter(), Encoder()
    for coder in (counter, encoder):
        code(exported.codec(), coder, values, ctx)
    assert len(encoder.finish()[0]) * 8 == pytest.approx(counter.bits, rel=0.01, abs=64)


def test_quality_lowers_the_error(trained: Network):
    x = torch.nn.functional.avg_pool2d(torch.rand(1, 3, 256, 256, generator=torch.Generator().manual_seed(4)), 2)
    errors = [
        float((forward(trained.codec(), x, Meter(), Context(128, 128, knobs(quality))).x - x).square().mean())
        for quality in (0.0, 50.0, 100.0)
    ]
    assert errors[0] > errors[1] > errors[2]


def test_gradients_reach_every_part_but_the_residual_head():
    """Stage 1 trains everything (the published code leaves encoder and entropy model as they were)."""
    torch.manual_seed(5)
    network = build({}).train()
    meter = Meter([torch.Generator().manual_seed(1)])
    out = forward(network.codec(), torch.rand(1, 3, 128, 128), meter, Context(128, 128, knobs(40.0)))
    (out.x.square().mean() + meter.bits.sum() / 4096).backward()
    silent = {name for name, p in network.named_parameters() if p.grad is None or not p.grad.any()}
    assert {name for name in silent if name.startswith(("analysis", "synthesis"))} == set()
    assert {name.split(".")[1] for name in silent if name.startswith("entropy_model")} <= {"prior_y"}
    assert all(name in silent for name, _ in network.post.named_parameters(prefix="post"))


def test_residual_prediction_is_linear_in_alpha(trained: Network):
    torch.manual_seed(6)
    latents = {"y": torch.randn(1, 160, 4, 4).round()}
    codec = trained.codec()
    at = {a: synthesize(codec, latents, Context(64, 64, knobs(realism=a))) for a in (0.0, 0.25, 1.0)}
    assert (at[0.0] - at[1.0]).abs().max() > 1e-3
    torch.testing.assert_close(at[0.25], 0.75 * at[0.0] + 0.25 * at[1.0])


def test_a_copied_head_changes_nothing(trained: Network):
    network = build({})
    network.load_state_dict(trained.state_dict())
    network.post.head.load_state_dict(network.synthesis.last.state_dict())
    latents = {"y": torch.randn(1, 160, 4, 4, generator=torch.Generator().manual_seed(7)).round()}
    with torch.no_grad():
        a, b = (synthesize(network.codec(), latents, Context(64, 64, knobs(realism=r))) for r in (0.0, 1.0))
    torch.testing.assert_close(a, b)


def test_residual_prediction_trains_its_head_alone():
    torch.manual_seed(8)
    network = build({}).train()
    out = forward(network.codec(), torch.rand(1, 3, 64, 64), Meter(), Context(64, 64, knobs(realism=0.0)))
    out.x.square().mean().backward()
    touched = {name.split(".")[0] for name, p in network.named_parameters() if p.grad is not None and p.grad.any()}
    assert touched == {"post"}
