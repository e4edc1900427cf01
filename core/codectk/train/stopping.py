"""SIGINT and SIGTERM end a run after the step at hand instead of in the middle of it."""

from __future__ import annotations

import signal
import threading
import time
from types import FrameType, TracebackType
from typing import Any

SIGNALS = (signal.SIGINT, signal.SIGTERM)

ECHO_SECONDS = 1.0
"""Under torchrun Ctrl-C comes twice, from the terminal and from the launcher; a later one is a person's who insists."""


class Stop:
    """While entered, remembers the first signal; a second one breaks off at once.

    Attributes:
        signal: number of the signal, or 0.
    """

    def __init__(self) -> None:
        self.signal = 0
        self._time = 0.0
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Stop:
        # Only the main thread may set handlers; a run in another thread is stopped by whoever started it.
        if threading.current_thread() is threading.main_thread():
            self._before = {number: signal.signal(number, self._note) for number in SIGNALS}
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)

    def _note(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self.signal and now - self._time > ECHO_SECONDS:
            raise KeyboardInterrupt
        if not self.signal:
            self.signal, self._time = number, now
