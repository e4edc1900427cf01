"""What the card promises can be had by name, and both maps go through one stream."""

import numpy as np
import pytest

from codectk.base.errors import UsageError
from codectk.plugins import manager
from codectk.plugins.discover import discover
from codectk_sgc.colors.quantize import LEVELS
from codectk_sgc.plugin import TABLE1


def test_all_that_the_card_lists_can_be_built():
    (plugin,) = (found for found in discover() if found.name == "sgc")
    assert {one.id for one in plugin.card.components if not (one.part or one.factory)} == set(TABLE1)
    for one in plugin.card.components:
        if one.id not in TABLE1:
            assert manager.component(one.kind, one.id) is not None


def test_both_maps_in_one_stream(through, outdoors):
    model = manager.component("entropy_model", "sgc.semantic_coder")
    assert [(spec.name, spec.stride, spec.kind) for spec in model.gives] == [
        ("labels", 16, "labels"),
        ("colors", 32, "bytes"),
    ]
    colors = np.random.default_rng(2).integers(0, LEVELS, (16, 16, 3))
    latents, _ = through(model, {"labels": outdoors[0], "colors": colors}, 512, 512)
    assert np.array_equal(latents["labels"], outdoors[0]) and np.array_equal(latents["colors"], colors)


def test_the_number_of_classes_is_an_option(through):
    model = manager.component("entropy_model", "sgc.label_coder", {"classes": 3})
    labels = np.array([[2, 2, 1]])
    assert np.array_equal(through(model, {"labels": labels}, 16, 48)[0]["labels"], labels)


@pytest.mark.parametrize(
    "options", [{"classes": 0}, {"classes": 256}, {"classes": True}, {"classes": "x"}, {"depth": 3}, {"reduced": 1}]
)
def test_other_options_are_refused(options: dict):
    with pytest.raises(UsageError, match=r"sgc\.label_coder"):
        manager.component("entropy_model", "sgc.label_coder", options)


def test_the_color_coder_has_no_classes():
    with pytest.raises(UsageError, match="it has reduced"):
        manager.component("entropy_model", "sgc.color_coder", {"classes": 3})


def test_reduced_coders_code_maps_of_the_working_size(through):
    model = manager.component("entropy_model", "sgc.color_coder", {"reduced": True})
    assert [spec.stride for spec in model.gives] == [None]
    colors = np.full((16, 21, 3), 7)  # of 512 x 672 pixels
    assert np.array_equal(through(model, {"colors": colors}, 3000, 4000)[0]["colors"], colors)
