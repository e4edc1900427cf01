"""The table of presets beside CompressAI's zoo."""

from __future__ import annotations

import pytest

pytest.importorskip("compressai", reason="CompressAI is not installed here; `make test-compressai` runs these tests")

from compressai.zoo import image, image_models, image_vbr

from codectk_compressai.library import model_class, owner, published
from codectk_compressai.presets import ARCHITECTURES, PRESETS


def test_every_image_model_of_the_zoo_is_here():
    assert list(ARCHITECTURES) == list(image_models)
    for name, known in ARCHITECTURES.items():
        assert list(image.cfgs.get(name, {})) == list(range(1, known.qualities + 1))
        assert (name in image_vbr.cfgs) == (known.qualities == 0)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_strides(architecture: str):
    small = (16,) if "cheng" in architecture else (16, 24)
    assert model_class(architecture)(*small).downsampling_factor == ARCHITECTURES[architecture].stride


def test_every_published_checkpoint_has_its_codec():
    urls = {url for known in image.model_urls.values() for metric in known.values() for url in metric.values()}
    urls |= {url for known in image_vbr.model_urls.values() for url in known.values()}
    found = {name: published(preset) for name, preset in PRESETS.items()}
    assert {weights.url for weights in found.values() if weights} == urls
    assert {name: weights is not None for name, weights in found.items()} == {
        name: preset.published for name, preset in PRESETS.items()
    }
    weights = found["compressai.mbt2018-mean-q4"]
    assert weights.file == f"mbt2018-mean-4-{weights.sha256}.pth.tar" and len(weights.sha256) == 8
    assert owner(weights.sha256.ljust(64, "0")) == "compressai.mbt2018-mean-q4"
    assert owner("0" * 64) is None
