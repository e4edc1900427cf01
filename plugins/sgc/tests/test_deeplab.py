"""DeepLab v2 agrees with a plain computation on weights of the published structure."""

import pytest
import torch

from codectk.base.errors import UsageError
from codectk.base.types import Context
from codectk_sgc.encoder.analysis import Analysis
from codectk_sgc.encoder.deeplab import LONGER, DeepLabV2
from codectk_sgc.labels.names import COCO_STUFF
from codectk_sgc.network import build

CLASSES, WIDTH, BLOCKS = 9, 4, (1, 2, 2, 1)


def loaded(state: dict[str, torch.Tensor], classes: int = CLASSES) -> DeepLabV2:
    network = DeepLabV2(classes, WIDTH, BLOCKS)
    network.load_state_dict({name.removeprefix("base."): value for name, value in state.items()})
    return network.eval()


@pytest.fixture
def state(deeplab_reference) -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    return deeplab_reference.deeplab_checkpoint(CLASSES, WIDTH, BLOCKS)


def test_it_has_the_published_number_of_parameters():
    with torch.device("meta"):
        network = DeepLabV2(182)
    assert sum(parameter.numel() for parameter in network.parameters()) == 55_919_384  # 55.9 million


@pytest.mark.parametrize("size", [(513, 50), (37, 513)])
def test_logits_are_those_of_a_plain_computation(deeplab_reference, state, size):
    pixels = torch.rand(1, 3, *size, dtype=torch.float64)
    state = {name: value.double() if value.is_floating_point() else value for name, value in state.items()}
    with torch.no_grad():
        ours = loaded(state).double()(pixels)
        wanted = deeplab_reference.DeepLab(state, BLOCKS).logits(255 * pixels)
        swapped = deeplab_reference.DeepLab(state, BLOCKS).logits(255 * pixels.flip(1))
    assert ours.shape == (1, CLASSES, *size) and wanted.std() > 0.1
    torch.testing.assert_close(ours, wanted, atol=1e-9, rtol=0)
    assert (ours - swapped).abs().max() > 1e-3, "red and blue are not the same"


def test_pictures_are_brought_to_513_pixels(state):
    network = loaded(state)
    seen = []
    network.coarse = lambda x: seen.append(tuple(x.shape[-2:])) or torch.zeros(1, CLASSES, 2, 2)  # type: ignore
    for size in ((512, 768), (64, 32), (16, 4000), (1, 1)):
        assert network(torch.rand(1, 3, *size)).shape[-2:] == size
    assert seen == [
        (342, 513), (256, 384), (171, 256),
        (513, 256), (384, 192), (256, 128),
        (2, 513), (1, 384), (1, 256),
        (513, 513), (384, 384), (256, 256),
    ]  # fmt: skip
    assert max(max(size) for size in seen) == LONGER


@pytest.mark.parametrize(("number", "name"), [(154, "sea"), (156, "sky-other"), (168, "tree")])
def test_output_channels_are_labels_without_a_shift(deeplab_reference, number, name):
    torch.manual_seed(0)
    state = deeplab_reference.deeplab_checkpoint(182, WIDTH, BLOCKS)
    for part in range(4):
        state[f"base.aspp.c{part}.weight"] *= 0.01
    state["base.aspp.c2.bias"][number] = 5
    analysis = Analysis(build_config()).eval()
    analysis.segmenter.load_state_dict(loaded(state, 182).state_dict())
    maps = analysis(torch.rand(1, 3, 64, 64), None, Context(64, 64))
    assert {COCO_STUFF[label] for label in maps["labels"].ravel()} == {name}


def build_config():
    tiny = {"widths": (8, 16), "groups": 4, "vq_widths": (8, 8, 8), "vq_groups": 4, "codes": 8}
    return build({"config": "full", **tiny, "seg_width": WIDTH, "seg_blocks": BLOCKS}).config


def test_another_segmenter_is_refused():
    with pytest.raises(UsageError, match="no segmenter 'sam'; it has aspp, deeplab_v2"):
        build({"segmenter": "sam"})
