"""codectk doctor describes the installation and tests it."""

from __future__ import annotations

import json

import numpy as np
import pytest

from codectk import __version__
from codectk.cli import doctor, selftest
from codectk.pipeline.load import forget


@pytest.fixture(autouse=True)
def _cpu_only(monkeypatch):
    """Torch takes seconds to import and is not what these tests are about; see test_torch for it."""
    monkeypatch.setattr(doctor, "_torch", lambda: {"error": "", "devices": ["cpu"], "names": [], "threads": 1})


def test_a_healthy_installation(pocket, run, monkeypatch):
    monkeypatch.setenv("CODECTK_PLUGINS", "pocket")
    result = run("doctor", "--json")
    report = json.loads(result.out)
    assert result.code == 0 and result.err == ""
    assert report["codectk"] == __version__ and report["packages"]["numpy"] == np.__version__
    assert report["environment"]["CODECTK_PLUGINS"] == "pocket"
    assert report["limits"]["max_side"] == 65535
    (trial,) = report["selftest"]
    assert trial["ok"] and trial["codec"] == "pocket" and trial["psnr"] > 25 and trial["bytes"] > 100
    text = run("doctor")
    assert text.code == 0 and f"{trial['psnr']:.2f}" in text.out and __version__ in text.out


def test_faults_are_found_and_the_worst_is_returned(pocket, site, run, monkeypatch):
    forget()
    monkeypatch.setenv("CODECTK_PLUGINS", "pocket,raises,empty")
    site.add("empty", "")
    report = run("doctor", "--json")
    trials = {trial["codec"]: trial for trial in json.loads(report.out)["selftest"]}
    assert report.code == 5 and trials["pocket"]["ok"] and not trials["empty"]["ok"]
    assert "did not build it. [CTK-E502]" in trials["empty"]["reason"]
    site.add("raises", "raise RuntimeError('on import')")
    result = run("doctor", "--no-selftest", "--json")
    described = json.loads(result.out)
    assert result.code == 5 and described["selftest"] == []
    assert {plugin["name"]: plugin["status"] for plugin in described["plugins"]}["raises"] == "broken"
    assert "raises is broken: " in run("doctor", "--no-selftest").out


WAITING = """
from codectk.base.errors import WeightsAbsentError
from codectk.spec.hooks import hookimpl

@hookimpl
def codectk_codec(name, device, weights):
    raise WeightsAbsentError("faces", size=9_000_000, package="faces==1", licence="CC0-1.0")
"""


def test_weights_that_were_not_pulled_yet_are_no_fault(pocket, site, run, monkeypatch):
    forget()
    monkeypatch.setenv("CODECTK_PLUGINS", "pocket,waiting")
    site.add("waiting", WAITING)
    report = run("doctor", "--json")
    trials = {trial["codec"]: trial for trial in json.loads(report.out)["selftest"]}
    assert report.code == 0 and trials["pocket"]["ok"] and not trials["waiting"]["ok"]
    assert "fetch them with 'codectk weights pull waiting'" in trials["waiting"]["reason"]
    assert "codectk weights pull waiting" in run("doctor").out


def test_every_pair_of_devices_is_tried(pocket, monkeypatch):
    monkeypatch.setenv("CODECTK_PLUGINS", "pocket")
    trials = list(selftest.selftest(["pocket"], ["cpu", "cuda"]))
    assert [(trial.encoded_on, trial.decoded_on) for trial in trials] == [
        ("cpu", "cpu"),
        ("cpu", "cuda"),
        ("cuda", "cpu"),
        ("cuda", "cuda"),
    ]
    assert all(trial.ok for trial in trials)


def test_a_decoder_that_wavers_is_found(pocket, monkeypatch):
    from codectk import api

    monkeypatch.setenv("CODECTK_PLUGINS", "pocket")
    calls = []

    def wavering(data, **arguments):
        calls.append(data)
        picture = original(data, **arguments)
        picture.pixels[0, 0, 0] = len(calls)
        return picture

    original = api.decode_picture
    monkeypatch.setattr(api, "decode_picture", wavering)
    (trial,) = selftest.selftest(["pocket"], ["cpu"])
    assert not trial.ok and "Decoding twice gave different pixels." in trial.reason


def test_the_test_picture_is_always_the_same():
    picture = selftest.picture()
    assert picture.shape == (selftest.HEIGHT, selftest.WIDTH, 3) and picture.dtype == np.uint8
    assert np.array_equal(picture, selftest.picture()) and picture.std() > 30
