"""A network's parts as ONNX graphs, which ONNX Runtime runs with the tensors of a weights file.

A file `NAME.graphs` beside `NAME.safetensors` is a zip archive with one graph per part, without weights: those are
named by their state-dict names and handed over when a graph is first called, so that nothing is stored twice. It fits
all weights of the configuration that it was made from (`codectk export --light`).
"""

from __future__ import annotations

import functools
import hashlib
import io
import json
import os
import threading
import zipfile
import zlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any, NamedTuple

import numpy as np

from codectk.base.atomic import atomic_write
from codectk.base.errors import UsageError, WeightsError
from codectk.programs.values import StoredPrior
from codectk.weights.stored import INTEGERS, real_tensors, table_names, unpack_tables

SUFFIX = ".graphs"
ABOUT = "about.json"
"""Member that says what the graphs were made from (`configuration`), and which tensors each one takes."""

MAX_GRAPH_BYTES = 64 << 20


class GraphFile(NamedTuple):
    """What a file of graphs holds.

    Attributes:
        path: the file.
        configuration: of the network, see `configuration`.
        graphs: ONNX models by part, without weights.
        tensors: names of the tensors that each one takes.
    """

    path: Path
    configuration: Any
    graphs: Mapping[str, bytes]
    tensors: Mapping[str, Sequence[str]]


def read_graphs(path: Path, sha256: str = "") -> GraphFile | None:
    """Read a file of graphs; None if there is none.

    Args:
        path: the file.
        sha256: what it must be, or "" where nobody knows.

    Raises:
        WeightsError: it is damaged, or another file than expected.
    """
    try:
        content = path.read_bytes()
        found = hashlib.sha256(content).hexdigest()
        if sha256 and found != sha256:
            raise WeightsError(f"The graphs {path} are damaged: expected sha256 {sha256}, found {found}.")
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            if any(member.file_size > MAX_GRAPH_BYTES for member in archive.infolist()):
                raise WeightsError(f"{path} holds a graph that is too large.")
            members = {name: archive.read(name) for name in archive.namelist()}
        about = json.loads(members.pop(ABOUT))
        graphs = {name.removesuffix(".onnx"): graph for name, graph in members.items()}
        return GraphFile(path, about["configuration"], graphs, {name: about["tensors"][name] for name in graphs})
    except FileNotFoundError:
        return None
    except (OSError, zipfile.BadZipFile, zlib.error, ValueError, KeyError, TypeError, NotImplementedError) as error:
        raise WeightsError(f"The graphs {path} cannot be read: {error}.") from error


def write_graphs(file: GraphFile) -> None:
    """Write a file of graphs, whole or not at all; equal content gives equal bytes."""
    about = {"configuration": file.configuration, "tensors": file.tensors}
    members = {ABOUT: json.dumps(about, sort_keys=True).encode()}
    members |= {f"{name}.onnx": graph for name, graph in sorted(file.graphs.items())}
    with atomic_write(file.path) as out, zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(zipfile.ZipInfo(name), content, zipfile.ZIP_DEFLATED)


def configuration(metadata: Mapping[str, str]) -> dict[str, Any]:
    """What decides a network's shape, of the metadata of its weights."""
    told = {"config": metadata["config"]} if "config" in metadata else {}
    return {**told, **json.loads(metadata.get("options", "{}"))}


class Parts:
    """What a light codec is put together from, by dotted names of the network.

    Args:
        file: the graphs.
        tensors: as stored in the weights file.
        settings: attributes of ONNX Runtime's session options to set, such as `intra_op_num_threads`.
    """

    def __init__(self, file: GraphFile, tensors: Mapping[str, np.ndarray], **settings: Any) -> None:
        self._file, self._tensors, self._settings = file, real_tensors(tensors), settings
        self._lock = threading.Lock()

    def under(self, prefix: str, **others: Any) -> Any:
        """An object whose attributes are the parts below a prefix: graphs, lists of them, priors, tensors.

        Args:
            others: attributes that are no parts.
        """
        return Below(self.find, prefix, others)

    def array(self, values: np.ndarray) -> np.ndarray:
        """A numpy array in the world of the parts: itself."""
        return values

    def find(self, name: str) -> Any:
        """A part by its whole name.

        Raises:
            AttributeError: there is none.
        """
        if name in self._file.graphs:
            return Graph(functools.partial(self._session, name))
        if f"{name}.0" in self._file.graphs:
            count = sum(key.startswith(f"{name}.") and key[len(name) + 1 :].isdigit() for key in self._file.graphs)
            return [self.find(f"{name}.{number}") for number in range(count)]
        if all(table in self._tensors for table in table_names(name)):
            tables = unpack_tables(self._tensors, name)
            medians = self._tensors.get(f"tables.{name}.medians", np.zeros(len(tables), np.float32))
            return StoredPrior(name.rsplit(".", 1)[-1], tables, medians.reshape(1, -1, 1, 1))
        if name in self._tensors:
            return self._tensors[name]
        raise AttributeError(f"the light codec has no part {name}; it belongs to graphs of another version")

    def _session(self, name: str) -> Any:
        runtime, used = onnxruntime(), self._file.tensors[name]
        with self._lock:
            options = runtime.SessionOptions()
            options.log_severity_level = 3
            # Each session would keep what it needed most; together that is as much again as all of them need at a time.
            options.enable_cpu_mem_arena = options.enable_mem_pattern = False
            # Every session has threads of its own; integer networks are small, and there are many of them.
            small = any(tensor.endswith(INTEGERS) for tensor in used)
            options.intra_op_num_threads = 1 if small else _threads()
            for setting, value in self._settings.items():
                setattr(options, setting, value)
            for tensor in used:
                if tensor not in self._tensors:
                    raise WeightsError(f"The graphs {self._file.path} need {tensor}, which the weights lack.")
            values = [runtime.OrtValue.ortvalue_from_numpy(self._tensors[tensor]) for tensor in used]
            if used:
                options.add_external_initializers(list(used), values)
            try:
                return runtime.InferenceSession(self._file.graphs[name], options, ["CPUExecutionProvider"])
            except Exception as error:  # ONNX Runtime's own errors derive from Exception
                raise WeightsError(f"ONNX Runtime cannot load {name} of {self._file.path}: {error}") from error


class Below:
    """See `Parts.under`."""

    def __init__(self, find: Callable[[str], Any], prefix: str, others: Mapping[str, Any]) -> None:
        self._find, self._prefix = find, prefix
        self.__dict__.update(others)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        part = self._find(f"{self._prefix}.{name}")
        self.__dict__[name] = part
        return part


class Graph:
    """A network as a callable from arrays to a float32 array; its session is made when it is first called."""

    def __init__(self, session: Callable[[], Any]) -> None:
        self._make = functools.lru_cache(maxsize=1)(session)

    def __call__(self, *inputs: Any) -> np.ndarray:
        session = self._make()
        arrays = {
            taken.name: np.atleast_1d(np.ascontiguousarray(value, np.int64 if "int64" in taken.type else np.float32))
            for taken, value in zip(session.get_inputs(), inputs, strict=True)
        }
        made: np.ndarray = session.run(None, arrays)[0]
        return made


def onnxruntime() -> ModuleType:
    """The package that runs graphs.

    Raises:
        UsageError: it is not installed.
    """
    try:
        import onnxruntime
    except ImportError as error:
        raise UsageError("The light engine needs the package onnxruntime: pip install onnxruntime.") from error
    return onnxruntime


def _threads() -> int:
    """As many as OpenMP is told to use; 0 is one per core."""
    told = os.environ.get("OMP_NUM_THREADS", "")
    return int(told) if told.isdigit() else 0
