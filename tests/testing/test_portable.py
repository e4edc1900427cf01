"""The kit finds codecs that claim to be portable and are not; see tests/third_party/codectk_liar."""

from __future__ import annotations

import pytest

from codectk.testing import CodecConformance
from codectk.testing.elsewhere import PROCESSORS, digests_elsewhere

pytestmark = pytest.mark.usefixtures("liar")


class TestHonest(CodecConformance):
    codec = "liar-honest"
    sizes = 40


def kit(name: str) -> CodecConformance:
    class Kit(CodecConformance):
        codec = name

    return Kit()


def test_a_float_hyper_decoder_is_found():
    """Whatever this machine's luck: most of its files decode everywhere."""
    with pytest.raises(AssertionError, match=r"not portable: .*convolution.* depends on the order of sums"):
        kit("liar-float").test_the_program_is_exact()


def test_a_missing_exact_math_is_found():
    unguarded = kit("liar-unguarded")
    unguarded.test_the_program_is_exact()
    unguarded.test_the_program_is_bounded()
    with pytest.raises(AssertionError, match=r"settings of its process: .*half precision"):
        unguarded.test_the_calling_program_changes_nothing()


def test_a_missing_clamp_is_found():
    unbounded = kit("liar-unbounded")
    unbounded.test_the_program_is_exact()
    unbounded.test_the_calling_program_changes_nothing()
    with pytest.raises(AssertionError, match=r"values 4099 times as large.* depends on the order of sums"):
        unbounded.test_the_program_is_bounded()


def test_a_file_that_does_not_decode_elsewhere_is_told():
    good = kit("liar-honest").small_file()
    first, second = digests_elsewhere([good, good[:-1] + bytes([good[-1] ^ 1])], PROCESSORS["SSE4.1 alone"])
    assert len(first) == 64 and "Error: " in second
