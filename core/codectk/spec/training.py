"""What a codec is trained by: components that take no part in coding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from codectk.spec.stages import LatentSpec


class Discriminator(Protocol):
    """What a codec is trained against; no part of it. In practice a torch module.

    Tensors are on one device, under autocast where the recipe asks for it; losses are wanted in float32:

        real, fake  float (B, 3, H, W), nominally in [0, 1]
        labels      int64 (B, H, W), 0 void, 1..N groups; None if the training data have none
        latents     by name what the synthesis got, detached: those in `needs`, and perhaps others

    Random numbers are drawn from torch's global generator, and for the batch as a whole (such as one draw per group):
    several processes, each with a part of the batch, then see the same.

    Attributes:
        needs: latents it is conditioned on.
        needs_labels: it cannot do without label maps.

    An optional attribute `new_at_gan`, a tuple of dotted prefixes, names parameters that a checkpoint of its
    pre-training may lack. An optional method `pretraining_loss(real, labels)` gives named terms like
    `discriminator_loss`, for training on real pictures alone before there is a codec.
    """

    needs: tuple[LatentSpec, ...]
    needs_labels: bool

    def generator_loss(self, fake: Any, labels: Any | None, latents: Mapping[str, Any]) -> Any:
        """What the codec is to lower, (B,): small where `fake` passes for real. No parameter gets a gradient."""
        ...

    def discriminator_loss(
        self, real: Any, fake: Any, labels: Any | None, latents: Mapping[str, Any]
    ) -> Mapping[str, Any]:
        """Named scalars whose sum the discriminator lowers; `fake` is detached.

        Names that start with "~" are for the log only, such as "~accuracy_fake".
        """
        ...


class Loss(Protocol):
    """A distortion that training lowers beside or instead of the built-in ones. In practice a torch module or function.

    A module is switched to evaluation and not trained. An optional attribute `min_side` is the smallest side in pixels
    of pictures that it takes.
    """

    def __call__(self, x: Any, target: Any) -> Any:
        """Distortion of each sample, float (B,), that gradients pass through.

        Args:
            x: reconstructions, float32 (B, 3, H, W), nominally in [0, 1].
            target: originals, float32 (B, 3, H, W) in [0, 1].
        """
        ...


class Batch(NamedTuple):
    """What a lesson is taught on.

    Attributes:
        pictures: float32 (B, 3, H, W) in [0, 1].
        labels: int64 (B, H, W), 0 void, 1..N groups; None where the recipe names none.
        files: where each picture was read.
        noise: a torch generator on the CPU for each sample, such as for a `codectk.nn.coders.Meter`.
        distortion: the mixture of the recipe's [loss]: (reconstruction, original) -> (B,).
    """

    pictures: Any
    labels: Any | None
    files: Sequence[Path]
    noise: Sequence[Any]
    distortion: Loss


class Lesson(Protocol):
    """What a network learns besides rate and distortion, such as latents that are known. In practice a function."""

    def __call__(self, network: Any, batch: Batch) -> Mapping[str, Any]:
        """One step's losses.

        Random numbers that the batch shares come from torch's global generator, which is seeded for the step.

        Args:
            network: the torch module in training, of a codec or of a recipe of parts.
            batch: what to learn from.

        Returns:
            Scalars by name. Their sum is descended, but for names that start with "~", which are only logged.
        """
        ...
