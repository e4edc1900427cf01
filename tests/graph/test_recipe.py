"""Recipes: what is read, what follows for the codec, and what is refused in which words. Nothing is imported."""

from __future__ import annotations

import re
import sys
from pathlib import Path

import pytest

from codectk.base.errors import ContractError, InputError, PluginMissingError, UsageError
from codectk.graph.recipe import GRAPH, TRAINING, Graph, load_graph, parse_graph

COMPONENTS = """
[[component]]
id = "{name}.forth"
kind = "analysis"
knobs = ["quality"]

[[component]]
id = "{name}.coding"
kind = "entropy_model"
knobs = []

[[component]]
id = "{name}.back"
kind = "synthesis"
knobs = ["quality"]

[[component]]
id = "{name}.polish"
kind = "post"
knobs = ["realism"]

[[component]]
id = "{name}.free"
kind = "post"
codec = ""
"""

TEXT = """# A recipe.
title = "Two in one"

[analysis]
name = "alpha.forth"
options = { widths = [
    1,
    2,
] }

[entropy_model]   # of the other one
name = "beta.coding"

[adapters.channels]
name = "core.channels"

[synthesis]
name = "alpha.back"

[optim]
steps = 3
"""


def card(site, stride: int, top: int = 100) -> str:
    """The usual card of a test's plugin, with components."""
    return site.card.replace("stride = 8", f"stride = {stride}").replace("max = 100", f"max = {top}") + COMPONENTS


@pytest.fixture
def plugins(site):
    """alpha pads to 16 pixels, beta to 24."""
    site.add("alpha", "raise RuntimeError('imported')", card=card(site, 16))
    site.add("beta", "raise RuntimeError('imported')", card=card(site, 24))
    yield site
    assert not {"fake_alpha", "fake_beta"} & set(sys.modules)


def edited(old: str, new: str) -> Graph:
    assert old in TEXT
    return parse_graph(TEXT.replace(old, new), "r.toml")


def test_what_a_recipe_says(plugins):
    graph = parse_graph(TEXT, "some/Two in one!.toml")
    assert (graph.name, graph.title, graph.codec) == ("two-in-one", "Two in one", None)
    assert [part.name for part in graph.parts] == ["alpha.forth", "core.channels", "beta.coding", "alpha.back"]
    assert graph.slots["analysis"].options == {"widths": [1, 2]}
    assert graph.slots["entropy_model"].place == "some/Two in one!.toml:12"
    assert graph.adapters["channels"].place.endswith(":15") and graph.plugins == ("alpha", "beta")
    assert graph.at_weights is None


def test_stride_and_knobs_follow_from_the_parts(plugins):
    made = parse_graph(TEXT, "r.toml").card()
    assert (made.name, made.stride, list(made.knobs)) == ("r", 48, ["quality"])
    assert made.rate_knob is not None
    polished = parse_graph(TEXT + '[post]\nname = "beta.polish"\n[knobs]\nrealism = 1\n', "r.toml").card("other")
    assert polished.name == "other" and polished.knobs["realism"].default == 1.0
    free = parse_graph(TEXT + '[post]\nname = "beta.free"\n', "r.toml").card()
    assert list(free.knobs) == ["quality"]


def test_a_graph_as_text_is_the_same_graph(plugins):
    text = (
        TEXT + '[post]\nname = "beta.polish"\noptions = { "odd key" = "\\"x\\"", on = true }\n[knobs]\nquality = 7.5\n'
    )
    graph = parse_graph(text, "r.toml", ["weights=r.ctkb"])
    again = parse_graph(graph.toml(), "elsewhere.toml")
    assert again.tables() == graph.tables() and again.slots == graph.slots and again.weights == ""
    assert graph.at_weights == Path("r.ctkb")


def test_a_whole_codec(plugins):
    graph = parse_graph('[codec]\nname = "alpha"\n[knobs]\nquality = 20\n[data]\ncrop = 64\n', "r.toml")
    assert graph.codec is not None and graph.parts == () and graph.plugins == ()
    assert graph.card().stride == 16 and graph.card().knobs["quality"].default == 20


@pytest.mark.parametrize(
    ("old", "new", "error", "words"),
    [
        ("alpha.forth", "alpha.fort", UsageError, r"r\.toml:5: \[analysis\]: there is no component 'alpha\.fort' "
         r"\(did you mean 'alpha\.forth'\?\); components for this slot: alpha\.forth, beta\.forth"),
        ("alpha.forth", "alpha.back", UsageError, r"r\.toml:5: .*alpha\.back is for \[synthesis\]"),
        ("alpha.forth", "forth", UsageError, r"'forth' is no component, whose id is PLUGIN\.NAME"),
        ("beta.coding", "gamma.coding", PluginMissingError, r"r\.toml:12: .*No plugin 'gamma' is installed\..*beta"),
        ("core.channels", "core.tunnels", UsageError, r"r\.toml:15: .*'core\.tunnels' \(did you mean 'core\.channels'"),
        ("[synthesis]", "[synthesys]", UsageError, r"r\.toml:17: there is no section \[synthesys\].*did you mean 'sy"),
        ('name = "alpha.back"', 'nam = "alpha.back"', UsageError, r"r\.toml:18: \[synthesis\] has a name and options"),
        ('name = "alpha.back"', "", UsageError, r"r\.toml:17: \[synthesis\] needs the name of a component, such as"),
        ("options = {", "options = 3 #", InputError, r"r\.toml:7 is not valid TOML"),
        ('title = "Two in one"', "title = 3", UsageError, r"r\.toml:2: title must be a text, not 3"),
        ('title = "Two in one"', 'name = "Two"', UsageError, r"r\.toml:2: 'Two' cannot be a codec's name"),
        ("[optim]", '[codec]\nname = "alpha"\n[optim]', UsageError, r"r\.toml:20: \[codec\] names a whole codec.*\[an"),
        ("[optim]", "[knobs]\nqualty = 3\n[optim]", UsageError, r"r\.toml:21: no part has a knob 'qualty', only: qu"),
        ("[optim]", "[knobs]\nquality = 300\n[optim]", UsageError, r"r\.toml:21: Knob 'quality' must be between"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_line(plugins, old: str, new: str, error: type[Exception], words: str):
    with pytest.raises(error, match=words):
        edited(old, new).card()


def test_what_is_missing(plugins):
    with pytest.raises(
        UsageError, match=r"r\.toml: the recipe lacks \[entropy_model\].*for it: alpha\.coding, beta\.cod"
    ):
        parse_graph('[analysis]\nname = "alpha.forth"\n', "r.toml")
    with pytest.raises(InputError, match="No such file"):
        load_graph("nowhere.toml")
    with pytest.raises(PluginMissingError, match="No plugin offers codec 'gamma'"):
        parse_graph('[codec]\nname = "gamma"\n', "r.toml")


def test_knobs_of_one_name_must_be_one_knob(site):
    site.add("alpha", card=card(site, 16))
    site.add("beta", card=card(site, 16, top=10).replace("default = 50", "default = 5"))
    text = TEXT.replace("alpha.back", "beta.back")
    with pytest.raises(
        ContractError, match=r"r\.toml:18: knob 'quality' of beta\.back and of alpha\.forth differ in max"
    ):
        parse_graph(text, "r.toml").card()


def test_overrides_are_named_instead_of_lines(plugins, tmp_path: Path):
    path = tmp_path / "r.toml"
    path.write_text(TEXT)
    assert load_graph(path, ["analysis.name=beta.forth", 'title="New"']).title == "New"
    with pytest.raises(UsageError, match=r"^--set analysis\.name=beta\.fort: \[analysis\]: there is no component"):
        load_graph(path, ["analysis.name=beta.fort"])
    assert load_graph(path, ["weights=w.ctkb"]).at_weights == tmp_path / "w.ctkb"


def test_sections_of_training_are_those_of_the_trainer():
    recipe = pytest.importorskip("codectk.train.settings", reason="training needs torch")
    assert set(recipe.SECTIONS) == {"codec", *TRAINING} and not set(TRAINING) & set(GRAPH)


@pytest.mark.parametrize("path", sorted((Path(__file__).parents[2] / "recipes").rglob("*.toml")), ids=lambda p: p.stem)
def test_recipes_of_this_repository(path: Path):
    for plugin in re.findall(r'name = "(\w+)[."]', path.read_text()):
        if plugin != "core":
            pytest.importorskip(f"codectk_{plugin}", reason="the recipe names a plugin that is not installed")
    load_graph(path).card()
