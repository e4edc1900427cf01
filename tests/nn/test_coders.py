"""The three readings of a program on tensors."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from codectk.base.errors import ContractError, WeightsError
from codectk.coding.coder import Decoder, Encoder
from codectk.coding.coder import Meter as Counter
from codectk.nn.coders import Meter
from codectk.nn.priors import FactorizedPrior, GaussianPrior, Prior
from codectk.programs.values import StoredPrior, ValueCoder, code_channels, value_coder

pytestmark = pytest.mark.portable


class Echo(Prior):
    """A prior whose cost is the value it is shown."""

    def bits(self, value: Tensor, index: Tensor) -> Tensor:
        return value


def generators(*seeds: int) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(seed) for seed in seeds]


def ready() -> tuple[GaussianPrior, FactorizedPrior]:
    torch.manual_seed(0)
    gaussian, factorized = GaussianPrior("y"), FactorizedPrior("z", 4)
    for prior in (gaussian, factorized):
        prior.tables = prior.build_tables()
    return gaussian, factorized


# Meter


def test_noise_is_a_samples_own():
    """However a batch is split over processes, sample 2 sees the same noise; no two samples share theirs."""
    value, index, prior = torch.zeros(4, 3, 5, 5), torch.zeros(4, 3, 5, 5), Echo("y")
    together, left, right = Meter(generators(10, 11, 12, 13)), Meter(generators(10, 11)), Meter(generators(12, 13))
    for _ in range(2):
        together.code(index, value, prior)
        left.code(index[:2], value[:2], prior)
        right.code(index[2:], value[2:], prior)
    assert isinstance(together.bits, Tensor) and isinstance(left.bits, Tensor) and isinstance(right.bits, Tensor)
    assert torch.equal(together.bits, torch.cat([left.bits, right.bits]))
    assert len(together.bits.unique()) == 4


def test_noise_is_uniform_of_width_one():
    class Seen(Echo):
        def bits(self, value: Tensor, index: Tensor) -> Tensor:
            self.seen = value
            return value

    prior = Seen("y")
    value = torch.full((2, 1, 100, 100), 7.25)
    passed = Meter(generators(1, 2)).code(value, value, prior)
    noise = prior.seen - value
    assert noise.min() >= -0.5 and noise.max() <= 0.5
    assert abs(noise.mean()) < 0.01 and abs(noise.var() - 1 / 12) < 0.003
    assert torch.equal(passed, torch.full_like(value, 7.0)), "what goes on is rounded, not noisy"


def test_evaluation_measures_rounded_values():
    value = torch.tensor([[[[0.4, 1.5, 2.5, -0.6]]]])
    meter = Meter()
    assert torch.equal(meter.code(value, value, Echo("y")), torch.round(value))
    assert isinstance(meter.bits, Tensor) and meter.bits.tolist() == [0 + 2 + 2 - 1]


def test_gradients_pass_the_rounding_and_the_rate():
    value = torch.tensor([[[[0.4, 1.6]]]], requires_grad=True)
    meter = Meter(generators(3))
    passed = meter.code(torch.tensor([[[[20.0, 20.0]]]]), value, GaussianPrior("y"))
    (gradient,) = torch.autograd.grad(passed.sum(), value, retain_graph=True)
    assert gradient.flatten().tolist() == [1, 1]
    assert isinstance(meter.bits, Tensor)
    (gradient,) = torch.autograd.grad(meter.bits.sum(), value)
    assert (gradient != 0).any()


def test_bits_are_kept_by_label_and_sample():
    meter = Meter()
    value = torch.arange(6.0).view(2, 3, 1, 1)
    meter.code(value, value, Echo("a"))
    meter.code(value, value, Echo("b"))
    meter.code(value, value, Echo("a"))
    assert meter.raw(2, 3) == 2
    assert isinstance(meter.bits, Tensor)
    assert meter.bits.tolist() == [3 * 3 + 3, 3 * 12 + 3]
    assert meter.by_label == {"a": 15.0, "b": 7.5}


def test_bits_are_kept_by_layer():
    meter = Meter()
    value = torch.arange(6.0).view(2, 3, 1, 1)
    meter.code(value, value, Echo("a"))
    assert meter.layer(True)
    meter.code(value, 2 * value, Echo("a"))
    meter.raw(0, 5)
    assert not meter.layer(False)
    assert [layer.tolist() for layer in meter.by_layer if isinstance(layer, Tensor)] == [[3, 12], [6 + 5, 24 + 5]]
    assert isinstance(meter.bits, Tensor) and meter.bits.tolist() == [14, 41]
    with pytest.raises(ValueError, match="after the last layer"):
        meter.code(value, value, Echo("a"))
    with pytest.raises(ValueError, match="decode"):
        Meter().layer(None)


def test_layers_pass_from_tensors_to_the_coder():
    _, factorized = ready()
    channel, value = torch.zeros(1, 4, 1, 1), torch.ones(1, 4, 1, 1)
    encoder = Encoder()
    tensors = value_coder(encoder, torch.empty(0))
    tensors.code(channel, value, factorized)
    assert tensors.layer(True)
    tensors.code(channel, 2 * value, factorized)
    assert not tensors.layer(False)
    payloads = encoder.finish()
    assert len(payloads) == 2
    tensors = value_coder(Decoder(payloads), torch.empty(0))
    assert torch.equal(tensors.code(channel, None, factorized), value)
    assert tensors.layer(None)
    assert torch.equal(tensors.code(channel, None, factorized), 2 * value)
    assert not tensors.layer(None)


def test_a_meter_cannot_decode():
    with pytest.raises(ValueError, match="decode"):
        Meter().code(torch.zeros(1, 1), None, Echo("y"))
    with pytest.raises(ValueError, match="decode"):
        Meter().raw(None, 2)


# Encoder and decoder


def program(coder: object, value: Tensor | None, z: Tensor | None) -> tuple[Tensor, Tensor, int]:
    """One coding program with everything a real one does, in any reading."""
    gaussian, factorized = ready()
    tensors = value_coder(coder, torch.empty(0))  # type: ignore[arg-type]
    flag = tensors.raw(None if value is None else 5, 3)
    channel = torch.arange(4).view(1, 4, 1, 1).expand(1, 4, 3, 2)
    z = tensors.code(channel, z, factorized)
    index = torch.arange(60.0).view(1, 5, 4, 3) + z.mean().round()
    index = index.clamp(0, 63).to(memory_format=torch.channels_last)
    return tensors.code(index, value, gaussian), z, flag


def test_all_readings_agree():
    generator = torch.Generator().manual_seed(4)
    value = (9 * torch.randn(1, 5, 4, 3, generator=generator)).to(memory_format=torch.channels_last)
    z = 3 * torch.randn(1, 4, 3, 2, generator=generator)
    value[0, 0, 0, 0], value[0, 4, 3, 2], z[0, 1, 0, 0] = 5000.4, -70000.6, 999.0  # far outside their tables
    encoder, counter = Encoder(), Counter()
    written = program(encoder, value, z)
    counted = program(counter, value, z)
    metered = program(Meter(), value, z)
    (payload,) = encoder.finish()
    decoder = Decoder([payload])
    read = program(decoder, None, None)
    decoder.finish()
    for a, b, c, d in zip(written, read, metered, counted, strict=True):
        if isinstance(a, Tensor):
            assert a.dtype == torch.float32 and torch.equal(a, b) and torch.equal(a, c) and torch.equal(a, d)
        else:
            assert a == b == c == d == 5
    assert torch.equal(written[0], torch.round(value)) and written[0][0, 4, 3, 2] == -70001
    assert abs(8 * len(payload) - 24 - counter.bits) < 32


def test_escapes_cost_more_than_what_is_expected():
    gaussian, _ = ready()
    costs = []
    for value in (0.0, 60.0, 6000.0):
        counter = Counter()
        value_coder(counter, torch.empty(0)).code(torch.tensor([20]), torch.tensor([value]), gaussian)
        costs.append(counter.bits)
    assert costs[0] < 5 < 12 < costs[1] < costs[2] < 60


def test_a_meter_stays_itself_and_others_are_carried():
    meter = Meter()
    assert value_coder(meter, torch.empty(0)) is meter
    with pytest.raises(WeightsError, match="'y' has no coding tables"):
        value_coder(Encoder(), torch.empty(0)).code(torch.zeros(1), torch.zeros(1), GaussianPrior("y"))


def test_only_integers_cross_the_border():
    class Border:
        def code(self, index: np.ndarray, symbols: np.ndarray | None, tables: object) -> np.ndarray:
            for array in (index, symbols):
                assert isinstance(array, np.ndarray) and array.dtype == np.int32 and array.flags.c_contiguous
            assert symbols is not None
            return symbols

        def raw(self, value: int | None, bits: int) -> int:
            return 0

    gaussian, _ = ready()
    x = torch.randn(2, 3, 4, 5).to(memory_format=torch.channels_last)
    back = value_coder(Border(), torch.empty(0), rounds=True).code(x.abs(), x.double().requires_grad_(), gaussian)
    assert torch.equal(back, torch.round(x))


@pytest.mark.parametrize("wrong", [0.5, 10.000001, float("nan")])
def test_a_table_index_that_is_no_whole_number_is_refused(wrong: float):
    """Rounded in silence, it would be another table on another machine."""
    gaussian, _ = ready()
    index, value = torch.tensor([3.0, wrong]), torch.zeros(2)
    with pytest.raises(ContractError, match=r"table index of 'y' is not a whole number: what a portable codec"):
        value_coder(Encoder(), value).code(index, value, gaussian)
    with pytest.raises(ContractError, match="not a whole number"):
        value_coder(Encoder(), np.zeros(1)).code(index.numpy(), value.numpy(), gaussian)


@pytest.mark.parametrize("coder", [Meter(), value_coder(Encoder(), torch.empty(0))], ids=["training", "writing"])
def test_values_come_back_within_the_bound_of_the_program(coder: ValueCoder):
    gaussian, _ = ready()
    value = torch.tensor([[[[-300.2, 7.4, 256.0, 255.0]]]])
    coded = coder.code(torch.full_like(value, 40), value, gaussian, 255)
    assert coded.flatten().tolist() == [-255, 7, 255, 255]


def test_channels_are_coded_around_their_medians_where_they_are():
    _, factorized = ready()
    factorized.medians.copy_(torch.tensor([0.25, -1.5, 0, 40]).view(1, 4, 1, 1))
    there = torch.tensor([[True, False, True]])[:, None, :, None]
    values = torch.randn(1, 4, 3, 1, generator=torch.Generator().manual_seed(0)) + factorized.medians
    coded = code_channels(Meter(), values, factorized, there, None)
    assert torch.equal(coded, torch.round(values - factorized.medians) + factorized.medians)
    some = there[0, 0, :, 0]
    encoder, counter, meter = Encoder(), Counter(), Meter()
    for coder in (value_coder(encoder, values), value_coder(counter, values), meter):
        assert torch.equal(
            code_channels(coder, values[:, :, some], factorized, there[:, :, some], None), coded[:, :, some]
        )
    all_of_them = Meter()
    code_channels(all_of_them, values, factorized, there, None)
    assert torch.equal(all_of_them.bits, meter.bits), "absent ones cost nothing"
    decoder = Decoder(encoder.finish())
    stored = StoredPrior("z", factorized.tables, factorized.medians.numpy())
    read = code_channels(value_coder(decoder, np.zeros(1)), None, stored, there[:, :, some].numpy(), None)
    decoder.finish()
    assert isinstance(read, np.ndarray) and np.array_equal(read, coded[:, :, some].numpy())
