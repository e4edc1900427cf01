"""Convolution of integers, and the switches under which float32 stays float32."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from codectk.nn import convolution
from codectk.nn.convolution import convolve, convolve_by_product, plain_sums
from codectk.nn.exact import ACCUMULATOR_LIMIT, ExactConv2d, exact_math

pytestmark = pytest.mark.portable


def integers(generator: torch.Generator, bound: int, *shape: int) -> Tensor:
    return torch.randint(-bound, bound + 1, shape, generator=generator).float()


def worst_case(
    batch: int, channels: int, out: int, kernel: int, groups: int, side: int
) -> tuple[Tensor, Tensor, Tensor]:
    """x, weight and bias whose sums come close to the limit of 2**24."""
    generator = torch.Generator().manual_seed(batch + channels + out + kernel)
    fan_in = channels // groups * kernel**2
    largest = min(127, (ACCUMULATOR_LIMIT - 2000) // (1023 * fan_in))
    weight = integers(generator, largest, out, channels // groups, kernel, kernel)
    weight[::2] = largest
    x = integers(generator, 1023, batch, channels, side, side)
    x[:, :, : side // 2] = 1023
    return x, weight, integers(generator, 1000, out)


def true_sums(x: Tensor, weight: Tensor, bias: Tensor, stride: int, padding: int, groups: int) -> Tensor:
    """In float64, which holds every product and sum here in any order and by any algorithm worth the name."""
    return F.conv2d(x.double(), weight.double(), bias.double(), stride, padding, 1, groups)


@settings(max_examples=40, deadline=None)
@given(
    st.integers(1, 3),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from([1, 3, 5]),
    st.integers(1, 2),
    st.integers(1, 3),
    st.integers(5, 9),
    st.integers(5, 9),
    st.booleans(),
)
def test_the_product_is_a_convolution(batch, into, out, kernel, stride, groups, height, width, last):
    """Any shape, groups and layout, compared with plain loops."""
    generator = torch.Generator().manual_seed(height * width)
    x = integers(generator, 1023, batch, into * groups, height, width)
    weight, bias = integers(generator, 127, out * groups, into, kernel, kernel), integers(generator, 99, out * groups)
    if last:
        x, weight = x.to(memory_format=torch.channels_last), weight.to(memory_format=torch.channels_last)
    found = convolve_by_product(x, weight, bias, stride, kernel // 2, groups)
    padded = np.pad(x.numpy().astype(np.int64), ((0, 0), (0, 0), (kernel // 2,) * 2, (kernel // 2,) * 2))
    w = weight.numpy().astype(np.int64)
    assert found.shape[2:] == ((height - 1) // stride + 1, (width - 1) // stride + 1)
    for channel in range(out * groups):
        first = channel // out * into
        for row in range(found.shape[2]):
            for column in range(found.shape[3]):
                at = np.s_[:, first : first + into, row * stride :, column * stride :]
                patch = padded[at][:, :, :kernel, :kernel]
                expected = (patch * w[channel]).sum((1, 2, 3)) + int(bias[channel])
                assert found[:, channel, row, column].tolist() == expected.tolist()


CASES = [
    (1, 96, 48, 3, 1, 16),
    (4, 96, 48, 3, 1, 16),
    (16, 48, 48, 3, 1, 12),
    (16, 24, 64, 5, 1, 12),
    (16, 24, 216, 3, 24, 12),
]
"""Batch, channels in and out, kernel, groups, side."""


@pytest.mark.parametrize("onednn", [True, False], ids=["oneDNN", "native"])
@pytest.mark.parametrize("case", CASES, ids=str)
def test_sums_near_the_limit_are_exact(case: tuple[int, ...], onednn: bool, monkeypatch: pytest.MonkeyPatch):
    """Batches of 16 without oneDNN go to NNPACK unless it is switched off, and NNPACK is off by several units."""
    monkeypatch.setattr(torch.backends.mkldnn, "enabled", onednn)
    _, _, _, kernel, groups, _ = case
    x, weight, bias = worst_case(*case)
    expected = true_sums(x, weight, bias, 1, kernel // 2, groups)
    assert expected.abs().max() > (0.5 * ACCUMULATOR_LIMIT if groups == 1 else 1_000_000)
    for way in (convolve, convolve_by_product):
        with exact_math():
            assert torch.equal(way(x, weight, bias, 1, kernel // 2, groups).double(), expected)


def test_elsewhere_the_product_is_taken(monkeypatch: pytest.MonkeyPatch):
    """As on a processor whose convolutions may be Winograd's; oneDNN, which may round there, rests meanwhile."""
    layer = ExactConv2d(6, 4, leaky=True)
    layer.freeze()
    x = integers(torch.Generator().manual_seed(0), 1023, 2, 6, 9, 7)
    expected = layer(x)
    monkeypatch.setattr(convolution, "PLAIN_CONVOLUTION", False)
    monkeypatch.setattr(F, "conv2d", None)
    before = torch.backends.mkldnn.enabled
    with exact_math():
        assert not torch.backends.mkldnn.enabled
        assert torch.equal(layer(x), expected)
    assert torch.backends.mkldnn.enabled == before


def state() -> dict[str, object]:
    """Every switch that plain sums depend on, as far as it can be read."""
    readers: dict[str, Callable[[], object]] = {
        "precision": torch.get_float32_matmul_precision,
        "cuda matmul": lambda: torch.backends.cuda.matmul.allow_tf32,
        "cudnn": lambda: torch.backends.cudnn.allow_tf32,
        "benchmark": lambda: torch.backends.cudnn.benchmark,
        "deterministic": lambda: torch.backends.cudnn.deterministic,
        "oneDNN": lambda: torch.backends.mkldnn.enabled,
        "nnpack": torch._C._get_nnpack_enabled,
        **{f"new {name}": (lambda kind=kind: kind.fp32_precision) for name, kind in kinds().items()},
    }
    found: dict[str, object] = {}
    for name, reader in readers.items():
        try:
            found[name] = reader()
        except RuntimeError:
            found[name] = "refuses"
    return found


def kinds() -> dict[str, object]:
    """The switches of torch >= 2.9, one per kind of kernel."""
    b = torch.backends
    if not hasattr(b.mkldnn, "conv"):
        return {}
    return {
        "cuda matmul": b.cuda.matmul,
        "cudnn conv": b.cudnn.conv,
        "mkldnn matmul": b.mkldnn.matmul,
        "mkldnn conv": b.mkldnn.conv,
    }


CHANGES = (
    "pass",
    "torch.set_float32_matmul_precision('high')",
    "torch.set_float32_matmul_precision('medium')",
    "torch.backends.cuda.matmul.allow_tf32 = True",
    "torch.backends.cudnn.benchmark = True",
)
NEW_CHANGES = (
    "torch.backends.cuda.matmul.fp32_precision = 'tf32'",
    "torch.backends.cudnn.conv.fp32_precision = 'ieee'",
    "torch.backends.mkldnn.matmul.fp32_precision = 'bf16'",
    "torch.backends.mkldnn.conv.fp32_precision = 'bf16'",
    "torch.backends.fp32_precision = 'tf32'",
)


def set_and_restored(change: str) -> None:
    """Run in a process of its own: some of these changes cannot be taken back."""
    exec(change)
    before = state()
    with exact_math():
        inside = state()
        assert all(kind.fp32_precision == "ieee" for kind in kinds().values()), inside
        assert inside["precision"] in ("highest", "refuses"), inside
        assert not inside["nnpack"] and inside["deterministic"] and not inside["benchmark"], inside
    assert state() == before, (before, state())
    with pytest.raises(KeyError), torch.autocast("cpu"), exact_math():
        assert not torch.is_autocast_enabled("cpu")
        raise KeyError
    assert state() == before, "after an error"


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs one process per change, cheaply")
def test_switches_are_set_and_restored(fresh_python: Callable[[str], str]):
    """Whichever of torch's two generations of switches a program uses."""
    answer = fresh_python(
        f"""
        import os, warnings
        warnings.simplefilter("ignore")
        from test_convolution import set_and_restored
        for change in {CHANGES + (NEW_CHANGES if kinds() else ())}:
            child = os.fork()
            if not child:
                set_and_restored(change)
                os._exit(0)
            print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), end="")
        """
    )
    assert answer == "0" * len(CHANGES + (NEW_CHANGES if kinds() else ()))


def test_threads_may_overlap():
    """The first to leave must not switch TF32 back on under the other, nor the last one leave its own state behind."""
    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision("high")
    try:
        entered, leave = threading.Event(), threading.Event()

        def first() -> None:
            with plain_sums:
                entered.set()
                leave.wait(10)

        thread = threading.Thread(target=first)
        thread.start()
        assert entered.wait(10)
        with plain_sums:
            leave.set()
            thread.join(10)
            assert torch.get_float32_matmul_precision() == "highest"
        assert torch.get_float32_matmul_precision() == "high"
    finally:
        torch.set_float32_matmul_precision(before)
