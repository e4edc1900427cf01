"""A bundle becomes a codec: its recipe is wired with its weights, if the plugins it needs are there."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

from codectk.base import toml
from codectk.base.errors import ContractError, PluginMissingError, WeightsAbsentError, WeightsError
from codectk.graph.recipe import SLOTS, Graph, parse_graph
from codectk.pipeline.build import build_codec
from codectk.plugins import discover, manager
from codectk.plugins.known import install_line
from codectk.spec.card import CodecCard
from codectk.spec.stages import Stages
from codectk.weights.bundle import RECIPE, Bundle
from codectk.weights.locate import UnknownWeightsError, locate


def card_of(bundle: Bundle) -> CodecCard:
    """What a bundle's user can turn, without loading anything.

    Raises:
        PluginError: a plugin that it needs is missing or broken.
        WeightsError: its recipe does not fit its card.
    """
    return _card(bundle, _graph(bundle))


def build(bundle: Bundle, device: str) -> tuple[Stages, CodecCard]:
    """A bundle's codec, and its card as `card_of` gives it.

    The codec is called by the bundle's name and has the bundle's hash for its weights.

    Raises:
        PluginError: as `card_of`.
        WeightsError: the weights do not fit the recipe, or the installed version of a plugin.
    """
    graph = _graph(bundle)
    with bundle.unpacked() as path:
        try:
            if graph.codec is not None:
                offered, record = manager.find_codec(graph.codec.name)
                found = locate(path, codec=offered.name, package=record.package)
                codec = build_codec(offered, record, device, found)
            else:
                codec = hybrids().load(graph, path, device)
        except WeightsAbsentError:
            raise
        except (WeightsError, ContractError) as error:
            raise type(error)(f"Bundle {bundle}: {error}{_other_versions(bundle)}") from error
    return replace(codec, id=bundle.card.name, weights_hash=bundle.sha256), _card(bundle, graph)


def find_for(name: str, weights: bytes, needs: tuple[str, ...]) -> Bundle:
    """The stored bundle that made a file; the arguments are those of its header.

    Raises:
        WeightsError: it is missing or damaged; the sentence says which it is, how to get it, and what it needs.
    """
    try:
        found = locate(weights, codec=name).bundle
        assert found is not None
        return found
    except UnknownWeightsError as error:
        missing = str(error)
    present = {record.distribution.lower() for record in discover.discover()}
    lacking = [distribution for distribution in needs if distribution.lower() not in present]
    advice = f" and install what it needs with: {install_line(' '.join(lacking))}" if lacking else ""
    raise WeightsError(f"{missing}{advice}")


def check_plugins(bundle: Bundle) -> None:
    """Check that the plugins are there that a bundle's card lists.

    Raises:
        PluginMissingError: one is not; the sentence has the line that installs all that are missing.
    """
    allowed = {record.name for record in discover.discover()}
    left_out = [plugin for plugin in bundle.card.plugins if plugin.name not in allowed]
    if not left_out:
        return
    present = {record.name for record in discover.installed()}
    missing = [plugin for plugin in left_out if plugin.name not in present]
    names = ", ".join(f"'{plugin.name}'" for plugin in missing or left_out)
    what = f"Bundle {bundle} needs plugin{'s' * (len(missing or left_out) > 1)} {names}"
    if not missing:
        raise PluginMissingError(f"{what}, which CODECTK_PLUGINS leaves out.")
    # Anybody can write a bundle, so the advice is not ours.
    line = install_line(" ".join(dict.fromkeys(plugin.distribution for plugin in missing)))
    raise PluginMissingError(f"{what}, not installed here; the bundle says to run: {line}")


def parts_of(bundle: Bundle) -> list[tuple[str, str]]:
    """What a bundle is made of, by slot, whether or not its plugins are here: ("analysis", "segpic.rat_analysis")."""
    recipe = toml.parse(bundle.recipe, RECIPE).data
    adapters = recipe.get("adapters", {})
    tables = [(slot, recipe.get(slot)) for slot in ("codec", *SLOTS)]
    tables += [(f"adapter {name}", table) for name, table in adapters.items()] if isinstance(adapters, dict) else []
    named = [(slot, table.get("name")) for slot, table in tables if isinstance(table, dict)]
    return [(slot, name) for slot, name in named if isinstance(name, str) and f"{slot}{name}".isprintable()]


def hybrids() -> ModuleType:
    """The module `codectk.nn.hybrid`, with which torch comes.

    Raises:
        PluginMissingError: torch is not installed.
    """
    try:
        from codectk.nn import hybrid
    except ImportError as error:
        raise PluginMissingError(
            f"A codec of several plugins needs torch ({error}): {install_line('codectk[torch]')}"
        ) from error
    return hybrid


def _graph(bundle: Bundle) -> Graph:
    """The bundle's recipe, all of whose components are installed."""
    check_plugins(bundle)
    graph = parse_graph(bundle.recipe, f"{bundle.path.name}, {RECIPE}")
    if graph.weights or (graph.codec is not None and graph.codec.options):
        raise WeightsError(f"Bundle {bundle}: its recipe must leave weights and options to the weights inside.")
    owners = {manager.find_codec(graph.codec.name)[1].name} if graph.codec is not None else set(graph.plugins)
    if unlisted := sorted(owners - {plugin.name for plugin in bundle.card.plugins}):
        raise WeightsError(f"Bundle {bundle}: its recipe uses plugin '{unlisted[0]}', which its card does not list.")
    return graph


def _card(bundle: Bundle, graph: Graph) -> CodecCard:
    return replace(graph.card(bundle.card.name), name=bundle.card.name, summary=bundle.card.title, fidelity=None)


def _other_versions(bundle: Bundle) -> str:
    """A sentence if plugins are installed in other versions than those the bundle was made with."""
    here = {record.name: record.version for record in discover.discover()}
    other = [p for p in bundle.card.plugins if here.get(p.name, p.version) != p.version]
    made = ", ".join(f"{p.distribution} {p.version} (here {here[p.name]})" for p in other)
    return f" It was made with {made}." if made else ""
