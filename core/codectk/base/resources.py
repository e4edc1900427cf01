"""How much a call may take: pixels, memory, and tiles or files at once. One place for the command line and for Python.

    with codectk.resources(max_pixels=20_000_000, max_memory=2_000_000_000, jobs=4):
        codectk.decode(upload)

Sizes are compared before anything is allocated for them. What is not given comes from the environment
(`CODECTK_MAX_PIXELS`, `CODECTK_MAX_MEMORY`), else from the format and the machine.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path

from codectk.base.errors import MemoryLimitError, UsageError
from codectk.base.limits import MAX_PIXELS

_UNITS = {"": 1, "k": 10**3, "m": 10**6, "g": 10**9, "t": 10**12}
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class Resources:
    """What a call may take.

    Attributes:
        max_pixels: width x height, 1 to 200,000,000, which is the most that files can hold.
        max_memory: bytes that the whole process is estimated to need at its peak; None where the machine does not say
            how much it has.
        jobs: tiles at once, each in a thread of its own.
    """

    max_pixels: int
    max_memory: int | None
    jobs: int = 1

    def check_memory(self, need: int, what: str) -> None:
        """Refuse what is estimated to need more memory than allowed.

        Args:
            need: bytes.
            what: the work, as the start of a sentence: "Encoding 400 x 300 pixels with 'segpic'".

        Raises:
            MemoryLimitError: it needs more.
        """
        if self.max_memory is not None and need > self.max_memory:
            raise MemoryLimitError(
                f"{what} takes about {need / 1e9:.1f} GB of memory, and the limit is {self.max_memory / 1e9:.1f} GB; "
                "--max-memory or CODECTK_MAX_MEMORY sets another one."
            )


_given: ContextVar[tuple[int | None, int | None, int | None]] = ContextVar("codectk_resources", default=(None,) * 3)


def current() -> Resources:
    """What holds here.

    Raises:
        UsageError: a variable of the environment is no such number.
    """
    pixels, memory, jobs = _given.get()
    if pixels is None and (text := os.environ.get("CODECTK_MAX_PIXELS")):
        pixels = _checked(amount(text, "CODECTK_MAX_PIXELS"), "CODECTK_MAX_PIXELS", MAX_PIXELS)
    if memory is None and (text := os.environ.get("CODECTK_MAX_MEMORY")):
        memory = _checked(amount(text, "CODECTK_MAX_MEMORY"), "CODECTK_MAX_MEMORY")
    return Resources(MAX_PIXELS if pixels is None else pixels, _machine() if memory is None else memory, jobs or 1)


@contextmanager
def resources(
    *, max_pixels: int | None = None, max_memory: int | None = None, jobs: int | None = None
) -> Iterator[None]:
    """Let calls of this thread take at most so much; what is None stays as it is.

    Args:
        max_pixels: width x height of what is encoded or decoded, 1 to 200,000,000; of a region, its own.
        max_memory: bytes that the process may need at its peak, by an estimate.
        jobs: tiles of a large picture at once, from 1 on; the files and pictures are the same, to the byte.

    Raises:
        UsageError: a number is out of range.
    """
    _checked(max_pixels, "max_pixels", MAX_PIXELS)
    _checked(max_memory, "max_memory")
    _checked(jobs, "jobs")
    outer = _given.get()
    new = tuple(o if n is None else n for n, o in zip((max_pixels, max_memory, jobs), outer, strict=True))
    token = _given.set((new[0], new[1], new[2]))
    try:
        yield
    finally:
        _given.reset(token)


def amount(text: str, name: str) -> int:
    """A number as a person writes it: 2G, 500M, 20000000; k, M, G and T stand for powers of 1000.

    Args:
        text: the number.
        name: what it is, for the message.

    Raises:
        UsageError: it is none.
    """
    found = re.fullmatch(r"(\d{1,15}(?:\.\d{1,9})?) *([kmgt]?)b?", text.strip().lower())
    if found is None:
        raise UsageError(f"{name} is a number such as 500M or 2G, not {text!r}.")
    return round(float(found[1]) * _UNITS[found[2]])


def _checked(value: int | None, name: str, most: int | None = None) -> int | None:
    whole = value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 1)
    if not whole or (value is not None and most is not None and value > most):
        upto = "on" if most is None else f"to {most:,}"
        raise UsageError(f"{name} is a whole number from 1 {upto}, not {value!r}.")
    return value


def _machine() -> int | None:
    """Memory of the machine, or of the container that this process runs in; None where neither is told."""
    found = []
    with suppress(AttributeError, ValueError, OSError):  # other systems have no sysconf, or not these names
        found.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    with suppress(OSError, ValueError):  # no such control group, or it says "max"
        found.append(int(_CGROUP.read_text()))
    return min(found, default=None)
