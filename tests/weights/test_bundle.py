"""Bundles: one way to write each, everything else refused, nothing believed before it was checked."""

from __future__ import annotations

import io
import json
import re
import struct
import tracemalloc
import zipfile
import zlib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import codectk.weights
from codectk.base.errors import InputError, OutputError, WeightsError
from codectk.weights import stored_zip
from codectk.weights.bundle import CARD, RECIPE, WEIGHTS, is_bundle, read_bundle, write_bundle
from codectk.weights.bundle_card import BundleCard, NeededPlugin, Result, parse_card, write_card
from codectk.weights.store import sha256_of
from codectk.weights.tensors import load_tensors, save_tensors

PAGE = (Path(codectk.weights.__path__[0]) / "BUNDLE.md").read_text(encoding="utf-8")
PLUGINS = (NeededPlugin("segpic", "codectk-segpic", "0.1.0"), NeededPlugin("egic", "codectk-egic", "1.2.3rc1"))
CARD_OF_ALL = BundleCard(
    "crisp", 'Words "quoted", ünïcode 😀 \\', "CC0-1.0", PLUGINS, "598 photos", "codectk train", 6000,
    (Result("kodak-24, crisp at q25", {"bpp": 0.25, "LPIPS (Alex v0.1)": 1e-07, "pictures": 24}),),
)  # fmt: skip
TOY = 'title = "A toy"\n\n[codec]\nname = "toy"\n'


@pytest.fixture
def tensors(tmp_path):
    path = tmp_path / "weights.safetensors"
    save_tensors(path, {"x": np.arange(6, dtype=np.float32), "tables.z.sizes": np.ones(2, np.int32)}, {"codec": "toy"})
    return path


@pytest.fixture
def made(tmp_path, tensors):
    """A bundle named crisp."""
    return write_bundle(tmp_path / "crisp.ctkb", CARD_OF_ALL, TOY, tensors)


@pytest.fixture
def small(tmp_path, tensors):
    """One of few bytes, for tests that go through all of them."""
    return write_bundle(tmp_path / "a.ctkb", BundleCard("a", "A", "CC0-1.0", PLUGINS[:1]), "", tensors)


def members(bundle):
    """The bundle's members by name, read by another program."""
    with zipfile.ZipFile(bundle.path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def repacked(path, entries, method=zipfile.ZIP_STORED, comment=b"", **changes):
    """A zip file from (name, bytes) pairs, like a bundle but for what is asked for."""
    with zipfile.ZipFile(path, "w", method) as archive:
        for name, data in entries:
            entry = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            entry.create_system, entry.compress_type = 0, method
            for key, value in changes.items():
                setattr(entry, key, value)
            archive.writestr(entry, data)
            entry.external_attr = 0
        archive.comment = comment
    return path


def test_round_trip(made, tensors):
    found = read_bundle(made.path)
    assert found == made and str(found) == f"crisp ({sha256_of(made.path)[:8]})"
    assert (found.sha256, found.bytes) == (sha256_of(made.path), made.path.stat().st_size)
    assert (found.card, found.recipe) == (CARD_OF_ALL, TOY)
    assert found.metadata() == {"codec": "toy"}
    assert is_bundle(made.path) and not is_bundle(tensors) and not is_bundle("nowhere.ctkb")


def test_equal_content_gives_equal_bytes(made, tensors, tmp_path):
    again = write_bundle(tmp_path / "other-name.ctkb", CARD_OF_ALL, TOY, tensors)
    assert again.path.read_bytes() == made.path.read_bytes()
    for changed in (replace(CARD_OF_ALL, title="Another"), replace(CARD_OF_ALL, results=())):
        assert write_bundle(tmp_path / "changed.ctkb", changed, TOY, tensors).sha256 != made.sha256


def test_any_unzip_program_opens_it(made, tensors):
    with zipfile.ZipFile(made.path) as archive:
        assert archive.namelist() == [CARD, RECIPE, WEIGHTS] and archive.testzip() is None
        assert archive.read(WEIGHTS) == tensors.read_bytes()
        assert parse_card(archive.read(CARD).decode(), "it") == CARD_OF_ALL


def test_the_page_is_enough_to_write_one(made, tmp_path):
    (program,) = re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    names: dict = {}
    exec(program, names)
    names["pack"](tmp_path / "by-the-page.ctkb", members(made))
    assert (tmp_path / "by-the-page.ctkb").read_bytes() == made.path.read_bytes()


def test_limits_on_the_page_are_those_of_the_code():
    from codectk.bitstream.codecs import MAX_NEEDS
    from codectk.weights import bundle, bundle_card

    for number in (stored_zip.MAX_BYTES, bundle.MAX_TEXT_BYTES, bundle_card.MAX_RESULTS, MAX_NEEDS):
        assert re.search(rf"\b{number}\b", PAGE)


def test_the_weights_come_out_as_they_went_in(made, tensors):
    with made.unpacked() as path:
        assert path.name == "crisp.safetensors" and path.read_bytes() == tensors.read_bytes()
        np.testing.assert_array_equal(load_tensors(path)["x"], np.arange(6))
        folder = path.parent
    assert not folder.exists()


def test_a_bundle_that_changes_after_it_was_read(made):
    data = bytearray(made.path.read_bytes())
    data[made.weights.start + made.weights.size - 1] ^= 1
    made.path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"), made.unpacked():
        pass
    made.path.unlink()
    with pytest.raises(WeightsError, match="cannot be unpacked"), made.unpacked():
        pass


def test_every_damaged_byte_is_noticed(small):
    data = small.path.read_bytes()
    for place in range(len(data)):
        damaged = bytearray(data)
        damaged[place] ^= 0x01 if place % 2 else 0x80
        small.path.write_bytes(damaged)
        with pytest.raises(WeightsError):
            read_bundle(small.path)


def test_every_cut_is_noticed(small):
    data = small.path.read_bytes()
    for end in range(0, len(data), 3):
        small.path.write_bytes(data[:end])
        with pytest.raises(WeightsError, match=r"cut|not a bundle|lacks" if end else "not a bundle"):
            read_bundle(small.path)
    for more in (data + b"\0", data + data, b"#!/bin/sh\n" + data):
        small.path.write_bytes(more)
        with pytest.raises(WeightsError):
            read_bundle(small.path)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda m: [(name, m[name]) for name in (RECIPE, CARD, WEIGHTS)], "'recip.* where card.toml belongs"),
        (lambda m: [(CARD, m[CARD]), (RECIPE, m[RECIPE])], "lacks weights.safetensors"),
        (lambda m: [*m.items(), ("extra.txt", b"hello")], "holds more than"),
        (lambda m: [*m.items(), (WEIGHTS, b"again")], "holds more than"),
        (
            lambda m: [("../../x.toml", m[CARD]), (RECIPE, m[RECIPE]), (WEIGHTS, m[WEIGHTS])],
            r"'\.\./\.\./x\.t' where card",
        ),
        (lambda m: [("/etc/x.tom", m[CARD]), (RECIPE, m[RECIPE]), (WEIGHTS, m[WEIGHTS])], "'/etc/x.to' where card"),
        (lambda m: [("C:x.toml\x00", m[CARD]), (RECIPE, m[RECIPE]), (WEIGHTS, m[WEIGHTS])], "where card.toml belongs"),
        (lambda m: [], "is not a bundle"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_other_members(made, change, words):
    with pytest.raises(WeightsError, match=words):
        read_bundle(repacked(made.path, change(members(made))))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"method": zipfile.ZIP_DEFLATED}, "card.toml is compressed"),
        ({"method": zipfile.ZIP_BZIP2}, "card.toml is compressed"),
        ({"comment": b"made by hand"}, "packed by another program"),
        ({"create_system": 3}, "packed by another program"),
        ({"date_time": (2026, 1, 1, 0, 0, 0)}, "packed by another program"),
        ({"extra": b"\x01\x00\x00\x00"}, "packed by another program"),
        ({"comment": b"", "create_version": 45}, "packed by another program"),
    ],
)
def test_other_ways_to_pack(made, changes, words):
    with pytest.raises(WeightsError, match=words):
        read_bundle(repacked(made.path, members(made).items(), **changes))
    assert repacked(made.path, members(made).items()) and read_bundle(made.path)  # it was that change


def test_bombs_cost_nothing(made):
    inside = members(made)
    bombs = [
        repacked(made.path, [(CARD, bytes(20 << 20))], zipfile.ZIP_DEFLATED).read_bytes(),
        # Claims of sizes that are not there: a card and weights of almost 4 GiB.
        _local(CARD, 0xFFFFFFF0) + inside[CARD],
        _local(CARD, len(inside[CARD]), zlib.crc32(inside[CARD])) + inside[CARD]
        + _local(RECIPE, len(inside[RECIPE]), zlib.crc32(inside[RECIPE])) + inside[RECIPE]
        + _local(WEIGHTS, 0xFFFFFF00) + inside[WEIGHTS],
        _local(CARD, 1 << 20) + bytes(100),
    ]  # fmt: skip
    for bomb in bombs:
        made.path.write_bytes(bomb)
        tracemalloc.start()
        with pytest.raises(WeightsError, match=r"compressed|the most is|is cut within"):
            read_bundle(made.path)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < 1 << 20


def _local(name, size, crc=0):
    return struct.pack("<4s5H3I2H", b"PK\x03\x04", 20, 0, 0, 0, 33, crc, size, size, len(name), 0) + name.encode()


def test_texts_that_are_too_long(made, tensors, tmp_path):
    long = TOY + "#" * (1 << 20)
    with pytest.raises(WeightsError, match=r"recipe\.toml of a bundle has at most 1,048,576 bytes"):
        write_bundle(tmp_path / "new.ctkb", CARD_OF_ALL, long, tensors)
    assert not (tmp_path / "new.ctkb").exists()
    inside = members(made) | {RECIPE: long.encode()}
    with pytest.raises(WeightsError, match="the most is 1,048,576"):
        read_bundle(repacked(made.path, inside.items()))


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        (CARD, b"\xff\xfe", "not UTF-8"),
        (CARD, b"format = ", "not valid TOML"),
        (RECIPE, b"[codec", "recipe.toml is not valid TOML"),
        (WEIGHTS, b"\x80\x04K\x01.", "pickle"),
        (WEIGHTS, b"PK\x03\x04" + bytes(40), "pickle"),
        (WEIGHTS, b"", "not a safetensors file"),
        (WEIGHTS, struct.pack("<Q", 1 << 40) + b"{}", "not a safetensors file"),
    ],
)
def test_members_that_make_no_sense(made, name, data, words):
    inside = members(made) | {name: data}
    with pytest.raises(WeightsError, match=words):
        read_bundle(repacked(made.path, inside.items()))


def test_what_cannot_be_written(tensors, tmp_path):
    path = tmp_path / "new.ctkb"
    for arguments, words in (
        ((CARD_OF_ALL, "[codec", tensors), "not valid TOML"),
        ((replace(CARD_OF_ALL, plugins=()), TOY, tensors), "at least one plugin"),
        ((CARD_OF_ALL, TOY, tmp_path / "nowhere.safetensors"), "cannot be read"),
    ):
        with pytest.raises(WeightsError, match=words):
            write_bundle(path, *arguments)
    with pytest.raises(OutputError):
        write_bundle(tmp_path / "nowhere" / "new.ctkb", CARD_OF_ALL, TOY, tensors)
    assert not path.exists()
    with pytest.raises(InputError, match="no bundle"):
        read_bundle(path)
    with pytest.raises(WeightsError):
        read_bundle(tmp_path)


def test_the_whole_is_limited(monkeypatch, tensors):
    monkeypatch.setattr(stored_zip, "MAX_BYTES", 100)
    with pytest.raises(WeightsError, match="at most 100 bytes"):
        stored_zip.write_members(io.BytesIO(), {"a": io.BytesIO(bytes(60)), "b": io.BytesIO(bytes(60))})


def test_a_small_card():
    card = BundleCard("a", "A", "CC0-1.0", PLUGINS[:1])
    text = write_card(card)
    assert parse_card(text, "it") == card and text == write_card(card)
    assert "data" not in text and "steps" not in text and "result" not in text
    assert replace(card, plugins=(*PLUGINS, replace(PLUGINS[0], name="other"))).distributions == (
        "codectk-segpic",
        "codectk-egic",
    )


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "Crisp"}, "codec id"),
        ({"name": "../crisp"}, "codec id"),
        ({"name": ""}, "'name' must be one line"),
        ({"name": "\ud800"}, "codec id|one line|written"),
        ({"name": "segpic"}, "'segpic' is the name of a codec"),
        ({"title": ""}, "'title' must be one line"),
        ({"title": "two\nlines"}, "'title' must be one line"),
        ({"title": "red \x1b[31m"}, "'title' must be one line"),
        ({"data": "\x7f"}, "'data' must be one line"),
        ({"licence": "x" * 4097}, "'licence' must be one line"),
        ({"steps": -1}, "'steps' must be a whole number"),
        ({"plugins": (replace(PLUGINS[0], distribution="-rf"),)}, "distribution name"),
        ({"plugins": (replace(PLUGINS[0], distribution="a b"),)}, "distribution name"),
        ({"plugins": (replace(PLUGINS[0], version="1; rm"),)}, "not the name and the version"),
        ({"plugins": (replace(PLUGINS[0], name="Seg"),)}, "not the name and the version"),
        ({"plugins": (PLUGINS[0], PLUGINS[0])}, "each is listed once"),
        ({"plugins": tuple(NeededPlugin(f"p{n}", f"d{n}", "1") for n in range(9))}, "at most 8 distributions"),
        ({"results": (Result("x", {}),)}, "table of numbers"),
        ({"results": (Result("x", {"bpp": float("nan")}),)}, "finite number"),
        ({"results": (Result("x", {"bpp": float("inf")}),)}, "finite number"),
        ({"results": (Result("x", {"bpp": True}),)}, "not valid TOML|finite number"),
        ({"results": (Result("x", {"bpp": 10**400}),)}, "finite number"),
        ({"results": (Result("", {"bpp": 1}),)}, "'on' must be one line"),
        ({"results": (Result("x", {"b\n": 1}),)}, "name of a value"),
        ({"results": (Result("x", {"bpp": 1}),) * 257}, "more than 256"),
    ],
)
def test_cards_that_break_a_rule(changes, words):
    with pytest.raises(WeightsError, match=words):
        write_card(replace(CARD_OF_ALL, **changes))


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("format = 2", "format 2; this codectk reads format 1"),
        ("name = 3", "'name' must be a text"),
        ("title = 3", "'title' must be a text"),
        ("steps = 1.5", "'steps' must be a whole number"),
        ("steps = true", "'steps' must be a whole number"),
        ("colour = 1", "unknown key 'colour'"),
        ("plugin = 3", r"\[\[plugin\]\]"),
        ("result = [3]", r"\[\[result\]\]"),
        ('plugin = [{ name = "a", distribution = "a" }]', "'version' is missing"),
        ('plugin = [{ name = "a", distribution = "a", version = "1", url = "x" }]', "unknown key 'url'"),
        ('result = [{ on = "a", values = 3 }]', "'values' must be a table"),
    ],
)
def test_cards_that_are_written_wrong(line, words):
    key = line.split(" ")[0]
    usual = {
        "format": "1", "name": '"a"', "title": '"A"', "licence": '"CC0-1.0"',
        "plugin": '[{ name = "a", distribution = "a", version = "1" }]',
    }  # fmt: skip
    text = "\n".join([*(f"{k} = {v}" for k, v in usual.items() if k != key), line])
    with pytest.raises(WeightsError, match=words):
        parse_card(text, "it")
    fine = "\n".join(f"{k} = {v}" for k, v in usual.items())
    assert parse_card(fine, "it").plugins == (NeededPlugin("a", "a", "1"),)
    assert json.dumps(parse_card(fine, "it").title) == usual["title"]
