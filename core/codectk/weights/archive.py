"""Tensors of a TorchScript archive, read without running the program in it.

Such an archive is a zip with a pickle of the module tree and one file per storage. `torch.jit.load` compiles and may
run the code beside them; here the pickle is read by an unpickler that knows tensors and inert modules and nothing
else.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import zipfile
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any

import numpy as np

from codectk.base.errors import WeightsError

_STORAGES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "DoubleStorage": "<f8", "LongStorage": "<i8"}
_LISTS = {"build_intlist", "build_doublelist", "build_boollist", "build_tensorlist"}
_MAX_BYTES = 2 << 30
"""Most bytes of an archive's entries together."""


def read_archive(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
    """All tensors of a TorchScript module.

    Args:
        path: a file that `torch.jit.save` wrote.

    Returns:
        Arrays by dotted attribute name, such as "net.conv.weight".

    Raises:
        WeightsError: no such file, not such an archive, or one that holds more than modules and contiguous tensors.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(entry.file_size for entry in archive.infolist()) > _MAX_BYTES:
                raise WeightsError(f"{path} holds more than {_MAX_BYTES >> 30} GiB of data.")
            roots = [name[: -len("data.pkl")] for name in archive.namelist() if name.count("/") == 1]
            roots = [root for root in roots if f"{root}data.pkl" in archive.namelist()]
            if not roots:
                raise WeightsError(f"{path} is not a TorchScript archive.")
            module = _Reader(archive, roots[0]).load()
    except WeightsError:
        raise
    except OSError as error:
        raise WeightsError(f"The weights file {path} cannot be read: {error.strerror or error}.") from error
    except Exception as error:  # a pickle can fail in any way
        raise WeightsError(f"{path} cannot be read as a TorchScript archive: {error}.") from error
    return dict(_tensors(module, ""))


class _Module:
    """Stands for every class of the archive: attributes and no behavior."""


class _Reader(pickle.Unpickler):
    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self._archive, self._root = archive, root

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__."):
            return _Module
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return _tensor
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch.jit._pickle" and name in _LISTS:
            return list
        raise ValueError(f"it asks for {module}.{name}, which is no part of a tensor")

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, str):
            raise ValueError(f"it has {kind} of {dtype} where tensors lie")
        values = np.frombuffer(self._archive.read(f"{self._root}data/{key}"), dtype)
        if len(values) < count:
            raise ValueError(f"storage {key} has {len(values)} values instead of {count}")
        return values[:count]


def _tensor(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> np.ndarray:
    """A view of a storage; only contiguous ones, which cannot reach beyond it."""
    contiguous = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    if any(n > 1 and stride != plain for n, stride, plain in zip(shape, strides, contiguous, strict=True)):
        raise ValueError("a tensor is not contiguous")
    if offset < 0:
        raise ValueError("a tensor starts before its storage")
    return storage[offset : offset + math.prod(shape)].reshape(shape)


def _tensors(module: object, prefix: str) -> Iterator[tuple[str, np.ndarray]]:
    for name, value in vars(module).items():
        if isinstance(value, np.ndarray):
            yield f"{prefix}{name}", value
        elif isinstance(value, _Module):
            yield from _tensors(value, f"{prefix}{name}.")
