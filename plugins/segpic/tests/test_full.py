"""The full configuration is the published network: its parameters, its names, its numbers."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codectk.base.errors import WeightsError
from codectk.base.types import Context
from codectk.coding.coder import Encoder
from codectk.graph import wire
from codectk.nn.coders import Meter
from codectk.nn.exact import ExactConv2d
from codectk.nn.priors import FactorizedPrior, GaussianPrior
from codectk.nn.storage import install, to_arrays
from codectk.pipeline.program import forward
from codectk.programs.values import value_coder
from codectk_segpic.checkpoint import PRIORS, canonical_name, load, official_name
from codectk_segpic.config import FULL
from codectk_segpic.network import Network, build
from codectk_segpic.regions import Regions, grid_regions

MILLIONS = {
    "encoder": (7.67, ["analysis.g_a1", "analysis.g_a2"]),
    "decoder": (7.71, ["synthesis.g_s0", "synthesis.g_s1"]),
    "h_a": (3.32, ["entropy_model.h_a"]),
    "h_mean_s": (5.88, ["entropy_model.h_mean_s"]),
    "h_scale_s": (5.88, ["entropy_model.h_scale_s"]),
    "mean nets": (15.21, ["entropy_model.cc_mean_transforms"]),
    "scale nets": (15.21, ["entropy_model.cc_scale_transforms"]),
    "LRP nets": (15.86, ["entropy_model.lrp_transforms"]),
    "g_ab": (0.072, ["analysis.g_ab"]),
    "g_sb": (0.128, ["g_sb"]),
    "g_ab2": (0.152, ["analysis.g_ab2"]),
    "g_sb2": (0.153, ["entropy_model.g_sb2"]),
    "RAT encoder": (0.608, ["analysis.dyn_encoder"]),
    "RAT decoder": (0.608, ["synthesis.dyn_decoder"]),
    "RAT hyper": (1.669, ["entropy_model.dyn_enc_hyper"]),
    "RAT means": (1.669, ["entropy_model.dyn_dec_hyper_means"]),
    "RAT scales": (1.669, ["entropy_model.dyn_dec_hyper_scales"]),
}
"""Published parameters by module."""

PUBLISHED = 83_503_971
QUANTILES = 3 * (192 + 96 + 96)
"""The published factorized models learn three quantiles per channel as parameters. We search the tails when tables
are built and keep the middle ones, the medians, as a buffer beside the tables, so these are no parameters here."""


@pytest.fixture(scope="module")
def full() -> Network:
    """Shapes only: 83 million numbers are not made."""
    with torch.device("meta"):
        return Network(FULL)


@pytest.fixture(scope="module")
def tiny(reference) -> Network:
    """The full configuration's structure at small widths, with weights."""
    network = build(reference.TINY_OPTIONS)
    load(network, reference.random_state(reference.TINY), "a test")
    return network.eval()


def test_parameters_in_all(full):
    assert sum(p.numel() for p in full.parameters()) == PUBLISHED - QUANTILES


def test_parameters_by_module(full):
    counted = 0
    for name, (millions, modules) in MILLIONS.items():
        count = sum(p.numel() for module in modules for p in full.get_submodule(module).parameters())
        digits = 3 if millions < 2 else 2
        assert round(count / 1e6, digits) == millions, name
        counted += count
    priors = sum(p.numel() for name in PRIORS for p in full.entropy_model.get_submodule(name).parameters())
    assert priors == 23_424 - QUANTILES
    assert counted + priors == PUBLISHED - QUANTILES


def test_every_entry_of_a_published_checkpoint_has_its_place(full, reference):
    entries = reference.entries(reference.Widths())
    assert len(entries) == 919
    used = {canonical_name(name): shape for name, shape in entries.items()}
    del used[None]
    for prior in PRIORS.values():
        del used[f"{prior}.quantiles"]
    assert {official_name(name): tuple(value.shape) for name, value in full.state_dict().items()} == used


@pytest.mark.parametrize("grid", [1, 2, 4])
def test_the_whole_network_computes_what_the_published_one_does(tiny, reference, grid):
    x = torch.rand(1, 3, 64, 128, generator=torch.Generator().manual_seed(grid))
    expected = reference.Reference(reference.random_state(reference.TINY), reference.TINY.heads)(x, grid)
    meter = Meter()
    with torch.no_grad():
        found = forward(tiny.codec(), x, meter, Context(64, 128, {"grid": grid}))
    assert (found.x - expected["x"]).abs().max() < 1e-5
    for name in ("y", "p_mid", "p_deep"):
        assert (found.latents[name].flatten() - expected[name].flatten()).abs().max() < 1e-5, name
    bits = torch.tensor([meter.by_label[label] for label in ("y", "z", "p_mid", "p_deep")])
    assert torch.allclose(bits, expected["bits"].float(), rtol=1e-4)
    assert (bits > 10).all()  # or the comparison would be one of zeros


def test_grid_cells_are_plain_means_and_masks_are_not(tiny):
    features = torch.rand(1, 3, 8, 8)
    grid = grid_regions(2, 1, 8, 8, torch.empty(0))
    cells = grid.pool(features, tiny.analysis.cell_slack)
    assert torch.allclose(cells[0, :, 1, 0], features[0, :, :4, 4:].mean((1, 2)), atol=1e-6)
    masked = Regions(grid.ids, grid.count).pool(features, tiny.analysis.cell_slack)
    assert torch.allclose(masked, cells * (16 / 16.0005), atol=1e-6)
    assert not torch.equal(masked, cells)


def test_it_is_for_one_rate_and_one_machine(tiny):
    codec = tiny.codec()
    wire.check(codec)
    assert not codec.portable and codec.without_knobs == {"quality"}
    small = build({}).codec()
    assert small.portable and not small.without_knobs


def test_a_scale_is_coded_with_the_nearest_table():
    class Spy(Encoder):
        def code(self, index, symbols, tables):
            self.index = index
            return super().code(index, symbols, tables)

    prior, spy = GaussianPrior("y"), Spy()
    prior.tables = prior.build_tables()
    index, zeros = torch.tensor([0.4, 10.6, 62.9]), torch.zeros(3)
    value_coder(spy, zeros, rounds=True).code(index, zeros, prior)
    assert spy.index.tolist() == [0, 11, 63]


def test_integer_layers_refuse_medians():
    network = torch.nn.ModuleDict({"layer": ExactConv2d(2, 2), "prior": FactorizedPrior("p", 2)})
    arrays = to_arrays(network)
    assert "tables.prior.medians" not in arrays
    network["prior"].medians[0, 1] = 0.25
    with pytest.raises(WeightsError, match=r"prior has medians, but .* integer layers"):
        to_arrays(network)
    fresh = torch.nn.ModuleDict({"layer": ExactConv2d(2, 2), "prior": FactorizedPrior("p", 2)})
    with pytest.raises(WeightsError, match=r"prior has medians, but .* integer layers"):
        install(fresh, {**arrays, "tables.prior.medians": np.zeros(2, np.float32)})


@pytest.mark.parametrize("medians", [np.zeros(3), np.array([0.0, np.inf])])
def test_medians_that_do_not_fit_are_refused(medians):
    arrays = to_arrays(torch.nn.ModuleDict({"prior": FactorizedPrior("p", 2)}))
    fresh = torch.nn.ModuleDict({"prior": FactorizedPrior("p", 2)})
    with pytest.raises(WeightsError, match="not 2 finite numbers"):
        install(fresh, {**arrays, "tables.prior.medians": medians})


def test_tables_are_centered_on_the_medians():
    prior = FactorizedPrior("p", 2)
    with torch.no_grad():
        prior.biases[0][1] -= 40  # moves the density of channel 1 far from zero
    tables = [prior.build_tables()]
    values = torch.arange(-600.0, 600.0)
    density = prior.likelihood(values.expand(2, 1, -1))[:, 0]
    prior.medians.copy_(values[density.argmax(1)].view(1, 2, 1, 1))
    tables.append(prior.build_tables())
    assert abs(float(prior.medians[0, 1])) > 20
    middles = [t.offsets + t.frequencies.argmax(1) for t in tables]
    assert np.array_equal(middles[0], prior.medians.flatten().numpy())
    assert not middles[1].any()
