"""A bundle on the command line, from the file to the picture on another machine."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from codectk.pipeline.load import forget
from codectk.weights.bundle import write_bundle
from codectk.weights.bundle_card import BundleCard, NeededPlugin, Result
from codectk.weights.tensors import save_tensors

RECIPE = 'title = "A toy"\n\n[codec]\nname = "weighted"\n'


@pytest.fixture
def crisp(weighted, folder):
    """The working folder with crisp.ctkb; the value is the bundle."""
    save_tensors("weights.safetensors", {"x": np.zeros(1)}, {"codec": "weighted"})
    card = BundleCard(
        "crisp", "Crisp [b]toy[/b]", "CC0-1.0", (NeededPlugin("weighted", "codectk-weighted", "1.0"),), "two pictures",
        "by hand", 1234, (Result("kodak-24, q25", {"bpp": 0.25, "psnr": 30.5}), Result("kodak-24, q50", {"bpp": 0.5})),
    )  # fmt: skip
    yield write_bundle("crisp.ctkb", card, RECIPE, Path("weights.safetensors"))
    forget()


def test_from_one_machine_to_another(crisp, run, monkeypatch, tmp_path):
    result = run("encode", "a.png", "b.png", "-o", "out/", "--codec", "crisp.ctkb", "--quality", "30")
    assert result.code == 0 and "2 of 2 files done" in result.out
    assert result.err.count("is in the weights store now") == 1
    assert run("decode", "out/a.ctk", "-o", "here.png").code == 0  # the machine that made it can read it
    assert "store now" not in run("encode", "a.png", "-o", "out/", "--codec", "crisp.ctkb", "--quality", "30").err
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "another machine"))
    named = run("decode", "out/a.ctk", "-o", "named.png", "--weights", "crisp.ctkb")
    assert named.code == 0 and Path("named.png").read_bytes() == Path("here.png").read_bytes(), named.err
    wrong = run("decode", "out/a.ctk", "-o", "named.png", "--weights", "nowhere")
    assert wrong.code == 4 and "no bundle 'nowhere'" in wrong.err
    for verb in (["decode", "out/a.ctk", "-o", "back.png"], ["verify", "out/a.ctk"]):
        missing = run(*verb)
        assert missing.code == 4 and missing.err.count("\n") == 1
        assert "bundle 'crisp'" in missing.err and "codectk weights import crisp.ctkb [CTK-E401]" in missing.err
    assert not Path("back.png").exists()
    imported = run("weights", "import", "crisp.ctkb")
    assert imported.code == 0 and f"crisp-{crisp.sha256[:8]}.ctkb" in imported.out and "--codec crisp" in imported.out
    assert run("decode", "out/a.ctk", "out/b.ctk", "-o", "back/").code == 0
    assert run("verify", "out/a.ctk", "out/b.ctk", "--strict").code == 0
    again = run("encode", "a.png", "-o", "again.ctk", "--codec", "crisp", "--quality", "30", "--json")
    assert again.code == 0 and json.loads(again.out)["codec"] == "crisp"
    assert Path("again.ctk").read_bytes() == Path("out/a.ctk").read_bytes()


def test_info_of_its_file(crisp, run):
    run("encode", "a.png", "-o", "a.ctk", "--codec", "crisp.ctkb")
    told = run("info", "a.ctk")
    assert told.code == 0 and "bundle crisp" in told.out
    assert told.out.endswith(
        "To decode it: pip install codectk-weighted\n"
        f"              codectk weights import crisp.ctkb  (sha256 {crisp.sha256[:8]}...)\n"
    )
    report = json.loads(run("info", "a.ctk", "--json").out)
    assert (report["codec"], report["codec_distribution"], report["needs"]) == ("crisp", "", ["codectk-weighted"])


def test_info_of_a_bundle(crisp, run):
    told = run("info", "crisp.ctkb")
    assert told.code == 0 and told.err == ""
    for words in (
        "Crisp [b]toy[/b]", crisp.sha256, f"{crisp.bytes:,}", "codec weighted", "weighted (codectk-weighted 1.0)",
        "CC0-1.0", "two pictures", "by hand", "1,234", "kodak-24, q25", "30.5", "pip install codectk-weighted",
        "codectk encode --codec crisp.ctkb", "codectk weights import crisp.ctkb",
    ):  # fmt: skip
        assert words in told.out
    report = json.loads(run("info", "crisp.ctkb", "--json").out)
    assert report["file"] == "crisp.ctkb" and report["sha256"] == crisp.sha256 and not report["in_store"]
    assert report["parts"] == [{"slot": "codec", "name": "weighted"}]
    assert report["plugins"][0]["installed"] == "1.0" and report["results"][1]["values"] == {"bpp": 0.5}
    run("weights", "import", "crisp.ctkb")
    assert json.loads(run("info", "crisp.ctkb", "--json").out)["in_store"]


def test_info_of_files_of_both_kinds(crisp, run):
    run("encode", "a.png", "-o", "a.ctk", "--codec", "crisp.ctkb")
    Path("renamed.CTKB").write_bytes(Path("crisp.ctkb").read_bytes())
    with zipfile.ZipFile("foreign.ctkb", "w") as archive:
        archive.writestr("../../x", "hello")
    found = run("info", "a.ctk", "renamed.CTKB", "foreign.ctkb", "nowhere.ctkb", "--json")
    ctk, renamed, foreign, nowhere = json.loads(found.out)
    assert found.code == 4 and ctk["codec"] == "crisp" and renamed["bundle"] == "crisp"
    assert foreign["error"]["code"] == "CTK-E401" and nowhere["error"]["code"] == "CTK-E101"


def test_info_needs_neither_the_plugin_nor_torch(crisp):
    program = (
        "import sys; from codectk.cli import main; code = main.run(['info', 'crisp.ctkb']);"
        "assert 'torch' not in sys.modules and 'fake_weighted' not in sys.modules; sys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert "weighted (codectk-weighted 1.0, not installed)" in done.stdout


def test_in_lists_of_weights(crisp, run):
    (row,) = [json.loads(run("weights", "import", "crisp.ctkb", "--json").out)]
    assert (row["name"], row["sha256"], row["codec"], row["config"], row["place"]) == (
        "crisp", crisp.sha256[:8], "crisp", "bundle", "store",
    )  # fmt: skip
    assert row in json.loads(run("weights", "list", "--json").out)
    for name in ("crisp", crisp.sha256[:8], crisp.sha256):
        (checked,) = json.loads(run("weights", "verify", name, "--json").out)
        assert checked["state"] == "ok"
    kept = Path(row["path"])
    kept.write_bytes(kept.read_bytes()[:-1])
    damaged = run("weights", "verify", "crisp")
    assert damaged.code == 4 and "do not have the sha256" in damaged.err
    assert run("encode", "a.png", "-o", "a.ctk", "--codec", "crisp").code == 4


def test_imports_that_make_no_sense(crisp, run):
    for arguments, code, words in (
        (["weighted", "crisp.ctkb"], 2, "codec of its own: codectk weights import crisp.ctkb"),
        (["crisp.ctkb", "--name", "soft"], 2, "--name has no meaning"),
        (["weights.safetensors"], 2, "codectk weights import CODEC weights.safetensors"),
        (["weighted", "x", "weights.safetensors"], 2, "codectk weights import CODEC weights.safetensors"),
        (["nowhere.ctkb"], 1, "no bundle nowhere.ctkb"),
        ([], 2, "Missing argument"),
    ):
        result = run("weights", "import", *arguments)
        assert result.code == code and words in result.err and result.err.count("\n") == 1
    Path("png.ctkb").write_bytes(Path("a.png").read_bytes())
    result = run("weights", "import", "png.ctkb")
    assert result.code == 4 and "png.ctkb is not a bundle" in result.err


def test_encodings_that_make_no_sense(crisp, run):
    for arguments, code, words in (
        (["--codec", "nowhere.ctkb"], 1, "no bundle nowhere.ctkb"),
        (["--codec", "crisp"], 5, "No plugin offers codec 'crisp'"),
        (["--codec", "crisp.ctkb", "--quality", "101"], 2, "between 0.0 and 100.0"),
        (["--codec", "crisp.ctkb", "--realism", "1"], 2, "'crisp' has no knob 'realism'"),
        (["--codec", "crisp.ctkb", "--weights", "other"], 2, "weights of its own"),
    ):
        result = run("encode", "a.png", "-o", "a.ctk", *arguments)
        assert result.code == code and words in result.err and result.err.count("\n") == 1
        assert not Path("a.ctk").exists()


def test_a_wrong_knob_of_the_decoder(crisp, run, monkeypatch, tmp_path):
    run("encode", "a.png", "-o", "a.ctk", "--codec", "crisp.ctkb")
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "another machine"))
    missing = run("decode", "a.ctk", "-o", "back.png", "--realism", "0.5")
    assert missing.code == 4 and "not in the weights store" in missing.err
    run("weights", "import", "crisp.ctkb")
    wrong = run("decode", "a.ctk", "-o", "back.png", "--realism", "0.5")
    assert wrong.code == 2 and "'crisp' has no knob 'realism'" in wrong.err


def test_a_run_takes_its_bundle_in(crisp, run):
    Path("r.toml").write_text('weights = "crisp.ctkb"\n\n' + RECIPE)
    done = run("run", "r.toml", "a.png", "-o", "out")
    assert done.code == 0, done.err
    assert done.err.count("is in the weights store now") == 1
    assert run("decode", "out/a.ctk", "-o", "back.png").code == 0


def test_eval(crisp, run):
    pytest.importorskip("scipy", reason="codectk eval needs it")
    arguments = ["--codec", "crisp.ctkb", "--codec", "weighted", "--qualities", "20,80", "--json", "found.json"]
    result = run("eval", "a.png", *arguments)
    assert result.code == 0, result.err
    found = json.loads(Path("found.json").read_text())
    assert found["codecs"]["crisp"]["weights_sha256"] == crisp.sha256
    assert found["codecs"]["crisp"]["distribution"] == "codectk-weighted"
    points = {name: found["curves"][name]["points"] for name in ("crisp", "weighted")}
    assert [p["psnr"] for p in points["crisp"]] == [p["psnr"] for p in points["weighted"]]
    pytest.importorskip("torch", reason="codectk export needs it")
    measured = run("export", "crisp.ctkb", "-o", "measured.ctkb", "--results", "found.json")
    assert measured.code == 0, measured.err
    results = json.loads(run("info", "measured.ctkb", "--json").out)["results"]
    assert [r["on"] for r in results] == [f"1 picture, crisp at {p['setting']}" for p in points["crisp"]]
    assert [r["values"]["psnr"] for r in results] == [round(p["psnr"], 5) for p in points["crisp"]]
    run("weights", "import", "crisp.ctkb")
    stored = run("eval", "a.png", "--codec", "crisp", "--qualities", "20,80", "--json", "stored.json")
    assert stored.code == 0, stored.err
    assert json.loads(Path("stored.json").read_text())["codecs"]["crisp"]["weights_sha256"] == crisp.sha256
