"""Several processes under `torchrun`: each takes its share of the global batch, gradients are averaged."""

from __future__ import annotations

import os
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import nn

from codectk.base.errors import UsageError


@dataclass(frozen=True)
class World:
    """This process's place among all."""

    rank: int = 0
    size: int = 1

    @property
    def first(self) -> bool:
        """True in the one process that logs and writes files."""
        return self.rank == 0

    def share(self, batch: int) -> range:
        """Sample numbers of the global batch that are this process's.

        Raises:
            UsageError: the batch cannot be split evenly.
        """
        if batch % self.size:
            raise UsageError(f"a batch of {batch} cannot be split over {self.size} processes.")
        part = batch // self.size
        return range(self.rank * part, (self.rank + 1) * part)

    def average_gradients(self, network: nn.Module) -> None:
        """Replace every gradient by its mean over the processes."""
        if self.size == 1:
            return
        gradients = [p.grad for p in network.parameters() if p.grad is not None]
        flat = torch.cat([g.reshape(-1) for g in gradients])
        dist.all_reduce(flat)
        flat /= self.size
        torch._foreach_copy_(
            gradients,
            [f.view_as(g) for f, g in zip(flat.split([g.numel() for g in gradients]), gradients, strict=True)],
        )

    def average(self, values: torch.Tensor) -> torch.Tensor:
        """Mean of a small tensor over the processes."""
        if self.size > 1:
            dist.all_reduce(values)
            values /= self.size
        return values

    def barrier(self) -> None:
        if self.size > 1:
            dist.barrier()


def join_world() -> World:
    """Join the group that `torchrun` started, or be alone."""
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size == 1:
        return World()
    if not dist.is_initialized():
        dist.init_process_group("nccl" if torch.cuda.is_available() else "gloo")
    return World(dist.get_rank(), size)
