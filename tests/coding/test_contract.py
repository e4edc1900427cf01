"""What the coder refuses from the programs that call it."""

from __future__ import annotations

import numpy as np
import pytest

from codectk.base.errors import ContractError, ParameterMismatchError
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk.coding.tables import Tables

TABLES = Tables.from_counts([np.ones(5, int)] * 3, [-2] * 3)
ANY_CODER = pytest.mark.parametrize("coder", [Encoder, Meter])


@ANY_CODER
@pytest.mark.parametrize(
    ("index", "symbols", "tables"),
    [
        (3, np.zeros(2, int), TABLES),
        (-1, np.zeros(2, int), TABLES),
        (np.zeros(3, int), np.zeros(2, int), TABLES),
        (np.zeros((2, 2), int), np.zeros(2, int), TABLES),
        (0.0, np.zeros(2, int), TABLES),
        (np.zeros(2), np.zeros(2, int), TABLES),
        (True, np.zeros(2, int), TABLES),
        (0, np.zeros(2), TABLES),
        (0, np.zeros(2, bool), TABLES),
        (0, [0, 0], TABLES),
        (0, None, TABLES),
        (0, np.array([2**30 + 1]), TABLES),
        (0, np.array([-(2**30) - 1]), TABLES),
        (0, np.array([2**63], np.uint64), TABLES),
        (0, np.zeros(2, int), None),
    ],
)
def test_wrong_arguments_to_encode(
    coder: type[Encoder | Meter], index: object, symbols: object, tables: object
) -> None:
    with pytest.raises(ContractError):
        coder().code(index, symbols, tables)


@ANY_CODER
@pytest.mark.parametrize(
    ("value", "bits"), [(2, 1), (-1, 8), (0, 0), (0, 33), (2**32, 32), (1.0, 4), (1, 4.0), (None, 4)]
)
def test_wrong_raw_arguments_to_encode(coder: type[Encoder | Meter], value: object, bits: object) -> None:
    with pytest.raises(ContractError):
        coder().raw(value, bits)  # type: ignore[arg-type]


def test_wrong_arguments_to_decode() -> None:
    encoder = Encoder()
    encoder.raw(5, 3)
    decoder = Decoder(encoder.finish())
    for index, symbols, tables in [(np.zeros(2), None, TABLES), (0, np.zeros(1, int), TABLES), (0, None, {})]:
        with pytest.raises(ContractError):
            decoder.code(index, symbols, tables)
    # An index that an encoder would have refused was computed from wrong symbols: not the plugin's contract.
    with pytest.raises(ParameterMismatchError):
        decoder.code(np.array([3]), None, TABLES)
    for value, bits in [(5, 3), (None, 0), (None, 33)]:
        with pytest.raises(ContractError):
            decoder.raw(value, bits)
    assert decoder.raw(None, 3) == 5
    decoder.finish()
