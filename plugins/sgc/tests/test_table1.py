"""Table I: label BCE by its definition, judges that say what they lack, and that they are asked what they should be."""

import math
import sys
from urllib.error import URLError

import numpy as np
import pytest
import torch

from codectk.base.errors import UsageError, WeightsError
from codectk.metrics.catalog import build
from codectk.plugins.discover import discover
from codectk.testing.pictures import scene
from codectk_sgc.plugin import TABLE1
from codectk_sgc.table1 import needed
from codectk_sgc.table1.bce import bce
from codectk_sgc.table1.judges import CLIP, MODELS
from codectk_sgc.table1.registry import build as build_metric

WANTED = {"sgc.clip_alignment": ("open_clip_model.safetensors",)} | {
    name: tuple(str(file) for file in model.needs) for name, model in MODELS.items()
}


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Empty caches of torch and huggingface_hub."""
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hf"))
    return tmp_path


@pytest.fixture
def package(tmp_path, monkeypatch):
    """Put a module of a package that is not installed on the path."""

    def put(name: str, code: str) -> None:
        folder = tmp_path / "modules"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.py").write_text(code)
        monkeypatch.syspath_prepend(str(folder))
        monkeypatch.delitem(sys.modules, name, raising=False)

    yield put
    for name in ("pyiqa", "open_clip"):
        sys.modules.pop(name, None)


def put_files(caches, name: str) -> None:
    """All files of a judge of pyiqa, empty."""
    for file in MODELS[name].needs:
        path = caches / "torch" / "hub" / file.path
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def put_clip(caches):
    """CLIP's file, empty, as huggingface_hub caches it."""
    folder = caches / "hf" / f"models--{CLIP.repository.replace('/', '--')}"
    for path, text in (("refs/main", "0123"), (f"snapshots/0123/{CLIP.names[0]}", "")):
        (folder / path).parent.mkdir(parents=True)
        (folder / path).write_text(text)
    return folder / "snapshots" / "0123" / CLIP.names[0]


def test_bce_is_its_definition():
    p = torch.tensor([[0.2, 0.8], [0.5, 0.5]])
    q = torch.tensor([[0.3, 0.7], [0.9, 0.1]])
    terms = [-(a * math.log(b) + (1 - a) * math.log(1 - b)) for a, b in zip(p.flatten(), q.flatten(), strict=True)]
    assert bce(p, q) == pytest.approx(sum(terms) / 4)
    assert bce(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 1.0])) == 0
    assert bce(torch.tensor([1.0, 1.0]), torch.tensor([0.0, 1.0])) == 50


def test_label_bce_tells_pictures_apart():
    (metric,) = build(["sgc.label_bce"])
    picture = scene(96, 96)
    own = metric(picture, picture)
    assert 0 < own < metric(picture, picture[::-1].copy())
    assert "codectk-labels" in metric.backbone and metric.lower_is_better


def test_the_card_lists_the_metrics():
    (plugin,) = (found for found in discover() if found.name == "sgc")
    assert [one.id for one in plugin.card.components if one.kind == "metric"] == list(TABLE1)
    assert set(TABLE1) == {"sgc.label_bce", *WANTED}


@pytest.mark.parametrize("name", WANTED)
def test_without_its_package_a_metric_says_what_to_install(name: str, monkeypatch):
    monkeypatch.setattr(needed, "find_spec", lambda package: None)
    with pytest.raises(UsageError, match=r"needs the package (pyiqa|open_clip).*codectk-sgc\[table1\]"):
        build([name])


@pytest.mark.parametrize("name", WANTED)
def test_without_its_weights_a_metric_names_every_file(name: str, caches, package):
    for module in ("pyiqa", "open_clip"):
        package(module, "raise AssertionError('a package that lacks its weights downloads them')")
    with pytest.raises(WeightsError) as caught:
        build([name])
    text = str(caught.value)
    assert all(file in text for file in WANTED[name]) and "codectk downloads none" in text
    assert "create_m" in text  # the line that fetches them


def test_files_that_are_there_are_not_asked_for(caches, package):
    package("pyiqa", "")
    put_files(caches, "sgc.dbcnn")
    next((caches / "torch" / "hub" / "pyiqa").glob("DBCNN_scnn*")).unlink()
    with pytest.raises(WeightsError, match="scnn") as caught:
        build(["sgc.dbcnn"])
    assert "vgg16" not in str(caught.value) and "KonIQ" not in str(caught.value)


def test_a_judge_sees_the_decoded_picture(caches, package, capsys):
    package("pyiqa", "def create_metric(name, device):\n    print(name, device)\n    return lambda x: x[:, 0].mean()")
    put_files(caches, "sgc.musiq")
    (judge,) = build(["sgc.musiq"])
    picture = np.zeros((8, 8, 3), np.uint8)
    picture[..., 0] = 51
    assert judge(scene(8, 8), picture) == pytest.approx(0.2)
    assert capsys.readouterr().out == ""  # what the package prints is no result


def test_what_a_package_raises_becomes_a_sentence(caches, package):
    package("pyiqa", "import urllib.error\ndef create_metric(*a, **k):\n    raise urllib.error.URLError('no name')")
    put_files(caches, "sgc.musiq")
    with pytest.raises(WeightsError, match=r"MUSIQ cannot be built.*no name") as caught:
        build(["sgc.musiq"])
    assert isinstance(caught.value.__cause__, URLError)


def test_clip_is_read_from_the_cache(caches, package):
    package(
        "open_clip",
        "import torch, numpy\n"
        "class Clip:\n"
        "    def encode_image(self, x, normalize):\n"
        "        return torch.nn.functional.normalize(x.flatten(1), dim=1)\n"
        "def create_model_from_pretrained(name, pretrained, device):\n"
        "    assert name == 'ViT-L-14-quickgelu', name\n"
        "    open(pretrained).close()\n"
        "    return Clip(), lambda image: torch.from_numpy(numpy.array(image)).float()\n",
    )
    put_clip(caches)
    (metric,) = build(["sgc.clip_alignment"])
    red, green = (np.full((4, 4, 3), 0, np.uint8) for _ in range(2))
    red[..., 0], green[..., 1] = 200, 90
    assert metric(red, red) == pytest.approx(1) and metric(red, green) == pytest.approx(0)


def test_other_options_are_refused():
    with pytest.raises(UsageError, match="no option 'depth'"):
        build_metric("sgc.label_bce", {"depth": 3})
