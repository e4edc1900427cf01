"""The package's OpenVINO networks become arrays, tested on a small package of the same structure."""

from __future__ import annotations

import zipfile

import numpy as np
import pytest
import torch

from codectk.base.errors import WeightsError
from codectk.weights.manifest import find_entry
from codectk.weights.store import sha256_of
from codectk.weights.tensors import save_tensors
from codectk_hsc.generators.library import PRESET, import_generator, load_generator
from codectk_hsc.generators.mobilestylegan import from_arrays

TYPES = {np.dtype("f4"): "f32", np.dtype("i8"): "i64"}


class Network:
    """An IR network that is written operation by operation."""

    def __init__(self):
        self.layers, self.edges, self.values = [], [], b""

    def add(self, kind, *inputs, name="", data=""):
        number = len(self.layers)
        self.layers.append(f'<layer id="{number}" name="{name or number}" type="{kind}">{data}</layer>')
        for port, source in enumerate(inputs):
            self.edges.append(f'<edge from-layer="{source}" from-port="9" to-layer="{number}" to-port="{port}"/>')
        return number

    def constant(self, value, name=""):
        value = np.asarray(value)
        shape = ", ".join(map(str, value.shape))
        data = (
            f'<data element_type="{TYPES[value.dtype]}" shape="{shape}" offset="{len(self.values)}"'
            f' size="{value.nbytes}"/>'
        )
        self.values += value.tobytes()
        return self.add("Const", name=name, data=data)

    def xml(self):
        layers, edges = "".join(self.layers), "".join(self.edges)
        return f'<?xml version="1.0" ?><net name="x" version="10"><layers>{layers}</layers><edges>{edges}</edges></net>'


def mapping_network(arrays):
    net = Network()
    x = net.add("Parameter", name="var")
    for number in range(2):
        product = net.add("MatMul", x, net.constant(arrays[f"mapping.{number}.weight"]))
        shape = net.add("ShapeOf", product)
        bias = net.add("Reshape", net.constant(arrays[f"mapping.{number}.bias"]), shape)
        x = net.add("PReLU", net.add("Add", product, bias), net.constant(np.float32([0.2])))
    return net


def synthesis_network(arrays):
    net = Network()
    style = net.add("Parameter", name="style")
    x = net.constant(arrays["const"], "m.input.input")

    def modulation(ours, theirs):
        product = net.add("MatMul", style, net.constant(arrays[f"{ours}.style.weight"], f"{theirs}.weight"))
        return net.add("Add", product, net.constant(arrays[f"{ours}.style.bias"][None], f"{theirs}.bias"))

    def finish(x, ours, theirs):
        x = net.add("Add", x, net.constant(arrays[f"{ours}.noise"]))
        return net.add("Add", x, net.constant(arrays[f"{ours}.bias"].reshape(1, -1, 1, 1), f"{theirs}.bias"))

    x = net.add("Multiply", x, modulation("conv4", "m.conv1.conv.modulation"))
    x = finish(net.add("Convolution", x, net.constant(arrays["conv4.weight"])), "conv4", "m.conv1")
    for level, side in enumerate((8, 16, 32)):
        block = f"m.layers.{level}"
        x = net.add("Multiply", x, modulation(f"b{side}.up", f"{block}.up.modulation"))
        for part in ("conv1", "conv2"):
            ours, theirs = f"b{side}.{part}", f"{block}.{part}"
            x = net.add("Multiply", x, modulation(ours, f"{theirs}.conv.modulation"))
            depthwise = arrays[f"{ours}.depthwise"][:, :, None]
            x = net.add("GroupConvolution", x, net.constant(depthwise, f"{theirs}.conv.weight_dw"))
            x = finish(net.add("Convolution", x, net.constant(arrays[f"{ours}.pointwise"])), ours, theirs)
    head = "m.layers.2.to_img"
    x = net.add("Multiply", x, modulation("img64", f"{head}.conv.modulation"))
    x = net.add("Convolution", x, net.constant(arrays["img64.weight"], f"{head}.conv.weight"))
    net.add("Add", x, net.constant(arrays["img64.bias"].reshape(1, -1, 1, 1), f"{head}.bias"))
    return net


def write(path, mapping, synthesis, **change):
    with zipfile.ZipFile(path, "w") as wheel:
        for name, net in (("MappingNetwork", mapping), ("SynthesisNetwork", synthesis)):
            for suffix, content in (("xml", net.xml()), ("bin", net.values)):
                content = change.get(f"{name}_{suffix}", content)
                if content is not None:
                    wheel.writestr(f"random_face/data/{name}.{suffix}", content)
    return path


@pytest.fixture
def wheel(mobile_arrays, tmp_path):
    return write(tmp_path / "a.whl", mapping_network(mobile_arrays), synthesis_network(mobile_arrays))


def test_every_constant_finds_its_name(wheel, mobile_arrays, tmp_path):
    arrays, metadata = import_generator(wheel)
    assert set(arrays) == set(mobile_arrays) and metadata == {"generator": "mobilestylegan", "config": "generator"}
    for name, value in mobile_arrays.items():
        if name != "w_mean":
            assert np.array_equal(arrays[name], value.astype(np.float16)), name
    save_tensors(tmp_path / "ours.safetensors", arrays, metadata)
    network = load_generator(tmp_path / "ours.safetensors")
    w = network.styles(torch.randn(20_000, network.dim))
    torch.testing.assert_close(network.mean[3], w.mean(0), atol=float(4 * w.std() / 100), rtol=0)


def test_the_same_network_in_another_file_gives_the_same_file(wheel, mobile_arrays, tmp_path):
    save_tensors(tmp_path / "b.safetensors", {**mobile_arrays, "w_std": np.ones(12, np.float32)}, {"made": "elsewhere"})
    for source, target in ((wheel, "1"), (tmp_path / "b.safetensors", "2")):
        save_tensors(tmp_path / target, *import_generator(source))
    assert (tmp_path / "1").read_bytes() == (tmp_path / "2").read_bytes()


@pytest.mark.slow
def test_the_shared_file_gives_the_manifests_weights(data, tmp_path):
    """The package gives the same; it is not here."""
    arrays, metadata = import_generator(data / "weights" / "mobilestylegan_ffhq_fp16.safetensors")
    save_tensors(tmp_path / "ours.safetensors", arrays, {**metadata, "codec": "hsc"})
    entry = find_entry("codectk_hsc", PRESET)
    assert sha256_of(tmp_path / "ours.safetensors") == entry.sha256
    assert (tmp_path / "ours.safetensors").stat().st_size == entry.bytes
    assert from_arrays(arrays, "arrays").size == 1024


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"MappingNetwork_xml": "no xml"}, "is no OpenVINO network"),
        ({"SynthesisNetwork_xml": '<!DOCTYPE x [<!ENTITY a "b">]><net/>'}, "declares entities"),
        ({"SynthesisNetwork_bin": b"short"}, "is not whole"),
        ({"SynthesisNetwork_xml": None}, "is not the package random-face"),
        ({"SynthesisNetwork_xml": "<net/>"}, "lacks 'const'"),
    ],
)
def test_damaged_packages(mobile_arrays, tmp_path, change, sentence):
    nets = mapping_network(mobile_arrays), synthesis_network(mobile_arrays)
    with pytest.raises(WeightsError, match=sentence):
        import_generator(write(tmp_path / "a.whl", *nets, **change))
