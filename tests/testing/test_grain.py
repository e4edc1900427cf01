"""A codec that paints from a seed, without torch, passes the conformance kit."""

import pytest

from codectk.testing import CodecConformance

pytestmark = pytest.mark.usefixtures("grain")


class TestGrain(CodecConformance):
    codec = "grain"
