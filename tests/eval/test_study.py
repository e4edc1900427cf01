"""`codectk eval`, from the command line to the files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from codectk.base.errors import ContractError, InputError, OutputError, UsageError
from codectk.cli.eval import command
from codectk.eval import study as study_module
from codectk.eval.anchors import load_curves
from codectk.eval.probe import Probe
from codectk.pipeline.load import Ready


@pytest.fixture
def folder(tmp_path: Path, photo: Callable[..., np.ndarray]) -> Path:
    made = tmp_path / "pictures"
    made.mkdir()
    for i in range(2):
        Image.fromarray(photo(164, 170, seed=i)).save(made / f"im{i}.png")
    return made


def run(*arguments: object) -> Result:
    result = CliRunner().invoke(command, [str(a) for a in arguments], standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def table(path: Path, codec: str, factors: Sequence[float], images: Sequence[str] = ("im0", "im1")) -> Path:
    """A per-picture anchor table made up around JPEG-like numbers."""
    lines = ["codec,setting,image,bytes,bpp,psnr_rgb,ms_ssim"]
    for image in images:
        lines += [
            f"{codec},q{i},{image},1,{0.2 * 1.7**i * f},{26 + 3 * i},{0.9 + 0.02 * i}" for i, f in enumerate(factors)
        ]
    path.write_text("\n".join(lines) + "\n")
    return path


def test_everything_at_once(pocket, folder: Path, tmp_path: Path) -> None:
    anchor = table(tmp_path / "old.csv", "old", [1, 1, 1, 1, 1])
    result = run(
        folder, "--codec", "pocket", "--qualities", "10,30,50,70", "--classic", "jpeg",
        "--anchors", f"{anchor}:old=An old one", "--json", tmp_path / "o.json", "--csv", tmp_path / "o.csv",
        "--plot", tmp_path / "o.png", "--side-by-side", tmp_path / "sheets", "--keep", tmp_path / "kept",
        "--per-picture",
    )  # fmt: skip
    for words in ("pocket: mean of 2 pictures", "every file", "pocket: time", "BD-rate", "An old one", "JPEG 4:2:0"):
        assert words in result.stdout
    data = json.loads((tmp_path / "o.json").read_text())
    assert data["codecs"]["pocket"]["distribution"] == "codectk-pocket"
    assert {(r["anchor"], r["metric"]) for r in data["bd_rates"]} == {
        (a, m) for a in ("An old one", "JPEG 4:2:0") for m in ("psnr", "ms_ssim")
    }
    assert all(r["interval"] is None for r in data["bd_rates"])
    assert {c.name for c in load_curves(tmp_path / "o.csv")} == {"pocket", "jpeg"}
    for row in data["rows"]:
        suffix = ".ctk" if row["codec"] == "pocket" else ".jpeg"
        kept = tmp_path / "kept" / row["codec"] / f"{row['image']}-{row['setting']}{suffix}"
        assert kept.stat().st_size == row["bytes"]
    assert (tmp_path / "o.png").is_file() and (tmp_path / "o.svg").is_file()
    assert sorted(p.name for p in (tmp_path / "sheets").iterdir()) == ["pocket-im0-q50.png", "pocket-im1-q50.png"]


def test_anchors_are_chosen_by_name(pocket, folder: Path, tmp_path: Path) -> None:
    anchor = table(tmp_path / "old.csv", "old", [1, 1, 1, 1])
    with anchor.open("a") as file:
        file.writelines(f"other,q{i},im0,1,{0.1 * 2**i},{25 + 3 * i},0.9\n" for i in range(4))
    arguments = (folder / "im0.png", "--codec", "pocket", "--qualities", "10,40,70", "--anchors", anchor)
    assert "other" in run(*arguments).stdout
    chosen = run(*arguments, "--bd-rate-against", "old")
    assert "old" in chosen.stdout and "other" not in chosen.stdout
    with pytest.raises(UsageError, match="There is no anchor 'nothing'; there are: none"):
        run(*arguments, "--bd-rate-against", "nothing")


def test_too_many_lines_have_to_be_named(pocket, folder: Path, tmp_path: Path) -> None:
    anchor = tmp_path / "many.json"
    points = [{"bpp": 0.1 * 2**i, "psnr": 25 + 3 * i} for i in range(4)]
    anchor.write_text(json.dumps({f"line{i}": points for i in range(study_module.MAX_LINES + 1)}))
    arguments = (folder / "im0.png", "--codec", "pocket", "--qualities", "10,40,70", "--anchors", anchor)
    with pytest.raises(UsageError, match=r"many\.json has 13 lines; name some"):
        run(*arguments)
    assert "line7" in run(*arguments, "--bd-rate-against", "line7").stdout


def test_notes_tell_what_weakens_a_number(pocket, folder: Path, tmp_path: Path, photo) -> None:
    Image.fromarray(photo(40, 50)).save(folder / "im2.jpg")
    far = tmp_path / "far.json"
    far.write_text(
        json.dumps(
            {
                "far": [{"n": 24, "bpp": 0.1 * 2**i, "psnr": 80 + i} for i in range(4)],
                "unsaid": [{"bpp": b, "psnr": p} for b, p in ((0.1, 24), (0.5, 33), (0.6, 32), (2, 40))],
            }
        )
    )
    result = run(folder, "--codec", "pocket", "--qualities", "10,40,70", "--anchors", far)
    assert "1 of 3 pictures are JPEG files" in result.stderr
    assert "MS-SSIM is missing" in result.stderr
    assert "far is a mean of 24 pictures, here are 3" in result.stderr
    assert "far have no quality in common" in result.stderr
    assert "unsaid does not say which pictures" in result.stderr
    assert "1 points of pocket and unsaid cost more" in result.stderr


def test_an_interval_is_given_when_pictures_are_many(pocket, folder: Path, tmp_path: Path, photo) -> None:
    names = [f"p{i}" for i in range(study_module.MIN_PICTURES)]
    for i, name in enumerate(names):
        Image.fromarray(photo(24, 24, seed=i)).save(tmp_path / f"{name}.png")
    anchor = table(tmp_path / "old.csv", "old", [1, 1, 1, 1, 1, 1], names)
    paths = [tmp_path / f"{name}.png" for name in names]
    run(*paths, "--codec", "pocket", "--qualities", "10,30,60", "--anchors", anchor, "--json", tmp_path / "o.json")
    (rate,) = json.loads((tmp_path / "o.json").read_text())["bd_rates"]
    assert rate["interval"]["low"] < rate["pchip"] < rate["interval"]["high"]


def test_a_file_larger_than_its_estimate_fails_after_the_report(
    pocket, folder: Path, tmp_path: Path, monkeypatch
) -> None:
    def optimistic(data: bytes, ready: Ready) -> Probe:
        return Probe(8.0 * (len(data) - 546), len(data) - 46, 46, 0.0, 0.0)

    monkeypatch.setattr("codectk.eval.codecs.probe", optimistic)
    with pytest.raises(ContractError, match=r"2 files differ .* im0 at q10 of pocket \(\+500 bytes\)"):
        run(folder / "im0.png", "--codec", "pocket", "--qualities", "10,30", "--json", tmp_path / "o.json")
    assert len(json.loads((tmp_path / "o.json").read_text())["rows"]) == 2


def test_a_missing_package_is_named(pocket, folder: Path, monkeypatch) -> None:
    monkeypatch.setattr("codectk.cli.eval.find_spec", lambda name: None if name == "scipy" else name)
    with pytest.raises(UsageError, match=r"need scipy; install it with: pip install 'codectk\[eval\]'"):
        run(folder / "im0.png", "--codec", "pocket", "--classic", "jpeg")
    assert "mean of 1 picture " in run(folder / "im0.png", "--codec", "pocket", "--qualities", "50").stdout


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        (["--qualities", "5,high"], UsageError, "Qualities are numbers"),
        (["--qualities", "5,500"], UsageError, "between 0"),
        (["--classic", "gif"], UsageError, "no reference encoder 'gif'; there are: jpeg, webp"),
        (["--anchors", "nowhere.csv:x"], UsageError, "no anchor file"),
        (["--knob", "quality=4"], UsageError, "what an evaluation varies"),
        (["--plot", "out.pdf"], OutputError, "png"),
        (["--json", "no/such/folder/o.json"], OutputError, "There is no folder"),
        (["missing.png"], InputError, "missing.png"),
    ],
)
def test_wrong_arguments_are_one_sentence(pocket, folder: Path, arguments, error, says: str) -> None:
    with pytest.raises(error, match=says):
        run(folder / "im0.png", "--codec", "pocket", *arguments)
