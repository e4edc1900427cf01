"""SSIMULACRA2 against the scores of the official program, and Butteraugli through its own."""

from __future__ import annotations

import csv
import io
import stat
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import InputError, UsageError
from codectk.eval.classical import REFERENCES, decode
from codectk.metrics import butteraugli
from codectk.metrics.butteraugli import Butteraugli
from codectk.metrics.catalog import build
from codectk.metrics.ssimulacra2 import Ssimulacra2, ssimulacra2

OFFICIAL = {"jpeg-420-prog": REFERENCES["jpeg"], "webp-m6": REFERENCES["webp"]}


@pytest.mark.parametrize("name", ["kodim03", "kodim04", "kodim20"])
def test_the_scores_are_the_official_ones(name: str, kodak: Callable[[str], np.ndarray], baselines: Path) -> None:
    """kodim20 is the hard one: its white sky shows how the reference rounds."""
    source, compared = kodak(name), 0
    with (baselines / "kodak-ssimulacra2.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["image"] == name and row["codec"] in OFFICIAL]
    for row in rows:
        data = OFFICIAL[row["codec"]].encode(source, int(row["setting"][1:]))
        if len(data) == int(row["bytes"]):  # another build of the encoder makes another picture
            assert ssimulacra2(source, decode(data)) == pytest.approx(float(row["ssimulacra2"]), abs=0.15)
            compared += 1
    if not compared:
        pytest.skip("this Pillow's encoders make other files than the official scores are of")


@pytest.mark.parametrize("size", [(8, 8), (9, 31), (64, 17), (176, 209)])
def test_equal_pictures_have_a_hundred(size: tuple[int, int], photo: Callable[..., np.ndarray]) -> None:
    pixels = photo(*size)
    assert ssimulacra2(pixels, pixels) == pytest.approx(100, abs=0.5)
    assert ssimulacra2(pixels, 255 - pixels) < 60


def test_it_falls_with_quality_and_sees_both_kinds_of_damage(picture: np.ndarray) -> None:
    scores = []
    for quality in (90, 50, 10):
        buffer = io.BytesIO()
        Image.fromarray(picture).save(buffer, "JPEG", quality=quality)
        scores.append(ssimulacra2(picture, np.asarray(Image.open(buffer))))
    assert scores[0] > scores[1] > scores[2]
    small = Image.fromarray(picture).resize((52, 44))
    blurred = np.asarray(small.resize((208, 176), Image.Resampling.BICUBIC))
    assert ssimulacra2(picture, blurred) < 60
    # Blur and ringing are told apart, so the score is not symmetric.
    assert abs(ssimulacra2(picture, blurred) - ssimulacra2(blurred, picture)) > 1


def test_what_cannot_be_measured(picture: np.ndarray) -> None:
    assert Ssimulacra2()(picture[:7], picture[:7]) is None
    with pytest.raises(InputError, match="pictures of one size"):
        ssimulacra2(picture, picture[:-1])
    (metric,) = build(["ssimulacra2"])
    assert metric.name == "SSIMULACRA2" and not metric.lower_is_better


def test_butteraugli_is_what_its_program_says(picture: np.ndarray) -> None:
    try:
        (metric,) = build(["butteraugli"])
    except UsageError as error:
        pytest.skip(str(error))
    assert metric(picture, picture) == 0  # type: ignore[arg-type, call-arg]
    mild, rough = (metric(picture, picture // step * step) for step in (8, 64))  # type: ignore[arg-type, call-arg]
    assert 0 < mild < rough  # type: ignore[operator]
    assert metric(picture[:4], picture[:4]) is None  # type: ignore[arg-type, call-arg]


def test_a_program_that_is_missing_or_fails_is_one_sentence(
    picture: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(butteraugli.shutil, "which", lambda name: None)
    with pytest.raises(UsageError, match="libjxl-devtools"):
        Butteraugli.find()
    program = tmp_path / "fails"
    program.write_text("#!/bin/sh\necho 'no such luck' >&2\nexit 1\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(InputError, match="butteraugli_main failed: no such luck"):
        Butteraugli(str(program))(picture, picture)
