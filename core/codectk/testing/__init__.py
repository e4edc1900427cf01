"""The conformance kit that plugin writers import; it needs pytest and hypothesis.

Example:
    from codectk.testing import CodecConformance

    class TestMine(CodecConformance):
        codec = "mine"
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codectk.testing.conformance import CodecConformance

__all__ = ["CodecConformance"]


def __getattr__(name: str) -> Any:
    # On first use only: the rest of this room works without pytest and hypothesis.
    if name == "CodecConformance":
        import pytest

        # So that a failing assert in the kit shows its values, as one in the plugin's own test would.
        parts = ("conformance", "portable", "layered", "edited")
        pytest.register_assert_rewrite(*(f"codectk.testing.{part}" for part in parts))
        from codectk.testing.conformance import CodecConformance

        return CodecConformance
    raise AttributeError(f"module 'codectk.testing' has no attribute '{name}'")
