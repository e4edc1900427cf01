"""The log, the progress bar and the curve."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import InputError
from codectk.train import bar as bars
from codectk.train.bar import Bar
from codectk.train.curve import plot_log, smooth
from codectk.train.log import Log, Window, read_log


def write(path: Path, *steps: int, start: int = 0) -> None:
    with Log(path, start) as log:
        for step in steps:
            log.write({"step": step, "loss": 10 / step, "bpp": 0.5, "psnr": 20.0 + step})


def steps(path: Path) -> list[int]:
    return [record["step"] for record in read_log(path)]


def test_a_resumed_log_drops_what_will_come_again(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    write(path, 3, 6, 9)
    write(path, 9, 12, start=7)
    assert steps(path) == [3, 6, 9, 12]
    write(path, 1)
    assert steps(path) == [1], "a new run does not inherit a log"


def test_lines_reach_the_disk_at_once(tmp_path: Path):
    with Log(tmp_path / "log.jsonl", 0) as log:
        log.write({"step": 1})
        assert steps(tmp_path / "log.jsonl") == [1]


def test_a_last_line_that_was_cut_off(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    write(path, 1, 2, 3)
    text = path.read_text()
    for cut in range(1, 30):
        path.write_text(text[:-cut])
        assert steps(path) in ([1, 2], [1, 2, 3])
    path.write_text(text.replace('"step": 2', '"stop": 2'))
    with pytest.raises(InputError, match=r"Line 2 of .* is not a record"):
        read_log(path)
    with pytest.raises(InputError, match="Cannot read the training log"):
        read_log(tmp_path / "none.jsonl")


def test_a_window_goes_on_where_it_was_cut():
    rows = [{"loss": 0.1 * n, "bpp": n / 7} for n in range(7)]
    whole, first = Window(), Window()
    for row in rows:
        whole.add(row)
    for row in rows[:3]:
        first.add(row)
    second = Window(json.loads(json.dumps(first.state())))
    for row in rows[3:]:
        second.add(row)
    assert second.means() == whole.means()
    assert whole.means()["loss"] == pytest.approx(0.3)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize("visible", [True, False])
def test_the_bar(monkeypatch: pytest.MonkeyPatch, visible: bool):
    screen = Terminal()
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.setenv("TERM", "xterm")
    with Bar(visible) as bar:
        bar.begin("reading pictures", 3)
        bar.show(2)
        bar.begin("training", 400, 100)
        bar.show(101, {"loss": 2.0, "bpp": 0.25, "psnr": 30.0, "grad": 1.0})
        bar.show(102, {"loss": 3.0, "bpp": 0.35, "psnr": 31.0, "grad": 1.0})
    if not visible:
        assert screen.getvalue() == ""
        return
    for words in ("training", "102/400", "loss 2.5", "0.300 bpp", "PSNR 30.50 dB"):
        assert words in screen.getvalue()


@pytest.mark.parametrize("visible", [True, False])
def test_a_line_every_half_minute_off_a_terminal(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, visible: bool
):
    now = 1000.0
    monkeypatch.setattr(bars.time, "monotonic", lambda: now)
    with Bar(visible) as bar:
        bar.begin("training", 400, 100)
        for step in range(101, 200):
            now += 1.0
            bar.show(step, {"loss": 2.0, "bpp": 0.25, "psnr": 30.0})
            if step == 150:
                bar.remark("kept out 29.50 dB")
    said = capfd.readouterr()
    assert said.out == ""
    assert (
        said.err.splitlines()
        == [
            "codectk: training: 130 of 400, loss 2, 0.250 bpp, PSNR 30.00 dB, 4 min left",
            "codectk: training: 160 of 400, loss 2, 0.250 bpp, PSNR 30.00 dB, kept out 29.50 dB, 4 min left",
            "codectk: training: 190 of 400, loss 2, 0.250 bpp, PSNR 30.00 dB, kept out 29.50 dB, 4 min left",
        ][: 3 * visible]
    )


def test_the_curve(tmp_path: Path):
    path = tmp_path / "log.jsonl"
    write(path, *range(1, 60))
    plot_log(path, tmp_path / "curve.png")
    with Image.open(tmp_path / "curve.png") as image:
        pixels = np.asarray(image.convert("RGB")).astype(int)
    assert pixels.shape[0] > 600 and pixels.shape[1] > 600
    height = pixels.shape[0] // 3
    for third, color in enumerate(((209, 56, 44), (31, 111, 208), (20, 143, 92))):
        near = np.abs(pixels[third * height : (third + 1) * height] - color).sum(-1) < 30
        assert near.sum() > 500, "each panel has its line"


@pytest.mark.parametrize("count", [0, 1, 2])
def test_the_curve_of_a_short_log(tmp_path: Path, count: int):
    write(tmp_path / "log.jsonl", *range(1, count + 1))
    plot_log(tmp_path / "log.jsonl", tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 1000


def test_no_log_no_curve(tmp_path: Path):
    with pytest.raises(InputError, match="Cannot read the training log"):
        plot_log(tmp_path / "log.jsonl", tmp_path / "curve.png")


def test_smoothing():
    slope = np.arange(20.0)
    np.testing.assert_allclose(smooth(slope, 4), slope)
    noise = np.random.default_rng(0).normal(0, 1, 500)
    assert smooth(noise, 10)[20:-20].std() < 0.4
    assert smooth(np.zeros(0), 3).size == 0
