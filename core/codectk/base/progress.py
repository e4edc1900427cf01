"""Progress without a dependency: work reports through a callback, the command line draws it.

Work that is called by its contract, such as a synthesis, has no callback; it reports to whoever listens:

    with reporting(callback):
        ...                     # somewhere within: report(3, 50)
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
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


_listener: ContextVar[Progress] = ContextVar("codectk_progress", default=silent)


@contextmanager
def reporting(callback: Progress) -> Iterator[None]:
    """Let `report` call `callback`; listeners further out hear nothing, and other threads have their own."""
    token = _listener.set(callback)
    try:
        yield
    finally:
        _listener.reset(token)


def report(done: int, total: int | None = None, **fields: object) -> None:
    """Say how far long work has come, as `Progress` is told; costs next to nothing where nobody listens."""
    _listener.get()(done, total, **fields)
