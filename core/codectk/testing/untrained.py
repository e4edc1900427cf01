"""Fresh weights of a codec, for tests of a plugin that has none yet."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from codectk.pipeline.load import forget
from codectk.plugins import manager
from codectk.weights import store


@contextmanager
def untrained(codec: str, name: str, options: Mapping[str, Any] | None = None) -> Iterator[None]:
    """A weights store for a while, with fresh weights of a codec of torch in it, exported as trained ones are.

    Args:
        codec: an installed one whose plugin has the hook `codectk_network`.
        name: of the weights in the store: what `weights=` takes.
        options: of the network, numbers and texts.

    Raises:
        PluginError: the codec is missing or cannot be built.
    """
    import torch

    from codectk.nn.storage import to_arrays

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        arrays = to_arrays(manager.network(codec, options or {}))
    with tempfile.TemporaryDirectory(prefix="codectk-untrained-") as home, pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODECTK_HOME", home)
        store.save(arrays, {"codec": codec, "options": json.dumps(dict(options or {}))}, name)
        yield
    forget()
