import numpy as np
import pytest

from codectk.base.errors import ContractError
from codectk_sgc.labels.names import COCO_STUFF, histogram


def test_classes_have_their_published_numbers():
    assert len(COCO_STUFF) == len(set(COCO_STUFF)) == 182
    for number, name in {
        0: "person",
        90: "hair brush",
        91: "banner",
        154: "sea",
        156: "sky-other",
        168: "tree",
        181: "wood",
    }.items():
        assert COCO_STUFF[number] == name


def test_shares_by_name_come_largest_first():
    labels = np.array([[156, 156, 156, 154], [154, 154, 156, 0]])
    shares = histogram({"labels": labels, "colors": np.zeros(3)}, COCO_STUFF)
    assert list(shares.items()) == [("sky-other", 0.5), ("sea", 0.375), ("person", 0.125)]


@pytest.mark.parametrize(
    "latents", [{}, {"labels": np.zeros((0, 0), int)}, {"labels": np.array([3])}, {"labels": np.array([-1])}]
)
def test_labels_without_a_name_are_refused(latents: dict):
    with pytest.raises(ContractError):
        histogram(latents, ("void", "sky", "sea"))
