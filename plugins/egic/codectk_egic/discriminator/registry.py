"""Critics by component id."""

from __future__ import annotations

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from torch import nn

from codectk.base.errors import UsageError
from codectk_egic.discriminator import oasis, patchgan

IDS = ("egic.oasis_c", "egic.patchgan")


def build(name: str, options: Mapping[str, Any]) -> nn.Module | None:
    """An untrained critic, or None if the id is not one of `IDS`.

    Args:
        name: component id.
        options: `config` ("small", the default, or "full") and fields of the critic's `Config` to change.

    Raises:
        UsageError: an unknown configuration or field, or a value out of range.
    """
    if name == "egic.oasis_c":
        return oasis.OasisC(_configured(oasis, options))
    if name == "egic.patchgan":
        return patchgan.PatchGan(_configured(patchgan, options))
    return None


def _configured(module: ModuleType, options: Mapping[str, Any]) -> Any:
    fields = dict(options)
    config = fields.pop("config", "small")
    if config not in module.CONFIGS:
        raise UsageError(f"config must be one of {', '.join(module.CONFIGS)}, not {config!r}.")
    try:
        return module.configured(config, **fields)
    except TypeError as error:
        raise UsageError(f"The critic's options do not fit: {error}.") from error
