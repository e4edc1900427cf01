"""A plugin project made visible to this process as if it were installed, without an installer."""

from __future__ import annotations

import importlib
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from codectk.base import toml
from codectk.pipeline.load import forget


@contextmanager
def installed(project: Path) -> Iterator[list[str]]:
    """Put a project's packages and a generated `.dist-info` on `sys.path`, and take them off afterwards.

    Args:
        project: folder with a `pyproject.toml` that has a static name, version and entry points; the packages lie
            beside it or in its `src`.

    Yields:
        The folders that were added, for a subprocess's PYTHONPATH.

    Raises:
        KeyError: the pyproject.toml lacks its name or version.
    """
    table = toml.read(project / "pyproject.toml").data["project"]
    source = project / "src" if (project / "src").is_dir() else project
    with tempfile.TemporaryDirectory(prefix="codectk-dist-") as folder:
        _write_dist_info(Path(folder), table)
        added = [str(source), folder]
        sys.path[:0] = added
        _refresh()
        try:
            yield added
        finally:
            for path in added:
                sys.path.remove(path)
            for name, module in list(sys.modules.items()):
                if str(getattr(module, "__file__", None) or "").startswith(f"{source}/"):
                    del sys.modules[name]
            _refresh()


def _write_dist_info(folder: Path, table: dict[str, object]) -> None:
    name, version = str(table["name"]), str(table["version"])
    info = folder / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n", "utf-8")
    groups = table.get("entry-points", {})
    lines = []
    for group, points in groups.items() if isinstance(groups, dict) else ():
        lines += [f"[{group}]", *(f"{key} = {value}" for key, value in points.items())]
    (info / "entry_points.txt").write_text("\n".join(lines) + "\n", "utf-8")


def _refresh() -> None:
    importlib.invalidate_caches()
    forget()
