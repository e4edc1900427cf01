"""The four public functions, as a user calls them."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codectk
from codectk import api
from codectk.base.errors import (
    BitstreamError,
    ContractError,
    InputError,
    LimitError,
    NotCtkError,
    PluginMissingError,
    TargetError,
    UsageError,
)
from codectk.base.types import Picture
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write
from codectk.pipeline.build import build_codec
from codectk.pipeline.load import load
from codectk.plugins import manager
from codectk.testing import pictures

SCENE = pictures.scene(40, 56)


@pytest.fixture
def data(pocket) -> bytes:
    return codectk.encode(SCENE, codec="pocket", quality=60)


def test_every_kind_of_source_gives_the_same_file(data, tmp_path):
    image = Image.fromarray(SCENE)
    path = tmp_path / "scene.png"
    image.save(path)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    for source in (image, path, str(path), buffer.getvalue(), Picture(SCENE)):
        assert codectk.encode(source, codec="pocket", quality=60) == data


def test_every_kind_of_data_gives_the_same_picture(data, tmp_path):
    path = tmp_path / "scene.ctk"
    path.write_bytes(data)
    first = codectk.decode(data)
    assert (first.mode, first.size) == ("RGB", (56, 40))
    assert np.abs(np.asarray(first).astype(int) - SCENE).mean() < 5
    for source in (path, str(path), bytearray(data), memoryview(data)):
        assert np.array_equal(np.asarray(codectk.decode(source)), np.asarray(first))
        assert codectk.info(source) == codectk.info(data)
        codectk.verify(source)
    assert np.array_equal(api.decode_picture(path).pixels, np.asarray(first))


def test_info_tells_the_essentials(data):
    info = codectk.info(data).to_json()
    assert info["codec"] == "pocket"
    assert info["install"] == "pip install codectk-pocket"
    assert info["knobs"] == {"quality": 60.0}
    assert [chunk["tag"] for chunk in info["chunks"]] == ["LATS"]


def test_targets_are_searched_over_whole_files(pocket):
    for arguments in ({"target_bytes": 900}, {"target_bpp": 900 * 8 / (40 * 56)}):
        assert abs(len(codectk.encode(SCENE, codec="pocket", **arguments)) - 900) <= 18
        strict = codectk.encode(SCENE, codec="pocket", strict=True, **arguments)
        assert 0.95 * 900 <= len(strict) <= 900
    with pytest.raises(TargetError, match="with quality 0 to 100 gave"):
        codectk.encode(SCENE, codec="pocket", target_bytes=10)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"target_bytes": 900, "target_bpp": 1.0}, "not both"),
        ({"target_bytes": 900, "quality": 50}, "contradict"),
        ({"strict": True}, "only together with a target"),
        ({"quality": 300}, "between"),
        ({"mood": 3}, "valid knobs: quality"),
    ],
)
def test_contradictions_are_refused(pocket, arguments, sentence):
    with pytest.raises(UsageError, match=sentence):
        codectk.encode(SCENE, codec="pocket", **arguments)


def test_encoder_knobs_are_refused_when_decoding(data):
    with pytest.raises(UsageError, match=r"quality.*deblock"):
        codectk.decode(data, quality=50)


def test_a_missing_file_is_a_user_error(pocket, tmp_path):
    for call in (codectk.decode, codectk.info, codectk.verify):
        with pytest.raises(InputError, match="nowhere"):
            call(tmp_path / "nowhere.ctk")
        with pytest.raises(InputError):
            call(tmp_path)
        with pytest.raises(UsageError, match="int"):
            call(3)
    with pytest.raises(InputError):
        codectk.encode(tmp_path / "nowhere.png", codec="pocket")


def test_a_file_beyond_the_limit_is_not_read(tmp_path):
    path = tmp_path / "huge.ctk"
    with path.open("wb") as file:
        file.truncate((1 << 30) + 1)  # sparse: takes no space
    with pytest.raises(LimitError, match="1,073,741,825 bytes"):
        codectk.info(path)


def test_foreign_and_damaged_files_are_refused(data, monkeypatch):
    monkeypatch.setattr(
        "codectk.pipeline.load.build_codec", lambda *args, **kwargs: pytest.fail("the plugin was asked")
    )
    for call in (codectk.decode, codectk.info, codectk.verify):
        with pytest.raises(NotCtkError):
            call(b"\x89PNG\r\n\x1a\n and so on")
        with pytest.raises(BitstreamError):
            call(data[:-1])
        with pytest.raises(BitstreamError):
            call(b"")


def test_a_missing_plugin_is_named_with_its_install_line(data):
    container = read(data)
    for codec, distribution in (("nosuch", "codectk-nosuch-thing"), ("nosuch2", "somebodys-codecs")):
        foreign = write(replace(container.header, codec=codec, distribution=distribution), container.chunks)
        with pytest.raises(PluginMissingError, match=f"pip install {distribution}"):
            codectk.decode(foreign)
        assert codectk.info(foreign).codec == codec


def test_a_codec_that_is_not_what_its_card_says_is_refused(pocket, monkeypatch):
    card, record = manager.find_codec("pocket")
    codec = build_codec(card, record)
    monkeypatch.setattr("codectk.pipeline.load.build_codec", lambda *args, **kwargs: replace(codec, stride=32))
    with pytest.raises(ContractError, match="stride 32, but its card says 16"):
        load("pocket")


def test_importing_codectk_costs_nothing():
    program = (
        "import sys, codectk\n"
        "assert not {'numpy', 'PIL', 'torch', 'constriction', 'pluggy', 'codectk.api'} & set(sys.modules)\n"
        "assert {'encode', 'decode', 'info', 'verify', '__version__'} <= set(dir(codectk))\n"
        "codectk.info\n"
        "assert not {'PIL', 'torch', 'constriction', 'pluggy'} & set(sys.modules)\n"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=Path(__file__).parent)
    assert run.stderr == ""
    with pytest.raises(AttributeError, match="no attribute 'compress'"):
        codectk.compress  # noqa: B018


@pytest.mark.parametrize(
    "wrong",
    [
        {"target_bpp": "0.2"},
        {"target_bytes": True},
        {"codec": None},
        {"device": None},
        {"weights": 3},
        {"strict": "yes"},
        {"keep_icc": "no"},
        {"progress": 3},
    ],
)
def test_arguments_of_a_wrong_kind_get_a_sentence(pocket: object, wrong: dict):
    (name,) = wrong
    with pytest.raises(UsageError, match=f"^{name} (is|must be) "):
        codectk.encode(np.zeros((16, 16, 3), np.uint8), **{"codec": "pocket", **wrong})
