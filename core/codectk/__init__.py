"""codectk: learned and generative image codecs as plugins, in one checked, self-describing file format.

Example:
    import codectk

    data = codectk.encode("photo.jpg", codec="segpic", quality=50)
    print(codectk.info(data))
    codectk.decode(data).save("photo.png")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from codectk.api import decode, edit, encode, info, summary, verify

__version__ = "0.1.0"
__all__ = ["__version__", "decode", "edit", "encode", "info", "summary", "verify"]


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that `import codectk` and the command line start at once.
    if name in ("decode", "edit", "encode", "info", "summary", "verify"):
        from codectk import api

        return getattr(api, name)
    raise AttributeError(f"module 'codectk' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
