"""Adapters and what they are made of: exact where latents are, and refused where they cannot join."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from codectk.base.errors import ContractError, UsageError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk.coding.tables import Tables
from codectk.graph import catalog
from codectk.nn.adapters.build import KINDS, build
from codectk.nn.adapters.channels import ChannelAdapter
from codectk.nn.adapters.labels import LabelResize, fill, majority
from codectk.nn.chain import CodingChain
from codectk.nn.coders import Meter
from codectk.nn.label_maps import LabelMapCoder
from codectk.nn.priors import FactorizedPrior, table_costs
from codectk.programs.values import value_coder
from codectk.spec.stages import LatentSpec

pytestmark = pytest.mark.portable

CTX = Context(64, 64)


def y(channels: int | None, stride: int = 16) -> LatentSpec:
    return LatentSpec("y", channels, stride)


@pytest.mark.parametrize(("outside", "inside"), [(6, 4), (4, 6)])
def test_channels_start_as_a_cut_identity(outside: int, inside: int):
    adapter = ChannelAdapter()
    adapter.join((LatentSpec("z", 1, 64), y(outside)), (y(inside),))
    x = torch.randn(2, outside, 3, 5)
    within = adapter.enter({"y": x, "z": 7}, CTX)
    assert within["z"] == 7 and within["y"].shape == (2, inside, 3, 5)
    back = adapter.leave(within, CTX)["y"]
    assert torch.equal(back[:, :4], x[:, :4]) and not back[:, 4:].any()
    assert torch.equal(adapter.enter({"y": 3 * x}, CTX)["y"], 3 * within["y"]), "linear"
    assert sum(p.numel() for p in adapter.parameters()) == 2 * outside * inside


class _Model:
    """Codes nothing and gives back what it gets."""

    needs = gives = (y(4),)

    def code(self, coder, values, ctx):
        return values


@pytest.mark.parametrize("restore", [True, False])
def test_channels_may_stay_as_the_entropy_model_has_them(restore: bool):
    """The analysis of one codec, the entropy model and the synthesis of another: nothing is to be restored."""
    adapter = ChannelAdapter(restore=restore)
    adapter.join((y(6),), (y(4),))
    chain = CodingChain(_Model(), [adapter])
    assert chain.needs == (y(6),) and chain.gives == ((y(6),) if restore else (y(4),))
    x = torch.randn(1, 6, 2, 2)
    latents = chain.code(None, {"y": x}, CTX)
    assert latents["y"].shape[1] == chain.gives[0].channels
    assert torch.equal(latents["y"][:, :4], x[:, :4])
    assert sum(p.numel() for p in adapter.parameters()) == (2 if restore else 1) * 24
    with pytest.raises(UsageError, match="restore = true or false"):
        ChannelAdapter(restore="no")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("outside", "inside", "words"),
    [
        ((), (y(4),), "'y', which the analysis does not make"),
        ((y(4),), (), "'y', which the entropy model does not need"),
        ((y(4, 8),), (y(4),), "stride and kind are 8 and gaussian on one side, 16 and gaussian on the other"),
        ((y(None),), (y(4),), "the number of channels"),
    ],
)
def test_channels_that_cannot_be_joined(outside, inside, words: str):
    with pytest.raises(ContractError, match=words):
        ChannelAdapter().join(outside, inside)


def test_labels_by_majority_without_holes():
    labels = torch.zeros(1, 5, 8, dtype=torch.int64)
    labels[0, :4, :4] = 3
    labels[0, 0, :3] = 2
    labels[0, 4, 0] = 5  # a block of one row at the border, whose other pixels are void
    small = majority(labels, 4, 6, void=0)
    assert small.tolist() == [[[3, 0], [5, 0]]]
    assert majority(labels, 4, 6, void=None).tolist() == [[[3, 0], [0, 0]]], "zero is a label like others"
    assert fill(small, 0).tolist() == [[[3, 5], [5, 5]]], "of two as near, the larger label"
    assert fill(torch.zeros(1, 2, 2, dtype=torch.int64), 0).sum() == 0, "nothing to fill with"
    far = torch.zeros(1, 1, 9, dtype=torch.int64)
    far[0, 0, 0], far[0, 0, 8] = 1, 2
    assert fill(far, 0).tolist() == [[[1, 1, 1, 1, 2, 2, 2, 2, 2]]]


def test_labels_as_an_adapter():
    adapter = build("core.labels", {"stride": 2, "classes": 4})
    assert isinstance(adapter, LabelResize) and adapter.tells == "labels at stride 2"
    adapter.join((y(4),), (y(4),))
    values = {"y": torch.ones(1)}
    assert adapter.enter(values, CTX) is values and adapter.leave(values, CTX) is values
    assert adapter.condition(torch.full((2, 4, 6), 3), CTX).tolist() == [[[3] * 3] * 2] * 2
    for wrong in (torch.rand(1, 4, 4), torch.ones(4, 4, dtype=torch.int64), None):
        with pytest.raises(ContractError, match="takes label maps"):
            adapter.condition(wrong, CTX)
    with pytest.raises(ContractError, match="labels 0 to 3 only"):
        adapter.condition(torch.full((1, 4, 4), 4), CTX)
    with pytest.raises(UsageError, match=r"core\.labels has no option .*; it has stride, classes, void"):
        build("core.labels", {"size": 2})
    with pytest.raises(UsageError, match="a stride and a number of classes"):
        build("core.labels", {"stride": 0})


@pytest.mark.parametrize(("height", "width"), [(1, 1), (3, 7), (8, 5)])
def test_label_maps_come_back(height: int, width: int):
    coder = LabelMapCoder(5)
    labels = torch.randint(5, (1, height, width), generator=torch.Generator().manual_seed(1))
    trained = Meter()
    assert torch.equal(coder.code(trained, labels, height, width), labels)
    coder.prior.tables = coder.prior.build_tables()
    stored, encoder = Meter(), Encoder()
    assert torch.equal(coder.code(stored, labels, height, width), labels)
    coder.code(value_coder(encoder, torch.empty(0)), labels, height, width)
    (payload,) = encoder.finish()
    decoder = Decoder([payload])
    assert torch.equal(coder.code(value_coder(decoder, torch.empty(0)), None, height, width), labels)
    torch.testing.assert_close(trained.bits, stored.bits, rtol=0.01, atol=0.1)
    assert abs(len(payload) * 8 - float(stored.bits)) < 96


def test_labels_learn_from_their_neighbors():
    coder = LabelMapCoder(3)
    checkers = (torch.arange(12)[:, None] + torch.arange(12)) % 2
    before = Meter()
    coder.code(before, checkers[None], 12, 12)
    optimizer = torch.optim.Adam(coder.parameters(), 0.3)
    for _ in range(30):
        meter = Meter([torch.Generator().manual_seed(0)])
        coder.code(meter, checkers[None], 12, 12)
        optimizer.zero_grad()
        meter.bits.sum().backward()
        optimizer.step()
    after = Meter()
    coder.code(after, checkers[None], 12, 12)
    assert float(after.bits.detach()) < 0.1 * float(before.bits.detach())


def test_stored_tables_cost_what_the_coder_writes():
    tables = Tables.from_counts([np.array([10, 80, 9, 1]), np.array([3, 1])], [-1, 4])
    costs, first = table_costs(tables)
    for table in (0, 1):
        for symbol in (-60, -3, -1, 0, 1, 2, 4, 9, 50):
            exact = tables.bits(table, np.array([symbol]))
            inside = 0 <= symbol - tables.offsets[table] < tables.sizes[table] - 1
            assert float(costs[table, symbol - first]) == pytest.approx(exact, abs=1e-3 if inside else 2)
    prior = FactorizedPrior("z", 2)
    prior.tables = tables
    value = torch.tensor([[0.0, 1.0, 0.25], [4.0, 4.0, 4.5]]).view(1, 2, 3, 1).requires_grad_()
    index = torch.tensor([[0, 0, 0], [1, -1, 1]]).view(1, 2, 3, 1)
    costly = prior.bits(value, index)
    bits = costly.detach()
    assert float(bits[0, 0, 0]) == pytest.approx(tables.bits(0, np.array([0])), abs=1e-3) and float(bits[0, 1, 1]) == 0
    middle = 0.75 * float(bits[0, 0, 0]) + 0.25 * float(bits[0, 0, 1])
    assert float(bits[0, 0, 2]) == pytest.approx(middle, abs=1e-3)
    costly.sum().backward()
    assert value.grad is not None and value.grad[0, 0, 2] > 0, "away from the likely symbol costs more"


def test_the_catalog_lists_what_can_be_built():
    assert {card.id for card in catalog.OWN} == set(KINDS)


class Coding:
    """Codes one latent in eight bits."""

    def __init__(self, name: str, channels: int):
        self.needs = self.gives = (LatentSpec(name, channels, 16),)
        self.name = name

    def code(self, coder, values, ctx):
        return {self.name: coder.raw(None if values is None else values[self.name], 8)}


class Doubling:
    """The entropy model's y is twice the analysis'."""

    outer, inner = (LatentSpec("x", 1, 16),), (y(2),)

    def join(self, outside, inside):
        pass

    def enter(self, values, ctx):
        return {**{k: v for k, v in values.items() if k != "x"}, "y": 2 * values["x"]}

    def leave(self, latents, ctx):
        return {**{k: v for k, v in latents.items() if k != "y"}, "x": latents["y"] // 2}


def test_a_chain_looks_like_one_entropy_model():
    chain = CodingChain(Coding("y", 2), [Coding("side", 3), Doubling()])
    assert {spec.name for spec in chain.needs} == {spec.name for spec in chain.gives} == {"side", "x"}
    encoder = Encoder()
    assert chain.code(encoder, {"x": 21, "side": 5}, CTX) == {"x": 21, "side": 5}
    assert chain.code(Decoder(encoder.finish()), None, CTX) == {"x": 21, "side": 5}
