"""Recipes: what is read, what is refused, and in which words."""

from __future__ import annotations

from pathlib import Path

import pytest

from codectk.base.errors import InputError, UsageError
from codectk.train.settings import DataSection, OptimSection, Recipe, differences, from_dict, load_recipe

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.toml")), ids=lambda path: path.stem)
def test_recipes_of_this_repository_are_right(path: Path):
    recipe = load_recipe(path)
    assert recipe.graph is not None or recipe.codec.options["config"] == "small"


def test_what_is_not_named_is_default():
    recipe = from_dict({"data": {"crop": 64}})
    assert recipe.data == DataSection(crop=64) and recipe.optim == OptimSection()
    assert from_dict({}) == Recipe()


def test_a_recipe_survives_its_checkpoint():
    recipe = from_dict({"codec": {"name": "a", "options": {"mid": [1, 2], "deep": {"x": 1}}}, "optim": {"lr": 1}})
    assert from_dict(recipe.as_dict()) == recipe
    assert recipe.optim.lr == 1.0 and isinstance(recipe.optim.lr, float)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (
            {"dat": {}},
            r"The recipe: unknown section \[dat\]; "
            r"sections are codec, data, loss, optim, stage, discriminator, validation, run\.",
        ),
        (
            {"data": {"crops": 1}},
            r"\[data\]: unknown key 'crops'; "
            r"keys are paths, crop, batch, min_side, scale_min, mirror, transpose, labels, shares\.",
        ),
        ({"data": 3}, r"\[data\] must be a table, not 3\."),
        ({"data": {"crop": 64.0}}, r"'crop' must be int, not 64\.0\."),
        ({"data": {"crop": True}}, r"'crop' must be int, not True\."),
        ({"data": {"crop": 0}}, r"'crop' must be at least 1, not 0\."),
        ({"data": {"scale_min": 1.5}}, r"'scale_min' must be between 0\.01 and 1\.0, not 1\.5\."),
        ({"optim": {"lr": "fast"}}, r"'lr' must be float, not 'fast'\."),
        ({"optim": {"lr": float("nan")}}, r"'lr' must be at least 0\.0, not nan\."),
        ({"optim": {"lr": float("inf")}}, r"'lr' must be at least"),
        ({"optim": {"precision": "float16"}}, r"'precision' must be one of float32, bfloat16, not 'float16'\."),
        ({"codec": {"options": "small"}}, r"'options' must be table, not 'small'\."),
        ({"run": {"deterministic": 1}}, r"'deterministic' must be bool, not 1\."),
        ({"stage": {"train": "post"}}, r"\[stage\]: 'train' must be list, not 'post'\."),
        ({"stage": {"train": ["post", 3]}}, r"'train' may only hold str, not 3\."),
        ({"stage": {"copy": {"post": {"head": "a"}}}}, r"'copy' may only hold str, not \{'head': 'a'\}\."),
        ({"stage": {"knobs": {"realism": "no"}}}, r"'knobs' may only hold float or int, not 'no'\."),
        ({"stage": {"knobs": {"realism": True}}}, r"'knobs' may only hold float or int, not True\."),
        ({"stage": {"objective": "gan"}}, r"'objective' must be one of codec, discriminator, lesson, not 'gan'\."),
        ({"discriminator": {"weight": -1}}, r"'weight' must be at least 0\.0, not -1\.0\."),
        ({"run": {"log_every": 0}}, r"'log_every' must be at least 1"),
    ],
)
def test_what_is_wrong_is_named(data: dict[str, object], words: str):
    with pytest.raises(UsageError, match=words):
        from_dict(data)


def test_overrides(recipe_file: Path):
    overrides = ["optim.lr=1e-3", "codec.name=egic", "codec.options.mid=[8, 8]", "codec.options.new.deep = true"]
    recipe = load_recipe(recipe_file, overrides)
    assert recipe.optim.lr == 1e-3 and recipe.codec.name == "egic"
    assert recipe.codec.options["mid"] == [8, 8] and recipe.codec.options["new"] == {"deep": True}
    assert recipe.codec.options["latent"] == 32 and recipe.data.crop == 64


def test_overrides_of_a_stage():
    overrides = ['stage.train=["synthesis"]', 'stage.copy={"post.head"="synthesis.last"}', "stage.knobs.realism=0"]
    stage = from_dict({}, overrides=[*overrides, "stage.start=a/b.pt"]).stage
    assert (stage.start, stage.train, stage.copy) == ("a/b.pt", ["synthesis"], {"post.head": "synthesis.last"})
    assert stage.knobs == {"realism": 0} and stage.objective == "codec"


def test_overrides_leave_their_source_alone():
    data = {"codec": {"options": {"mid": [1]}}}
    assert from_dict(data, overrides=["codec.options.mid=[2]", "data.crop=64"]).codec.options == {"mid": [2]}
    assert data == {"codec": {"options": {"mid": [1]}}}


@pytest.mark.parametrize(
    ("override", "words"),
    [
        ("data.crop", r"An override is given as --set section\.key=value, not 'data\.crop'\."),
        ("crop=64", r"--set section\.key=value, not 'crop=64'"),
        ("data.=64", r"--set section\.key=value"),
        ("data.crop.side=64", r"--set data\.crop\.side=64: 'crop' is a value, not a table\."),
        ("data.crop=big", r"\[data\]: 'crop' must be int, not 'big'\."),
        ("dato.crop=64", r"unknown section \[dato\]"),
    ],
)
def test_bad_overrides(recipe_file: Path, override: str, words: str):
    with pytest.raises(UsageError, match=words):
        load_recipe(recipe_file, [override])


def test_files_that_are_no_recipes(tmp_path: Path):
    with pytest.raises(InputError, match=r"Cannot read .*: No such file"):
        load_recipe(tmp_path / "none.toml")
    (tmp_path / "bad.toml").write_text("[data\n")
    with pytest.raises(InputError, match=r"bad\.toml:1 is not valid TOML"):
        load_recipe(tmp_path / "bad.toml")
    (tmp_path / "bytes.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="is not valid TOML"):
        load_recipe(tmp_path / "bytes.toml")


def test_differences():
    left = from_dict({"data": {"crop": 64}, "codec": {"options": {"a": 1}}})
    assert differences(left, left) == []
    assert differences(left, Recipe()) == ["codec.options", "data.crop"]
