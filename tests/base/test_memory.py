"""Freed memory stays in the process where the system's allocator is glibc's."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable

import pytest

from codectk.base.memory import keep_freed_memory

GLIBC = sys.platform == "linux" and platform.libc_ver()[0] == "glibc"

PROGRAM = """
import numpy as np
from codectk.base.memory import keep_freed_memory

def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096 >> 20

if {keep}:
    assert keep_freed_memory()
before = resident()
block = np.ones(1 << 26, np.uint8)
assert resident() - before > 55
del block
print(resident() - before > 55)
"""


@pytest.mark.skipif(not GLIBC, reason="another allocator than glibc's")
@pytest.mark.parametrize("keep", [True, False])
def test_a_large_block_is_kept(keep: bool, fresh_python: Callable[[str], str]):
    assert fresh_python(PROGRAM.format(keep=keep)) == str(keep)


def test_other_systems_are_left_alone(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys, "platform", "darwin")
    assert keep_freed_memory() is False
