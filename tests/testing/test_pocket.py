"""A codec from a third party, without torch, passes the conformance kit in three lines."""

import pytest

from codectk.testing import CodecConformance

pytestmark = pytest.mark.usefixtures("pocket")


class TestPocket(CodecConformance):
    codec = "pocket"
