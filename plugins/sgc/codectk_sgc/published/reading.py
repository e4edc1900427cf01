"""Checkpoints as tensors by name, read without running code from them."""

from __future__ import annotations

import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from torch import Tensor

from codectk.base.errors import WeightsError
from codectk.weights.pickles import read_state

State = dict[str, Tensor]

BOOKKEEPING = ("pytorch_lightning.", "lightning.", "lightning_fabric.", "omegaconf.", "numpy.", "ldm.", "taming.")
"""Where the classes come from whose objects lie beside the weights in checkpoints of PyTorch Lightning."""

ADVICE = (
    "if you trust it, open it with the program it comes from, write "
    "torch.save({'state_dict': model.state_dict()}, 'weights.ckpt'), and give that file"
)
"""For a checkpoint with more in it than weights."""

_SPARE = 64 << 20
"""Bytes that unpacking leaves free on the disk."""


@contextmanager
def opened(path: Path) -> Iterator[State]:
    """The tensors of a checkpoint, or of the one checkpoint (`.ckpt`) in a zip, mapped from the file where it can be.

    They can be used inside the context only.

    Raises:
        WeightsError: the file cannot be read, holds no tensors by name, or something beside them that could run code.
    """
    member = _packed(path)
    if member is None:
        yield _state(path, str(path))
        return
    # Where a file is still mapped, some systems keep it.
    with tempfile.TemporaryDirectory(prefix="codectk-", ignore_cleanup_errors=True) as folder:
        copy = Path(folder, "model.ckpt")
        _unpack(path, member, copy)
        yield _state(copy, f"{path} ({member.filename})")


def _packed(path: Path) -> zipfile.ZipInfo | None:
    """The checkpoint in a zip that is none itself."""
    if not zipfile.is_zipfile(path):
        return None
    try:
        with zipfile.ZipFile(path) as archive:
            members = [entry for entry in archive.infolist() if entry.filename.endswith(".ckpt")]
            own = any(name.endswith("data.pkl") for name in archive.namelist())
    except (OSError, zipfile.BadZipFile) as error:
        raise WeightsError(f"{path} cannot be read as a zip: {_line(error)}.") from error
    if own:
        return None
    if len(members) != 1:
        raise WeightsError(f"{path} is a zip with {len(members) or 'no'} checkpoints (.ckpt) in it, instead of one.")
    return members[0]


def _unpack(path: Path, member: zipfile.ZipInfo, target: Path) -> None:
    room = shutil.disk_usage(target.parent).free - _SPARE
    if member.file_size > room:
        raise WeightsError(
            f"To unpack {path}, {member.file_size / 1e9:.1f} GB are needed in {target.parent.parent}, which has "
            f"{max(room, 0) / 1e9:.1f}; unpack it elsewhere and give {Path(member.filename).name}."
        )
    try:
        with zipfile.ZipFile(path) as archive, archive.open(member) as source, open(target, "wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
    except Exception as error:  # a damaged stream fails in its decompressor's own ways
        raise WeightsError(f"{path} cannot be unpacked: {_line(error)}.") from error


def _state(path: Path, where: str) -> State:
    # What is not needed (weights before averaging, optimizers) is never read.
    return read_state(path, where=where, ignored=BOOKKEEPING, advice=ADVICE)


def _line(error: BaseException) -> str:
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
