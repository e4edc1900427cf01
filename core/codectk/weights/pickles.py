"""Pickles of strangers, read without running code from them. The one place where the toolkit opens a pickle.

Three forms carry weights: what `torch.save` writes, TorchScript archives, and plain pickles of numpy arrays. The first
is read by `torch.load(weights_only=True)`, which is safe from torch 2.10 on: a crafted file could run code before 2.6
(CVE-2025-32434) and write beyond its memory before 2.10 (CVE-2026-24747), hence the oldest torch that the packages
accept. The other two are read by an unpickler that knows arrays and inert objects and nothing else: `torch.jit.load`
may run the program of an archive, and numpy's own way back from a pickle trusts it.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Collection, Mapping
from typing import Any

import numpy as np

from codectk.base.errors import WeightsError

OLDEST_TORCH = "2.10"
"""The packages ask for it, and an older one reads no checkpoint."""

MAX_BYTES = 2 << 30
"""Most bytes of an archive's entries together, and of a pickle of arrays."""

_STORAGES = {"FloatStorage": "<f4", "HalfStorage": "<f2", "DoubleStorage": "<f8", "LongStorage": "<i8"}
_LISTS = {"build_intlist", "build_doublelist", "build_boollist", "build_tensorlist"}
_MAX_DEPTH = 64


class _Inert:
    """Stands for an object that is not needed: takes whatever it is made of and keeps nothing."""

    def __new__(cls, *args: Any, **kwargs: Any) -> _Inert:
        return super().__new__(cls)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        pass

    def __setstate__(self, state: Any) -> None:
        pass


def read_checkpoint(
    path: str | os.PathLike[str],
    *,
    where: str = "",
    ignored: tuple[str, ...] = (),
    advice: str = "",
    mapped: bool = True,
) -> Any:
    """What `torch.save` wrote: tensors on the CPU, plain values, and containers of them.

    Args:
        path: the file, of any version of torch.
        where: names it in messages; the path by default.
        ignored: beginnings of the names of classes whose objects lie beside the tensors and are not needed; they are
            neither looked for nor built.
        advice: a half sentence for a file that is refused.
        mapped: leave the tensors in the file until they are used; it must then stay as it is.

    Raises:
        WeightsError: the file cannot be read, or holds something that could run code.
    """
    import torch

    if torch.__version__ < OLDEST_TORCH:
        raise WeightsError(
            f"torch {torch.__version__} reads checkpoints unsafely; install torch {OLDEST_TORCH} or newer."
        )
    where = where or str(path)
    try:
        archive = zipfile.is_zipfile(path)
        foreign = sorted(torch.serialization.get_unsafe_globals_in_checkpoint(path)) if archive else []
        if refused := [name for name in foreign if not name.startswith(ignored or ("\0",))]:
            raise _refusal(where, advice, refused[0])
        with torch.serialization.safe_globals([(_Inert, name) for name in foreign]), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of newer pickle protocols, before they are refused
            return torch.load(path, map_location="cpu", weights_only=True, mmap=archive and mapped)
    except WeightsError:
        raise
    except pickle.UnpicklingError as error:
        raise _refusal(where, advice) from error
    except Exception as error:  # a damaged archive fails in many ways
        raise _unreadable(where, "a checkpoint", error) from error


def read_state(
    path: str | os.PathLike[str], *, within: Collection[str] = ("state_dict",), where: str = "", **options: Any
) -> dict[str, Any]:
    """The state dict of a checkpoint.

    Args:
        path: as for `read_checkpoint`.
        within: keys of the checkpoint below which the state dict may lie, the first that fits counts.
        where, options: as for `read_checkpoint`.

    Returns:
        The tensors by name; what else is there is left out.

    Raises:
        WeightsError: as `read_checkpoint`, or there are no tensors by name.
    """
    from torch import Tensor

    state = read_checkpoint(path, where=where, **options)
    if isinstance(state, Mapping):
        state = next((state[key] for key in within if isinstance(state.get(key), Mapping)), state)
    if not isinstance(state, Mapping):
        raise WeightsError(f"{where or path} holds a {type(state).__name__} instead of tensors by name.")
    return {str(name): value for name, value in state.items() if isinstance(value, Tensor)}


def is_script(path: str | os.PathLike[str]) -> bool:
    """Whether a file is a TorchScript archive."""
    try:
        with zipfile.ZipFile(path) as archive:
            return any(name.endswith("/constants.pkl") for name in archive.namelist())
    except Exception:  # no file, no archive
        return False


def read_script(path: str | os.PathLike[str]) -> dict[str, np.ndarray]:
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
            if sum(entry.file_size for entry in archive.infolist()) > MAX_BYTES:
                raise WeightsError(f"{path} holds more than {MAX_BYTES >> 30} GiB of data.")
            roots = [name[: -len("data.pkl")] for name in archive.namelist() if name.count("/") == 1]
            roots = [root for root in roots if f"{root}data.pkl" in archive.namelist()]
            if not roots:
                raise WeightsError(f"{path} is not a TorchScript archive.")
            return _Script(archive, roots[0]).arrays()
    except WeightsError:
        raise
    except Exception as error:  # a pickle can fail in any way
        raise _unreadable(str(path), "a TorchScript archive", error) from error


def read_arrays(data: bytes, where: str) -> dict[str, np.ndarray]:
    """All arrays of a pickle of nested dicts with numpy arrays, as programs with JAX write them.

    Args:
        data: the pickle.
        where: names it in messages.

    Returns:
        Arrays by the dicts' keys, joined with dots.

    Raises:
        WeightsError: it is no such pickle, or holds anything else.
    """
    try:
        if len(data) > MAX_BYTES:
            raise ValueError(f"it has more than {MAX_BYTES >> 30} GiB")
        return _flat(_Arrays(io.BytesIO(data)).load(), "", _MAX_DEPTH)
    except Exception as error:  # a pickle can fail in any way
        raise _unreadable(where, "a pickle of arrays", error) from error


class _Script(pickle.Unpickler):
    """Reads the module tree of an archive.

    A pickle may set attributes of classes and functions that it is given; those given here are made for this one
    reading, so that nothing stays of it.
    """

    def __init__(self, archive: zipfile.ZipFile, root: str) -> None:
        super().__init__(io.BytesIO(archive.read(f"{root}data.pkl")))
        self._archive, self._root = archive, root
        self._module: type = type("Module", (), {"__doc__": "Attributes and no behavior."})
        self._storages: dict[str, np.ndarray] = {}

    def arrays(self) -> dict[str, np.ndarray]:
        return dict(self._tensors(self.load(), "", _MAX_DEPTH))

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("__torch__."):
            return self._module
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if (module, name) == ("torch._utils", "_rebuild_tensor_v2"):
            return lambda *parts: _tensor(*parts)
        if module == "torch" and name in _STORAGES:
            return _STORAGES[name]
        if module == "torch.jit._pickle" and name in _LISTS:
            return list
        raise ValueError(f"it asks for {module}.{name}, which is no part of a tensor")

    def persistent_load(self, pid: Any) -> np.ndarray:
        kind, dtype, key, _, count = pid
        if kind != "storage" or not isinstance(dtype, str):
            raise ValueError(f"it has {kind} of {dtype} where tensors lie")
        if key not in self._storages:  # a small pickle may name a large storage many times
            self._storages[key] = np.frombuffer(self._archive.read(f"{self._root}data/{key}"), dtype)
        values = self._storages[key]
        if len(values) < count:
            raise ValueError(f"storage {key} has {len(values)} values instead of {count}")
        return values[:count]

    def _tensors(self, module: object, prefix: str, depth: int) -> list[tuple[str, np.ndarray]]:
        if not isinstance(module, self._module):
            raise ValueError(f"it holds a {type(module).__name__} instead of a module")
        if depth == 0:
            raise ValueError(f"its modules lie more than {_MAX_DEPTH} deep, or within themselves")
        found: list[tuple[str, np.ndarray]] = []
        for name, value in vars(module).items():
            if isinstance(value, np.ndarray):
                found.append((f"{prefix}{name}", value))
            elif isinstance(value, self._module):
                found += self._tensors(value, f"{prefix}{name}.", depth - 1)
        return found


def _tensor(storage: np.ndarray, offset: int, shape: tuple[int, ...], strides: tuple[int, ...], *_: Any) -> np.ndarray:
    """A view of a storage; only contiguous ones, which cannot reach beyond it."""
    contiguous = tuple(math.prod(shape[i + 1 :]) for i in range(len(shape)))
    if any(n > 1 and stride != plain for n, stride, plain in zip(shape, strides, contiguous, strict=True)):
        raise ValueError("a tensor is not contiguous")
    if offset < 0 or any(n < 0 for n in shape):
        raise ValueError("a tensor starts before its storage or has a negative side")
    return storage[offset : offset + math.prod(shape)].reshape(shape)


class _Dtype:
    """The type of an array as the pickle says it: its code, and the order of its bytes."""

    def __init__(self, code: str, align: object = False, copy: object = True) -> None:
        if not isinstance(code, str) or code[:1] not in "biuf" or not code[1:].isdecimal():
            raise ValueError(f"it has an array of type {code!r}")
        self.code, self.order = code, "="

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        self.order = state[1] if state[1] in ("<", ">") else "="


class _Array:
    """An array before its content is known."""

    def __init__(self, *_: object) -> None:
        self.value = np.zeros(0)

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        _, shape, dtype, columns, data = state
        if not isinstance(dtype, _Dtype) or not isinstance(data, bytes) or any(n < 0 for n in shape):
            raise ValueError("it has an array of other things than numbers")
        values = np.frombuffer(data, np.dtype(dtype.order + dtype.code))
        self.value = values.reshape(shape, order="F" if columns else "C").astype(dtype.code)


class _Arrays(pickle.Unpickler):
    """Reads dicts of arrays by classes of its own, made for this one reading: numpy's trust what they are told."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("numpy", "dtype"):
            return type(name, (_Dtype,), {})
        if (module, name) == ("numpy", "ndarray"):
            return type(name, (), {})  # only passed on
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return type(name, (_Array,), {})
        raise ValueError(f"it asks for {module}.{name}, which is no part of an array")


def _flat(value: object, name: str, depth: int) -> dict[str, np.ndarray]:
    if isinstance(value, _Array):
        return {name: value.value}
    if not isinstance(value, dict) or depth == 0:
        raise ValueError(f"{name or 'it'} is a {type(value).__name__} where arrays by name belong")
    found: dict[str, np.ndarray] = {}
    for key, inner in value.items():
        found |= _flat(inner, f"{name}.{key}" if name else str(key), depth - 1)
    return found


def _refusal(where: str, advice: str, name: str = "") -> WeightsError:
    what = f"it holds {name}, which" if name else "it is no checkpoint, or holds more than weights, which"
    return WeightsError(f"{where} is refused: {what} could run code{advice and f'; {advice}'}.")


def _unreadable(where: str, what: str, error: BaseException) -> WeightsError:
    reason = error.strerror if isinstance(error, OSError) and error.strerror else " ".join(str(error).split())
    if " " not in reason:  # a KeyError's text is the key
        reason = f"{type(error).__name__} {reason}".strip()
    return WeightsError(f"{where} cannot be read as {what}: {reason.rstrip('.')}.")
