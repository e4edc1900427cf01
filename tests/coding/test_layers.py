"""Layers: each a payload of its own, any number of them from the base on enough, in every reading."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codectk.base.errors import BitstreamError, ContractError, MismatchError, ParameterMismatchError, TruncatedError
from codectk.coding.coder import Decoder, Encoder, Meter
from codectk.coding.tables import Tables
from codectk.spec.stages import SymbolCoder

pytestmark = pytest.mark.portable

TABLES = Tables.from_counts([np.array([40, 9, 3, 1, 1]), np.array([5, 9, 9, 4, 1])], [-1, -2])

Planes = list[np.ndarray]


def program(coder: SymbolCoder, planes: Planes | None, most: int = 3) -> Planes:
    """One plane of 12 symbols in the base and up to `most` more, whose tables follow from the plane before."""
    known = [coder.code(np.zeros(12, np.uint8), None if planes is None else planes[0], TABLES)]
    while len(known) <= most and coder.layer(None if planes is None else len(planes) > len(known)):
        index = (np.abs(known[-1]) % 2).astype(np.uint8)
        symbols = None if planes is None else planes[len(known)]
        coder.raw(None if planes is None else len(known), 7)
        known.append(coder.code(index, symbols, TABLES))
    return known


def planes_of(count: int, seed: int = 0) -> Planes:
    return [np.random.default_rng([seed, n]).integers(-4, 5, 12).astype(np.int32) for n in range(count)]


def encode(planes: Planes) -> list[bytes]:
    encoder = Encoder()
    program(encoder, planes)
    return encoder.finish()


def decode(payloads: list[bytes], layers: int | None = None, most: int = 3) -> Planes:
    decoder = Decoder(payloads, layers=layers)
    planes = program(decoder, None, most)
    decoder.finish()
    return planes


@settings(deadline=None)
@given(st.integers(1, 4), st.integers(0, 1000))
def test_every_prefix_decodes(count: int, seed: int) -> None:
    planes = planes_of(count, seed)
    payloads = encode(planes)
    assert len(payloads) == count
    for kept in range(1, count + 1):
        for found in (decode(payloads[:kept]), decode(payloads, layers=kept - 1)):
            assert len(found) == kept and all(map(np.array_equal, found, planes))
    assert len(decode(payloads, layers=9)) == count


def test_a_layer_leaves_those_before_it_alone() -> None:
    assert encode(planes_of(4))[:2] == encode(planes_of(2))


def test_a_program_without_layers_has_one_payload() -> None:
    encoder, meter = Encoder(), Meter()
    for coder in (encoder, meter):
        coder.code(0, np.zeros(3, int), TABLES)
    assert len(encoder.finish()) == len(meter.by_layer) == 1


def test_the_meter_knows_the_layers() -> None:
    planes = planes_of(3)
    meter = Meter()
    program(meter, planes)
    assert meter.bits == sum(meter.by_layer) and len(meter.by_layer) == 3
    assert meter.by_layer[0] == TABLES.bits(np.zeros(12, np.uint8), planes[0])
    for bits, payload in zip(meter.by_layer, encode(planes), strict=True):
        assert abs(len(payload) - 3 - bits / 8) <= 2


@pytest.mark.parametrize("turned", range(3))
def test_every_layer_has_its_own_digest(turned: int) -> None:
    payloads = encode(planes_of(3))
    payloads[turned] = bytes([payloads[turned][0] ^ 0x55]) + payloads[turned][1:]
    with pytest.raises((BitstreamError, MismatchError)):
        decode(payloads)
    if turned:  # what was not read is not judged
        assert len(decode(payloads, layers=turned - 1)) == turned


def test_a_wrong_layer_is_noticed_before_the_next_begins() -> None:
    payloads = encode(planes_of(3))
    decoder = Decoder([encode(planes_of(3, seed=1))[1], *payloads[1:]])
    decoder.code(np.zeros(12, np.uint8), None, TABLES)
    with pytest.raises(ParameterMismatchError):
        decoder.layer(None)


def test_layers_of_other_pictures_do_not_fit() -> None:
    ours, theirs = encode(planes_of(2)), encode(planes_of(2, seed=1))
    with pytest.raises((BitstreamError, MismatchError)):
        decode([ours[0], theirs[1]])


def test_layers_that_the_program_does_not_know_are_an_error_unless_limited() -> None:
    payloads = encode(planes_of(4))
    with pytest.raises(BitstreamError, match="more layers than"):
        decode(payloads, most=1)
    with pytest.raises(BitstreamError, match="more layers than"):
        decode(payloads, layers=2, most=1)
    assert len(decode(payloads, layers=1, most=1)) == 2


def test_a_payload_is_judged_when_its_layer_begins() -> None:
    payloads = encode(planes_of(2))
    for wrong, error in [(b"\1\2", TruncatedError), (b"\1\2\3\0", BitstreamError)]:
        decoder = Decoder([payloads[0], wrong])
        decoder.code(np.zeros(12, np.uint8), None, TABLES)
        with pytest.raises(error):
            decoder.layer(None)


@pytest.mark.parametrize("make", [Encoder, Meter, lambda: Decoder(encode(planes_of(1)))])
def test_nothing_is_coded_after_the_last_layer(make) -> None:
    coder = make()
    decodes = isinstance(coder, Decoder)
    program(coder, None if decodes else planes_of(1))
    for call in (
        lambda: coder.code(np.zeros(1, int), None if decodes else np.zeros(1, int), TABLES),
        lambda: coder.raw(None if decodes else 1, 3),
        lambda: coder.layer(None if decodes else True),
    ):
        with pytest.raises(ContractError, match="after the last layer"):
            call()


def test_who_says_whether_there_is_more() -> None:
    for coder in (Encoder(), Meter()):
        for wrong in (None, 1, "yes"):
            with pytest.raises(ContractError):
                coder.layer(wrong)  # type: ignore[arg-type]
    with pytest.raises(ContractError):
        Decoder(encode(planes_of(2))).layer(True)
    for wrong in ([], b"abc"):
        with pytest.raises(ContractError):
            Decoder(wrong)  # type: ignore[arg-type]
