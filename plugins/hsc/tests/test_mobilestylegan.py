"""The MobileStyleGAN network: against a second implementation, and against stored faces."""

from __future__ import annotations

import io
import tarfile

import numpy as np
import pytest
import torch
from PIL import Image

from codectk.base.errors import UsageError, WeightsError
from codectk.weights.tensors import load_tensors
from codectk_hsc.generators.mobilestylegan import from_arrays, inverse_haar


@pytest.fixture(scope="module")
def faces(data):
    """The pre-trained network."""
    arrays = load_tensors(data / "weights" / "mobilestylegan_ffhq_fp16.safetensors")
    arrays.pop("w_std")
    return from_arrays(arrays, "the shared file")


@pytest.fixture(scope="module")
def codes(data):
    """Stored style codes, (2949, 512)."""
    return torch.from_numpy(np.load(data / "faces-styles.npz")["w"].astype(np.float32))


def test_against_the_second_implementation(mobile_arrays, reference):
    network = from_arrays(mobile_arrays, "arrays")
    styles = torch.randn(3, network.slots, network.dim)
    picture, features = reference.mobile(mobile_arrays, styles)
    assert (network.size, network.slots, network.dim) == (64, 8, 12)
    torch.testing.assert_close(network.picture(styles).double(), picture / 2 + 0.5, atol=1e-4, rtol=1e-4)
    for cut, feature in features.items():
        torch.testing.assert_close(network.low(styles, cut).double(), feature, atol=1e-4, rtol=1e-4)
    z = torch.randn(2, 12)
    torch.testing.assert_close(network.styles(z).double(), reference.mobile_map(mobile_arrays, z), atol=1e-5, rtol=1e-5)


def test_cut_and_sizes(mobile_arrays):
    network = from_arrays(mobile_arrays, "arrays")
    styles = torch.randn(2, network.slots, network.dim)
    whole = network.picture(styles)
    for cut in network.channels:
        assert torch.equal(network.high(network.low(styles, cut), styles), whole)
        assert torch.equal(network.onward(network.low(styles, 4), styles, cut), network.low(styles, cut))
    small = network.picture(styles, 16)
    torch.testing.assert_close(small, whole.unflatten(2, (16, 4)).unflatten(4, (16, 4)).mean((3, 5)))
    one = styles[:, 0]
    assert torch.equal(network.picture(one), network.picture(one[:, None].expand(-1, network.slots, -1)))


def test_slots_act_on_their_side_of_the_cut(mobile_arrays):
    network = from_arrays(mobile_arrays, "arrays")
    styles = torch.randn(1, network.slots, network.dim)
    for slot in range(network.slots):
        changed = styles.clone()
        changed[:, slot] += 1
        before = not torch.equal(network.low(changed, 16), network.low(styles, 16))
        feature = network.low(styles, 16)
        behind = not torch.equal(network.high(feature, changed), network.high(feature, styles))
        assert (before, behind) == (slot < 5, slot >= 5)


def test_gradients_reach_styles_and_features_but_not_the_weights(mobile_arrays):
    network = from_arrays(mobile_arrays, "arrays")
    styles = torch.randn(2, network.slots, network.dim, requires_grad=True)
    feature = network.low(styles).detach().requires_grad_()
    network.picture(styles).square().mean().backward()
    assert (styles.grad.flatten(2).abs().sum((0, 2)) > 0).all()
    network.high(feature, styles.detach()).square().mean().backward()
    assert feature.grad.abs().sum() > 0
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_inverse_haar_keeps_energy():
    x = torch.randn(2, 12, 5, 7)
    torch.testing.assert_close(inverse_haar(x).square().sum(), x.square().sum())


def test_refusals(mobile_arrays):
    network = from_arrays(mobile_arrays, "arrays")
    styles = torch.zeros(1, network.dim)
    feature = network.low(styles)
    for call, sentence in (
        (lambda: network.low(styles, 64), "cannot be cut at 64 pixels; its features have 4, 8, 16, 32"),
        (lambda: network.low(torch.zeros(1, 3, 12)), r"takes \(B, 8, 12\)"),
        (lambda: network.high(feature[:, :5], styles), r"it is \(B, 24, 16, 16\)"),
        (lambda: network.onward(feature, styles, 8), "lies behind the cut at 8"),
        (lambda: network.picture(styles, 48), "cannot be reduced to 48"),
        (lambda: network.picture(styles, 128), "cannot be reduced to 128"),
        (lambda: network.picture(styles, 0), "cannot be reduced to 0"),
    ):
        with pytest.raises(UsageError, match=sentence):
            call()


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"b16.conv1.bias": None}, "lacks 'b16.conv1.bias'"),
        ({"b16.conv1.bias": np.zeros(3, np.float32)}, "has shape"),
        ({"b16.conv1.bias": np.full(24, np.nan, np.float32)}, "not finite"),
        ({"img16.bias": np.zeros(12, np.float32)}, "holds 'img16.bias'"),
        ({"const": None}, "lacks 'const'"),
    ],
)
def test_files_that_do_not_fit(mobile_arrays, change, sentence):
    arrays = {name: value for name, value in (mobile_arrays | change).items() if value is not None}
    with pytest.raises(WeightsError, match=sentence):
        from_arrays(arrays, "arrays")


def test_parameter_counts(faces):
    mapping = sum(parameter.numel() for parameter in faces.mapping.parameters())
    everything = sum(parameter.numel() for parameter in faces.parameters())
    assert (mapping, everything - mapping) == (2_101_248, 7_306_380)
    assert sum(buffer.numel() for name, buffer in faces.named_buffers() if name.endswith("noise")) == 699_024
    assert (faces.size, faces.slots, faces.channels[16], faces.channels[32]) == (1024, 16, 512, 512)


def test_stored_codes_give_the_stored_faces(faces, codes, data):
    found = []
    with tarfile.open(data / "faces-synthetic-128.tar") as archive, torch.inference_mode():
        for number in (1, 2000):
            pixels = (faces.picture(codes[number : number + 1])[0].clamp(0, 1) * 255).round().byte()
            small = Image.fromarray(pixels.permute(1, 2, 0).numpy()).resize((128, 128), Image.Resampling.LANCZOS)
            stored = Image.open(io.BytesIO(archive.extractfile(f"{number:06}.jpg").read()))
            error = np.square(np.asarray(small, float) - np.asarray(stored, float)).mean()
            found.append(10 * np.log10(255**2 / error))
    assert min(found) > 40  # these two: 40.9 and 40.5 dB; what is missing is the JPEG's


def test_the_feature_has_the_known_statistics(faces, codes, data):
    statistics = load_tensors(data / "weights" / "mobilestylegan_feature_stats.safetensors")
    with torch.inference_mode():
        feature = faces.low(codes[:64])
    # The stored faces have psi between 0.5 and 1, 0.75 on average.
    for ours, key in ((feature.mean((0, 2, 3)), "f16_mean_psi0.7"), (feature.std((0, 2, 3)), "f16_std_psi0.7")):
        assert np.corrcoef(ours.numpy(), statistics[key])[0, 1] > 0.99
