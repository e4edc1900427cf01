"""Plots and side-by-side sheets: files appear, and show what they should."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import OutputError, UsageError
from codectk.eval.curves import Curve, Point
from codectk.eval.rd_plot import rd_plot
from codectk.eval.side_by_side import (
    Panel,
    detail_box,
    entry,
    grid,
    references_at_size,
    sheet,
    side_by_side,
    table,
    to_png,
)

OWN_RED = (209, 56, 44)


def curve(name: str, shift: float, label: str = "") -> Curve:
    points = [Point(0.1 * 2**i * shift, 27 + 2.5 * i, 0.9 + 0.02 * i, f"q{i}") for i in range(5)]
    return Curve(name, tuple(points), 24, label)


def close_to(image: Image.Image, color: tuple[int, int, int]) -> np.ndarray:
    return np.abs(np.asarray(image.convert("RGB"), int) - color).max(2) < 12


def test_a_plot_is_png_and_svg(tmp_path: Path) -> None:
    files = rd_plot([curve("mine", 1)], [curve("old", 2, "JPEG 4:2:0")], tmp_path / "rd.png", title="A title")
    assert files == (tmp_path / "rd.png", tmp_path / "rd.svg")
    image = Image.open(files[0])
    assert image.format == "PNG" and image.width > 2 * image.height
    red = close_to(image, OWN_RED)
    # One bold curve in each of the two panels.
    assert red[:, : image.width // 2].sum() > 500 and red[:, image.width // 2 :].sum() > 500
    assert files[1].read_text().startswith("<?xml")


def test_equal_numbers_give_equal_files(tmp_path: Path) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for folder in (first, second):
        folder.mkdir()
        rd_plot([curve("mine", 1)], [curve("old", 2)], folder / "rd.svg", metrics=("psnr",), log_bpp=True)
    for name in ("rd.png", "rd.svg"):
        assert (first / name).read_bytes() == (second / name).read_bytes()
    rd_plot([curve("mine", 1.1)], [curve("old", 2)], second / "rd.png", metrics=("psnr",), log_bpp=True)
    assert (first / "rd.svg").read_bytes() != (second / "rd.svg").read_bytes()


def test_a_panel_without_numbers_is_left_out(tmp_path: Path) -> None:
    only = Curve("mine", tuple(Point(p.bpp, p.psnr, None) for p in curve("mine", 1).points))
    image = Image.open(rd_plot([only], [curve("old", 2)], tmp_path / "one.png")[0])
    assert image.width < 1.5 * image.height


LPIPS = "LPIPS (Alex v0.1)"


def scored(name: str, shift: float) -> Curve:
    """Five rates at which LPIPS falls."""
    points = [Point(0.1 * 2**i * shift, 27 + 2.5 * i, None, "", {LPIPS: 0.5 / (i + 1)}) for i in range(5)]
    return Curve(name, tuple(points))


def test_a_metric_that_falls_with_the_rate_has_its_own_panel(tmp_path: Path) -> None:
    metrics = ("psnr", "ms_ssim", LPIPS)
    own, anchors = [scored("mine", 1)], [scored("old", 2), curve("without", 2)]
    png, svg = rd_plot(own, anchors, tmp_path / "rd.png", metrics=metrics, falling=[LPIPS])
    image = Image.open(png)
    right = close_to(image, OWN_RED)[:, image.width // 2 :]
    rows, columns = np.nonzero(right[:, : right.shape[1] * 3 // 4])
    # The more bits, the lower the bold curve.
    assert rows[columns < np.quantile(columns, 0.1)].mean() < rows[columns > np.quantile(columns, 0.9)].mean()
    text = svg.read_text()
    assert "LPIPS (Alex v0.1), lower is better" in text and text.count("<!-- old -->") == 2
    assert text.count("<!-- without -->") == 1


def test_many_panels_make_two_rows(tmp_path: Path) -> None:
    own = [Curve("mine", tuple(Point(p.bpp, p.psnr, p.ms_ssim, "", {"A": 1, "B": p.bpp}) for p in curve("", 1).points))]
    image = Image.open(rd_plot(own, [], tmp_path / "rd.png", metrics=("psnr", "ms_ssim", "A", "B"))[0])
    half = close_to(image, OWN_RED)
    middle = (image.height // 2, image.width // 2)
    quarters = [half[y][:, x] for y in (slice(middle[0]), slice(middle[0], None)) for x in
                (slice(middle[1]), slice(middle[1], None))]  # fmt: skip
    assert all(q.sum() > 200 for q in quarters)


def test_two_points_can_be_drawn(tmp_path: Path) -> None:
    short = Curve("mine", curve("mine", 1).points[:2])
    assert close_to(Image.open(rd_plot([short], [], tmp_path / "rd.png", metrics=("psnr",))[0]), OWN_RED).sum() > 200


def test_plots_that_cannot_be(tmp_path: Path) -> None:
    with pytest.raises(OutputError, match=r"\.png and \.svg"):
        rd_plot([curve("mine", 1)], [], tmp_path / "rd.pdf")
    with pytest.raises(UsageError, match="no measured point"):
        rd_plot([], [curve("old", 1)], tmp_path / "rd.png")
    with pytest.raises(UsageError, match="cannot be told apart"):
        rd_plot([curve("mine", 1)], [curve(f"{i}", 2) for i in range(30)], tmp_path / "rd.png")
    with pytest.raises(OutputError):
        rd_plot([curve("mine", 1)], [], tmp_path / "nowhere" / "rd.png")
    assert list(tmp_path.iterdir()) == []


def test_the_figure_needs_no_display(tmp_path: Path) -> None:
    before = "matplotlib.pyplot" in sys.modules
    rd_plot([curve("mine", 1)], [], tmp_path / "rd.png", metrics=("psnr",))
    assert ("matplotlib.pyplot" in sys.modules) == before


def test_side_by_side_shows_pictures_and_crops_unchanged(photo: Callable[..., np.ndarray]) -> None:
    first, second = photo(96, 128), photo(96, 128, seed=1)
    drawn = np.asarray(side_by_side([Panel("a", "one", first), Panel("b", "two\nlines", second)], (10, 20, 32, 24), 4))
    rows = [y for y in range(drawn.shape[0] - 96) if np.array_equal(drawn[y : y + 96, 160 : 160 + 128], second)]
    assert len(rows) == 1
    detail = second[20:44, 10:42].repeat(4, 0).repeat(4, 1)
    below = drawn[rows[0] + 96 :, 160 : 160 + 128]
    assert any(np.array_equal(below[y : y + 96], detail) for y in range(below.shape[0] - 95))
    # The frame is on the first picture only, which is otherwise itself.
    changed = (drawn[rows[0] : rows[0] + 96, 16 : 16 + 128] != first).any(2)
    assert 0 < changed.sum() < 0.06 * changed.size
    assert not changed[20:44, 10:42].any()


def test_side_by_side_refuses_what_does_not_fit(photo: Callable[..., np.ndarray]) -> None:
    a = photo(40, 40)
    for panels, crop in (
        ([], None),
        ([Panel("", "", a), Panel("", "", a[1:])], None),
        ([Panel("", "", a)], (30, 0, 20, 20)),
        ([Panel("", "", a)], (0, 0, 0, 5)),
    ):
        with pytest.raises(UsageError):
            side_by_side(panels, crop)


def test_the_detail_box_finds_the_detail() -> None:
    flat = np.full((90, 120, 3), 128, np.uint8)
    flat[40:60, 70:100] = np.random.default_rng(0).integers(0, 256, (20, 30, 3))
    x, y, w, h = detail_box(flat, 32, 22)
    assert (w, h) == (32, 22)
    assert x <= 70 and x + w >= 100 and y <= 40 and y + h >= 60
    assert detail_box(flat, 500, 500) == (0, 0, 120, 90)
    assert detail_box(flat[:1, :1], 8, 8) == (0, 0, 1, 1)


def test_an_entry_is_measured_and_has_references_of_its_size(photo: Callable[..., np.ndarray]) -> None:
    source = photo(168, 180)
    decoded = source // 16 * 16
    own = entry("mine", source, bytes(2000), decoded, 0.5, 0.25)
    assert own.bytes == 2000 and own.bpp == pytest.approx(16000 / (168 * 180)) and own.ms_ssim is not None
    references = references_at_size(source, own.bytes)
    assert [r.title.split(",")[0] for r in references] == ["JPEG 4:2:0", "WebP"]
    for reference in references:
        assert 2000 <= reference.bytes < 3000 and reference.psnr > 20
    drawn = sheet(source, [own, *references])
    assert drawn.width > 4 * 180
    assert Image.open(io.BytesIO(to_png(drawn))).size == drawn.size
    assert [len(c._cells) for c in table([own, *references]).columns] == [3] * 7


def test_a_tiny_picture_has_an_entry_and_a_sheet(photo: Callable[..., np.ndarray]) -> None:
    source = photo(3, 2)
    own = entry("mine", source, bytes(30), source, 0, 0)
    assert own.ms_ssim is None
    assert sheet(source, [own]).width > 0


def test_a_grid_has_a_caption_above_each_picture() -> None:
    red, blue = (np.full((40, 60, 3), color, np.uint8) for color in ((200, 0, 0), (0, 0, 200)))
    sheet = np.asarray(grid([[("one", red), ("two", blue)], [("three", blue)]], gap=6, head=20, size=12))
    assert sheet.shape == (2 * 60, 2 * 66 - 6, 3)
    assert (sheet[20:60, :60] == (200, 0, 0)).all() and (sheet[20:60, 66:] == (0, 0, 200)).all()
    assert (sheet[80:, :60] == (0, 0, 200)).all() and (sheet[60:, 66:] == 255).all()
    assert sheet[:20, :60].min() < 100 and (sheet[:20, 60:66] == 255).all()
