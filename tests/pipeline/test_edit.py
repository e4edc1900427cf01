"""Edits in files: written without the codec, made by the decoder, and taken back to the byte."""

from __future__ import annotations

import os
import subprocess
import sys

import numpy as np
import pytest

from codectk import api
from codectk.base.errors import (
    BitstreamError,
    FormatVersionError,
    PluginBrokenError,
    PluginMissingError,
    TruncatedError,
    UsageError,
)
from codectk.bitstream.chunk import Chunk
from codectk.bitstream.edits import pack_edits
from codectk.bitstream.reader import read
from codectk.bitstream.writer import write
from codectk.pipeline.decode import decode_latents
from codectk.pipeline.load import load
from codectk.spec.edits import Edit
from codectk.testing import corrupt, pictures

SCENE = pictures.scene(40, 56)


@pytest.fixture
def data(onion) -> bytes:
    return api.encode(SCENE, "onion", quality=100, aligned=True)


def with_edits(data: bytes, **edits: float) -> bytes:
    """A file whose edits nobody has checked."""
    container = read(data)
    return write(container.header, [Chunk.of("EDIT", pack_edits(edits)), *container.chunks])


def test_edits_are_painted(data):
    before = np.asarray(api.decode(data)).astype(int)
    after = np.asarray(api.decode(api.edit(data, {"light": 2, "warm": "-1"}))).astype(int)
    assert np.array_equal(np.clip(before + np.array([16 - 8, 16, 16 + 8]), 0, 255), after)


def test_latents_do_not_depend_on_edits(data):
    ready = load("onion")
    ours, theirs = (decode_latents(read(file), ready) for file in (data, api.edit(data, {"light": 4})))
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_edits_are_set_kept_and_removed(data):
    one = api.edit(data, {"light": 0.7})
    assert api.info(one).edits == {"light": 45 / 64}
    both = api.edit(one, {"warm": -2})
    assert api.info(both).edits == {"light": 45 / 64, "warm": -2.0}
    assert api.edit(both, {"warm": 0}) == one and api.edit(both, clear=True) == data
    assert api.edit(both, {"warm": 1}, clear=True) == api.edit(data, {"warm": 1})
    assert api.edit(one, {"light": "+0.7"}) == one and api.edit(data, {"light": 0.001}) == data
    assert api.edit(data) == data


def test_metadata_stays(onion):
    image = np.dstack([SCENE, pictures.alpha_ramp(40, 56)])
    from PIL import Image

    data = api.encode(Image.fromarray(image, "RGBA"), "onion", aligned=True)
    edited = api.edit(data, {"light": 1})
    assert [chunk.tag for chunk in read(edited).chunks][:2] == ["EDIT", "ALPH"]
    assert api.decode(edited).mode == "RGBA" and api.edit(edited, clear=True) == data


def test_an_edit_costs_few_bytes(data):
    assert len(api.edit(data, {"light": 0.5})) - len(data) == 6 + len("light") + 1


@pytest.mark.parametrize(
    ("edits", "words"),
    [
        ({"smile": 1}, "no edit 'smile'; it has light, warm"),
        ({"light": 5}, "takes -4 to 4, not 5"),
        ({"light": float("nan")}, "takes -4 to 4"),
        ({"light": "much"}, "takes a number, not 'much'"),
        ({"light": None}, "takes a number"),
        ({"light": True}, "takes -4 to 4"),
    ],
)
def test_wrong_edits(data, edits, words):
    with pytest.raises(UsageError, match=words):
        api.edit(data, edits)


def test_codecs_without_edits(pocket):
    data = api.encode(SCENE, "pocket")
    with pytest.raises(UsageError, match="Files of codec 'pocket' cannot be edited"):
        api.edit(data, {"light": 1})
    assert api.edit(data, clear=True) == data
    with pytest.raises(BitstreamError, match=r"codec 'pocket' refuses: .* cannot be edited"):
        api.decode(with_edits(data, light=1))


def test_an_edit_that_cannot_be_made_is_no_picture(data):
    for edits in ({"smile": 1.0}, {"light": 5.0}):
        with pytest.raises(BitstreamError, match="an edit that codec 'onion' refuses"):
            api.decode(with_edits(data, **edits))
    assert api.edit(with_edits(data, smile=1.0), clear=True) == data


def test_cut_damaged_and_foreign_files_are_not_edited(data):
    with pytest.raises(TruncatedError, match="incomplete"):
        api.edit(data[: corrupt.layer_ends(data)[1]], {"light": 1})
    with pytest.raises(BitstreamError):
        api.edit(data[:-1], {"light": 1})
    container = read(data)
    with pytest.raises(FormatVersionError, match="x13"):
        api.edit(write(container.header, [Chunk("x13", b"", False), *container.chunks]), {"light": 1})


def test_clearing_needs_no_plugin(data, monkeypatch):
    edited = api.edit(data, {"light": 1})
    monkeypatch.setenv("CODECTK_PLUGINS", "none-of-these")
    assert api.edit(edited, clear=True) == data and api.info(edited).edits == {"light": 1.0}
    with pytest.raises(PluginMissingError):
        api.edit(edited, {"light": 2})


def test_editing_loads_no_codec(data, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr("codectk.pipeline.load.build_codec", None)
        assert api.info(api.edit(data, {"light": 1})).edits == {"light": 1.0}


def test_editing_brings_no_torch(data, onion, tmp_path):
    (tmp_path / "a.ctk").write_bytes(data)
    program = "import sys, codectk; codectk.edit('a.ctk', {'light': 1}); print('torch' in sys.modules)"
    environment = {"PYTHONPATH": os.pathsep.join(sys.path)}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=60)
    assert done.stdout == "False\n", done.stderr


@pytest.mark.parametrize(
    ("listed", "words"),
    [
        ("{'a': Edit('b', '', -1, 1)}", "calls itself 'b'"),
        ("{'A': Edit('A', '', -1, 1)}", "its name"),
        ("{'a': Edit('a', '', 1, 2)}", "must have 0 in it"),
        ("{'a': Edit('a', '', 0, 0)}", "must have 0 in it"),
        ("{'a': Edit('a', '', 0, 2000)}", "must have 0 in it"),
        ("{'a': 1}", "is a int and no Edit"),
        ("['a']", "list instead of a mapping"),
        ("1 / 0", "failed in codectk_edits.*ZeroDivisionError"),
    ],
)
def test_plugins_that_list_wrong_edits(site, listed, words):
    from codectk.plugins.manager import edits_of

    site.add(
        "alpha",
        "from codectk.spec.edits import Edit\nfrom codectk.spec.hooks import hookimpl\n"
        f"@hookimpl\ndef codectk_edits(codec):\n    return {listed}\n",
    )
    with pytest.raises(PluginBrokenError, match=words):
        edits_of("alpha")


def test_amounts_are_what_a_file_carries():
    edit = Edit("smile", "", -3, 3, "standard deviations")
    assert edit.convert(" +1.5 ") == 1.5 and edit.convert(0.3) == 19 / 64 and not edit.wrong
