"""The scripts beside the recipes that make the presets' training data."""

from __future__ import annotations

import importlib.util
import io
import sys
import tarfile
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

RECIPES = Path(__file__).parents[2] / "recipes"


@pytest.fixture(scope="module")
def scripts() -> tuple[ModuleType, ModuleType]:
    """renderings.py and photos.py, which imports it by name as scripts do."""
    pytest.importorskip("matplotlib")
    loaded = []
    for name in ("renderings", "photos"):
        spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
        loaded.append(module)
    yield tuple(loaded)
    for name in ("renderings", "photos"):
        del sys.modules[name]


def test_a_seed_draws_the_same_pictures(scripts):
    renderings, _ = scripts
    pixels = [np.asarray(renderings.render(number, 5)) for number in range(20)]
    assert all(p.shape == (renderings.SIDE, renderings.SIDE, 3) for p in pixels)
    assert sum((p == p[0, 0]).all() for p in pixels) == dict(renderings.KINDS)[renderings.flat]
    for number in (0, 1, 10):
        assert np.array_equal(pixels[number], np.asarray(renderings.render(number, 5)))
        assert not np.array_equal(pixels[number], np.asarray(renderings.render(number, 6)))


def test_what_is_kept_out_is_in_no_training_folder(scripts, tmp_path: Path):
    _, photos = scripts
    names = ["camera_0020.jpg", "camera_0010.jpg", "camera_0001.jpg"]  # decides, same scene as one that does, any other
    with tarfile.open(tmp_path / "photos-b.tar", "w") as tar:
        for name in names:
            member = tarfile.TarInfo(f"photos/{name}")
            member.size = 3
            tar.addfile(member, io.BytesIO(b"jpg"))
    photos.unpack(tmp_path / "photos-b.tar", tmp_path / "out")
    kept = sorted(path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*.jpg"))
    assert kept == ["train/photos-b/camera_0001.jpg", "valid/photos-b/camera_0020.jpg"]
    for pack, unused in photos.UNUSED.items():
        assert not set(unused) & set(photos.VALID.get(pack, ()))
