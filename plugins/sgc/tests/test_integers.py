import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from codectk.base.errors import WeightsError
from codectk_sgc.integers import FIRST_BITS, MAX_HIDDEN, MAX_INPUT, MAX_WIDTH, SECOND_BITS, IntegerNet, quantized

pytestmark = pytest.mark.portable


def layers(inputs: int, hidden: int, outputs: int, draw) -> dict[str, np.ndarray]:
    shapes = {"w1": (inputs, hidden), "b1": (hidden,), "w2": (hidden, outputs), "b2": (outputs,)}
    return {f"n.{name}": draw(shape).astype(np.int32) for name, shape in shapes.items()}


def by_hand(arrays: dict[str, np.ndarray], x: np.ndarray) -> np.ndarray:
    w1, b1, w2, b2 = (arrays[f"n.{part}"].astype(object) for part in ("w1", "b1", "w2", "b2"))
    hidden = np.minimum(np.maximum(x.astype(object) @ w1 + b1, 0), MAX_HIDDEN)
    return (hidden @ w2 + b2) >> (FIRST_BITS + SECOND_BITS)


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 9), st.integers(1, 3))
def test_it_computes_what_unbounded_integers_give(seed: int, inputs: int, hidden: int, outputs: int):
    rng = np.random.default_rng(seed)
    arrays = layers(inputs, hidden, outputs, lambda shape: rng.integers(-(2**31), 2**31, shape))
    x = rng.integers(-MAX_INPUT, MAX_INPUT + 1, (7, inputs))
    assert np.array_equal(IntegerNet(arrays, "n.")(x), by_hand(arrays, x))


@pytest.mark.parametrize("weight", [2**31 - 1, -(2**31)])
def test_the_largest_weights_do_not_overflow(weight: int):
    arrays = layers(MAX_WIDTH, MAX_WIDTH, 1, lambda shape: np.full(shape, weight))
    x = np.full((1, MAX_WIDTH), MAX_INPUT if weight > 0 else -MAX_INPUT)
    assert np.array_equal(IntegerNet(arrays, "n.")(x), by_hand(arrays, x))


def test_float_layers_keep_their_meaning():
    rng = np.random.default_rng(1)
    float_layers = {"w1": rng.normal(size=(5, 8)), "b1": rng.normal(size=8),
                    "w2": 100 * rng.normal(size=(8, 2)), "b2": 100 * rng.normal(size=2)}  # fmt: skip
    x = rng.integers(-20, 21, (50, 5))
    wanted = np.maximum(x @ float_layers["w1"] + float_layers["b1"], 0) @ float_layers["w2"] + float_layers["b2"]
    assert np.abs(IntegerNet(quantized(float_layers, "n."), "n.")(x) - wanted).max() < 2


def test_bad_arrays_are_refused():
    arrays = layers(3, 4, 1, lambda shape: np.ones(shape))
    with pytest.raises(WeightsError, match=r"lacks the array n\.b1"):
        IntegerNet({name: array for name, array in arrays.items() if name != "n.b1"}, "n.")
    for name, bad in (
        ("n.w2", np.ones((5, 1), np.int32)),
        ("n.b2", np.ones(1, np.float32)),
        ("n.w1", np.ones(4, np.int32)),
    ):
        with pytest.raises(WeightsError, match="int32 layers"):
            IntegerNet({**arrays, name: bad}, "n.")
    with pytest.raises(WeightsError, match="too large"):
        quantized({"w1": np.full((1, 1), 1e6), "b1": np.zeros(1), "w2": np.zeros((1, 1)), "b2": np.zeros(1)}, "n.")
