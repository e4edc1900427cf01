"""A picture, or each of its tiles, on its own; several at once in threads, and always in their order."""

from __future__ import annotations

import contextvars
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from codectk.base.parallel import Item, Result, in_order
from codectk.base.resources import current
from codectk.base.types import Context
from codectk.bitstream.tiles import Box
from codectk.pipeline import program


@dataclass(frozen=True)
class Piece:
    """A picture, or one of its tiles, after the part of the analysis that no rate changes.

    Attributes:
        box: where it lies in the picture.
        prepared: what the analysis made.
        ctx: size in pixels after padding, and the knobs that the analysis saw.
        remark: why it lies outside the codec's domain, or None.
    """

    box: Box
    prepared: program.Prepared
    ctx: Context
    remark: str | None


def each(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[Result]:
    """What `work` makes of each item, in their order; as many at once as `base.resources` allows, in threads."""
    jobs = current().jobs
    if jobs == 1:
        yield from map(work, items)
        return

    def inside(one: tuple[contextvars.Context, Item]) -> Result:
        # What holds for the caller holds in its threads: whom to report to, and what may be taken.
        return one[0].run(work, one[1])

    with ThreadPoolExecutor(jobs, "codectk") as pool:
        yield from in_order(pool, inside, ((contextvars.copy_context(), item) for item in items), jobs)
