"""`codectk eval`, from the command line to the files."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner, Result
from PIL import Image

from codectk.base.errors import ContractError, InputError, OutputError, UsageError, WeightsError
from codectk.cli.eval import command
from codectk.eval import study as study_module
from codectk.eval.curve_files import load_curves
from codectk.eval.probe import Probe
from codectk.pipeline.codec import Codec
from codectk.weights.store import sha256_of
from codectk.weights.tensors import save_tensors


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


METRICS = """
import numpy as np

from codectk.spec.hooks import hookimpl
from codectk.spec.metrics import SetScore

class Difference:
    name, backbone, scope, lower_is_better = "Difference", "Plain v1", "picture", True
    protocol = "mean absolute difference"

    def __call__(self, reference, picture):
        return float(np.abs(reference.astype(float) - picture).mean()) if reference.shape[0] > 50 else None

class Spread:
    name, backbone, scope, lower_is_better = "Spread", "Plain v1", "set", True
    protocol = "largest difference of any picture"

    def __call__(self, pairs):
        found = [float(np.abs(a.astype(float) - b).max()) for a, b in pairs]
        return SetScore(max(found), len(found), 0.5, "Spread is rough.") if len(found) > 1 else None

@hookimpl
def codectk_metric(name, options):
    return Difference() if name == "mine.difference" else Spread()
"""
CARD = """
api = 1
title = "Mine"
summary = "Metrics made by a test"
licence = "CC0-1.0"
component = [{id = "mine.difference", kind = "metric"}, {id = "mine.spread", kind = "metric"}]
"""
DIFFERENCE, SPREAD = "Difference (Plain v1)", "Spread (Plain v1)"


@pytest.fixture
def mine(site) -> None:
    """A plugin with a metric of one picture and one of a set."""
    site.add("mine", METRICS, card=CARD)


def test_metrics_and_settings_of_the_decoder(pocket, mine, folder: Path, tmp_path: Path) -> None:
    arguments = (
        folder, "--codec", "pocket", "--qualities", "10,30,50", "--classic", "jpeg",
        "--metric", "mine.difference,mine.spread", "--decode", "deblock=0,1",
    )  # fmt: skip
    out = ("--json", tmp_path / "o.json", "--csv", tmp_path / "o.csv", "--plot", tmp_path / "o.png")
    result = run(*arguments, *out, "--at-bpp", "0.6,1.0", "--keep", tmp_path / "kept")
    assert "Difference (Plain v1), lower is better" in result.stdout and "pocket deblock 0" in result.stdout
    assert f"{DIFFERENCE} at equal bpp" in result.stdout and "PSNR dB at equal bpp" in result.stdout
    assert "Spread is rough." in result.stderr
    data = json.loads((tmp_path / "o.json").read_text())
    assert data["metrics"][SPREAD] == {"scope": "set", "lower_is_better": True}
    assert data["protocol"][DIFFERENCE] == "mean absolute difference"
    assert list(data["curves"]) == ["pocket deblock 0", "pocket deblock 1", "jpeg"] == list(data["codecs"])
    assert data["codecs"]["pocket deblock 1"]["knob:deblock"] == "1.0"
    hard, soft = (data["curves"][f"pocket deblock {i}"]["points"] for i in (0, 1))
    assert [p["bpp"] for p in hard] == [p["bpp"] for p in soft]
    assert all(a["scores"][DIFFERENCE] != b["scores"][DIFFERENCE] for a, b in zip(hard, soft, strict=True))
    rows = [r for r in data["rows"] if (r["codec"], r["setting"]) == ("pocket deblock 1", "q30")]
    assert {r["coded_by"] for r in rows} == {"pocket"} and len(rows) == 2
    differences = []
    for row in rows:
        source, shown = (
            np.asarray(Image.open(path), float)
            for path in (folder / f"{row['image']}.png", tmp_path / "kept" / row["codec"] / f"{row['image']}-q30.png")
        )
        assert row["scores"] == {DIFFERENCE: pytest.approx(np.abs(source - shown).mean())}
        assert (tmp_path / "kept" / "pocket" / f"{row['image']}-q30.ctk").stat().st_size == row["bytes"]
        differences.append(np.abs(source - shown).max())
    assert soft[1]["scores"][DIFFERENCE] == pytest.approx(np.mean([r["scores"][DIFFERENCE] for r in rows]))
    assert soft[1]["scores"][SPREAD] == max(differences)
    assert soft[1]["over_sets"] == {SPREAD: {"samples": 2, "std": 0.5}}
    assert [e["metric"] for e in data["equal_rates"]] == ["psnr", DIFFERENCE, SPREAD]
    assert data["equal_rates"][1]["rates"] == [0.6, 1.0]
    # Both files serve as anchors for the metric of their label.
    assert load_curves(tmp_path / "o.csv")[0].points[1].scores[DIFFERENCE] == pytest.approx(
        hard[1]["scores"][DIFFERENCE], abs=1e-5
    )
    assert load_curves(tmp_path / "o.json")[1].points[0].scores == soft[0]["scores"]
    again = run(*arguments, "--anchors", f"{tmp_path / 'o.json'}:pocket deblock 1=Before")
    assert "Before" in again.stdout.split(f"{DIFFERENCE} at equal bpp")[1]


def test_a_metric_that_cannot_be_taken_is_told(pocket, mine, folder: Path, tmp_path: Path, photo) -> None:
    Image.fromarray(photo(40, 50)).save(tmp_path / "small.png")
    result = run(
        tmp_path / "small.png", "--codec", "pocket", "--qualities", "30", "--metric", "mine.difference",
        "--metric", "mine.spread", "--csv", tmp_path / "o.csv",
    )  # fmt: skip
    assert f"{DIFFERENCE} is missing where a picture is too small" in result.stderr
    assert f"{SPREAD} is missing: the pictures are too few" in result.stderr
    assert (tmp_path / "o.csv").read_text().splitlines()[1].endswith(",")


def test_lpips_from_the_command_line(pocket, folder: Path, tmp_path: Path) -> None:
    pytest.importorskip("torch", reason="LPIPS needs torch")
    weights = Path(__file__).resolve().parents[3] / "shared" / "data" / "weights" / "lpips_alex_v01.safetensors"
    if not weights.is_file():
        pytest.skip("the LPIPS weights (../shared/data/weights) are not on this machine")
    arguments = (folder / "im0.png", "--codec", "pocket", "--qualities", "20,70")
    run(*arguments, "--metric", "lpips", "--lpips-weights", weights, "--json", tmp_path / "o.json")
    low, high = json.loads((tmp_path / "o.json").read_text())["curves"]["pocket"]["points"]
    assert 0 < high["scores"]["LPIPS (Alex v0.1)"] < low["scores"]["LPIPS (Alex v0.1)"]


def test_other_weights_beside_a_codecs_own(weighted, folder: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first.safetensors", tmp_path / "second.safetensors"
    for i, path in enumerate((first, second)):
        save_tensors(path, {"x": np.full(3, i, np.float32)}, {"codec": "weighted"})
    arguments = (folder / "im0.png", "--codec", "weighted", "--qualities", "30", "--json", tmp_path / "o.json")
    run(*arguments, "--weights", first, "--weights", f"{second}=Second try", "--weights", "own")
    codecs = json.loads((tmp_path / "o.json").read_text())["codecs"]
    assert list(codecs) == ["weighted first", "Second try", "weighted"]
    assert codecs["Second try"]["weights_sha256"] == sha256_of(second)
    assert codecs["weighted"]["weights_sha256"] == "ab" * 32
    with pytest.raises(UsageError, match="Two points would be called 'weighted first, q30'"):
        run(*arguments, "--weights", first, "--weights", f"{second}=weighted first")
    with pytest.raises(UsageError, match="are for codec 'weighted'; name it with --codec weighted"):
        run(folder / "im0.png", "--codec", "pocket", "--weights", first)
    with pytest.raises(WeightsError, match="no weights 'nowhere'"):
        run(*arguments, "--weights", "nowhere")


FIXED = """
from dataclasses import replace

from codectk.spec.hooks import hookimpl
from codectk.weights.store import sha256_of
from codectk.weights.tensors import load_tensors

class At:
    def __init__(self, inner, quality):
        self._inner, self._quality = inner, quality

    def __getattr__(self, name):
        if name not in ("produces", "needs"):
            raise AttributeError(name)
        return getattr(self._inner, name)

    def __call__(self, x, other, ctx):
        return self._inner(x, other, replace(ctx, knobs={**ctx.knobs, "quality": self._quality}))

class Back(At):
    def __call__(self, latents, ctx):
        return self._inner(latents, replace(ctx, knobs={**ctx.knobs, "quality": self._quality}))

@hookimpl
def codectk_codec(name, device, weights):
    from codectk_pocket import plugin

    built = plugin.codectk_codec("pocket", device)
    quality = 40.0 if weights is None else float(load_tensors(weights)["x"][0])
    used = "cd" * 32 if weights is None else sha256_of(weights)
    analysis, synthesis = At(built.analysis, quality), Back(built.synthesis, quality)
    return replace(built, id=name, post=None, analysis=analysis, synthesis=synthesis, weights_hash=used)
"""
FIXED_CARD = """
api = 1
title = "Fixed"
summary = "A plugin made by a test"
licence = "CC0-1.0"
codec = [{name = "fixed", summary = "One rate", stride = 16}, {name = "fixed.b", summary = "Another", stride = 16}]
"""


@pytest.fixture
def fixed(site, pocket, tmp_path: Path, monkeypatch) -> list[Path]:
    """Codecs without a rate knob, and weights for the first at three rates."""
    monkeypatch.setenv("CODECTK_HOME", str(tmp_path / "home"))
    site.add("fixed", FIXED, card=FIXED_CARD)
    paths = [tmp_path / f"{name}.safetensors" for name in ("low", "middle", "high")]
    for path, quality in zip(paths, (15, 40, 65), strict=True):
        save_tensors(path, {"x": np.array([quality], np.float32)}, {"codec": "fixed"})
    return paths


def test_a_codec_of_one_rate_is_a_point(fixed, folder: Path, tmp_path: Path) -> None:
    out = ("--json", tmp_path / "o.json", "--csv", tmp_path / "o.csv", "--plot", tmp_path / "o.png")
    more = ("--side-by-side", tmp_path / "sheets", "--keep", tmp_path / "kept", "--at-bpp", "0.5")
    result = run(folder, "--codec", "fixed", "--codec", "pocket", "--qualities", "15,40,65", *out, *more)
    data = json.loads((tmp_path / "o.json").read_text())
    (point,) = data["curves"]["fixed"]["points"]
    same = data["curves"]["pocket"]["points"][1]
    assert point["setting"] == "own weights" and "own weights" in result.stdout
    assert point["bpp"] == pytest.approx(same["bpp"], rel=0.05) and point["n"] == 2
    assert {row["quality"] for row in data["rows"] if row["codec"] == "fixed"} == {None}
    assert (tmp_path / "kept" / "fixed" / "im0-own weights.ctk").is_file()
    assert (tmp_path / "sheets" / "fixed-im0-own weights.png").is_file()
    assert [c.points[0].setting for c in load_curves(tmp_path / "o.csv")] == ["own weights", "q15"]
    # A point has no BD-rate, which is said and stops nothing.
    with_bd = run(folder, "--codec", "fixed", "--codec", "pocket", "--qualities", "15,40,65",
                  "--bd-rate-against", "pocket")  # fmt: skip
    assert "A BD-rate needs 3 rising points; fixed has fewer" in with_bd.stderr


def test_weights_of_a_codec_of_one_rate_join_to_a_curve(fixed, folder: Path, tmp_path: Path) -> None:
    low, middle, high = fixed
    arguments = (folder, "--codec", "fixed", "--codec", "pocket", "--qualities", "15,40,65")
    weights = ("--weights", low, "--weights", f"{middle}=half way", "--weights", high)
    result = run(*arguments, *weights, "--bd-rate-against", "pocket", "--json", tmp_path / "o.json")
    data = json.loads((tmp_path / "o.json").read_text())
    points = data["curves"]["fixed"]["points"]
    assert [p["setting"] for p in points] == ["low", "half way", "high"]
    assert points[0]["psnr"] < points[1]["psnr"] < points[2]["psnr"]
    assert data["codecs"]["fixed, half way"]["weights_sha256"] == sha256_of(middle)
    # The same transform at the same steps, so the same curve, except for the deblocking filter of the one.
    rates = {(r["test"], r["anchor"], r["metric"]): r["pchip"] for r in data["bd_rates"]}
    assert set(rates) == {("fixed", "pocket", m) for m in ("psnr", "ms_ssim")}
    assert abs(rates["fixed", "pocket", "psnr"]) < 5 and "BD-rate" in result.stdout
    with pytest.raises(UsageError, match="Two points would be called 'fixed, low'"):
        run(*arguments, "--weights", low, "--weights", f"{middle}=low")


def test_codecs_of_one_rate_join_under_one_name(fixed, folder: Path, tmp_path: Path) -> None:
    run(folder, "--codec", "fixed=Both", "--codec", "fixed.b=Both", "--json", tmp_path / "o.json")
    data = json.loads((tmp_path / "o.json").read_text())
    assert [p["setting"] for p in data["curves"]["Both"]["points"]] == ["fixed", "fixed.b"]
    assert set(data["codecs"]) == {"Both, fixed", "Both, fixed.b"}


def test_anchors_are_chosen_by_name(pocket, folder: Path, tmp_path: Path) -> None:
    anchor = table(tmp_path / "old.csv", "old", [1, 1, 1, 1])
    with anchor.open("a") as file:
        file.writelines(f"other,q{i},im0,1,{0.1 * 2**i},{25 + 3 * i},0.9\n" for i in range(4))
    arguments = (folder / "im0.png", "--codec", "pocket", "--qualities", "10,40,70", "--anchors", anchor)
    assert "other" in run(*arguments).stdout
    chosen = run(*arguments, "--bd-rate-against", "old")
    assert "old" in chosen.stdout and "other" not in chosen.stdout
    with pytest.raises(UsageError, match="There is no anchor 'nothing'; there are: pocket"):
        run(*arguments, "--bd-rate-against", "nothing")


def test_a_codec_of_the_run_is_an_anchor(pocket, folder: Path, tmp_path: Path) -> None:
    arguments = (folder, "--codec", "pocket", "--qualities", "10,40,70", "--decode", "deblock=0,1")
    run(*arguments, "--bd-rate-against", "pocket deblock 0", "--json", tmp_path / "o.json")
    rates = json.loads((tmp_path / "o.json").read_text())["bd_rates"]
    assert {(r["test"], r["anchor"], r["metric"]) for r in rates} == {
        ("pocket deblock 1", "pocket deblock 0", metric) for metric in ("psnr", "ms_ssim")
    }


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
    def optimistic(data: bytes, ready: Codec) -> Probe:
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
        (["--classic", "gif"], UsageError, "no reference encoder 'gif'; there are: jpeg, webp, avif"),
        (["--anchors", "nowhere.csv:x"], UsageError, "no anchor file"),
        (["--knob", "quality=4"], UsageError, "what an evaluation varies"),
        (["--decode", "deblock"], UsageError, "given as --decode NAME=VALUE"),
        (["--decode", "realism=0,1"], UsageError, "No codec of this evaluation has a knob 'realism'"),
        (["--metric", "beauty"], UsageError, "no metric 'beauty'"),
        (["--at-bpp", "low"], UsageError, "Rates are numbers"),
        (["--plot", "out.pdf"], OutputError, "png"),
        (["--json", "no/such/folder/o.json"], OutputError, "There is no folder"),
        (["missing.png"], InputError, "missing.png"),
    ],
)
def test_wrong_arguments_are_one_sentence(pocket, folder: Path, arguments, error, says: str) -> None:
    with pytest.raises(error, match=says):
        run(folder / "im0.png", "--codec", "pocket", *arguments)
