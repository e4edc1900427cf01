"""Signals end a run in order."""

from __future__ import annotations

import os
import signal
import threading

import pytest

from codectk.train import loop as stopping
from codectk.train.loop import Stop


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_remembered_and_handlers_come_back(number: signal.Signals):
    before = [signal.getsignal(n) for n in stopping.SIGNALS]
    with Stop() as stop:
        assert stop.signal == 0
        os.kill(os.getpid(), number)
        assert stop.signal == number
        os.kill(os.getpid(), signal.SIGTERM)  # the launcher's echo
        assert stop.signal == number
    assert [signal.getsignal(n) for n in stopping.SIGNALS] == before


def test_a_person_who_insists(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stopping, "ECHO_SECONDS", -1.0)
    with pytest.raises(KeyboardInterrupt), Stop():
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)


def test_a_thread_leaves_handlers_alone():
    seen = []

    def work() -> None:
        with Stop() as stop:
            seen.append((stop.signal, signal.getsignal(signal.SIGTERM)))

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert seen == [(0, signal.getsignal(signal.SIGTERM))]
