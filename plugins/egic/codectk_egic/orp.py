"""Output residual prediction: one file, any point between the faithful and the realistic picture (paper section 3.3).

    x(alpha) = alpha x_G + (1 - alpha) x_M

x_G is the synthesis' picture. x_M comes from a second last layer, trained for MSE alone on the same features, and costs
no bits. The knob `realism` is alpha.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from codectk.base.errors import ContractError, UsageError
from codectk.base.types import Context
from codectk.programs.configurations import configured
from codectk_egic import transforms
from codectk_egic.config import CONFIGS, Config
from codectk_egic.synthesis import last_layer


class OutputResidualPrediction(nn.Module):
    """Post stage with the knob `realism` in [0, 1]. At 1 it passes the picture on and computes nothing.

    Args:
        config: of the last layer.
        copies: `attach` replaces that layer by a copy of the synthesis' own, whichever codec it is from.
    """

    def __init__(self, config: Config, copies: bool = False):
        super().__init__()
        self.needs = () if copies else transforms.feature_specs(config)
        self.linear = config.linear
        self.copies = copies
        self.head = last_layer(config)

    def attach(self, synthesis: Any) -> None:
        """Get to know the synthesis in front; see `codectk.spec.stages.Post`.

        Raises:
            ContractError: it has no last layer to copy.
        """
        if not self.copies:
            return
        if not isinstance(last := getattr(synthesis, "last", None), nn.Module):
            raise ContractError("egic.orp with head = 'copy' needs a synthesis that shows its last layer as 'last'.")
        self.needs, self.linear = tuple(synthesis.reveals), synthesis.linear is not None
        self.head = copy.deepcopy(last)

    def __call__(self, x: Tensor, latents: Mapping[str, Any], ctx: Context) -> Tensor:
        features = {name: latents[name].detach() for name in ("last", "base")}
        mixed: Tensor = transforms.mixed(self.head, x, features, self.linear, ctx)
        return mixed


def build(options: Mapping[str, Any]) -> OutputResidualPrediction:
    """The stage alone.

    Args:
        options: `head` is "own" for EGIC's last layer, the default, or "copy" for that of the synthesis in front; other
            keys as for the network.

    Raises:
        UsageError: an unknown option.
    """
    rest = dict(options)
    if (head := rest.pop("head", "own")) not in ("own", "copy"):
        raise UsageError(f"The head of egic.orp is 'own' or 'copy', not {head!r}.")
    return OutputResidualPrediction(configured("egic.orp", CONFIGS, rest, ("head",)), head == "copy")
