"""The plugin in examples/ is built, installed from its wheel and used like anybody's."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

EXAMPLE = "examples/codectk-palette"


@pytest.fixture
def wheel(environment, project) -> Path:
    """The wheel of the example."""
    pytest.importorskip("build", reason="'build' is not there to make wheels with")
    folder = project(EXAMPLE)
    environment.run("python -m build --wheel --no-isolation .", folder)
    (made,) = (folder / "dist").glob("*.whl")
    return made


@pytest.mark.slow
def test_it_works_from_its_wheel(environment, wheel: Path, tmp_path: Path):
    assert {"codectk_palette/card.toml", "codectk_palette/entropy.py"} <= set(zipfile.ZipFile(wheel).namelist())
    environment.run(f"pip install {wheel}", tmp_path)
    image = Image.new("RGB", (200, 120), "white")
    ImageDraw.Draw(image).text((10, 10), "A palette keeps\nletters sharp,\nletter by letter.", fill=(20, 20, 60))
    image.save(tmp_path / "in.png", optimize=True)
    environment.run("codectk encode in.png -o a.ctk --codec palette && codectk decode a.ctk -o out.png", tmp_path)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "out.png")), np.asarray(image))
    palette = io.BytesIO()
    image.quantize(256).save(palette, "PNG", optimize=True)
    smallest_png = min((tmp_path / "in.png").stat().st_size, len(palette.getvalue()))
    assert (tmp_path / "a.ctk").stat().st_size < 0.8 * smallest_png
    listing = json.loads(environment.run("CODECTK_PLUGINS=palette codectk plugins --check --json", tmp_path))
    assert [(p["distribution"], p["status"]) for p in listing["plugins"]] == [("codectk-palette", "ok")]
    loaded = environment.run(
        "python -c \"import sys, codectk; codectk.decode('a.ctk'); print('torch' in sys.modules)\"", tmp_path
    )
    assert loaded == "False\n"
    # Its own tests, beside no other copy of its code than the installed one.
    tests = wheel.parents[1] / "tests"
    assert " passed" in environment.run(f"pytest -q -p no:cacheprovider --rootdir {tests} {tests}", tmp_path)
