"""Files that judges of quality need, looked for where the packages that run them keep theirs. Nothing is downloaded."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from codectk.base.errors import UsageError, WeightsError


@dataclass(frozen=True)
class HubFile:
    """A file in torch's hub folder; `path` below it, with forward slashes."""

    path: str

    def find(self) -> Path | None:
        """Where it is, or None."""
        from torch.hub import get_dir

        file = Path(get_dir()) / self.path
        return file if file.is_file() else None

    def __str__(self) -> str:
        return f"{self.path} in torch's hub folder ($TORCH_HOME/hub)"


@dataclass(frozen=True)
class CachedFile:
    """A file of a repository in the cache of huggingface_hub, under the first of `names` that is there."""

    repository: str
    names: tuple[str, ...]

    def find(self) -> Path | None:
        """Where it is, or None."""
        from huggingface_hub import try_to_load_from_cache

        for name in self.names:
            found = try_to_load_from_cache(self.repository, name)
            if isinstance(found, str):
                return Path(found)
        return None

    def __str__(self) -> str:
        return f"{self.names[0]} of {self.repository} in the cache of huggingface_hub ($HF_HOME/hub)"


Needed = HubFile | CachedFile


def require_package(title: str, package: str) -> None:
    """Check that a package is installed, without importing it.

    Raises:
        UsageError: it is not; the sentence says what to install.
    """
    if find_spec(package) is None:
        raise UsageError(f"{title} needs the package {package}; install it with: pip install 'codectk-sgc[table1]'.")


def require_files(title: str, files: Iterable[Needed], fetch: str) -> list[Path]:
    """Where files are.

    Args:
        title: of the metric, for the message.
        files: all that it needs.
        fetch: the line of Python that makes the package download them.

    Raises:
        WeightsError: some are missing; the sentence names each of them and how to get them.
    """
    found = {file: file.find() for file in files}
    missing = [str(file) for file, path in found.items() if path is None]
    if missing:
        raise WeightsError(
            f"{title} lacks weights, and codectk downloads none: {'; '.join(missing)}. "
            f'On a machine with a network this fetches them: python -c "{fetch}"'
        )
    return [path for path in found.values() if path is not None]
