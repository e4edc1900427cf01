"""OASIS-C: structure, conditioning modes, contract."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

from codectk.base.errors import ContractError, UsageError
from codectk_egic.discriminator.oasis import COND_MODES, OasisC, build

Batch = tuple[Tensor, Tensor, Tensor, dict[str, Tensor]]


def tiny(**changes: Any) -> OasisC:
    torch.manual_seed(0)
    options = {"classes": 3, "latent": 5, "channels": [8, 8], "last": 8, "stem": 2, **changes}
    network = build(options)
    assert isinstance(network, OasisC)
    return network


def aware(network: OasisC) -> OasisC:
    """With a latent branch that is not silent any more."""
    torch.nn.init.normal_(network.latent.conv.parametrizations.weight.original0)
    return network


def batch(size: int = 4, side: int = 32, classes: int = 3, latent: int = 5) -> Batch:
    g = torch.Generator().manual_seed(1)
    real, fake = torch.rand(2, size, 3, side, side, generator=g)
    labels = torch.randint(classes + 1, (size, side, side), generator=g)
    return real, fake, labels, {"y": 3 * torch.randn(size, latent, side // 16, side // 16, generator=g)}


def descend(network: torch.nn.Module, loss: Tensor) -> None:
    """A step by the gradients' signs; importing torch's optimizers takes longer than this file's tests."""
    network.zero_grad()
    loss.backward()  # type: ignore[no-untyped-call]
    with torch.no_grad():
        for p in network.parameters():
            if p.grad is not None:
                p -= 1e-2 * p.grad.sign()


def rolled(latents: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"y": latents["y"].roll(1, 0)}


def test_full_has_the_published_structure():
    network = build({"config": "full"})
    assert isinstance(network, OasisC)
    sizes = {name: p.numel() for name, p in network.named_parameters()}
    gains = sum(n for name, n in sizes.items() if name.endswith("original0"))
    # The spec's count of kernels and biases; weight norm adds one gain per output channel.
    assert sum(sizes.values()) - gains == 22_442_183
    assert gains == 2 * (sum((128, 128, 256, 256, 512, 512)) + sum((512, 256, 256, 128, 128, 64))) + 64 + (
        128 + 256 + 512 + 256 + 256 + 128 + 128 + 64
    )
    shapes = [(block.conv1.in_channels, block.conv2.out_channels) for block in (*network.down, *network.up)]
    assert shapes[:6] == [(3, 128), (128, 128), (128, 256), (256, 256), (256, 512), (512, 512)]
    assert shapes[6:] == [(512, 512), (1024, 256), (512, 256), (512, 128), (256, 128), (256, 64)]
    assert network.out.weight.shape == (135, 64, 1, 1) and not hasattr(network.out, "parametrizations")
    assert network.stride == 64


def test_spec_small_structure():
    network = tiny(classes=8, latent=96, channels=[32, 48, 64, 96, 96], last=32, stem=1)
    assert round(sum(p.numel() for p in network.parameters()) / 1e6, 2) == 0.93


@pytest.mark.parametrize("mode", COND_MODES)
@pytest.mark.parametrize("stem", [1, 2, 4])
@pytest.mark.parametrize(("height", "width"), [(32, 48), (37, 50), (16, 16)])
def test_any_size(mode: str, stem: int, height: int, width: int):
    network = aware(tiny(cond_mode=mode, stem=stem))
    x = torch.rand(1, 3, height, width)
    y = torch.randn(1, 5, 8, 8)  # more positions than the picture has, as from a padded one
    assert network(x, y).shape == network(x).shape == (1, 4, height, width)


def test_judgments_do_not_depend_on_padding():
    """A picture whose border was already repeated by the same amount."""
    network = tiny()
    x = torch.rand(1, 3, 32, 40)
    x[..., 36:] = x[..., 35:36]
    assert torch.allclose(network(x[..., :36]), network(x)[..., :36], atol=1e-5)


def test_published_condition_is_invisible_to_cross_entropy():
    network = aware(tiny(cond_mode="official")).double()
    real, fake, labels, latents = batch()
    real, fake, other = real.double(), fake.double(), rolled(latents)
    logits, moved = network(real, latents["y"]), network(real, other["y"])
    assert (logits - moved).abs().max() > 0.01  # the condition does reach the logits
    torch.manual_seed(5)
    one = network.discriminator_loss(real, fake, labels, latents)
    torch.manual_seed(5)
    two = network.discriminator_loss(real, fake, labels, other)
    for term in ("real", "fake"):
        assert one[term].item() == pytest.approx(two[term].item(), abs=1e-6)
    loss = network.generator_loss(fake, labels, latents)
    assert torch.allclose(network.generator_loss(fake, labels, other), loss, atol=1e-6)
    assert abs(one["labelmix"] - two["labelmix"]) > 1e-4  # the only way in


@pytest.mark.parametrize("mode", ["real_only", "concat"])
def test_other_modes_see_the_condition(mode: str):
    network = aware(tiny(cond_mode=mode))
    real, fake, labels, latents = batch()
    loss = network.generator_loss(fake, labels, latents)
    assert ((network.generator_loss(fake, labels, rolled(latents)) - loss).abs() > 1e-4).all()
    term = network.discriminator_loss(real, fake, labels, latents)["fake"]
    assert abs(network.discriminator_loss(real, fake, labels, rolled(latents))["fake"] - term) > 1e-5


@pytest.mark.parametrize("mode", COND_MODES)
def test_shuffled_latents_raise_the_loss_of_a_trained_critic(mode: str):
    """Fakes differ from real pictures only in not fitting their latents: brightness is y's first channel.

    Whoever sees the condition learns to tell them apart; with the published form cross-entropy cannot.
    """
    network = tiny(classes=1, latent=2, cond_mode=mode, labelmix=0.0, emphasis=0.0)  # detail is noise here
    g = torch.Generator().manual_seed(2)
    labels = torch.ones(8, 16, 16, dtype=torch.int64)

    def sample() -> tuple[Tensor, Tensor, dict[str, Tensor]]:
        sign = torch.tensor([1.0, -1.0]).repeat(4)[torch.randperm(8, generator=g)]  # as many bright as dark
        y = torch.randn(8, 2, 1, 1, generator=g)
        y[:, 0] = 4 * sign[:, None, None]
        texture = 0.1 * torch.randn(2, 8, 3, 16, 16, generator=g)
        real, fake = 0.5 + 0.2 * torch.stack([sign, -sign])[:, :, None, None, None] + texture
        return real, fake, {"y": y}

    for _ in range(40):
        real, fake, latents = sample()
        terms = network.discriminator_loss(real, fake, labels, latents)
        descend(network, terms["real"] + terms["fake"])
    with torch.no_grad():
        real, fake, latents = sample()
        right = network.discriminator_loss(real, fake, labels, latents)
        wrong = network.discriminator_loss(real, fake, labels, {"y": latents["y"][[*range(1, 8), 0]]})
    loss, shuffled = (float(t["real"] + t["fake"]) for t in (right, wrong))
    if mode == "official":
        assert shuffled == pytest.approx(loss, abs=1e-5) and loss > 1.3  # near 2 log 2: nothing to go by
    else:
        assert loss < 0.5 and shuffled > loss + 1


def test_terms_and_gradients():
    network = aware(tiny())
    real, fake, labels, latents = batch()
    fake.requires_grad_(), latents["y"].requires_grad_()
    terms = network.discriminator_loss(real, fake, labels, latents)
    statistics = ["~accuracy_real", "~accuracy_fake", "~told_real", "~told_fake", "~accuracy_class"]
    assert list(terms) == ["real", "fake", "labelmix", *statistics]
    assert all(t.shape == () and t.dtype == torch.float32 for t in terms.values())
    assert all(0 <= float(t) <= 1 and not t.requires_grad for name, t in terms.items() if name.startswith("~"))
    sum(t for name, t in terms.items() if not name.startswith("~")).backward()  # type: ignore[union-attr]
    assert fake.grad is None and latents["y"].grad is None
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())
    loss = network.generator_loss(fake, labels, latents)
    assert loss.shape == (4,) and loss.dtype == torch.float32
    loss.sum().backward()
    assert latents["y"].grad is None
    assert fake.grad is not None and (fake.grad.flatten(1).abs().amax(1) > 0).all()


def test_statistics_count_pixels():
    """With logits given by the biases of the last layer alone."""
    network = tiny(stem=1)
    with torch.no_grad():
        network.out.weight.zero_()
        network.out.bias.copy_(torch.tensor([0.0, 2.0, 1.0, 1.5]))  # type: ignore[union-attr]
    real, fake, labels, latents = batch()
    terms = network.discriminator_loss(real, fake, labels, latents)
    assert (float(terms["~accuracy_real"]), float(terms["~accuracy_fake"])) == (1.0, 0.0)
    assert (float(terms["~told_real"]), float(terms["~told_fake"])) == (1.0, 0.0)
    assert float(terms["~accuracy_class"]) == pytest.approx(float((labels == 2).sum() / (labels > 0).sum()))
    bias = network.out.bias.detach()  # type: ignore[union-attr]
    assert terms["fake"].item() == pytest.approx((bias.logsumexp(0) - bias[-1]).item(), rel=1e-5)


def test_an_unclear_class_is_not_a_fake():
    """Four logits alike but for a little more on "fake": the best one, at a probability of 0.27."""
    network = tiny(stem=1)
    with torch.no_grad():
        network.out.weight.zero_()
        network.out.bias.copy_(torch.tensor([0.0, 0.0, 0.0, 0.1]))  # type: ignore[union-attr]
    real, fake, labels, latents = batch()
    terms = network.discriminator_loss(real, fake, labels, latents)
    assert (float(terms["~accuracy_real"]), float(terms["~accuracy_fake"])) == (0.0, 1.0)
    assert (float(terms["~told_real"]), float(terms["~told_fake"])) == (1.0, 0.0)


def test_void_is_ignored_where_labels_are_the_target():
    network = tiny(balance=False)
    _, fake, labels, latents = batch()
    labels[0] = 0
    loss = network.generator_loss(fake, labels, latents)
    assert loss[0] == 0 and (loss[1:] > 0).all()
    fake.requires_grad_()
    labels[:, :, :16] = 0
    network.pretraining_loss(fake, labels)["segmentation"].backward()
    one = fake.grad
    assert one is not None and (one[0] == 0).all() and one[1].abs().max() > 0


def test_pretraining_leaves_what_is_new_at_the_gan_stage():
    network = tiny()
    real, _, labels, _ = batch()
    terms = network.pretraining_loss(real, labels)
    assert list(terms) == ["segmentation", "~accuracy_class"]
    terms["segmentation"].backward()
    untouched = {name for name, p in network.named_parameters() if p.grad is None}
    assert untouched and all(name.startswith(network.new_at_gan) for name in untouched)
    bias = network.out.bias.grad  # type: ignore[union-attr]
    assert (bias[-4:] == 0).all() and (bias[:-4] != 0).all()  # stem 2: four logits of "fake" per position


def test_a_new_branch_is_silent():
    network = tiny()
    real, _, _, latents = batch()
    assert torch.equal(network(real), network(real, latents["y"]))


def test_autocast_and_large_latents():
    network = aware(tiny())
    real, fake, labels, latents = batch()
    latents["y"] *= 1e4
    with torch.autocast("cpu", torch.bfloat16):
        terms = network.discriminator_loss(real, fake, labels, latents)
        loss = network.generator_loss(fake, labels, latents)
    assert all(t.dtype == torch.float32 and t.isfinite() for t in (*terms.values(), *loss))
    with torch.no_grad():
        exact = network.discriminator_loss(real, fake, labels, latents)
    assert terms["real"].item() == pytest.approx(exact["real"].item(), rel=0.05)


@pytest.mark.parametrize(
    "options",
    [{"cond_mode": "none"}, {"stem": 3}, {"channels": []}, {"emphasis": -1.0}, {"width": 3}, {"config": "large"}],
)
def test_options_that_do_not_fit(options: dict[str, Any]):
    with pytest.raises(UsageError):
        build(options)


def test_missing_or_foreign_latents():
    network = tiny()
    _, fake, labels, _ = batch()
    for latents in ({}, {"y": torch.zeros(4, 6, 2, 2)}, {"y": torch.zeros(4, 5, 1, 2)}):
        with pytest.raises(ContractError):
            network.generator_loss(fake, labels, latents)
