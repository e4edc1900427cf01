"""TOML is read with the place of every value and one kind of sentence for every mistake, and written as it is read."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from codectk.base.errors import InputError, PluginBrokenError, UsageError, WeightsError
from codectk.base.toml import Document, override, parse, read, to_toml

ROOT = Path(__file__).parents[2]


def test_lines_of_unusual_toml():
    text = "a.b = 1\n'x y' = '''\n[no]\nc = 2\n'''\n[t.\"u.v\"] # x\nd = [\n  1, # [z]\n]\ne = 3\n"
    document = parse(text, "f")
    found = {".".join(path): place for path, place in document.places.items()}
    assert found == {"a.b": "f:1", "x y": "f:2", "t.u.v": "f:6", "t.u.v.d": "f:7", "t.u.v.e": "f:10"}
    assert document.at("t", "u.v", "d", "deeper") == "f:7" and document.at("none") == "f"


def test_toml_is_written_so_that_it_is_read_alike():
    tables = {"t": "é\u007f\U0001f600\n", "n": {"a b": [1, -2.5, 1e-9, True], "d": {"k": ["x", {"y": 1}]}}, "f": 0.1}
    assert parse(to_toml(tables), "f").data == tables
    with pytest.raises(UsageError, match="cannot be written as TOML"):
        to_toml({"x": None})


CARDS = """
title = "x"

[[codec]]
name = "first"

[codec.knobs.quality]
max = 3

[[codec]]
name = "second"
knobs.realism = { max = 4 }

[[codec.part]]
a = 1
[[codec.part]]
a = 2
"""


def test_items_of_arrays_of_tables_have_places_of_their_own():
    document = parse(CARDS, "f")
    assert document.at("codec") == document.at("codec", "0") == "f:4"
    assert document.at("codec", "0", "knobs", "quality", "max") == "f:8"
    assert document.at("codec", "1", "name") == "f:11"
    assert document.at("codec", "1", "knobs", "realism", "max") == "f:12"
    assert [document.at("codec", "1", "part", place, "a") for place in "01"] == ["f:15", "f:17"]
    assert document.at("codec", "7", "name") == "f:4"


def test_a_table_is_taken_key_by_key():
    top = parse(CARDS + "[more]\nnumber = 2\n", "f").table("the card", WeightsError)
    assert top.take("title", str) == "x" and top.take("none", bool, True) is True
    first, second = top.tables("codec")
    assert (first.take("name", str), second.what) == ("first", "codec 2")
    ((name, knob),) = first.named("knobs", "knob")
    assert name == "quality" and knob.take("max", float) == 3
    knob.done()
    with pytest.raises(WeightsError, match=r"^f:10: codec 2: unknown key 'knobs'\.$"):
        second.done()
    with pytest.raises(WeightsError, match=r"^f:18: the card: unknown key 'more'\.$"):
        top.done()


@pytest.mark.parametrize(
    ("text", "take", "sentence"),
    [
        ("a = 1", lambda t: t.take("b", str), "f: it: 'b' is missing."),
        ("\na = 1", lambda t: t.take("a", str), "f:2: it: 'a' must be a text."),
        ("a = true", lambda t: t.take("a", int), "f:1: it: 'a' must be a whole number."),
        ("a = true", lambda t: t.take("a", float), "f:1: it: 'a' must be a number."),
        ("a = 1.5", lambda t: t.take("a", int), "f:1: it: 'a' must be a whole number."),
        ("a = 1", lambda t: t.take("a", bool), "f:1: it: 'a' must be true or false."),
        ("a = {}", lambda t: t.take("a", list), "f:1: it: 'a' must be a list."),
        ("[a]", lambda t: t.tables("a"), "f:1: it: 'a' must be written as [[a]]."),
        ("[a]\nb = 1", lambda t: t.named("a", "knob"), "f:1: it: 'a' must hold one table per name."),
        ("[a.b]\nc = 1", lambda t: t.named("a", "knob")[0][1].done(), "f:2: it: knob 'b': unknown key 'c'."),
        ("a = 1", lambda t: t.need(False, "no", "a"), "f:1: it: no."),
    ],
)
def test_a_mistake_is_a_sentence_with_its_line(text, take, sentence):
    with pytest.raises(PluginBrokenError) as caught:
        take(parse(text, "f").table("it", PluginBrokenError))
    assert str(caught.value) == sentence


def test_what_is_no_toml(tmp_path):
    with pytest.raises(InputError, match=r"^f:2 is not valid TOML: .+\.$"):
        parse("a = 1\nb = = 2", "f")
    with pytest.raises(WeightsError, match=r"^f is not valid TOML: its values lie too deep"):
        parse(f"a = {'[' * 100_000}", "f", error=WeightsError)
    (tmp_path / "latin.toml").write_bytes(b"a = '\xe9'")
    with pytest.raises(PluginBrokenError, match=r"latin\.toml is not valid TOML"):
        read(tmp_path / "latin.toml", error=PluginBrokenError)
    with pytest.raises(InputError, match=r"Cannot read .*none\.toml: No such file"):
        read(tmp_path / "none.toml")


def test_overrides():
    document = parse("title = 'a'\n[s]\nx = 1\n", "f")
    changed = override(document, ["s.x=2.5", "s.new.deep=[1]", "title=word", "s.bare=two words"], ["title"])
    assert changed.data == {"title": "word", "s": {"x": 2.5, "new": {"deep": [1]}, "bare": "two words"}}
    assert document.data == {"title": "a", "s": {"x": 1}}
    assert (changed.at("s", "x"), changed.at("s", "new", "deep"), changed.at("s")) == (
        "--set s.x=2.5", "--set s.new.deep=[1]", "f:2",
    )  # fmt: skip
    for wrong in ("s.x", "=1", "s.=1", "loose=1", "s.x.y=1"):
        with pytest.raises(UsageError, match="--set"):
            override(document, [wrong], ["title"])
    assert override(Document({"s": {}}, "g"), ["s.a=1"]).data == {"s": {"a": 1}}


def test_toml_is_parsed_in_one_place():
    found = {
        str(path.relative_to(ROOT))
        for room in ("core", "plugins", "examples", "benchmarks")
        for path in (ROOT / room).rglob("*.py")
        if "tests" not in path.parts
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if (isinstance(node, ast.Import) and any(name.name in ("tomllib", "tomli_w") for name in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module in ("tomllib", "tomli_w"))
    }
    assert found == {"core/codectk/base/toml.py"}
