"""codectk train and codectk export, as far as they are words; runs are tested in tests/train."""

from __future__ import annotations

import os
import signal
import threading
import time
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("torch", reason="training needs torch")
pytest.importorskip("codectk_segpic", reason="these tests train a tiny SegPIC")

from codectk.cli import train
from codectk.train.checkpoint import load_checkpoint
from codectk.train.log import read_log
from codectk.weights.manifest import parse_manifest

RECIPE = """
codec.options = { mid = [16, 16], latent = 32, hyper = 8, heads = 2, tail = 8, slices = [32], hyper_features = 16 }
data = { crop = 64, batch = 2, min_side = 32 }
optim = { steps = 2 }
run = { log_every = 1 }
"""


@pytest.fixture
def work(folder: Path) -> Path:
    """The working folder with a recipe and a picture that is large enough."""
    from PIL import Image

    with Image.open("a.png") as image:
        image.resize((128, 96)).save("large.png")
    Path("r.toml").write_text(RECIPE)
    return folder


@pytest.mark.parametrize(
    ("args", "paths", "rest"),
    [
        (("r", "--data", "a", "b", "--validate", "v", "w", "-o", "x"), ("a", "b"), "x"),
        (("r", "--data", "a", "b", "-o", "x"), ("a", "b"), "x"),
        (("--data", "a", "-o", "x", "r", "--data=b"), ("a", "b"), "x"),
        (("r", "-o", "x", "--data", "a", "--data", "b", "c"), ("a", "b", "c"), "x"),
    ],
)
def test_data_takes_many_words(args: tuple[str, ...], paths: tuple[str, ...], rest: str):
    with train.command.make_context("train", list(args)) as ctx:
        assert ctx.params["kept_out"] == (("v", "w") if "--validate" in args else ())
        assert ctx.params["paths"] == paths and ctx.params["folder"] == rest and ctx.params["recipe"] == "r"


@pytest.mark.parametrize(
    ("args", "code", "words"),
    [
        (("-o", "x"), 2, "Give a RECIPE.toml to train by, or --resume, or --plot"),
        (("r.toml", "-o", "x"), 2, "Training needs --data PATH"),
        (("r.toml", "-o", "x", "--data"), 2, "Option '--data' requires an argument"),
        (("r.toml", "--data", "a.png"), 2, "Missing option '-o' / '--output'"),
        (("none.toml", "-o", "x", "--data", "a.png"), 1, "Cannot read none.toml"),
        (("r.toml", "-o", "x", "--data", "a.png", "--set", "data.crap=1"), 2, "unknown key 'crap'"),
        (("r.toml", "-o", "x", "--data", "nowhere"), 1, "There is no training data at "),
        (("r.toml", "-o", "x", "--data", "c.png"), 1, "No training picture can be read"),
        (("-o", "x", "--resume", "--data", "a.png"), 1, "There is no checkpoint at x/checkpoint.pt"),
        (("-o", "x", "--plot"), 1, "Cannot read the training log x/log.jsonl"),
    ],
)
def test_what_is_wrong_is_one_line(run, work: Path, args: tuple[str, ...], code: int, words: str):
    result = run("train", *args)
    assert result.code == code and words in result.err and result.out == ""
    assert result.err.count("\n") == 1


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_a_checkpoint_and_says_so(run, work: Path, number: signal.Signals):
    before = signal.getsignal(number)
    log = Path("x/log.jsonl")

    def send() -> None:
        """As soon as a step is logged; by then the run must have taken over the signal."""
        while not (log.exists() and log.stat().st_size):
            time.sleep(0.01)
        if signal.getsignal(number) != before:
            os.kill(os.getpid(), number)

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    result = run("train", "r.toml", "--data", "large.png", "-o", "x", "--set", "optim.steps=60")
    sender.join()
    step = load_checkpoint(Path("x/checkpoint.pt"))["step"]
    assert 1 <= step < 60 and len(read_log(log)) == step
    assert (result.code, result.out) == (128 + number, "")
    assert result.err == f"codectk: interrupted: x/checkpoint.pt holds step {step} of 60; go on with --resume.\n"
    assert signal.getsignal(number) == before


def test_one_line_starts_a_run_and_goes_on_with_it(run, work: Path):
    line = ("train", "r.toml", "--data", "large.png", "--validate", "large.png", "-o", "x", "--resume")
    result = run(*line, "--set", "validation.every=1", "--set", "validation.qualities=[40]")
    assert result.code == 0
    assert result.err == "codectk: note: There is no checkpoint at x/checkpoint.pt yet: the run starts.\n"
    result = run(*line, "--set", "optim.steps=3", "--set", "validation.every=1", "--set", "validation.qualities=[40]")
    assert (result.code, result.out) == (0, "x/checkpoint.pt holds step 3 of 3.\n")
    # Whatever is left out then is as before, whichever folder one is in.
    Path("elsewhere").mkdir()
    os.chdir("elsewhere")
    result = run("train", "--resume", "-o", "../x", "--set", "optim.steps=4")
    assert result.code == 0 and "optim.steps" in result.err
    result = run("train", "../r.toml", "--resume", "-o", "../x", "--set", "optim.steps=5")
    assert (result.code, result.out) == (0, "../x/checkpoint.pt holds step 5 of 5.\n")
    rated = [record["step"] for record in read_log(Path("../x/log.jsonl")) if "val_loss" in record]
    assert rated == [1, 2, 3, 4, 5]


def test_a_curve_is_no_training_picture(run, work: Path):
    line = ("train", "r.toml", "--data", ".", "-o", "runs/x", "--resume")
    refused = run(*line, "--plot")
    assert refused.code == 2 and "'runs/x/curve.png' lies in" in refused.err
    assert "would be taken for a picture there" in refused.err and not Path("runs/x/log.jsonl").exists()
    assert run(*line).code == 0
    assert run("train", "--plot", "-o", "runs/x").code == 0
    assert run(*line).code == 2
    apart = run("train", "r.toml", "--data", "large.png", "--validate", ".", "-o", "runs/x", "--plot")
    assert apart.code == 2 and "would be taken" in apart.err


def test_train_resume_plot_and_export(run, work: Path):
    result = run("train", "r.toml", "--data", "large.png", "a.png", "-o", "x")
    assert (result.code, result.out) == (0, "x/checkpoint.pt holds step 2 of 2.\n")
    assert result.err == "codectk: note: 1 pictures are smaller than 64 pixels and are left out.\n"

    result = run("train", "r.toml", "--data", "large.png", "-o", "x")
    assert result.code == 2 and "pass --resume" in result.err

    # Without a recipe and data, those of the checkpoint hold.
    result = run("train", "--resume", "-o", "x", "--set", "optim.steps=3")
    assert (result.code, result.out) == (0, "x/checkpoint.pt holds step 3 of 3.\n")
    assert result.err == (
        "codectk: note: 1 pictures are smaller than 64 pixels and are left out.\n"
        "codectk: note: The recipe differs from the checkpoint's in optim.steps.\n"
    )

    result = run("train", "--plot", "-o", "x")
    assert (result.code, result.out) == (0, "x/log.jsonl -> x/curve.png\n")
    assert Path("x/curve.png").read_bytes().startswith(b"\x89PNG")

    result = run("export", "x/checkpoint.pt", "-o", "w.safetensors", "--licence", "CC0-1.0")
    assert result.code == 0
    (entry,) = parse_manifest(result.out, "the output")
    assert entry.name == "w" and entry.bytes == Path("w.safetensors").stat().st_size
    assert f"step 3 (moving average), {entry.bytes:,} bytes, sha256 {entry.sha256}" in result.err

    result = run("export", "x/checkpoint.pt", "-o", "w.safetensors", "--raw")
    assert result.code == 0 and "step 3 (as trained)" in result.err
    # A licence has to be filled in before a manifest takes the entry.
    assert tomllib.loads(result.out)["weights"][0]["licence"] == ""


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (("none.pt", "-o", "w.safetensors"), "There is no checkpoint at none.pt"),
        (("a.png", "-o", "w.safetensors"), "a.png is refused: it is no checkpoint"),
        (("none.pt", "-o", "w.pt"), "'w.pt' ends in none of .safetensors, .ctkb and .graphs"),
    ],
)
def test_what_cannot_be_exported(run, work: Path, args: tuple[str, ...], words: str):
    result = run("export", *args)
    assert result.code == 1 and words in result.err and result.err.count("\n") == 1
