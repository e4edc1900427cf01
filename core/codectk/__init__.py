"""codectk: learned and generative image codecs as plugins, in one checked, self-describing file format.

Example:
    import codectk

    codec = codectk.load("segpic")
    data = codec.encode("photo.jpg", quality=50)
    print(codectk.info(data))
    codec.decode(data).save("photo.png")

`codectk.encode` and `codectk.decode` do the same in one line each; `decode` finds the codec by itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from codectk.base.errors import (
    BitstreamError,
    CodectkError,
    CodectkWarning,
    ContractError,
    DomainError,
    DomainWarning,
    IncompleteWarning,
    InputError,
    MemoryLimitError,
    MismatchError,
    OutputError,
    PluginError,
    PluginMissingError,
    TargetError,
    TrainingError,
    UsageError,
    WeightsAbsentError,
    WeightsError,
)

if TYPE_CHECKING:
    from codectk.api import decode, edit, encode, info, load, summary, verify
    from codectk.base.memory import keep_freed_memory
    from codectk.base.resources import resources
    from codectk.pipeline.codec import Codec

__version__ = "0.1.0"

__all__ = [
    "BitstreamError",
    "Codec",
    "CodectkError",
    "CodectkWarning",
    "ContractError",
    "DomainError",
    "DomainWarning",
    "IncompleteWarning",
    "InputError",
    "MemoryLimitError",
    "MismatchError",
    "OutputError",
    "PluginError",
    "PluginMissingError",
    "TargetError",
    "TrainingError",
    "UsageError",
    "WeightsAbsentError",
    "WeightsError",
    "__version__",
    "decode",
    "edit",
    "encode",
    "info",
    "keep_freed_memory",
    "load",
    "resources",
    "summary",
    "verify",
]


def __getattr__(name: str) -> Any:
    # Loaded on first use, so that `import codectk` and the command line start at once.
    if name in ("decode", "edit", "encode", "info", "load", "summary", "verify"):
        from codectk import api

        return getattr(api, name)
    if name == "Codec":
        from codectk.pipeline.codec import Codec

        return Codec
    if name == "keep_freed_memory":
        from codectk.base.memory import keep_freed_memory

        return keep_freed_memory
    if name == "resources":
        from codectk.base.resources import resources

        return resources
    raise AttributeError(f"module 'codectk' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
