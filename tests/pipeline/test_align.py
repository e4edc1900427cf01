"""Pictures that a codec frames itself, and pictures it was not made for."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from codectk import api
from codectk.base.errors import CodectkWarning, ContractError, DomainError, DomainWarning, InputError, UsageError
from codectk.base.types import Picture
from codectk.eval.codecs import CtkCodec
from codectk.graph import wire
from codectk.pipeline.encode import Encoding
from codectk.pipeline.load import load
from codectk.testing import pictures

SCENE = np.maximum(pictures.scene(40, 56), 20)
FRAMED = np.pad(SCENE, [(7, 3), (2, 9), (0, 0)])
NIGHT = np.full((40, 56, 3), 18, np.uint8)


def test_a_picture_is_framed_before_all_else(onion):
    data = api.encode(FRAMED, "onion")
    assert data == api.encode(SCENE, "onion") == api.encode(SCENE, "onion", aligned=True)
    assert (api.info(data).width, api.info(data).height) == (56, 40)


def test_a_framed_picture_is_left_alone(onion):
    info = api.info(api.encode(FRAMED, "onion", aligned=True))
    assert (info.width, info.height) == (67, 50)


def test_targets_are_of_the_framed_picture(onion):
    data = api.encode(FRAMED, "onion", target_bpp=3.0)
    assert data == api.encode(SCENE, "onion", target_bytes=3.0 * 40 * 56 / 8)


def test_nothing_to_frame(onion):
    with pytest.raises(InputError, match="nothing but black"):
        api.encode(np.zeros((8, 8, 3), np.uint8), "onion")
    with pytest.warns(DomainWarning):
        api.encode(np.zeros((8, 8, 3), np.uint8), "onion", aligned=True)


def test_codecs_that_frame_nothing(pocket):
    with pytest.raises(UsageError, match="no alignment to skip"):
        api.encode(SCENE, "pocket", aligned=True)


def test_alpha_cannot_follow(onion):
    image = Image.fromarray(np.dstack([FRAMED, np.full(FRAMED.shape[:2], 99, np.uint8)]), "RGBA")
    with pytest.warns(CodectkWarning, match="alpha was dropped"):
        data = api.encode(image, "onion")
    assert api.decode(data).mode == "RGB"
    assert api.decode(api.encode(image, "onion", aligned=True)).mode == "RGBA"


def test_a_picture_that_needs_no_framing_keeps_its_alpha(onion):
    ready = load("onion")
    same = replace(ready, stages=replace(ready.stages, align=lambda pixels: pixels))
    picture = Picture(SCENE, alpha=np.full(SCENE.shape[:2], 99, np.uint8))
    assert Encoding(same, picture).picture is picture


@pytest.mark.parametrize(
    "align", [lambda p: p[..., 0], lambda p: p / 255, lambda p: None, lambda p: np.dstack([p, p[..., :1]])]
)
def test_an_alignment_that_makes_no_picture(onion, align):
    ready = load("onion")
    broken = replace(ready, stages=replace(ready.stages, align=align))
    with pytest.raises(ContractError, match="something else than uint8"):
        Encoding(broken, Picture(SCENE))


def test_evaluations_compare_pictures_as_they_are(onion):
    assert api.info(CtkCodec("onion").encode(Picture(FRAMED), 50)).width == 67
    assert api.info(CtkCodec("onion", ready=load("onion")).encode(Picture(FRAMED), 50)).width == 67


# The domain


def test_a_picture_outside_the_domain_is_told_or_refused(onion):
    with pytest.warns(DomainWarning, match="made for the night with a mean of 18"):
        data = api.encode(NIGHT, "onion")
    assert api.decode(data).size == (56, 40)
    with pytest.raises(DomainError, match="made for the night"):
        api.encode(NIGHT, "onion", strict_domain=True)


def test_a_picture_inside_the_domain(onion):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert api.encode(SCENE, "onion", strict_domain=True) == api.encode(SCENE, "onion")


def test_it_is_judged_once_in_a_search(onion):
    with pytest.warns(DomainWarning) as caught:
        api.encode(NIGHT, "onion", target_bytes=120)
    assert len(caught) == 1


def test_codecs_that_cannot_judge(pocket):
    with pytest.raises(UsageError, match="cannot tell"):
        api.encode(SCENE, "pocket", strict_domain=True)


@pytest.mark.parametrize("said", ["", " ", True, 3])
def test_a_judgement_that_is_no_sentence(onion, said):
    ready = load("onion")

    class Judge(type(ready.stages.analysis)):  # type: ignore[misc]
        def outside(self, prepared, ctx):
            return said

    with pytest.raises(ContractError, match="not a sentence"):
        Encoding(replace(ready, stages=replace(ready.stages, analysis=Judge())), Picture(SCENE))


def test_wiring_checks_the_contract(onion):
    codec = load("onion").stages

    class Whole:
        produces = codec.analysis.produces

        def __call__(self, x, condition, ctx):
            return codec.analysis(x, condition, ctx)

        def outside(self, prepared, ctx):
            return None

    with pytest.raises(ContractError, match="outside without prepare"):
        wire.check(replace(codec, analysis=Whole()))
    with pytest.raises(ContractError, match="The align of codec 'onion' has no method __call__"):
        wire.check(replace(codec, align=3))  # type: ignore[arg-type]
