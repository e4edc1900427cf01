import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from codectk_sgc.wavefront import MARGIN, NEIGHBORS, OUTSIDE, Field

SIZES = st.integers(1, 40)


@given(SIZES, SIZES)
def test_every_cell_comes_once_and_after_all_its_neighbors(height: int, width: int):
    field = Field(height, width)
    steps = field.steps(NEIGHBORS)
    inside = np.zeros(field.cells.shape, bool)
    inside.reshape(-1, field.pitch)[MARGIN:-MARGIN, MARGIN:-MARGIN] = True
    done = np.zeros_like(inside)
    for line in field.lines():
        near = line[:, None] + steps
        assert (done[near] == inside[near]).all()
        assert not done[line].any() and inside[line].all()
        done[line] = True
    assert np.array_equal(done, inside)


def test_neighbors_are_where_they_say():
    field = Field(5, 6)
    field.inner[...] = np.arange(30).reshape(5, 6)
    center = (2 + MARGIN) * field.pitch + 3 + MARGIN
    assert field.cells[center] == 15
    near = field.cells[center + field.steps(NEIGHBORS[:8])]
    assert near.tolist() == [14, 9, 10, 8, 13, 3, 4, 7]
    assert field.cells[center + field.steps([(-3, 0)])] == OUTSIDE
