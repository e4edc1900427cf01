"""What the card promises can be had by name, and both maps go through one stream."""

import numpy as np
import pytest

from codectk.base.errors import UsageError
from codectk.plugins import manager
from codectk.plugins.discover import discover
from codectk_sgc.colors.quantize import LEVELS
from codectk_sgc.plugin import CODERS


def test_the_card_lists_the_coders():
    (plugin,) = (found for found in discover() if found.name == "sgc")
    assert [one.id for one in plugin.card.components if one.kind == "entropy_model"] == list(CODERS)


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
    "options", [{"classes": 0}, {"classes": 256}, {"classes": True}, {"classes": "x"}, {"depth": 3}]
)
def test_other_options_are_refused(options: dict):
    with pytest.raises(UsageError, match=r"sgc\.label_coder"):
        manager.component("entropy_model", "sgc.label_coder", options)


def test_the_color_coder_has_no_options():
    with pytest.raises(UsageError, match="it has none"):
        manager.component("entropy_model", "sgc.color_coder", {"classes": 3})
