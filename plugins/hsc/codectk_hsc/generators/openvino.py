"""Constants of an OpenVINO IR network: an XML graph and a file of raw values. Needs no OpenVINO."""

from __future__ import annotations

import math
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass

import numpy as np

from codectk.base.errors import WeightsError

_TYPES = {"f32": "<f4", "f16": "<f2", "i64": "<i8", "i32": "<i4"}


@dataclass(frozen=True)
class Layer:
    """One operation.

    Attributes:
        number, kind, name: as in the file.
        inputs: numbers of the layers that feed it, by port.
        data: the file's attributes; a constant has element_type, shape, offset and size.
    """

    number: int
    kind: str
    name: str
    inputs: tuple[int, ...]
    data: dict[str, str]


class Graph:
    """A network.

    Args:
        xml: the graph.
        values: the raw values.
        where: how to call it in messages.

    Raises:
        WeightsError: not such a graph.
    """

    def __init__(self, xml: bytes, values: bytes, where: str):
        self._values, self._where = values, where
        try:
            if b"<!" in xml.replace(b"<!--", b""):
                raise ValueError("it declares entities")  # which could grow without bound
            root = ElementTree.fromstring(xml)
            inputs: dict[int, dict[int, int]] = {}
            for edge in root.iterfind("edges/edge"):
                ports = inputs.setdefault(int(edge.attrib["to-layer"]), {})
                ports[int(edge.attrib["to-port"])] = int(edge.attrib["from-layer"])
            self.layers = {int(layer.attrib["id"]): _layer(layer, inputs) for layer in root.iterfind("layers/layer")}
        except (ElementTree.ParseError, KeyError, ValueError) as error:
            raise WeightsError(f"{where} is no OpenVINO network: {error}.") from error
        self._users: dict[int, list[Layer]] = {}
        for layer in self.layers.values():
            for number in layer.inputs:
                self._users.setdefault(number, []).append(layer)

    def user(self, layer: Layer, kind: str) -> Layer:
        """The first layer of a kind that takes a layer's output.

        Raises:
            WeightsError: there is none.
        """
        for user in self._users.get(layer.number, ()):
            if user.kind == kind:
                return user
        raise WeightsError(f"{self._where} has no {kind} behind '{layer.name}'.")

    def parts(self, layer: Layer) -> tuple[Layer, np.ndarray]:
        """A layer of two inputs, one of them constant: where the other one comes from, and the constant.

        Raises:
            WeightsError: not such a layer.
        """
        if len(layer.inputs) == 2:
            first, second = (self.layers[number] for number in layer.inputs)
            for other, constant in ((first, second), (second, first)):
                if constant.kind == "Reshape":  # of the constant, to a shape that is computed
                    constant = self.layers[constant.inputs[0]]
                if constant.kind == "Const":
                    return other, self.value(constant)
        raise WeightsError(f"{self._where}: '{layer.name}' does not have one constant.")

    def value(self, layer: Layer) -> np.ndarray:
        """The values of a constant.

        Raises:
            WeightsError: they are not all there, or their type is unknown.
        """
        try:
            kind = np.dtype(_TYPES[layer.data["element_type"]])
            shape = tuple(int(part) for part in layer.data["shape"].split(",") if part.strip())
            offset, size = int(layer.data["offset"]), int(layer.data["size"])
        except (KeyError, ValueError) as error:
            raise WeightsError(f"{self._where}: the constant '{layer.name}' is not described: {error}.") from error
        count = math.prod(shape)
        if size != count * kind.itemsize or offset < 0 or offset + size > len(self._values):
            raise WeightsError(f"{self._where}: the constant '{layer.name}' is not whole.")
        return np.frombuffer(self._values, kind, count, offset).reshape(shape)


def _layer(element: ElementTree.Element, inputs: dict[int, dict[int, int]]) -> Layer:
    number = int(element.attrib["id"])
    data = element.find("data")
    ports = inputs.get(number, {})
    return Layer(
        number,
        element.attrib["type"],
        element.attrib["name"],
        tuple(ports[port] for port in sorted(ports)),
        {} if data is None else dict(data.attrib),
    )
