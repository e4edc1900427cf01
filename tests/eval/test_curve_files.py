"""Anchor files of every kind, and the curves they become."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from codectk.base.errors import InputError, UsageError
from codectk.eval.curve_files import AnchorSpec, load, load_curves, parse_spec
from codectk.eval.curves import Curve, Point, Row, mean_curves, mean_point

CSV = """codec,setting,image,bytes,bpp,psnr_rgb,ms_ssim
old,q10,a,100,0.10,30.0,0.90
old,q10,b,300,0.30,34.0,0.94
old,q20,a,200,0.20,32.0,0.95
old,q20,b,600,0.60,36.0,0.97
old,q99,a,999,0.99,40.0,0.99
tiny,q10,a,100,0.10,30.0,
"""


@pytest.fixture
def csv_file(tmp_path: Path) -> Path:
    path = tmp_path / "table.csv"
    path.write_text(CSV)
    return path


def test_csv_is_averaged_over_pictures(csv_file: Path) -> None:
    old, tiny = load_curves(csv_file)
    # q99 was measured on one picture of two and is no part of the curve.
    assert [p.setting for p in old.points] == ["q10", "q20"]
    assert [(p.bpp, p.psnr, p.ms_ssim) for p in old.points] == [
        pytest.approx((0.2, 32, 0.92)),
        pytest.approx((0.4, 34, 0.96)),
    ]
    assert old.pictures == 2 and len(old.rows) == 4
    assert tiny.points == (Point(0.1, 30.0, None, "q10"),) and tiny.pictures == 1


def test_csv_is_averaged_over_the_evaluated_pictures(csv_file: Path) -> None:
    old, tiny = load_curves(csv_file, ["a"])
    assert [p.bpp for p in old.points] == [0.10, 0.20, 0.99]
    assert old.pictures == tiny.pictures == 1
    # Without all of them, over its own.
    assert load_curves(csv_file, ["a", "c"])[0].pictures == 2


def test_json_of_means_drops_settings_of_fewer_pictures(tmp_path: Path) -> None:
    path = tmp_path / "mean.json"
    full = {"setting": "q1", "n": 24, "bpp": 0.1, "psnr": 30, "ms_ssim": 0.9}
    path.write_text(json.dumps({"vtm": [full, {**full, "setting": "q2", "n": 4, "bpp": 0.5, "images": ["a"]}]}))
    (curve,) = load_curves(path)
    assert curve == Curve("vtm", (Point(0.1, 30, 0.9, "q1"),), 24)


def test_json_of_published_curves(tmp_path: Path) -> None:
    path = tmp_path / "published.json"
    body = {"name": "X", "points": [{"bpp": 0.1, "psnr": 30.5}, {"bpp": 0.2, "ms_ssim": 0.95}]}
    path.write_text(json.dumps({"_notes": ["kept apart"], "curves": {"x": body}}))
    (curve,) = load_curves(path)
    assert curve.points == (Point(0.1, 30.5, None), Point(0.2, None, 0.95)) and curve.pictures is None


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.json", "{", "Expecting property name"),
        ("a.json", "[]", "cannot be read as anchor curves"),
        ("a.json", "{}", "holds no anchor curve"),
        ("a.json", '{"x": [{"psnr": 3}]}', "bpp"),
        ("a.csv", "codec,setting\n", "column image is missing"),
        ("a.csv", "codec,setting,image,bpp,psnr_rgb,ms_ssim\nx,q1,a,much,30,0.9\n", "much"),
        ("a.csv", "codec,setting,image,bpp,psnr_rgb,ms_ssim\n", "holds no anchor curve"),
        ("a.json", '{"x": [{"bpp": NaN, "psnr": 3}]}', "not a positive rate"),
        ("a.csv", "codec,setting,image,bpp,psnr_rgb,ms_ssim\nx,q1,a,0,30,0.9\n", "not a positive rate"),
    ],
)
def test_files_that_are_no_anchors(tmp_path: Path, name: str, text: str, says: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match=says):
        load_curves(tmp_path / name)


def test_spec_names_lines_and_labels(csv_file: Path) -> None:
    assert parse_spec(str(csv_file)) == AnchorSpec(csv_file)
    spec = parse_spec(f"{csv_file}:tiny,old=JPEG 4:2:0")
    assert spec == AnchorSpec(csv_file, (("tiny", ""), ("old", "JPEG 4:2:0")))
    assert [c.title for c in load(spec)] == ["tiny", "JPEG 4:2:0"]
    assert [c.title for c in load(AnchorSpec(csv_file))] == ["old", "tiny"]


def test_a_file_name_may_hold_a_colon(tmp_path: Path) -> None:
    path = tmp_path / "c:d.csv"
    path.write_text(CSV)
    assert parse_spec(str(path)) == AnchorSpec(path)
    assert parse_spec(f"{path}:old").lines == (("old", ""),)


def test_specs_that_are_wrong(csv_file: Path) -> None:
    with pytest.raises(UsageError, match="no anchor file"):
        parse_spec("nowhere.json:x")
    with pytest.raises(UsageError, match="empty line"):
        parse_spec(f"{csv_file}:old,")
    with pytest.raises(UsageError, match="has no line 'new'; it has: old, tiny"):
        load(parse_spec(f"{csv_file}:new"))


def test_values_are_sorted_and_complete() -> None:
    curve = Curve("c", (Point(0.4, 33, 0.99), Point(0.2, None, 0.9), Point(0.1, 30, None), Point(0.3, float("inf"), 1)))
    bpp, db = curve.values("psnr")
    assert bpp.tolist() == [0.1, 0.4] and db.tolist() == [30, 33]
    bpp, db = curve.values("ms_ssim")
    assert bpp.tolist() == [0.2, 0.4]
    assert db == pytest.approx(np.array([10, 20]))


def test_a_mean_belongs_to_all_pictures_or_does_not_exist() -> None:
    assert mean_point([Point(0.1, 30, 0.9), Point(0.3, 32, None)], "q") == Point(0.2, 31, None, "q")
    with pytest.raises(InputError):
        mean_point([], "q")


def test_mean_curves_never_mix_picture_sets() -> None:
    rows = [Row("c", s, i, 1, Point(0.1, 30, None, s)) for s, i in [("q1", "a"), ("q1", "b"), ("q2", "a"), ("q2", "c")]]
    assert [p.setting for p in mean_curves(rows, ["a", "b"])[0].points] == ["q1"]
    assert mean_curves(rows, ["a", "b", "c"]) == []


def test_the_shared_tables_can_be_read(baselines: Path) -> None:
    means = {c.name: c for c in load_curves(baselines / "baselines-kodak-mean.json")}
    table = {c.name: c for c in load_curves(baselines / "baselines-kodak.csv")}
    assert means.keys() == table.keys()
    assert means["vtm-444"].pictures == 24 and len(means["vtm-444"].points) == 5
    for name, curve in means.items():
        by_setting = {p.setting: p for p in table[name].points}
        for point in curve.points:
            # The means were taken before the table was rounded.
            assert by_setting[point.setting].bpp == pytest.approx(point.bpp, abs=2e-6)
            assert by_setting[point.setting].psnr == pytest.approx(point.psnr, abs=1e-4)
    assert len(load_curves(baselines / "published-kodak.json")) > 100
