"""The discriminator's side of a step."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from codectk.base.errors import ContractError, TrainingError, UsageError
from codectk.plugins import manager
from codectk.train import draws
from codectk.train.checkpoint import load_checkpoint
from codectk.train.draws import Purpose
from codectk.train.network import below
from codectk.train.optimizer import Descent, Measured
from codectk.train.settings import Recipe

PREFIX = "d_"
"""Of everything that is logged about the discriminator."""


def build_discriminator(recipe: Recipe) -> nn.Module:
    """The recipe's discriminator with fresh weights.

    Raises:
        UsageError: there is no such component, or it does not take the options.
        PluginError: it cannot be built.
        ContractError: it is no discriminator, or cannot be pre-trained though the recipe wants that.
    """
    section = recipe.discriminator
    module = manager.component("discriminator", section.name, section.options)
    methods = ["generator_loss", "discriminator_loss"]
    if recipe.stage.objective == "discriminator":
        methods.append("pretraining_loss")
    if not isinstance(module, nn.Module):
        raise ContractError(f"Discriminator '{section.name}' is no torch module but {type(module).__name__}.")
    if lacks := [name for name in methods if not callable(getattr(module, name, None))]:
        raise ContractError(f"Discriminator '{section.name}' has no method {lacks[0]}.")
    for attribute, kind in (("needs", tuple), ("needs_labels", bool)):
        if not isinstance(getattr(module, attribute, None), kind):
            raise ContractError(f"Discriminator '{section.name}' has no attribute {attribute} ({kind.__name__}).")
    if module.needs_labels and not recipe.data.labels:
        raise UsageError(f"Discriminator '{section.name}' needs data.labels, a folder of label maps.")
    return module


def load_pretrained(module: nn.Module, path: str) -> list[str]:
    """Give a fresh discriminator the weights in a checkpoint.

    Args:
        module: its attribute `new_at_gan`, if it has one, names prefixes of parameters that the checkpoint may lack.
        path: of the checkpoint.

    Returns:
        Names of the parameters that the checkpoint lacks.

    Raises:
        TrainingError: there is no checkpoint, or none with this discriminator.
    """
    state = load_checkpoint(Path(path))
    if "discriminator" not in state:
        raise TrainingError(f"{path} holds no discriminator to start from.")
    values = state["discriminator"]["state"]
    new: Iterable[str] = getattr(module, "new_at_gan", ())
    missing = [name for prefix in new for name in below(prefix, module.state_dict()) if name not in values]
    try:
        module.load_state_dict({**values, **{name: module.state_dict()[name] for name in missing}})
    except RuntimeError as error:
        reason = " ".join(str(error).split())
        raise TrainingError(f"{path} does not fit the discriminator: {reason}") from error
    return missing


class Adversary:
    """A discriminator in training.

    Args:
        module: fresh, or started from a checkpoint.
        recipe: its rates and seed.
        device: where to compute.
        autocast: makes the context in which networks run.

    Attributes:
        needs: names of the latents it is given.
        weight: of its verdict in the codec's loss.
    """

    def __init__(
        self,
        module: nn.Module,
        recipe: Recipe,
        device: torch.device,
        autocast: Callable[[], AbstractContextManager[None]],
    ):
        self.module: Any = module.to(device=device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
        self.seed, self.autocast = recipe.optim.seed, autocast
        self.needs = tuple(spec.name for spec in self.module.needs)
        self.weight = recipe.discriminator.weight
        names = [name for name, parameter in module.named_parameters() if parameter.requires_grad]
        section = replace(recipe.optim, lr=recipe.discriminator.lr, method="adam")
        self.descent = Descent(self.module, names, section, beta1=recipe.discriminator.beta1, prefix=PREFIX)

    def judge(self, fake: Tensor, labels: Tensor | None, latents: Mapping[str, Tensor], step: int) -> Tensor:
        """The codec's loss, (B,); the gradients go to `fake` alone."""
        draws.seed_shared(self.seed, step, Purpose.ADVERSARY)
        parameters = self.descent.parameters.values()
        for parameter in parameters:
            parameter.requires_grad_(False)
        try:
            with self.autocast():
                loss: Tensor = self.module.generator_loss(fake, labels, latents)
        finally:
            for parameter in parameters:
                parameter.requires_grad_(True)
        if loss.shape != fake.shape[:1]:
            raise ContractError(f"A discriminator's generator_loss has one value per sample, not {tuple(loss.shape)}.")
        return loss.float()

    def measure(
        self, real: Tensor, fake: Tensor, labels: Tensor | None, latents: Mapping[str, Tensor], step: int
    ) -> Measured:
        """The discriminator's own loss."""
        draws.seed_shared(self.seed, step, Purpose.ADVERSARY)
        with self.autocast():
            return _total(self.module.discriminator_loss(real, fake.detach(), labels, latents), real.device)

    def pretrain(self, real: Tensor, labels: Tensor | None, step: int) -> Measured:
        """Its loss on real pictures alone."""
        draws.seed_shared(self.seed, step, Purpose.ADVERSARY)
        with self.autocast():
            return _total(self.module.pretraining_loss(real, labels), real.device)

    def state(self) -> dict[str, Any]:
        return {
            "names": list(self.descent.parameters),
            "state": self.module.state_dict(),
            "optimizer": self.descent.optimizer.state_dict(),
        }

    def load(self, state: Mapping[str, Any]) -> None:
        """Go on from `state()`.

        Raises:
            RuntimeError, ValueError, KeyError: it is that of another discriminator.
        """
        self.module.load_state_dict(state["state"])
        self.descent.load(state["optimizer"], state["names"])


def _total(terms: Mapping[str, Any], device: torch.device) -> Measured:
    """Sum named terms, and give them the names under which they are logged."""
    tensors = {name: torch.as_tensor(value, dtype=torch.float32, device=device) for name, value in terms.items()}
    if wrong := [name for name, value in tensors.items() if value.dim()]:
        raise ContractError(f"A discriminator's term '{wrong[0]}' is no scalar.")
    if not (summed := [value for name, value in tensors.items() if not name.startswith("~")]):
        raise ContractError("A discriminator's loss has no terms.")
    loss = torch.stack(summed).sum()
    row = {PREFIX + name.removeprefix("~"): value.detach() for name, value in tensors.items()}
    return Measured(loss, {**row, f"{PREFIX}loss": loss.detach()})
