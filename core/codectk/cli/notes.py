"""The package's warnings as notes on stderr."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from codectk.base.errors import CodectkWarning


def note(subject: str, remark: object) -> str:
    """A remark on a file as one line."""
    return f"codectk: note: {subject}: {' '.join(str(remark).split())}"


@contextmanager
def notes(subject: str, write: Callable[[str], None]) -> Iterator[None]:
    """Write a line for each remark that codectk makes on `subject`; other warnings go their usual way."""
    with warnings.catch_warnings():
        warnings.simplefilter("always", CodectkWarning)
        usual = warnings.showwarning

        def show(message: Warning | str, category: type[Warning], *rest: Any, **named: Any) -> None:
            if issubclass(category, CodectkWarning):
                write(note(subject, message))
            else:
                usual(message, category, *rest, **named)

        warnings.showwarning = show
        yield
