"""The kit on one codec of each kind of coding program."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytest.importorskip("compressai", reason="CompressAI is not installed here; `make test-compressai` runs these tests")

from codectk.testing import CodecConformance


class Imported(CodecConformance):
    """Sizes are few, because stride 64 makes the smallest file a large one."""

    architecture = ""
    examples = 2

    @pytest.fixture(autouse=True)
    def imported(self, bring: Callable[..., tuple[str, Any]]) -> None:
        name, _ = bring(self.architecture)
        assert name == self.codec


class TestFactorized(Imported):
    architecture, codec = "bmshj2018-factorized", "compressai.bmshj2018-factorized-q1"


class TestHyperprior(Imported):
    architecture, codec = "mbt2018-mean", "compressai.mbt2018-mean-q1"


class TestSerial(Imported):
    architecture, codec = "cheng2020-anchor", "compressai.cheng2020-anchor-q1"
    sizes = 70


class TestVariableRate(Imported):
    """Random weights are no codec: pictures do not get better with quality."""

    architecture, codec = "bmshj2018-hyperprior-vbr", "compressai.bmshj2018-hyperprior-vbr"
    psnr_rises = False


class TestSerialVariableRate(Imported):
    architecture, codec = "mbt2018-vbr", "compressai.mbt2018-vbr"
    psnr_rises = False
    sizes = 70
