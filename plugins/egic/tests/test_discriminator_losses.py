"""Cross-entropy with void, class weights, LabelMix, non-saturating losses."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F

from codectk.base.errors import ContractError
from codectk_egic.discriminator import labelmix
from codectk_egic.discriminator.losses import (
    IGNORED,
    class_weights,
    cross_entropy,
    fake_loss,
    real_loss,
    share,
    targets_of,
)


def test_cross_entropy_is_a_mean_over_counted_pixels():
    torch.manual_seed(0)
    logits, targets = torch.randn(3, 4, 5, 6), torch.randint(4, (3, 5, 6))
    targets[0, :2], targets[2] = IGNORED, IGNORED
    expected = [F.cross_entropy(logits[i : i + 1], targets[i : i + 1], ignore_index=IGNORED) for i in (0, 1)]
    assert torch.allclose(cross_entropy(logits, targets), torch.stack([*expected, torch.tensor(0.0)]))


def test_weights_enter_the_sum_but_not_the_count():
    logits, targets = torch.zeros(1, 2, 1, 4), torch.tensor([[[0, 0, 1, IGNORED]]])
    found = cross_entropy(logits, targets, torch.tensor([2.0, 5.0]))
    assert found.item() == pytest.approx(math.log(2) * (2 + 2 + 5) / 3)


def test_void_has_no_say():
    torch.manual_seed(0)
    logits, targets = torch.randn(1, 4, 4, 4, requires_grad=True), torch.randint(4, (1, 4, 4))
    targets[:, 1] = IGNORED
    cross_entropy(logits, targets, class_weights(targets, 4)).sum().backward()
    assert logits.grad is not None
    assert (logits.grad[:, :, 1] == 0).all() and (logits.grad[:, :, 0] != 0).all()


def test_class_weights_are_inverse_frequencies_within_bounds():
    counts = {0: 10, 1: 20, 3: 970}
    targets = torch.cat([torch.full((n,), k) for k, n in counts.items()] + [torch.full((500,), IGNORED)])[None, None]
    weights = class_weights(targets, 5)
    assert weights[3].item() == pytest.approx(1000 / 3 / 970)
    assert weights[0] == weights[1] == 5.0  # 33 and 17 before clipping
    assert (class_weights(torch.full((1, 2, 2), IGNORED), 5) > 0).all()


def test_bfloat16_logits_give_float32_losses():
    logits = torch.randn(2, 3, 4, 4).bfloat16()
    targets = torch.randint(3, (2, 4, 4))
    assert torch.equal(cross_entropy(logits, targets), cross_entropy(logits.float(), targets))
    assert real_loss(logits).dtype == fake_loss(logits).dtype == torch.float32


def test_targets():
    assert targets_of(torch.tensor([[[0, 1, 3]]]), 3).tolist() == [[[IGNORED, 0, 2]]]
    with pytest.raises(ContractError, match="label 4"):
        targets_of(torch.tensor([[[4]]]), 3)
    with pytest.raises(ContractError, match="label maps"):
        targets_of(None, 3)


def test_labelmix_looks_up_every_label_even_those_that_equal_mask_values():
    """Writing 0 and 1 into the label map class by class, as published, would flip the pixels of classes 0 and 1."""
    labels = torch.tensor([[[0, 1, 2], [1, 0, 2]]])
    mask = labelmix.mask_of(labels, torch.tensor([True, False, True]))
    assert mask.tolist() == [[[[True, False, True], [False, True, True]]]]
    real, fake = torch.full((1, 3, 2, 3), 7.0), torch.full((1, 3, 2, 3), -7.0)
    mixed = labelmix.mixture(mask, real, fake)
    assert torch.equal(mixed[:, 0], torch.where(labels == 1, -7.0, 7.0))


def test_labelmix_draws_both_sources_for_every_label_and_repeats_by_seed():
    torch.manual_seed(3)
    first = torch.stack([labelmix.draw_table(4) for _ in range(40)])
    torch.manual_seed(3)
    assert torch.equal(first, torch.stack([labelmix.draw_table(4) for _ in range(40)]))
    assert first.shape == (40, 5) and first.any(0).all() and (~first).any(0).all()


def test_labelmix_is_zero_only_for_consistent_judgments():
    mask = torch.tensor([[[[True, False]]]])
    real, fake = torch.randn(1, 3, 1, 2), torch.randn(1, 3, 1, 2)
    mixed = torch.stack([real[..., 0], fake[..., 1]], -1)
    assert labelmix.inconsistency(mixed, mask, real, fake).item() == 0
    assert labelmix.inconsistency(mixed + 2, mask, real, fake).item() == pytest.approx(4, rel=1e-5)


def test_non_saturating_losses():
    logits = torch.randn(2, 1, 3, 3)
    ones = torch.ones_like(logits)
    binary = F.binary_cross_entropy_with_logits
    assert torch.allclose(real_loss(logits), binary(logits, ones, reduction="none").mean((1, 2, 3)))
    assert torch.allclose(fake_loss(logits), binary(logits, 0 * ones, reduction="none").mean((1, 2, 3)))


def test_share():
    hits = torch.tensor([True, False, True, True])
    assert share(hits).item() == 0.75
    assert share(hits, torch.tensor([True, True, False, False])).item() == 0.5
    assert share(hits, torch.zeros(4, dtype=torch.bool)).item() == 0
