"""A file that was made once decodes to the same latents here: the promise of a portable file, across machines.

The generator has no part in that, so this needs nothing but what the plugin ships.

    CODECTK_HOME=... python plugins/hsc/tests/test_golden.py FACE.png

makes the file and its digest anew, which only new weights justify.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

import codectk
from codectk.bitstream.reader import read
from codectk.nn.preset import load_codec
from codectk.pipeline.codec import Codec
from codectk.pipeline.decode import decode_latents
from codectk.pipeline.load import card_of
from codectk.testing.corrupt import layer_ends
from codectk.testing.golden import GoldenFile, latents_digest
from codectk_hsc.network import build

pytestmark = pytest.mark.portable

GOLDEN = GoldenFile(Path(__file__).parent / "golden" / "face-q100.ctk")


def heads() -> Codec:
    return Codec(load_codec("codectk_hsc", "hsc-small", build), card_of("hsc"), "codectk-hsc")


def test_the_golden_file_decodes_to_its_latents():
    assert latents_digest(GOLDEN.data, heads()) == GOLDEN.digest


def test_its_layers_are_worth_their_bytes():
    ready, data = heads(), GOLDEN.data
    ends = layer_ends(data)
    assert len(ends) == 9 and ends[0] <= 120
    residuals = [decode_latents(read(data), ready, layers=layers)["residual"] for layers in range(9)]
    errors = [float((residual - residuals[-1]).square().mean()) for residual in residuals]
    assert errors == sorted(errors, reverse=True) and errors[0] > errors[1] > errors[4] and errors[8] == 0


if __name__ == "__main__":
    GOLDEN.write(codectk.encode(sys.argv[1], codec="hsc", quality=100, aligned=True, effort=0))
