"""Networks are built and run as if the host program had set nothing: one guard around both.

What torch keeps for a thread is set for this thread and put back: gradients, inference mode, autocast, the default
device. What it keeps for the process (the default type, the switches of its kernels) is touched only where the host
changed it, for as long as somebody is inside, and put back by the last one out.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import torch


class Switches:
    """Switches of the process, set while anybody is within.

    Threads may overlap in here: the first one in sets the switches, the last one out restores them.

    Args:
        settle: sets them, and tells the stack how to restore them.
    """

    def __init__(self, settle: Callable[[ExitStack], None]) -> None:
        self._settle = settle
        self._lock = threading.Lock()
        self._inside = 0
        self._restore = ExitStack()

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                with ExitStack() as stack:
                    self._settle(stack)
                    self._restore = stack.pop_all()
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                self._restore.close()


def switch(stack: ExitStack, holder: Any, name: str, value: object) -> None:
    """Set an attribute until the stack is closed."""
    stack.callback(setattr, holder, name, getattr(holder, name))
    setattr(holder, name, value)


def float32_stays_float32(stack: ExitStack) -> None:
    """No TF32 and no bfloat16 in products and convolutions of float32 arrays."""
    backends: Any = torch.backends  # torch's stubs lack the newer switches
    kernels: tuple[Any, ...] = ()
    if hasattr(backends.mkldnn, "conv"):  # torch >= 2.9 has one switch per kind of kernel
        kernels = (backends.cuda.matmul, backends.cudnn.conv, backends.mkldnn.matmul, backends.mkldnn.conv)
    for kind in kernels:
        stack.callback(setattr, kind, "fp32_precision", kind.fp32_precision)
    # The older switches refuse to be read where the newer ones say something else.
    with suppress(RuntimeError):
        switch(stack, backends.cudnn, "allow_tf32", False)
    with suppress(RuntimeError):
        stack.callback(torch.set_float32_matmul_precision, torch.get_float32_matmul_precision())
        torch.set_float32_matmul_precision("highest")
    for kind in kernels:
        kind.fp32_precision = "ieee"


def _plain_torch(stack: ExitStack) -> None:
    if (default := torch.get_default_dtype()) != torch.float32:
        stack.callback(torch.set_default_dtype, default)
        torch.set_default_dtype(torch.float32)
    if torch.are_deterministic_algorithms_enabled():
        # It refuses kernels for which there is no other; what must be exact is exact without it.
        only_warned = torch.is_deterministic_algorithms_warn_only_enabled()
        stack.callback(torch.use_deterministic_algorithms, True, warn_only=only_warned)
        torch.use_deterministic_algorithms(False)
    float32_stays_float32(stack)


_plain = Switches(_plain_torch)


@contextmanager
def guard(*, gradients: bool = False) -> Iterator[None]:
    """Within it, torch is as it is when it was just imported, for this thread; afterwards the host finds its own.

    Args:
        gradients: record what is needed for gradients.
    """
    with ExitStack() as stack:
        stack.enter_context(_plain)
        if torch.is_inference_mode_enabled():
            stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.set_grad_enabled(gradients))
        for kind in ("cpu", "cuda"):
            if torch.is_autocast_enabled(kind):
                stack.enter_context(torch.autocast(kind, enabled=False))
        if torch.empty(0).device.type != "cpu":
            stack.enter_context(torch.device("cpu"))
        yield
