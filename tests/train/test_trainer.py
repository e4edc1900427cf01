"""One step: learning rate, clipping, averaging, and what is refused."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from codectk.base.errors import TrainingError, UsageError
from codectk.train.optimizer import Average, Descent, learning_rate, reordered
from codectk.train.settings import OptimSection
from codectk.train.world import World


def test_learning_rate():
    section = OptimSection(steps=100, lr=1.0, lr_final=0.1, warmup=10, decay=20)
    rates = [learning_rate(section, step) for step in range(100)]
    assert rates[:10] == pytest.approx([(n + 1) / 10 for n in range(10)])
    assert rates[10:81] == pytest.approx([1.0] * 71)
    assert rates[80:] == pytest.approx([1.0 - 0.9 * n / 20 for n in range(20)])
    assert learning_rate(section, 100) == pytest.approx(0.1)
    plain = OptimSection(steps=3, lr=1.0, warmup=0, decay=0)
    assert [learning_rate(plain, step) for step in range(3)] == [1.0] * 3


@pytest.mark.parametrize("steps", [1, 2, 3, 10, 100, 799])
def test_a_short_run_reaches_its_rate(steps: int):
    """Whatever warm-up and decay are: by default they are made for a thousand steps."""
    section = OptimSection(steps=steps, lr=1.0, lr_final=0.0, warmup=500, decay=300)
    rates = [learning_rate(section, step) for step in range(steps)]
    assert max(rates) > 0.99 and min(rates) > 0
    peak = rates.index(max(rates))
    assert rates[:peak] == sorted(rates[:peak]) and peak == pytest.approx(steps * 5 / 8, abs=1)


def test_the_optimizer_gets_the_rate(trainer):
    made = trainer()
    for step in range(6):
        made.train_step()
        assert made.descent.optimizer.param_groups[0]["lr"] == learning_rate(made.recipe.optim, step)


@pytest.mark.parametrize("clip", [0.01, 1e9])
def test_gradients_are_clipped_to_a_norm(trainer, clip: float):
    made = trainer(f"optim.clip={clip}")
    row, _ = made.train_step()
    norm = torch.cat([p.grad.flatten() for p in made.network.parameters() if p.grad is not None]).norm().item()
    assert row["grad"] > 0.01
    assert norm == pytest.approx(min(row["grad"], clip), rel=1e-4)


def test_what_a_step_reports(trainer):
    row, stopping = trainer().train_step()
    labels = {key for key in row if key.startswith("bpp_")}
    assert labels == {"bpp_p_mid", "bpp_p_deep", "bpp_z", "bpp_y"} and not stopping
    # Some of the rate is raw bits without a label.
    assert sum(row[key] for key in labels) == pytest.approx(row["bpp"], abs=2.01 / 64**2)
    assert 0 < row["psnr"] < 40


def test_training_lowers_the_loss(trainer):
    made = trainer("optim.warmup=0", "optim.lr=3e-3", "optim.decay=0", "optim.steps=40")
    losses = [made.train_step()[0]["loss"] for _ in range(16)]
    assert sum(losses[-4:]) < 0.8 * sum(losses[:4])


def test_the_average_follows_the_weights(trainer):
    made = trainer("optim.ema=0.5")
    name, weight = next(iter(made.network.named_parameters()))
    expected = weight.detach().clone()
    for step in range(1, 8):
        made.train_step()
        factor = min(0.5, (1 + step) / (10 + step))
        expected = factor * expected + (1 - factor) * weight.detach()
        torch.testing.assert_close(made.average.values[name], expected, rtol=1e-5, atol=1e-7)


def test_the_average_copies_counters():
    network = torch.nn.BatchNorm1d(2)
    average = Average(network, 0.9)
    network(torch.rand(4, 2))
    average.update(network)
    assert average.values["num_batches_tracked"] == 1
    other = Average(torch.nn.BatchNorm1d(2), 0.9)
    other.load(average.state())
    assert other.steps == 1
    assert all(torch.equal(other.values[key], value) for key, value in average.values.items())


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_weights_stay_float32(trainer, precision: str):
    made = trainer(f"optim.precision={precision}")
    made.train_step()
    assert {p.dtype for p in made.network.parameters()} == {torch.float32}
    assert {v.dtype for v in made.average.values.values()} == {torch.float32}


def test_recipes_that_do_not_fit_the_codec(trainer):
    with pytest.raises(UsageError, match="Crops for segpic must be multiples of 64 pixels"):
        trainer("data.crop=80")
    with pytest.raises(UsageError, match="has no option"):
        trainer("codec.options.depth=3")


def test_shares_of_a_batch():
    assert [list(World(rank, 2).share(4)) for rank in (0, 1)] == [[0, 1], [2, 3]]
    assert World(1, 2).first is False and World().first is True
    with pytest.raises(UsageError, match="A batch of 5 cannot be split over 2 processes"):
        World(0, 2).share(5)


def test_a_checkpoint_of_another_network(trainer):
    made = trainer()
    with pytest.raises(TrainingError, match="another network"):
        made.load(trainer("codec.options.tail=16").state())
    state = made.state()
    with pytest.raises(TrainingError, match="does not fit the network"):
        made.load({**state, "network": {**state["network"], "surplus": torch.zeros(1)}})


class Pair(nn.Module):
    """Two layers of different size, made in either order."""

    def __init__(self, names: str):
        super().__init__()
        for name in names:
            setattr(self, name, nn.Linear(2, {"a": 2, "b": 3}[name]))


def test_the_optimizers_state_goes_by_name():
    torch.manual_seed(0)
    before, after = Pair("ab"), Pair("ba")
    old = torch.optim.Adam(before.parameters())
    (before.a(torch.ones(2)).sum() + 5 * before.b(torch.ones(2)).sum()).backward()
    old.step()
    new = torch.optim.Adam(after.parameters())
    new.load_state_dict(reordered(old.state_dict(), list(before.state_dict()), dict(after.named_parameters())))
    moments = {name: new.state[p]["exp_avg"] for name, p in after.named_parameters()}
    assert list(moments) == ["b.weight", "b.bias", "a.weight", "a.bias"]
    assert all(torch.equal(moments[name], old.state[p]["exp_avg"]) for name, p in before.named_parameters())
    with pytest.raises(ValueError, match="another number of parameters"):
        reordered(old.state_dict(), list(before.state_dict()), dict(Pair("a").named_parameters()))
    with pytest.raises(ValueError, match=r"the optimizer's state of b\.weight has shape \(2, 2\)"):
        reordered(old.state_dict(), list(after.state_dict()), dict(after.named_parameters()))


def test_a_network_whose_modules_were_made_in_another_order(trainer):
    """The next step is the same as without the interruption."""
    made, other = trainer("optim.warmup=0"), trainer("optim.warmup=0")
    other.network._modules = dict(reversed(other.network._modules.items()))
    names = [name for name, _ in other.network.named_parameters()]
    other.descent = Descent(other.network, names, other.recipe.optim)
    assert next(iter(other.network.state_dict())) != next(iter(made.network.state_dict()))
    for _ in range(2):
        made.train_step()
    other.load(copy.deepcopy(made.state()))  # as from a file
    made.train_step()
    other.train_step()
    weights, others = made.network.state_dict(), other.network.state_dict()
    for name, weight in weights.items():
        torch.testing.assert_close(others[name], weight, rtol=1e-5, atol=1e-7)
