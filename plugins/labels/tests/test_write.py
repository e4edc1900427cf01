"""Label PNGs on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from codectk.base.errors import UsageError
from codectk_labels.write import main, overlay, targets


def test_true_labels_of_a_folder(panoptic: Path, tmp_path: Path) -> None:
    out = tmp_path / "labels"
    result = CliRunner().invoke(main, ["--panoptic", str(panoptic), "-o", str(out)])
    assert result.exit_code == 0, result.output
    assert sorted(path.name for path in out.iterdir()) == [f"{number:03}.png" for number in range(10)]
    with Image.open(out / "003.png") as labels:
        assert labels.mode == "L" and labels.size == (48, 40)
        assert set(np.unique(np.asarray(labels)).tolist()) == {0, 1, 10}


def test_predicted_labels_and_overlays(panoptic: Path, tmp_path: Path) -> None:
    picture, out, views = panoptic / "tiny" / "000.jpg", tmp_path / "labels", tmp_path / "views"
    result = CliRunner().invoke(main, [str(picture), "-o", str(out), "--overlays", str(views)])
    assert result.exit_code == 0, result.output
    with Image.open(out / "000.png") as labels, Image.open(views / "000.png") as view:
        assert labels.mode == "L" and labels.size == (48, 40) and view.size == (96, 40)
        assert np.asarray(labels).min() >= 1 and np.asarray(labels).max() <= 13


@pytest.mark.parametrize("arguments", [[], ["nothing-here.jpg"], ["--panoptic", "nowhere"]])
def test_errors_are_one_sentence(arguments: list[str], tmp_path: Path) -> None:
    result = CliRunner().invoke(main, [*arguments, "-o", str(tmp_path / "out")])
    assert result.exit_code != 0 and "Traceback" not in result.output and "Error: " in result.output


def test_equal_stems_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"both become x\.png"):
        targets([Path("a/x.jpg"), Path("b/x.png")], tmp_path)


def test_overlay_mixes_in_eight_bits() -> None:
    view = overlay(np.full((1, 1, 3), 255, np.uint8), np.ones((1, 1), np.uint8))
    assert view.tolist() == [[[187, 222, 255], [120, 190, 255]]]
