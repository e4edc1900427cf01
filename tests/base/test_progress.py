"""Work that has no callback is heard by whoever listens, and by nobody else."""

from __future__ import annotations

import threading

import pytest

from codectk.base.progress import report, reporting


def heard_by(into: list[object]):
    return lambda done, total=None, **fields: into.append((done, total, fields))


def test_the_innermost_listener_hears():
    outer: list[object] = []
    inner: list[object] = []
    report(1, 2)  # to nobody
    with reporting(heard_by(outer)):
        report(1, 3)
        with reporting(heard_by(inner)):
            report(2, 3, bytes=7)
        report(3)
    report(4)
    assert outer == [(1, 3, {}), (3, None, {})] and inner == [(2, 3, {"bytes": 7})]


def test_a_listener_is_gone_after_an_error():
    heard: list[object] = []
    with pytest.raises(ZeroDivisionError), reporting(heard_by(heard)):
        raise ZeroDivisionError
    report(1)
    assert heard == []


def test_another_thread_is_not_heard():
    heard: list[object] = []
    with reporting(heard_by(heard)):
        thread = threading.Thread(target=report, args=(1, 2))
        thread.start()
        thread.join()
        report(2, 2)
    assert heard == [(2, 2, {})]
