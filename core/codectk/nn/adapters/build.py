"""The core's adapters by id."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from codectk.base.errors import UsageError
from codectk.nn.adapters.channels import ChannelAdapter
from codectk.nn.adapters.labels import LabelResize
from codectk.nn.adapters.spatial import GlobalToSpatial
from codectk.programs.configurations import check_options

KINDS: Mapping[str, Callable[..., nn.Module]] = {
    "core.channels": ChannelAdapter,
    "core.labels": LabelResize,
    "core.spatial": GlobalToSpatial,
}
"""Their classes; options of a recipe are their arguments."""


def build(name: str, options: Mapping[str, Any]) -> nn.Module:
    """An adapter with fresh weights.

    Raises:
        UsageError: it does not take the options.
    """
    check_options(f"The adapter {name}", options, inspect.signature(KINDS[name]).parameters)
    try:
        return KINDS[name](**options)
    except TypeError as error:
        raise UsageError(f"The adapter {name} does not take the values of these options: {error}.") from error
