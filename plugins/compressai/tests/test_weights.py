"""Weights that are not there, several, or fetched."""

from __future__ import annotations

import email.message
import urllib.response
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("compressai", reason="CompressAI is not installed here; `make test-compressai` runs these tests")

import torch
from compressai.zoo import image

from codectk import api
from codectk.base.errors import WeightsError
from codectk.cli import main
from codectk.pipeline.load import forget
from codectk.testing.pictures import scene
from codectk.weights.importing import import_file
from codectk.weights.pulling import pull
from codectk.weights.store import sha256_of, stored

CODEC = "compressai.mbt2018-mean-q4"
PICTURE = scene(40, 56)


def test_without_weights_it_says_what_to_do():
    with pytest.raises(WeightsError) as caught:
        api.encode(PICTURE, CODEC)
    assert f"codectk weights pull {CODEC}" in str(caught.value)
    assert f"codectk weights import {CODEC} FILE.pth.tar" in str(caught.value)
    with pytest.raises(WeightsError) as caught:
        api.encode(PICTURE, "compressai.bmshj2018-factorized-relu-q1")
    assert "weights import" in str(caught.value) and "pull" not in str(caught.value)


def test_of_several_weights_one_is_chosen_and_files_find_theirs(lively: Callable[..., Any], tmp_path: Path):
    model = lively("mbt2018-mean")
    for name in ("one", "two"):
        torch.save(
            {**model.state_dict(), "h_a.0.bias": torch.full((16,), 0.1 * len(name + "x" * (name == "two")))},
            tmp_path / f"{name}.pth",
        )
        import_file(CODEC, tmp_path / f"{name}.pth")
        if name == "one":
            first = api.encode(PICTURE, CODEC)
            forget()
    with pytest.raises(WeightsError, match=r"several weights: one-\w{8}, two-\w{8}; choose with --weights"):
        api.encode(PICTURE, CODEC)
    second = api.encode(PICTURE, CODEC, weights="two")
    assert api.info(first).weights_hash != api.info(second).weights_hash
    assert api.decode(first).size == api.decode(second).size == (56, 40)


def test_damaged_weights_are_refused(bring: Callable[..., tuple[str, Any]]):
    bring("mbt2018-mean")
    (path,) = stored()
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(WeightsError, match="damaged"):
        api.encode(PICTURE, "compressai.mbt2018-mean-q1")


@pytest.fixture
def published(lively: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """The zoo's address of the codec leads to a file here, which is the value."""
    folder = tmp_path / "web"
    folder.mkdir()
    torch.save(lively("mbt2018-mean").state_dict(), folder / "new")
    path = (folder / "new").rename(folder / f"mbt2018-mean-4-{sha256_of(folder / 'new')[:8]}.pth.tar")
    url = f"https://example.org/{path.name}"
    monkeypatch.setitem(image.model_urls["mbt2018-mean"]["mse"], 4, url)

    def opened(address: str, timeout: float) -> Any:
        assert address == url
        return urllib.response.addinfourl(path.open("rb"), email.message.Message(), url)

    monkeypatch.setattr("urllib.request.urlopen", opened)
    return path


def test_pull_and_use(published: Path, tmp_path: Path):
    (pulled,) = pull(CODEC)
    assert pulled.new and pulled.path.stem.startswith(published.name.removesuffix(".pth.tar"))
    assert api.decode(api.encode(PICTURE, CODEC)).size == (56, 40)
    (again,) = pull(CODEC)
    assert not again.new and again.path == pulled.path


def test_pull_offline_says_what_to_run_elsewhere(published: Path, monkeypatch: pytest.MonkeyPatch, capsys: Any):
    monkeypatch.setenv("CODECTK_OFFLINE", "1")
    assert main.run(["weights", "pull", CODEC]) == 4 and not stored()
    said = capsys.readouterr().err
    assert f"'curl -LO {image.model_urls['mbt2018-mean']['mse'][4]}'" in said
    assert f"'codectk weights import {CODEC} {published.name}'" in said
    assert main.run(["weights", "pull", CODEC, "--file", str(published)]) == 0 and len(stored()) == 1
