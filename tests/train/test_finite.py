"""A value that is not finite ends training, with the module at fault in the message."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from codectk.base.errors import TrainingError
from codectk.train.finite import culprit


class Root(nn.Module):
    """Its result is finite, its gradient is not."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.sqrt(0 * x)


class Between(nn.Module):
    """Breaks in its own code, not in one of its modules."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(4, 4), nn.Linear(4, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.first(x).abs().neg().log())


class Named(nn.Module):
    """Hands on mappings, as stages of codecs do."""

    def __init__(self, inner: nn.Module) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, x: Tensor) -> dict[str, list[Tensor]]:
        return {"y": [self.inner(x)]}


def blame(network: nn.Module, reduce=torch.sum) -> str:
    x = torch.rand(3, 4)
    return culprit(network, lambda: reduce(network(x)))


def chain(*middle: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 4), nn.Sequential(*middle, nn.Linear(4, 4)), nn.Linear(4, 4))


def test_a_weight():
    network = chain(nn.ReLU())
    with torch.no_grad():
        network[1][1].bias[2] = torch.inf
    assert blame(network) == "module 1.1 (Linear) has a value that is not finite in its bias"


def test_a_buffer():
    network = chain(nn.BatchNorm1d(4))
    network[1][0].running_var[0] = torch.nan
    assert blame(network) == "module 1.0 (BatchNorm1d) has a value that is not finite in its running_var"


def test_a_result():
    network = chain(nn.ReLU())
    with torch.no_grad():
        network[1][1].weight.fill_(3e38)
        network[1][1].bias.fill_(3e38)
        network[0].bias.fill_(10)
    assert blame(network) == "module 1.1 (Linear) is the first whose result is not finite"


def test_a_result_within_a_mapping():
    network = Named(chain(nn.ReLU()))
    with torch.no_grad():
        network.inner[2].bias.fill_(3e38)
        network.inner[2].weight.fill_(3e38)
        network.inner[1][1].bias.fill_(10)
    said = culprit(network, lambda: network(torch.rand(3, 4))["y"][0].sum())
    assert said == "module inner.2 (Linear) is the first whose result is not finite"


def test_code_between_modules():
    assert blame(chain(Between())) == "module 1.0.last (Linear) is the first to be given a value that is not finite"


def test_a_gradient():
    assert blame(chain(Root())) == "module 1.0 (Root) passes back a gradient that is not finite"


def test_a_gradient_of_code_behind_the_last_module():
    said = blame(chain(), lambda x: torch.sqrt(0 * x).sum())
    assert said == "what follows module 2 (Linear) passes back a gradient that is not finite"


def test_a_gradient_of_a_weight():
    network = nn.Sequential(nn.Linear(4, 1))
    x = torch.full((2, 4), 3e38)  # no gradient is asked for x itself
    with torch.no_grad():
        network[0].weight.fill_(1e-38)
    said = culprit(network, lambda: network(x).sum())
    assert said == "module 0 (Linear) gets a gradient that is not finite for its weight"


def test_nothing_in_the_network():
    assert blame(chain(), lambda x: x.sum() * torch.nan).startswith("no module is at fault here")


def test_no_hook_stays():
    network = chain(Root())
    blame(network)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in network.modules())


@pytest.mark.parametrize(
    ("module", "words"),
    [
        ("synthesis.g_s1.0.conv_a.0", r"module synthesis\.g_s1\.0\.conv_a\.0\.conv\.0 \(Conv2d\) has a value that"),
        ("entropy_model.h_mean_s.0", r"module entropy_model\.h_mean_s\.0 \(ExactConv2d\) has a value that"),
    ],
)
def test_a_step_names_the_module_and_changes_nothing(trainer, module: str, words: str):
    made = trainer()
    made.train_step()
    before = {k: v.clone() for k, v in made.average.values.items()}
    with torch.no_grad():
        next(made.network.get_submodule(module).parameters()).fill_(torch.nan)
    with pytest.raises(TrainingError, match=rf"The loss is not finite at step 1: {words}"):
        made.train_step()
    assert made.step == 1
    assert all(torch.equal(made.average.values[k], v) for k, v in before.items())


def test_a_step_names_a_module_that_overflows(trainer):
    made = trainer()
    with torch.no_grad():
        made.network.get_submodule("analysis.g_a1.1.conv_groups.0").weight.fill_(3e38)
    with pytest.raises(TrainingError, match=r"at step 0: module analysis\.g_a1\.1\.conv_groups\.[01] .* is the first"):
        made.train_step()
