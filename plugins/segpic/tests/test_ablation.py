"""Leaving a part out really leaves it out, and the rest still codes."""

from __future__ import annotations

import pytest
import torch

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk.nn.coders import Meter
from codectk.pipeline.program import forward, synthesize
from codectk_segpic.config import LEAVABLE
from codectk_segpic.layers import SAL
from codectk_segpic.network import build
from codectk_segpic.rat import RAT, ExactRAT

TINY = {"mid": [8, 16], "latent": 16, "slices": [8, 8], "heads": 2, "hyper": 8, "tail": 6}
GONE = {"rat": (RAT, ExactRAT), "sal": (SAL,), "regions": (RAT, ExactRAT)}


@pytest.mark.parametrize("part", [None, *LEAVABLE])
def test_a_network_without_a_part_trains_and_codes(part: str | None):
    torch.manual_seed(0)
    network = build({**TINY, "without": [part] if part else []})
    kinds = {type(module) for module in network.modules()}
    assert kinds.isdisjoint(GONE.get(part or "", ()))
    assert part in GONE or kinds.issuperset(kind for gone in GONE.values() for kind in gone)
    assert (len(network.entropy_model.lrp_transforms) == 0) == (part == "lrp")
    x = torch.rand(2, 3, 64, 64)
    meter = Meter([torch.Generator().manual_seed(i) for i in range(2)])
    out = forward(network.train().codec(), x, meter, Context(64, 64, {"quality": 50.0})).x
    (out.square().mean() + meter.bits.mean()).backward()
    assert torch.isfinite(out).all()


def test_without_prototypes_the_picture_does_not_depend_on_them():
    torch.manual_seed(0)
    for without, same in (([], False), (["prototypes"], True)):
        network = build({**TINY, "without": without}).eval()
        regions = network.conditioning(torch.rand(1, 3, 64, 64), Context(64, 64, {"grid": 2}))
        latents = {"y": torch.randn(1, 16, 4, 4), "regions": regions.ids}
        codes = [torch.randint(-9, 9, (1, 16, 4, 1)).float() for _ in range(2)]
        codec, ctx = network.codec(), Context(64, 64, {"quality": 50.0})
        pictures = [synthesize(codec, {**latents, "p_mid": c}, ctx) for c in codes]
        assert torch.equal(*pictures) == same


def test_masks_are_never_drawn_without_them():
    network = build({**TINY, "without": ["masks"]}).train()
    drawn = [network.conditioning(torch.rand(1, 3, 64, 64), Context(64, 64)).grid for _ in range(20)]
    assert None not in drawn


def test_an_unknown_part_is_refused():
    with pytest.raises(UsageError, match="no part 'magic'"):
        build({"without": ["magic"]})
