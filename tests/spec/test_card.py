"""Cards: the documented example is read, every mistake is a sentence, knobs resolve."""

from __future__ import annotations

import re

import pytest

from codectk import spec
from codectk.base.errors import BitstreamError, PluginBrokenError, PluginIncompatibleError, UsageError
from codectk.spec import card as card_module
from codectk.spec.card import CodecCard, parse_card, resolve_knobs, supported_apis
from codectk.spec.knob import Knob

TEXT = re.search(r"(?ms)^    api = 1.*?(?=^Unknown)", card_module.__doc__ or "").group()  # type: ignore[union-attr]

KNOBS = CodecCard(
    name="toy",
    summary="",
    domain="natural",
    stride=8,
    knobs={
        "quality": Knob("quality", "encoder", "float", 0.0, 100.0, 50.0, coded=True, rate=True),
        "seed": Knob("seed", "encoder", "int", 0, 2**32 - 1, 0, coded=True),
        "effort": Knob("effort", "encoder", "int", 1, 9, 5),
        "realism": Knob("realism", "decoder", "float", 0.0, 1.0, 0.25, coded=True),
        "steps": Knob("steps", "decoder", "int", 1, 50, 10),
    },
)


def test_documented_example():
    card = parse_card(TEXT, "card.toml")
    assert (card.api, card.title, card.licence, card.homepage) == (1, "SegPIC", "Apache-2.0", "")
    (codec,) = card.codecs
    assert (codec.name, codec.stride, codec.domain) == ("segpic", 64, "natural")
    assert codec.rate_knob == codec.knobs["quality"] and not codec.summarizes
    assert parse_card(TEXT.replace("stride = 64", "stride = 64\nsummarizes = true"), "x").codecs[0].summarizes
    assert codec.knobs["quality"].maximum == 100.0 and codec.knobs["quality"].coded
    assert [(part.id, part.kind) for part in card.components] == [("segpic.rat_analysis", "analysis")]
    hash(card)


@pytest.mark.parametrize(
    ("old", "new", "sentence"),
    [
        ("api = 1", "", "'api' is missing"),
        ("api = 1", 'api = "1"', "'api' must be a whole number"),
        ("api = 1", "api = true", "'api' must be a whole number"),
        ("api = 1", "api = = 1", "not valid TOML"),
        ("title =", "titel =", "'title' is missing"),
        ('title = "SegPIC"', 'title = "SegPIC"\ncolour = 1', "unknown key 'colour'"),
        ("[[codec]]", "[codec]", "must be written as [[codec]]"),
        ('name = "segpic"', 'name = "Seg PIC"', "the name must be"),
        ("stride = 64", "stride = 0", "stride must be"),
        ("stride = 64", 'stride = 64\nsummarizes = "yes"', "'summarizes' must be true or false"),
        ("stride = 64", "stride = 64.0", "'stride' must be a whole number"),
        ('side = "encoder"', 'side = "both"', "side must be"),
        ('side = "encoder"', 'side = "decoder"', "a rate knob is an encoder knob"),
        ('type = "float"', 'type = "bool"', "type must be"),
        ('type = "float"', 'type = "int"', "an int knob has whole bounds"),
        ("max = 100.0", "max = inf", "must be finite"),
        ("default = 50.0", "default = 101", "min <= default <= max"),
        ("coded = true", "coded = 1", "'coded' must be true or false"),
        ("help =", "hepl =", "unknown key 'hepl'"),
        ("[codec.knobs.quality]", "[codec.knobs.Quality]", "the name must be"),
        ('kind = "analysis"', 'kind = "analyser"', "kind must be one of"),
        ('id = "segpic.rat_analysis"', 'id = "rat_analysis"', "the id must be"),
        ("codectk_segpic.network:build", "codectk_segpic.network.build", "network must be 'module:object'"),
        ('preset = "segpic-small"', "", "a light form needs a preset"),
        ('network = "codectk_segpic.network:build"', "", "a part needs a codec whose card names its network"),
        ('part = "analysis"', 'part = "analysis"\nfactory = "a:b"', "either a part or made by a factory"),
    ],
)
def test_each_mistake_is_a_sentence(old: str, new: str, sentence: str):
    assert old in TEXT
    with pytest.raises(PluginBrokenError, match=re.escape(sentence)) as caught:
        parse_card(TEXT.replace(old, new), "mine/card.toml")
    assert str(caught.value).startswith("mine/card.toml")
    assert caught.value.exit_code == 5


def test_a_name_twice():
    codec = TEXT[TEXT.index("[[codec]]") : TEXT.index("[[component]]")]
    with pytest.raises(PluginBrokenError, match="codec 'segpic' twice"):
        parse_card(TEXT + codec, "card.toml")
    with pytest.raises(PluginBrokenError, match="only one knob can be the rate knob"):
        parse_card(
            TEXT.replace("[[component]]", codec.split("\n\n")[1].replace("quality", "depth") + "\n\n[[component]]"), "x"
        )


def test_other_api_is_judged_before_unknown_keys():
    with pytest.raises(PluginIncompatibleError, match="plugin API 7, but this codectk has API 1") as caught:
        parse_card(TEXT.replace("api = 1", "api = 7\nnew_key = 1"), "card.toml")
    assert caught.value.code == "CTK-E503"


def test_this_api_and_the_one_before(monkeypatch: pytest.MonkeyPatch):
    assert supported_apis() == (1,)
    monkeypatch.setattr(spec, "API", 2)
    assert parse_card(TEXT, "card.toml").api == 1
    monkeypatch.setattr(spec, "API", 3)
    with pytest.raises(PluginIncompatibleError, match="accepts 2 and 3"):
        parse_card(TEXT, "card.toml")


def test_defaults_of_each_side():
    assert resolve_knobs(KNOBS, {}, "encoder") == {"quality": 50.0, "seed": 0, "effort": 5}
    assert resolve_knobs(KNOBS, {}, "decoder") == {"realism": 0.25, "steps": 10}


def test_given_values_are_converted_and_stay_exact():
    given = resolve_knobs(KNOBS, {"quality": "33.5", "seed": "4294967295", "effort": 3.0, "realism": 1}, "encoder")
    assert given == {"quality": 33.5, "seed": 4294967295, "effort": 3, "realism": 1.0}
    assert isinstance(given["effort"], int) and isinstance(given["realism"], float)


def test_the_file_advises_and_the_user_decides():
    carried = {"quality": 20.0, "realism": 0.75, "guidance": 3.0}
    assert resolve_knobs(KNOBS, {}, "decoder", carried) == {"quality": 20.0, "realism": 0.75, "steps": 10}
    assert resolve_knobs(KNOBS, {"realism": 0}, "decoder", carried)["realism"] == 0.0


def test_a_carried_value_out_of_range_is_the_files_fault():
    with pytest.raises(BitstreamError, match="codec 'toy' refuses"):
        resolve_knobs(KNOBS, {}, "decoder", {"realism": 7.0})


@pytest.mark.parametrize(
    ("given", "side", "words"),
    [
        ({"qualty": 3}, "encoder", ["no knob 'qualty'", "quality (0.0..100.0, default 50.0)", "effort", "realism"]),
        ({"quality": 3}, "decoder", ["turned by the encoder", "realism", "steps"]),
        ({"steps": 3}, "encoder", ["turned by the decoder"]),
        ({"quality": 100.1}, "encoder", ["between 0.0 and 100.0, not 100.1"]),
        ({"quality": "nan"}, "encoder", ["must be a number"]),
        ({"quality": "1e999"}, "encoder", ["must be a number"]),
        ({"quality": "high"}, "encoder", ["must be a number, not 'high'"]),
        ({"quality": None}, "encoder", ["must be a number"]),
        ({"seed": 1.5}, "encoder", ["must be a whole number"]),
        ({"seed": True}, "encoder", ["must be a whole number"]),
        ({"seed": 10**400}, "encoder", ["between 0 and 4294967295"]),
    ],
)
def test_bad_knobs_are_usage_errors(given: dict[str, object], side: str, words: list[str]):
    with pytest.raises(UsageError) as caught:
        resolve_knobs(KNOBS, given, side)  # type: ignore[arg-type]
    for word in words:
        assert word in str(caught.value)


def test_a_codec_without_knobs_says_so():
    bare = CodecCard("bare", "", "natural", 1, {})
    with pytest.raises(UsageError, match="valid knobs: none"):
        resolve_knobs(bare, {"quality": 1}, "encoder")
