"""Work on several things at once, in threads or processes, with results in order."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")


def in_order(executor: Executor, work: Callable[[Item], Result], items: Iterable[Item], most: int) -> Iterator[Result]:
    """What `work` makes of each item, in the order of the items.

    An item is asked for when fewer than `most` are under way, so that memory does not grow with their number. What one
    raises is raised here.
    """
    running: deque[Future[Result]] = deque()
    for item in items:
        running.append(executor.submit(work, item))
        if len(running) == most:
            yield running.popleft().result()
    while running:
        yield running.popleft().result()
