"""The network that a recipe trains: that of an installed codec, or a hybrid."""

from __future__ import annotations

from typing import cast

from torch import nn

from codectk.nn import hybrid
from codectk.plugins import manager
from codectk.spec.card import CodecCard
from codectk.train.inherit import inherit
from codectk.train.recipe import Recipe


def fresh(recipe: Recipe) -> nn.Module:
    """The network with fresh weights.

    Raises:
        UsageError, ContractError, PluginError: it cannot be built.
    """
    if recipe.graph is not None:
        return hybrid.build(recipe.graph)
    return cast(nn.Module, manager.network(recipe.codec.name, recipe.codec.options))


def build(recipe: Recipe) -> nn.Module:
    """The network with fresh weights but for those parts that `stage.weights` takes from elsewhere.

    Raises:
        As `fresh`, and WeightsError, TrainingError: such weights are missing or do not fit.
    """
    network = fresh(recipe)
    inherit(network, recipe.stage.weights)
    return network


def card_of(recipe: Recipe) -> CodecCard:
    """The card of what is trained."""
    return manager.find_codec(recipe.codec.name)[0] if recipe.graph is None else recipe.graph.card()
