"""SGC's benchmarks: the right squares, files painted as the codec paints them, tables of what was measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from codectk.testing.pictures import scene

pytest.importorskip("codectk_sgc", reason="codectk-sgc is not installed")

SMALL = {"config": "small", "vq_widths": [16, 16, 16], "widths": [16, 16, 16], "codes": 32}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A weights file of a narrow network that has learned nothing."""
    import torch

    from codectk.nn.storage import to_arrays
    from codectk.weights.tensors import save_tensors
    from codectk_sgc.network import build

    torch.manual_seed(0)
    path = tmp_path_factory.mktemp("weights") / "narrow.safetensors"
    save_tensors(path, to_arrays(build(SMALL)), {"codec": "sgc", "options": json.dumps(SMALL)})
    return path


@pytest.fixture
def shot():
    from benchmarks.sgc_pictures import Shot

    return Shot("scene", scene(70, 70))


def painter(weights, keep=None):
    from benchmarks.sgc_painting import Painter, load_codec

    return Painter(load_codec(str(weights)), keep)


def test_squares_are_the_middle_and_not_enlarged(tmp_path):
    from benchmarks.sgc_pictures import square

    pixels = np.zeros((40, 100, 3), np.uint8)
    pixels[:, 30:70] = 255
    Image.fromarray(pixels).save(tmp_path / "wide.png")
    small, reduced = (square(tmp_path / "wide.png", side) for side in (512, 20))
    assert small.pixels.shape == (40, 40, 3) and small.pixels.min() == 255 and small.count == 1600
    assert reduced.pixels.shape == (20, 20, 3) and reduced.name == "wide"


def test_the_pictures_are_by_name_and_the_portrait_is_a_stranger(tmp_path):
    from benchmarks.sgc_pictures import KODAK, PORTRAIT, outdoors, strangers

    for folder, names in (("kept", ["zebra", "alp"]), ("kodak", [f"kodim{n:02d}" for n in range(1, 25)])):
        (tmp_path / folder).mkdir()
        for name in names:
            Image.new("RGB", (9, 9)).save(tmp_path / folder / f"{name}.png")
    names = [shot.name for shot in outdoors(tmp_path / "kept", tmp_path / "kodak")]
    assert names == sorted(names) and len(names) == 2 + len(set(KODAK)) and f"kodim{PORTRAIT:02d}" not in names
    portrait, page = strangers(tmp_path / "kodak")
    assert portrait.name == f"kodim{PORTRAIT:02d}"
    assert page.pixels[:10].min() == 255 and 0.02 < (page.pixels < 128).mean() < 0.4


def test_a_file_is_painted_as_the_codec_paints_it(weights, shot):
    from benchmarks.sgc_painting import Setting, fitted

    codec = painter(weights)
    coded = codec.coded(shot)
    assert coded.labels.shape == (4, 4) and coded.levels.shape == (2, 2, 3)
    knobs = {"steps": 3, "strength": 0.6, "guidance": 1.5, "seed": 7}
    painted = codec.painted(coded, Setting(**knobs))
    # Ablations go another way, by `paint`; with both maps it leads to the same picture.
    x = codec.ready.stages.synthesis.paint(coded.labels, coded.levels, **knobs)
    assert painted.shape == shot.pixels.shape and np.array_equal(painted, fitted(x, shot.pixels))
    assert not np.array_equal(painted, codec.painted(coded, Setting(**knobs, colors=False)))
    assert codec.rebuilt(shot).shape == shot.pixels.shape


def test_painted_pictures_are_kept_by_weights_and_setting(weights, shot, tmp_path):
    codec = painter(weights, tmp_path)
    setting = codec.setting(2)
    coded = codec.coded(shot)
    painted = codec.painted(coded, setting)
    (file,) = tmp_path.rglob("*.png")
    assert np.array_equal(np.asarray(Image.open(file)), painted)
    assert file.parts[-3] == codec.ready.weights.hex() and file.parts[-2] == setting.folder
    Image.fromarray(255 - painted).save(file)
    assert np.array_equal(codec.painted(coded, setting), 255 - painted)


def test_no_two_ablations_share_a_folder():
    from benchmarks.sgc_painting import Setting
    from benchmarks.sgc_quality import variants

    settings = variants(Setting(20, 0.7, 2.0))
    assert len({setting.folder for setting in settings.values()}) == len(settings)
    assert settings["all"].strength == 0.7 and settings["colors off"].steps == 20
    assert "strength 0.7" not in settings and "guidance 3" in settings


def test_pictures_of_an_ablation_are_spread_evenly(shot):
    from benchmarks.sgc_pictures import Shot
    from benchmarks.sgc_quality import some

    shots = [Shot(str(n), shot.pixels) for n in range(10)]
    assert [one.name for one in some(shots, 4)] == ["0", "3", "6", "9"] and some(shots, 99) == shots


def test_color_error_is_in_parts_of_the_range():
    from benchmarks.sgc_scores import color_error

    grey = np.full((64, 64, 3), 100, np.uint8)
    other = grey.copy()
    other[..., 1] += 51
    assert color_error(grey, grey) == 0
    assert color_error(grey, other) == pytest.approx(0.2 / 3)


def test_what_the_file_says_is_compared_in_cells():
    from benchmarks.sgc_scores import file_agreement

    wanted = np.full((40, 32), 1)  # the third row of cells is half a cell
    wanted[:16] = 5
    assert file_agreement(np.array([[4, 4], [0, 3]]), wanted) == 0.75


def found(chance: float = 0.2):
    """Results of three pictures."""
    rows = []
    for row, size, labels in (("SGC", 200, 0.5), ("AVIF 4:4:4, smallest", 1000, 0.25)):
        each = {"bytes": [size, size, size + 3], "bpp": [0.1] * 3, "agreement": [labels, labels + 0.2, labels - 0.2]}
        rows.append({
            "row": row, "mean": {key: float(np.mean(values)) for key, values in each.items()}, "largest": size + 3,
            "FID/256 (x)": {"value": 123.456, "samples": 15}, "KID/256 (x)": {"value": 0.0312, "std": 0.002},
            "each": each,
        })  # fmt: skip
    return {"results": rows, "chance": {"agreement": chance}, "file_labels": 0.7}


def test_a_table_has_means_and_paired_differences():
    from benchmarks.sgc_report import quality

    text = quality(found())
    assert "| SGC | 201 | 203 | 0.1000 | 0.500 | 123.5 | 0.031 ± 0.002 |" in text
    assert "| AVIF 4:4:4, smallest | +0.250 (+0.250 to +0.250) |" in text
    assert "labels 0.200" in text and "labels 0.700 (of cells)" in text


def test_a_page_is_filled_between_its_marks():
    from benchmarks.sgc_report import filled

    page = "before\n<!-- times -->\nold\n<!-- end of times -->\nafter\n"
    assert filled(page, "times", "new\n") == "before\n<!-- times -->\n\nnew\n\n<!-- end of times -->\nafter\n"
    assert filled(filled(page, "times", "a\n"), "times", "b\n") == filled(page, "times", "b\n")
    with pytest.raises(SystemExit, match="no place for the quality"):
        filled(page, "quality", "new\n")


def test_the_page_in_the_docs_has_a_place_for_everything():
    from pathlib import Path

    from benchmarks.sgc_report import PARTS, filled

    text = (Path(__file__).parents[2] / "docs" / "sgc-quality.md").read_text("utf-8")
    for part in PARTS:
        assert "body of the part" in filled(text, part, "body of the part\n")


def test_sheets_stay_small(tmp_path, capsys):
    from benchmarks.sgc_sheets import LIMIT, drawn, save

    noise = np.random.default_rng(0).integers(0, 256, (600, 600, 3), dtype=np.uint8)
    sheet = drawn([[("one", noise), ("two", noise)]] * 3, 500, across=3, legend=True)
    save(sheet, str(tmp_path / "sheet.jpg"))
    assert (tmp_path / "sheet.jpg").stat().st_size <= LIMIT
    assert Image.open(tmp_path / "sheet.jpg").size == sheet.size
