"""A trained network as a file, and back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from codectk.base.errors import WeightsError
from codectk.nn.blocks import GDN
from codectk.nn.exact import ExactConv2d, ExactTable
from codectk.nn.priors import FactorizedPrior, GaussianPrior
from codectk.nn.storage import Arrays, install, thaw, to_arrays
from codectk.weights.tensors import load_tensors, save_tensors

pytestmark = pytest.mark.portable


class Small(nn.Module):
    """One of everything; `shift` is a float weight that shares its name with a part of an integer layer."""

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.front = nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), GDN(4))
        self.shift = nn.Parameter(torch.randn(4, 1, 1))
        self.hyper = nn.Sequential(ExactConv2d(4, 6, leaky=True), ExactConv2d(6, 5))
        self.table = ExactTable(torch.sigmoid, in_bits=6, in_max=200, out_bits=8)
        self.prior_y, self.prior_z = GaussianPrior("y"), FactorizedPrior("z", 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.round(100 * (self.front(x) + self.shift)).clamp(-1023, 1023)
        return self.table(self.hyper(x))


X = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))


def prior_arrays(network: Small) -> list[np.ndarray]:
    tables = [prior.tables for prior in (network.prior_y, network.prior_z)]
    assert None not in tables
    return [array for table in tables if table is not None for array in table.to_arrays().values()]


@pytest.fixture(scope="module")
def arrays() -> Arrays:
    return to_arrays(Small())


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_round_trip_through_a_file(dtype: type[np.floating], tmp_path: Path):
    trained = Small()
    stored = to_arrays(trained, dtype)
    save_tensors(tmp_path / "w.safetensors", stored)
    loaded = load_tensors(tmp_path / "w.safetensors")
    assert stored.keys() == loaded.keys()
    for name, array in stored.items():
        assert array.dtype == loaded[name].dtype and np.array_equal(array, loaded[name]), name
    ready = Small(seed=9)
    install(ready, loaded)
    expected, found = trained(X), ready(X)
    assert not ready.training and not found.requires_grad
    if dtype is np.float32:
        assert torch.equal(found, expected)
    else:
        assert (found - expected).abs().max() <= 8 and not torch.equal(found, torch.zeros_like(found))
    for table, prior in ((ready.prior_y.tables, trained.prior_y), (ready.prior_z.tables, trained.prior_z)):
        assert table is not None and table.digest() == prior.build_tables().digest()


def test_what_is_stored(arrays: Arrays):
    kinds = {name: array.dtype for name, array in arrays.items()}
    assert kinds["hyper.0.int_weight"] == np.int8 and kinds["hyper.1.int_bias"] == np.int32
    assert kinds["hyper.1.shift"] == np.int8 and kinds["table.table"] == np.int16
    assert kinds["front.0.weight"] == kinds["front.1.gamma"] == kinds["shift"] == np.float16
    assert kinds["tables.prior_y.frequencies"] == np.uint16
    assert not [name for name in arrays if "matrices" in name or "medians" in name or name.endswith("scale")]
    assert len(arrays) == 2 * 3 + 1 + 4 + 1 + 2 * 3


def test_export_leaves_the_network_as_it_is():
    network = Small()
    before = {name: value.clone() for name, value in network.state_dict().items()}
    to_arrays(network)
    after = network.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert network.training and all(parameter.requires_grad for parameter in network.parameters())


def test_what_was_installed_can_be_stored_again(arrays: Arrays):
    """With its tables: the density of an installed prior is not the trained one."""
    ready = Small(seed=9)
    install(ready, arrays)
    again = to_arrays(ready)
    assert arrays.keys() == again.keys()
    for name, array in arrays.items():
        assert np.array_equal(array, again[name]), name


def test_installing_twice_is_installing_once(arrays: Arrays):
    ready, other = Small(seed=9), to_arrays(Small(seed=2))
    install(ready, other)
    install(ready, arrays)
    fresh = Small(seed=9)
    install(fresh, arrays)
    assert torch.equal(ready(X), fresh(X))
    assert all(np.array_equal(a, b) for a, b in zip(prior_arrays(ready), prior_arrays(fresh), strict=True))


def test_thawed_weights_have_the_same_integers(arrays: Arrays):
    ready = Small(seed=9)
    install(ready, arrays)
    thaw(ready)
    again = to_arrays(ready)
    assert arrays.keys() == again.keys()
    for name, array in arrays.items():
        assert name.startswith("tables.prior_z") or np.array_equal(array, again[name]), name
    ready(X).sum().backward()
    layers = [*ready.front.parameters(), ready.shift, *ready.hyper.parameters()]
    assert all(parameter.requires_grad and parameter.grad is not None for parameter in layers)


def test_every_missing_tensor_is_named(arrays: Arrays):
    for name in arrays:
        less = {key: value for key, value in arrays.items() if key != name}
        with pytest.raises(WeightsError, match=f"lack {name.replace('.', '[.]')}[.]$"):
            install(Small(), less)


def test_a_superfluous_tensor_is_named(arrays: Arrays):
    with pytest.raises(WeightsError, match=r"another\.weight"):
        install(Small(), {**arrays, "another.weight": np.zeros(3, np.float16)})


def test_every_wrong_shape_is_refused(arrays: Arrays):
    for name, array in arrays.items():
        for wrong in (np.concatenate([array, array]), array[:-1], array[None]):
            with pytest.raises(WeightsError) as caught:
                install(Small(), {**arrays, name: wrong})
            if not name.startswith("tables."):
                assert name.rpartition(".")[0] in str(caught.value), name


def test_broken_tables_are_refused(arrays: Arrays):
    for name, change in (("sizes", -1), ("frequencies", 1), ("offsets", 1 << 21)):
        key = f"tables.prior_z.{name}"
        wrong = arrays[key].astype(np.int64)
        wrong[0] += change
        with pytest.raises(WeightsError):
            install(Small(), {**arrays, key: wrong})


def test_a_layer_over_its_bound_is_refused_by_name(arrays: Arrays):
    with pytest.raises(WeightsError, match=r"hyper\.1: .*bound"):
        install(Small(), {**arrays, "hyper.1.int_bias": np.full(5, 2**24, np.int32)})
    with pytest.raises(WeightsError, match=r"hyper\.0: .*integers"):
        install(Small(), {**arrays, "hyper.0.int_weight": arrays["hyper.0.int_weight"] + np.float32(0.5)})


@pytest.mark.parametrize("value", [1e6, float("nan"), float("inf")])
def test_values_that_float16_cannot_hold_are_refused(value: float):
    network = Small()
    network.front[0].weight.data[0, 0, 0, 0] = value
    with pytest.raises(WeightsError, match=r"front\.0\.weight.*float16"):
        to_arrays(network)


def test_weights_that_are_not_finite_are_refused():
    network = Small()
    network.hyper[0].weight.data[1, 0, 0, 0] = float("nan")
    with pytest.raises(WeightsError):
        to_arrays(network)


class Compact(nn.Module):
    """A network that says where eight bits a weight suffice."""

    compact = ("front",)

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.front = nn.Sequential(nn.Conv2d(3, 4, 3), nn.Conv2d(4, 4, 1))
        self.back = nn.Conv2d(4, 2, 1)
        with torch.no_grad():
            self.front[1].weight[0] = 0


def test_compact_weights_are_rows_of_eight_bits():
    trained, ready = Compact(), Compact(seed=9)
    arrays = to_arrays(trained)
    assert arrays["front.0.weight"].dtype == np.int8 and arrays["front.0.weight.scale"].shape == (4,)
    assert arrays["front.0.bias"].dtype == arrays["back.weight"].dtype == np.float16
    install(ready, arrays)
    for layer in (0, 1):
        old, new = trained.front[layer].weight, ready.front[layer].weight
        step = old.flatten(1).abs().amax(1) / 127
        assert ((old - new).abs().flatten(1).amax(1) <= 0.5001 * step).all()
    assert not any(name.endswith(".scale") for name in to_arrays(trained, np.float32))


def test_compact_weights_need_a_scale_per_row():
    arrays = to_arrays(Compact())
    arrays["front.0.weight.scale"] = arrays["front.0.weight.scale"][:3]
    with pytest.raises(WeightsError, match=r"front\.0\.weight\.scale has shape \(3,\)"):
        install(Compact(), arrays)
    del arrays["front.0.weight.scale"]
    with pytest.raises(WeightsError, match=r"lack front\.0\.weight\.scale"):
        install(Compact(), arrays)
    broken = Compact()
    with torch.no_grad():
        broken.front[0].weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(WeightsError, match=r"front\.0\.weight"):
        to_arrays(broken)
