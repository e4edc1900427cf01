"""Results as JSON, CSV and tables."""

from __future__ import annotations

import csv
import io
import json
import math
from pathlib import Path

import pytest
from rich.console import Console

from codectk.eval import printed_tables
from codectk.eval.bdrate import Interval, compare
from codectk.eval.curve_files import load_curves
from codectk.eval.curves import Curve, Point
from codectk.eval.measure import Measurement, Times
from codectk.eval.pictures import PictureSet
from codectk.eval.report import CSV_COLUMNS, FORMAT, Comparison, Evaluation, to_csv, to_json


def measurement(image: str, quality: float, size: int, psnr: float, **changes: object) -> Measurement:
    values = dict(
        codec="mine", image=image, quality=quality, width=100, height=80, bytes=size, psnr=psnr, ms_ssim=0.9,
        estimated_bits=size * 8.0 - 400, payload_bytes=size - 30, overhead_bytes=30,
        encode=Times(0.3, 0.1, 0.1), decode=Times(0.5, 0.2, 0.3),
    )  # fmt: skip
    return Measurement(**{**values, **changes})


@pytest.fixture
def evaluation() -> Evaluation:
    measurements = [
        measurement(image, quality, 1000 + 100 * i * i, 28 + 2 * i + offset)
        for image, offset in (("a", 0.0), ("b", 1.0))
        for i, quality in enumerate((5, 25, 62.5))
    ]
    anchor = Curve("old", tuple(Point(1.2 + 0.4 * i, 28.2 + i, 0.9 + 0.01 * i) for i in range(5)), 24, "JPEG")
    made = Evaluation(
        pictures=PictureSet(("a", "b"), "0" * 64, None, ()),
        measurements=measurements,
        anchors=[anchor],
        identities={"mine": {"distribution": "codectk-mine", "weights_sha256": "ab" * 32}},
        notes=["A note."],
    )
    comparison = Comparison(compare(anchor, made.curves()[0]), Interval(-20.0, -10.0, 0.95, 500))
    return Evaluation(
        made.pictures, measurements, made.anchors, [comparison], made.identities, made.notes
    )  # fmt: skip


def text(table: object) -> str:
    console = Console(width=200, file=io.StringIO(), record=True)
    console.print(table)
    return console.export_text()


def test_json_says_what_was_measured_and_how(evaluation: Evaluation) -> None:
    data = json.loads(to_json(evaluation, "codectk eval a b", "cpu"))
    assert data["format"] == FORMAT and data["command"] == "codectk eval a b"
    assert {"python", "codectk", "numpy", "pillow"} <= data["versions"].keys()
    assert data["machine"]["device"] == "cpu" and data["machine"]["cores"] >= 1
    assert data["codecs"]["mine"]["weights_sha256"] == "ab" * 32
    assert data["pictures"]["names"] == ["a", "b"]
    assert len(data["rows"]) == 6 and data["rows"][0]["bytes"] == 1000
    point = data["curves"]["mine"]["points"][1]
    assert point["setting"] == "q25" and point["n"] == 2
    assert point["bpp"] == pytest.approx(1100 * 8 / 8000) and point["psnr"] == pytest.approx(30.5)
    assert point["encode_s"] == pytest.approx(0.5) and point["decode_s"] == pytest.approx(1.0)
    (rate,) = data["bd_rates"]
    assert rate["anchor"] == "JPEG" and rate["interval"]["low"] == -20 and rate["low"] < rate["high"]


def test_json_is_an_anchor_file(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "run.json"
    path.write_text(to_json(evaluation, "", "cpu"))
    (curve,) = load_curves(path)
    assert curve == evaluation.curves()[0]


def test_csv_is_an_anchor_file(evaluation: Evaluation, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    path.write_text(to_csv(evaluation.measurements))
    lines = list(csv.DictReader(path.open()))
    assert tuple(lines[0]) == CSV_COLUMNS and len(lines) == 6
    assert lines[0]["encode_coder_s"] == "0.1000" and lines[0]["setting"] == "q5"
    (curve,) = load_curves(path)
    assert [p.bpp for p in curve.points] == pytest.approx([p.bpp for p in evaluation.curves()[0].points])
    assert compare(curve, evaluation.curves()[0]).pchip == pytest.approx(0, abs=1e-6)


def test_what_is_missing_stays_empty(tmp_path: Path) -> None:
    unwatched = dict(estimated_bits=None, payload_bytes=None, overhead_bytes=None, ms_ssim=None)
    bare = measurement("a", 5, 1000, math.inf, encode=Times(1, None, 1), decode=Times(1, None, 1), **unwatched)
    assert bare.honest and bare.gap_bytes is None
    path = tmp_path / "run.csv"
    path.write_text(to_csv([bare]))
    line = next(csv.DictReader(path.open()))
    assert line["ms_ssim"] == line["estimated_bits"] == line["encode_coder_s"] == ""
    evaluation = Evaluation(PictureSet(("a",), "", None, ()), [bare])
    # Valid JSON has no Infinity.
    data = json.loads(to_json(evaluation, "", "cpu"), parse_constant=lambda name: pytest.fail(name))
    assert data["rows"][0]["psnr"] is None
    assert printed_tables.times([bare], "mine") is None
    assert "-" in text(printed_tables.means(evaluation, "mine"))


def test_tables_show_the_numbers(evaluation: Evaluation) -> None:
    means = text(printed_tables.means(evaluation, "mine"))
    assert "mean of 2 pictures" in means and "62.5" in means and "1.1000" in means and "30.50" in means
    # Of 1000 bytes 30 are overhead, and 970 stand against an estimate of 950.
    assert "+2.11 %" in means and "30.0" in means
    every = text(printed_tables.pictures(evaluation.measurements, "mine"))
    assert every.count("\n") > 7 and "1400" in every
    rates = text(printed_tables.bd_rates(evaluation.comparisons))
    assert "JPEG" in rates and "PSNR" in rates and "-20.0 to -10.0" in rates
    rate = evaluation.comparisons[0].bd_rate
    assert f"{rate.pchip:+.1f}" in rates and f"{rate.low:.2f} to {rate.high:.2f}" in rates


def test_time_shares_are_of_the_total(evaluation: Evaluation) -> None:
    shares = text(printed_tables.times(evaluation.measurements, "mine"))
    encode, decode = (line.split() for line in shares.splitlines() if line.split()[:1] in (["encode"], ["decode"]))
    assert encode[1:] == ["0.500", "60.0%", "20.0%", "20.0%"]
    assert decode[1:] == ["1.000", "50.0%", "20.0%", "30.0%"]


def test_the_gap_is_real_against_estimated() -> None:
    exact = measurement("a", 5, 1000, 30, estimated_bits=8000.0, payload_bytes=1000)
    assert exact.gap_bytes == 0 and exact.honest
    assert measurement("a", 5, 1000, 30, estimated_bits=80000.0, payload_bytes=10164).honest
    assert not measurement("a", 5, 1000, 30, estimated_bits=80000.0, payload_bytes=10165).honest
    assert not measurement("a", 5, 1000, 30, estimated_bits=80000.0, payload_bytes=9000).honest
