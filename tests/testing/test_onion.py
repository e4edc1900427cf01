"""A layered codec with edits, without torch, passes the conformance kit."""

import pytest

from codectk.testing import CodecConformance

pytestmark = pytest.mark.usefixtures("onion")


class TestOnion(CodecConformance):
    codec = "onion"
