"""Progress without a dependency: work reports through a callback, the command line draws it."""

from __future__ import annotations

from typing import Protocol


class Progress(Protocol):
    """Called by long work after each step.

    Args:
        done: steps finished so far.
        total: steps in all, or None if unknown.
        **fields: numbers or short strings worth showing (bpp, loss, file name).
    """

    def __call__(self, done: int, total: int | None = None, **fields: object) -> None: ...


def silent(done: int, total: int | None = None, **fields: object) -> None:
    """The default: says nothing."""
