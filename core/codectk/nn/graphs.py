"""A network's parts become ONNX graphs for `codectk.light`.

Its programs run twice, on pictures of two sizes, over parts that remember what they are called with; dimensions that
differ between the two are free in the graphs. What a graph takes from the weights is left out of it and named as in
the weights file.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from operator import attrgetter
from pathlib import Path
from types import MethodType
from typing import Any

import numpy as np
import onnx
import torch
from onnxscript.optimizer import optimize
from torch import Tensor, nn

from codectk.base.errors import UsageError, WeightsError
from codectk.base.types import Context
from codectk.coding.coder import Decoder, Encoder
from codectk.light.graphs import Below, GraphFile, configuration, write_graphs
from codectk.light.preset import light_form
from codectk.nn.backend import TorchBackend
from codectk.nn.building import Building
from codectk.nn.exact import exact_modules
from codectk.nn.guard import guard
from codectk.nn.storage import install
from codectk.plugins import manager
from codectk.spec.light import Light
from codectk.spec.stages import Stages
from codectk.weights.tensors import load_tensors, read_metadata

OPSET, FREE = 20, torch.export.Dim.DYNAMIC


class Recorded:
    """A part of a network that remembers the tensors that it was called with."""

    def __init__(self, module: nn.Module, calls: list[tuple[Tensor, ...]]) -> None:
        self.module, self._calls = module, calls

    def __call__(self, *inputs: Any) -> Any:
        tensors = tuple(map(_tensor, inputs))
        self._calls.append(tensors)
        return self.module(*tensors)


def _tensor(value: Any) -> Tensor:
    """An input: float32, but for tensors of integers; a number is one of shape (1,)."""
    integers = isinstance(value, Tensor) and not value.is_floating_point()
    tensor = torch.as_tensor(value, dtype=torch.int64 if integers else torch.float32)
    return tensor if tensor.ndim else tensor.reshape(1)


class Method(nn.Module):
    """A module's method of one input as a module."""

    def __init__(self, method: MethodType) -> None:
        super().__init__()
        self.owner, self._name = method.__self__, method.__name__

    def forward(self, x: Tensor) -> Any:
        return getattr(self.owner, self._name)(x)


class RecordedParts:
    """The parts of a torch network by dotted name, as `codectk.light.graphs.Parts` has those of a file.

    Attributes:
        modules: those that were asked for.
        calls: what each was called with.
    """

    def __init__(self, network: nn.Module) -> None:
        self._network = network
        self.modules: dict[str, nn.Module] = {}
        self.calls: dict[str, list[tuple[Tensor, ...]]] = {}

    def under(self, prefix: str, **others: Any) -> Any:
        return Below(self.find, prefix, others)

    def array(self, values: np.ndarray) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(values))

    def find(self, name: str) -> Any:
        part = attrgetter(name)(self._network)
        if type(part) is nn.ModuleList:  # one with a forward of its own is a network
            return [self._recorded(f"{name}.{number}", one) for number, one in enumerate(part)]
        if isinstance(part, MethodType) and isinstance(part.__self__, nn.Module):
            part = Method(part)
        return self._recorded(name, part) if isinstance(part, nn.Module) and not hasattr(part, "tables") else part

    def _recorded(self, name: str, module: nn.Module) -> Recorded:
        self.modules[name] = module
        return Recorded(module, self.calls.setdefault(name, []))


def export_graphs(weights: Path, path: Path) -> GraphFile:
    """Write the graphs for a weights file.

    Raises:
        UsageError: the codec has no light form in this configuration.
        WeightsError: not the weights of an installed codec.
        PluginError: the codec is missing or broken.
        OutputError: they cannot be written.
    """
    metadata = read_metadata(weights)
    if "codec" not in metadata:
        raise WeightsError(f"The weights {weights} do not say which codec they are for.")
    codec = metadata["codec"]
    card, record = manager.find_codec(codec)
    light = light_form(card, record)
    if light is None:
        raise UsageError(f"Codec '{codec}' has no light form.")
    options = configuration(metadata)
    with guard():
        with Building():
            network = manager.network(codec, options)
        install(network, load_tensors(weights))
    file = graphs_of(network, options, light, path, card.light_encodes)
    write_graphs(file)
    return file


def graphs_of(
    network: nn.Module, configuration: Mapping[str, Any], light: Light, path: Path, encodes: bool = True
) -> GraphFile:
    """The graphs of a network that is ready to code.

    Args:
        network: with weights and tables.
        configuration: its options.
        light: how its programs are wired.
        path: of the file that they will be.
        encodes: false where its light form only decodes.

    Raises:
        UsageError: this configuration has no light form.
    """
    parts = RecordedParts(network)
    stages = light.wire(parts, configuration, "", TorchBackend("cpu"))
    if not encodes:
        stages = replace(stages, analysis=network.codec("", "cpu").analysis)  # type: ignore[operator]
    with torch.no_grad():
        for example in light.examples:
            _run(stages, example)
    names = _tensor_names(network)
    graphs, tensors = {}, {}
    for name, module in parts.modules.items():
        if calls := parts.calls[name]:
            graphs[name], tensors[name] = _exported(name, module, calls, names)
    return GraphFile(path, dict(configuration), graphs, tensors)


def _run(stages: Stages, ctx: Context) -> None:
    """Encode and decode a picture of noise, as `codectk.pipeline.program` does."""
    x = torch.rand(1, 3, ctx.height, ctx.width, generator=torch.Generator().manual_seed(0))
    condition = None if stages.conditioning is None else stages.conditioning(x, ctx)
    encoder = Encoder()
    stages.entropy_model.code(encoder, stages.analysis(x, condition, ctx), ctx)
    latents = stages.entropy_model.code(Decoder(encoder.finish()), None, ctx)
    if stages.can.reveal is not None:
        latents = {**latents, **stages.can.reveal.features(latents, ctx)}
    x = stages.synthesis(latents, ctx)
    if stages.post is not None:
        stages.post(x, latents, ctx)


def _tensor_names(network: nn.Module) -> dict[int, str]:
    """Names in a weights file by identity, and of the output scales of integer layers."""
    names = {id(value): name for name, value in network.state_dict(keep_vars=True).items()}
    return names | {
        id(layer.scale): f"{name}.scale" for name, layer in exact_modules(network) if hasattr(layer, "scale")
    }


def _exported(
    name: str, module: nn.Module, calls: list[tuple[Tensor, ...]], names: Mapping[int, str]
) -> tuple[bytes, list[str]]:
    """One graph, and which tensors of the weights it takes."""
    first = calls[0]
    free = [
        {axis: FREE for axis in range(one.ndim) if len({call[place].shape[axis] for call in calls}) > 1}
        for place, one in enumerate(first)
    ]  # fmt: skip
    local = {**dict(module.named_parameters()), **dict(module.named_buffers())}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            module.eval(),
            first,
            dynamo=True,
            optimize=False,
            verbose=False,
            opset_version=OPSET,
            dynamic_shapes=tuple(free),
        )
    assert program is not None
    model = program.model_proto
    renamed = {key: names[id(value)] for key, value in local.items() if id(value) in names}
    taken = []
    for tensor in list(model.graph.initializer):
        if tensor.name in renamed:
            model.graph.initializer.remove(tensor)
            taken.append(onnx.TensorProto(name=renamed[tensor.name], data_type=tensor.data_type, dims=tensor.dims))
    for node in model.graph.node:
        for place, value in enumerate(node.input):
            node.input[place] = renamed.get(value, value)
    model = _lean(model, taken)
    return model.SerializeToString(), [tensor.name for tensor in taken]


def _lean(model: onnx.ModelProto, taken: Sequence[onnx.TensorProto]) -> onnx.ModelProto:
    """With all computed that follows from the graph alone, and with places for tensors that are handed over.

    Those are inputs meanwhile, so that nothing is computed from them.
    """
    inputs = len(model.graph.input)
    for tensor in taken:
        model.graph.input.append(onnx.helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    lean: onnx.ModelProto = optimize(model, input_size_limit=4096, output_size_limit=1 << 16)
    del lean.graph.input[inputs:]
    for tensor in taken:
        tensor.data_location = tensor.EXTERNAL
        tensor.external_data.add(key="location", value="weights")
        lean.graph.initializer.append(tensor)
    del lean.graph.value_info[:], lean.metadata_props[:]
    for node in lean.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    return lean
