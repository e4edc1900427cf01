"""Several processes under `torchrun`: each takes its share of the global batch, and means are taken over all."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor

from codectk.base.errors import InputError, UsageError


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
            raise UsageError(f"A batch of {batch} cannot be split over {self.size} processes.")
        part = batch // self.size
        return range(self.rank * part, (self.rank + 1) * part)

    def average(self, tensors: Sequence[Tensor]) -> None:
        """Replace float32 tensors, the same ones in every process, by their means over the processes."""
        if self.size == 1:
            return
        flat = torch.cat([t.reshape(-1) for t in tensors])
        dist.all_reduce(flat)
        flat /= self.size
        parts = torch.split(flat, [t.numel() for t in tensors])
        torch._foreach_copy_(list(tensors), [p.view_as(t) for p, t in zip(parts, tensors, strict=True)])

    def leave(self) -> None:
        """Wait for the others and part."""
        if self.size > 1:
            dist.barrier()
            dist.destroy_process_group()


def choose_algorithms(device: torch.device, deterministic: bool) -> None:
    """On a GPU, take algorithms that repeat exactly, or the fastest ones. A CPU's repeat anyway."""
    if device.type != "cuda":
        return
    if deterministic:
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when the first product is computed
    torch.use_deterministic_algorithms(deterministic, warn_only=True)
    torch.backends.cudnn.deterministic = deterministic
    torch.backends.cudnn.benchmark = not deterministic


def join_world(device: str) -> tuple[World, torch.device]:
    """Join the group that `torchrun` started, or be alone.

    Args:
        device: what the user asked for; plain "cuda" becomes one GPU for each process of a machine.

    Raises:
        InputError: torch cannot use the device.
    """
    size = int(os.environ.get("WORLD_SIZE", "1"))
    if size > 1 and device == "cuda":
        device = f"cuda:{os.environ.get('LOCAL_RANK', '0')}"
    try:
        place = torch.device(device)
        torch.empty(1, device=place)
    except (RuntimeError, AssertionError) as error:
        raise InputError(f"Cannot use the device '{device}': {str(error).splitlines()[0]}") from error
    if size == 1:
        return World(), place
    if place.type == "cuda":
        torch.cuda.set_device(place)
    dist.init_process_group("nccl" if place.type == "cuda" else "gloo")
    return World(dist.get_rank(), size), place
