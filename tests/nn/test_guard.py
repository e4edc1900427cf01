"""What the host program does with torch changes no file, and it finds its torch as it left it."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import numpy as np
import pytest
import torch

import codectk
from codectk.nn.building import Building
from codectk.nn.guard import guard
from codectk.testing import pictures

SCENE = pictures.scene(48, 64)


@contextmanager
def default_dtype(dtype: torch.dtype) -> Iterator[None]:
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        assert torch.get_default_dtype() == dtype, "the host's default type was changed"
        torch.set_default_dtype(before)


@contextmanager
def default_device(device: str) -> Iterator[None]:
    torch.set_default_device(device)
    try:
        yield
    finally:
        assert torch.empty(0).device.type == device
        torch.set_default_device(None)


@contextmanager
def context_device(device: str) -> Iterator[None]:
    with torch.device(device):
        yield
        assert torch.empty(0).device.type == device


@contextmanager
def autocast() -> Iterator[None]:
    with torch.autocast("cpu", torch.bfloat16):
        yield
        assert torch.is_autocast_enabled("cpu")


@contextmanager
def inference() -> Iterator[None]:
    with torch.inference_mode():
        yield
        assert torch.is_inference_mode_enabled()


@contextmanager
def deterministic() -> Iterator[None]:
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        yield
        assert torch.are_deterministic_algorithms_enabled() and torch.is_deterministic_algorithms_warn_only_enabled()
    finally:
        torch.use_deterministic_algorithms(False)


@contextmanager
def precision() -> Iterator[None]:
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("medium")
    try:
        yield
        assert torch.get_float32_matmul_precision() == "medium"
    finally:
        torch.set_float32_matmul_precision(before)


HOSTS: dict[str, Callable[[], Any]] = {
    "float64 by default": lambda: default_dtype(torch.float64),
    "bfloat16 by default": lambda: default_dtype(torch.bfloat16),
    "meta by default": lambda: default_device("meta"),
    "with torch.device": lambda: context_device("meta"),
    "autocast": autocast,
    "no_grad": torch.no_grad,
    "inference mode": inference,
    "deterministic": deterministic,
    "medium precision": precision,
    "numpy raises": lambda: np.errstate(all="raise"),
}


@pytest.fixture(scope="module", params=["segpic", "egic"])
def name(request: pytest.FixtureRequest) -> str:
    pytest.importorskip(f"codectk_{request.param}")
    return str(request.param)


@pytest.fixture(scope="module")
def plain(name: str) -> tuple[bytes, np.ndarray]:
    """A file made in an ordinary process, and its picture."""
    data = codectk.encode(SCENE, name, quality=40)
    return data, np.asarray(codectk.decode(data))


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("fresh", [True, False])
def test_the_host_changes_nothing(name, plain, host, fresh):
    data, pixels = plain
    if fresh:
        codectk.load(name).close()
    draws = torch.get_rng_state()
    with HOSTS[host]():
        codec = codectk.load(name)
        assert codec.encode(SCENE, quality=40) == data
        assert np.array_equal(np.asarray(codec.decode(data)), pixels)
    assert torch.equal(torch.get_rng_state(), draws), "the host's random numbers were drawn"
    assert codectk.load(name).encode(SCENE, quality=40) == data, "what was loaded there is broken"


def test_random_numbers_of_the_host_go_on_as_they_would(name):
    torch.manual_seed(7)
    wanted = torch.rand(5)
    torch.manual_seed(7)
    first = torch.rand(2)
    codectk.load(name).close()
    codectk.decode(codectk.encode(SCENE, name, quality=10))
    assert torch.equal(torch.cat([first, torch.rand(3)]), wanted)


@pytest.mark.parametrize("building", [False, True])
def test_errors_leave_the_host_as_it_was(building):
    draws = torch.get_rng_state()
    with default_dtype(torch.float64), autocast(), context_device("meta"):
        with pytest.raises(RuntimeError, match="trips"), guard(), Building() if building else nullcontext():
            assert torch.empty(0).dtype == torch.float32 and torch.empty(0).device.type == "cpu"
            assert not torch.is_autocast_enabled("cpu") and not torch.is_grad_enabled()
            torch.rand(3) if building else None
            raise RuntimeError("trips")
        assert torch.is_grad_enabled() and torch.get_default_dtype() == torch.float64
    assert torch.equal(torch.get_rng_state(), draws)


def test_building_draws_its_own_numbers():
    with Building():
        first = [torch.nn.Linear(3, 3).weight, torch.randn(4), torch.randperm(5), torch.empty(3).uniform_()]
    torch.manual_seed(12345)
    with Building():
        again = [torch.nn.Linear(3, 3).weight, torch.randn(4), torch.randperm(5), torch.empty(3).uniform_()]
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert first[0].unique().numel() == 9, "weights were not drawn"


def test_gradients_where_they_are_asked_for():
    with torch.no_grad():
        with guard(gradients=True):
            assert torch.is_grad_enabled()
        with guard():
            assert not torch.is_grad_enabled()
    with torch.inference_mode(), guard(gradients=True):
        assert (torch.ones(2, requires_grad=True) * 2).requires_grad


def test_threads_overlap_and_the_last_one_out_restores():
    """The default type is one of the process; it must be the host's again only, and surely, after all are out."""
    entered, leave = threading.Barrier(3), threading.Event()
    seen: list[torch.dtype] = []

    def work() -> None:
        with guard():
            entered.wait(10)
            leave.wait(10)
            seen.append(torch.get_default_dtype())

    with default_dtype(torch.float64):
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        entered.wait(10)
        with guard():
            pass
        assert torch.get_default_dtype() == torch.float32, "somebody is still inside"
        leave.set()
        for thread in threads:
            thread.join(10)
        assert torch.get_default_dtype() == torch.float64
    assert seen == [torch.float32] * 2


def test_threads_code_while_the_host_computes(name, plain):
    data, _ = plain
    codectk.load(name).close()
    files: list[bytes] = []

    def work() -> None:
        files.append(codectk.load(name).encode(SCENE, quality=40))

    torch.manual_seed(3)
    threads = [threading.Thread(target=work) for _ in range(3)]
    with autocast(), torch.no_grad():
        for thread in threads:
            thread.start()
        numbers = [torch.rand(1) for _ in range(50)]
        for thread in threads:
            thread.join()
    assert files == [data] * 3
    torch.manual_seed(3)
    assert all(torch.equal(number, torch.rand(1)) for number in numbers)


PROGRAM = """
import ctypes
from types import SimpleNamespace

real, called = ctypes.CDLL, []

def watched(*args, **kwargs):
    library = real(*args, **kwargs)
    if args and args[0] == "libc.so.6":
        called.append(args)
    return library

ctypes.CDLL = watched
import codectk
from codectk.testing import pictures

codectk.decode(codectk.encode(pictures.scene(40, 56), "{name}", quality=10))
print(len(called), codectk.keep_freed_memory() in (True, False), len(called))
"""


def test_a_host_keeps_its_allocator(name, fresh_python):
    before, took, after = fresh_python(PROGRAM.format(name=name)).split()
    assert (before, took) == ("0", "True")
    assert int(after) <= 1
