"""The size at which a picture is looked at."""

import pytest

from codectk_sgc.size import working_size


@pytest.mark.parametrize(
    ("given", "worked"),
    [
        ((512, 512), (512, 512)),
        ((3000, 4000), (512, 672)),
        ((512, 768), (512, 768)),
        ((333, 500), (320, 512)),
        ((1, 1), (32, 32)),
        ((100, 2000), (96, 1984)),
        ((600, 600), (512, 512)),
    ],
)
def test_larger_pictures_are_reduced(given: tuple[int, int], worked: tuple[int, int]):
    assert working_size(*given) == worked
    assert working_size(*given[::-1]) == worked[::-1]
    assert working_size(*worked) == worked, "the working size is its own"
