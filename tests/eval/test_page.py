"""The comparison page in a real browser: what a person does with it, and what it writes down."""

from __future__ import annotations

import json
import re
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from PIL import Image

from codectk.base.errors import UsageError
from codectk.cli.compare import command
from codectk.eval import page
from codectk.eval.comparison import compare, contenders, scores, sheet
from codectk.eval.pictures import expand, read_source

sys.path.insert(0, str(Path(__file__).parent))
from browser import Browser, missing


@pytest.fixture
def folder(tmp_path: Path, photo: Callable[..., np.ndarray]) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    for i in range(2):
        Image.fromarray(photo(120, 176, seed=i)).save(made / f"im{i}.png")
    return made


def run(*arguments: object) -> str:
    result = CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.stdout


def contents(path: Path) -> dict:
    text = path.read_text("utf-8")
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', text, re.DOTALL)
    assert found is not None
    return json.loads(found[1])


def test_files_have_equal_bytes_and_the_numbers_are_right(pocket, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    told = run(folder, "--codecs", "pocket,jpeg,webp", "--at-bpp", "1.2,2", "-o", target, "--title", "A <b> & c")
    assert "2 pictures by 3 codecs" in told
    data = contents(target)
    assert [p["name"] for p in data["pictures"]] == ["im0", "im1"] and data["codecs"] == ["pocket", "jpeg", "webp"]
    for p in data["pictures"]:
        assert [(s["codec"], s["size"]) for s in p["shown"]] == [(c, i) for i in (0, 1) for c in data["codecs"]]
        for shown in p["shown"]:
            assert shown["wanted"] == round((1.2, 2)[shown["size"]] * 120 * 176 / 8)
            assert shown["bytes"] == pytest.approx(shown["wanted"], rel=0.12) or shown["note"]
            assert shown["bpp"] == pytest.approx(shown["bytes"] * 8 / (120 * 176))
            assert shown["scores"]["MS-SSIM"] is None and 10 < shown["scores"]["PSNR dB"] < 60
            assert shown["scores"]["SSIMULACRA2"] <= 100
        by = {(s["codec"], s["size"]): s["scores"]["PSNR dB"] for s in p["shown"]}
        assert by["pocket", 1] > by["pocket", 0]
    text = target.read_text()
    assert "<title>A &lt;b&gt; &amp; c</title>" in text
    # Nothing is fetched from anywhere.
    assert not re.search(r'(src|href)="(?!data:)', text) and "://" not in re.sub(
        r"http://www.w3.org/2000/svg", "", text
    )


def test_a_size_out_of_reach_is_said(pocket, folder: Path, tmp_path: Path) -> None:
    run(folder / "im0.png", "--codecs", "pocket,jpeg", "--at-bytes", "60,400000", "-o", tmp_path / "page.html")
    (picture,) = contents(tmp_path / "page.html")["pictures"]
    small, large = (shown for shown in picture["shown"] if shown["codec"] == "jpeg")
    assert "more bytes than asked for" in small["note"] and "fewer bytes than asked for" in large["note"]


def test_what_contradicts_is_one_sentence(pocket, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    for arguments, says in (
        (("--at-bpp", "1", "--at-bytes", "9"), "not both"),
        (("--at-bpp", "many"), "Sizes are numbers"),
        (("--at-bpp", "-1"), "Sizes are positive"),
        (("--codecs", "jpeg,jpeg"), "each once"),
        (("--codecs", "jpeg", "--knob", "realism=1"), "No codec of this comparison has a knob 'realism'"),
    ):
        with pytest.raises(UsageError, match=says):
            run(folder, "-o", target, *arguments)
    picture = folder / "im0.png"
    with pytest.raises(UsageError, match="is an input and would be overwritten"):
        run(picture, "--codecs", "jpeg", "-o", picture)


def test_a_large_page_shows_pictures_with_little_loss(pocket, folder: Path) -> None:
    sources = [read_source(path) for path in expand([folder])]
    codecs, measured = contenders(["jpeg", "pocket"], "cpu", {}), scores()
    found = compare(sources, codecs, lambda source: [2500], measured)
    whole = page.build("t", sources, found, codecs, measured)
    small = page.build("t", sources, found, codecs, measured, limit=len(whole) // 2)
    assert "without loss" in whole and "as WebP of quality" in small and len(small) < len(whole) * 0.75
    assert sheet(sources, found, measured).width > 3 * 176


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_in_a_browser(pocket, folder: Path, tmp_path: Path) -> None:
    target, downloads = tmp_path / "page.html", tmp_path / "profile"
    run(folder, "--codecs", "pocket,jpeg,webp", "--at-bpp", "1.2,2", "-o", target)
    shapes = "return [...document.querySelectorAll('#stage img')].map(i => [i.style.transform, i.style.clipPath])"
    with Browser(downloads) as browser:
        browser.open(target)
        loaded = "return [...document.images].every(i => i.complete && i.naturalWidth === 176)"
        assert browser.run("return document.images.length") == 2 and browser.run(loaded)
        # The slider, by its handle and by keys.
        before = browser.run(shapes)
        browser.drag(".border", 150, 0)
        after = browser.run(shapes)
        assert after[0] == before[0] and after[1][1] != before[1][1]
        browser.keys("\ue012")  # left arrow
        assert browser.run(shapes)[1][1] != after[1][1]
        # Flicker between both.
        browser.keys(" ")
        hidden = "return document.querySelector('#stage .top').style.visibility"
        assert browser.run(hidden) == "hidden" and "original" in browser.run(
            "return document.querySelector('#state').textContent"
        )
        browser.keys(" ")
        assert browser.run(hidden) == ""
        # Zoom and pan move all panes together.
        browser.click("[data-view=all]")
        browser.click("#in")
        browser.drag(".pane", 40, 25)
        places = {place for place, _ in browser.run(shapes)}
        assert len(places) == 1 and browser.run("return document.querySelectorAll('.pane').length") == 4
        # A point of the plot leads to its picture.
        browser.run("document.querySelectorAll('#plot circle')[3].dispatchEvent(new MouseEvent('click'))")
        assert browser.run("return [state.b, state.size]") == ["jpeg", 1]
        assert "jpeg" in browser.run("return document.querySelector('#tip').textContent")
        browser.click("[data-view=difference]")
        assert "brightness" in browser.run("return document.querySelector('.pane').style.filter")
        # The blind test hides names, and ends in a table.
        browser.click("[data-view=blind]")
        seen = browser.run("return document.body.innerText")
        assert not any(name in seen for name in ("pocket", "jpeg", "webp")) and "1 of 12" in seen
        browser.click("#first")
        # From here on pocket wins against all, and webp against jpeg.
        browser.run(
            "while (!trial.done) { const [l, r] = trial.list[trial.at].pair; const o = ['pocket', 'webp', 'jpeg'];"
            "vote(o.indexOf(l) < o.indexOf(r) ? 1 : 2); }"
        )
        browser.run("trial.votes[0].winner = null; update()")
        found = browser.run("return result()")
        assert [row["codec"] for row in found["table"]] == ["pocket", "webp", "jpeg"]
        assert sum(row["preferred"] for row in found["table"]) == 11 and len(found["votes"]) == 12
        assert found["comparison"] == contents(target)["digest"]
        assert "Preferences in 12 comparisons" in browser.run("return document.querySelector('#result').innerText")
        browser.click("#save")
        time.sleep(0.3)
        assert browser.console() == []


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_on_a_phone_in_the_dark(pocket, folder: Path, tmp_path: Path) -> None:
    target = tmp_path / "page.html"
    run(folder, "--codecs", "pocket,jpeg", "--at-bpp", "1.5", "-o", target)
    dark = ("--blink-settings=preferredColorScheme=0",)
    with Browser(tmp_path / "profile", 420, 800, dark) as browser:
        browser.open(target)
        assert browser.run("return document.documentElement.scrollWidth <= innerWidth")
        assert browser.run("return getComputedStyle(document.body).backgroundColor") == "rgb(21, 24, 29)"
        # All controls have a name for those who do not see them.
        unnamed = (
            "return [...document.querySelectorAll('button, select, input')].filter(e => !(e.innerText || "
            "e.getAttribute('aria-label') || (e.labels && e.labels.length))).length"
        )
        assert browser.run(unnamed) == 0 and browser.console() == []


@pytest.mark.skipif(bool(missing()), reason=missing())
def test_strengths_are_those_of_the_model(tmp_path: Path) -> None:
    """Two codecs, six wins to two, and half a vote each way against a rival of strength 1."""
    target = tmp_path / "model.html"
    script = (Path(page.__file__).parent / "page" / "blind.js").read_text()
    target.write_text(f"<!doctype html><script>{script}</script>")
    votes = [{"left": "x", "right": "y", "winner": "x" if i < 6 else "y"} for i in range(8)]
    with Browser(tmp_path / "profile") as browser:
        browser.open(target)
        found = browser.run(f"return bradleyTerry({json.dumps(votes)}, ['x', 'y'])")
    x, y = found["x"], found["y"]
    # Where the likelihood has its maximum, wins are what the model expects of all comparisons.
    assert x * y == pytest.approx(1)
    assert pytest.approx(8 * x / (x + y) + x / (x + 1), rel=1e-3) == 6.5
