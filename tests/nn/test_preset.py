"""Weights files become networks that are no larger than they could fill, of what their metadata say and no more."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from codectk.base.errors import PluginMissingError, UsageError, WeightsError
from codectk.nn.building import SPARE, Building, OversizeError
from codectk.nn.preset import load_weights
from codectk.nn.storage import install, to_arrays
from codectk.weights.tensors import save_tensors


@dataclass(frozen=True)
class Wired:
    """Stands for the stages of a codec."""

    network: nn.Module | None = None
    training: Mapping[str, Any] | None = None


class Line(nn.Module):
    """A network of linear layers."""

    def __init__(self, width: int = 4, depth: int = 1) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(width, width) for _ in range(depth))

    def codec(self, weights_hash: str, device: str) -> Any:
        return Wired()


def build(options: Mapping[str, Any]) -> nn.Module:
    """As a plugin's: what it does not know is an error."""
    return Line(**options)


@pytest.fixture
def saved(tmp_path: Path) -> Callable[..., Path]:
    def save(**metadata: str) -> Path:
        save_tensors(tmp_path / "w.safetensors", to_arrays(Line()), metadata)
        return tmp_path / "w.safetensors"

    return save


def test_a_builder_gets_what_the_file_says(saved: Callable[..., Path]) -> None:
    for metadata, expected in (
        ({}, {}),
        ({"options": "{}"}, {}),
        ({"config": "small"}, {"config": "small"}),
        ({"config": "small", "options": '{"config": "small", "width": 4}'}, {"config": "small", "width": 4}),
    ):
        seen: list[Mapping[str, Any]] = []
        load_weights(saved(**metadata), lambda options, seen=seen: (seen.append(options), Line())[1])
        assert seen == [expected]


def test_a_network_without_configurations_trains_exports_and_loads(saved: Callable[..., Path]) -> None:
    """It takes no `config`, and was handed one that nobody had announced."""
    loaded = load_weights(saved(codec="line", options="{}", step="7"), build)
    assert isinstance(loaded.network, Line)


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"width": 1 << 17}, "would have more than 67,1"),
        ({"depth": 1 << 40, "width": 64}, "would have more than"),
        ({"width": "x"}, "cannot build"),
        ({"width": -1}, "cannot build"),
        ({"wings": 2}, "unexpected keyword argument"),
        ([], "cannot build"),
    ],
)
def test_what_cannot_be_built_is_one_sentence(saved: Callable[..., Path], options: Any, sentence: str) -> None:
    with pytest.raises(WeightsError, match=sentence) as caught:
        load_weights(saved(options=json.dumps(options)), build)
    assert "is for a network that the installed plugin cannot build" in str(caught.value)
    with pytest.raises(WeightsError, match="cannot build"):
        load_weights(saved(options="[" * 100_000), build)


def test_errors_that_say_more_come_through(saved: Callable[..., Path]) -> None:
    def refuses(options: Mapping[str, Any]) -> nn.Module:
        raise error

    error: Exception = PluginMissingError("It is not here.")
    with pytest.raises(PluginMissingError, match="It is not here"):
        load_weights(saved(), refuses)
    error = UsageError("There is no config 'huge'.")
    with pytest.raises(WeightsError, match="cannot build: There is no config 'huge'"):
        load_weights(saved(), refuses)


@pytest.mark.parametrize(
    "make",
    [
        lambda: torch.zeros(1 << 30),
        lambda: torch.arange(1 << 40),
        lambda: torch.eye(1 << 20),
        lambda: torch.empty_strided((1 << 20, 1 << 20), (1 << 20, 1)),
        lambda: nn.Embedding(1 << 20, 1 << 20),
        lambda: torch.zeros(1).new_ones(1 << 30),
        lambda: nn.init.normal_(torch.empty(1 << 35)),
    ],
)
def test_the_limit_holds_before_anything_is_made(make: Callable[[], Any]) -> None:
    with Building(0), pytest.raises(OversizeError, match=f"{SPARE:,} values"):
        make()


def test_the_limit_is_this_threads_and_leaves_meta_alone() -> None:
    made = []
    with Building(0):
        other = threading.Thread(target=lambda: made.append(torch.empty(SPARE + 1)))
        other.start()
        other.join()
        with torch.device("meta"):
            made.append(torch.empty(1 << 40))
    assert [len(tensor) for tensor in made] == [SPARE + 1, 1 << 40]


def test_tables_of_one_long_row_among_many_are_refused() -> None:
    from codectk.nn.priors import FactorizedPrior

    class Coded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.prior = FactorizedPrior("z", 2)

    sizes = np.ones(1 << 16, np.int32)
    sizes[0] = 1 << 16
    arrays = {
        "tables.prior.sizes": sizes,
        "tables.prior.offsets": np.zeros(1 << 16, np.int32),
        "tables.prior.frequencies": np.ones(int(sizes.sum()), np.uint16),
    }
    with pytest.raises(WeightsError, match="more than 67,108,864 cells"):
        install(Coded(), arrays)
