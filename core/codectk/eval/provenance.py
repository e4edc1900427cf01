"""Where numbers come from: versions, machine, picture set."""

from __future__ import annotations

import hashlib
import os
import platform
import sys
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path
from typing import Any

from codectk.metrics.psnr import Pixels

_DISTRIBUTIONS = ("codectk", "numpy", "pillow", "constriction", "torch", "scipy")

KNOWN_SETS = {
    "e70059c744678ad0adbf92c24e04c6e6b4e5411cd292fe11bf12833471694e0c": "kodak-24",
}
"""Digest of a picture set (see `set_digest`) -> name of the protocol's set."""


def versions(*more: str) -> dict[str, str]:
    """Versions of the installed distributions that numbers depend on; absent ones are left out.

    Args:
        more: further distribution names, such as the plugin's.
    """
    found = {"python": platform.python_version()}
    for name in (*_DISTRIBUTIONS, *more):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def machine(device: str) -> dict[str, object]:
    """The machine as far as it matters for times; nothing that names its owner.

    Args:
        device: what the networks ran on, as the user gave it.
    """
    # Looked up, not imported: a codec without torch is evaluated without torch.
    torch: Any = sys.modules.get("torch")
    named = torch is not None and device.startswith("cuda")
    return {
        "system": f"{platform.system()} {platform.machine()}",
        "processor": _processor(),
        "cores": os.cpu_count(),
        "threads": os.environ.get("OMP_NUM_THREADS") if torch is None else torch.get_num_threads(),
        "device": f"{device} ({torch.cuda.get_device_name(device)})" if named else device,
    }


def picture_digest(pixels: Pixels) -> str:
    """Sha256 (hex) of a picture's size and pixels, independent of the file format it came in.

    Args:
        pixels: uint8 (H, W, 3) RGB.
    """
    digest = hashlib.sha256(f"{pixels.shape[1]}x{pixels.shape[0]}:".encode())
    digest.update(pixels.tobytes())
    return digest.hexdigest()


def set_digest(digests: Iterable[str]) -> str:
    """Sha256 (hex) of a set of pictures, independent of their order and names.

    Args:
        digests: what `picture_digest` gave for each.
    """
    return hashlib.sha256("\n".join(sorted(digests)).encode()).hexdigest()


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.is_file():
        for line in cpuinfo.read_text("utf-8", "replace").splitlines():
            if line.lower().startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor()
