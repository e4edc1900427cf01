"""Files decoded in another process, as another processor would compute.

    python -m codectk.testing.elsewhere FOLDER ENGINE

decodes every `.ctk` file of a folder and prints a JSON list: the digest of its latents, or what went wrong.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from codectk.base.errors import CodectkError
from codectk.bitstream.reader import read
from codectk.pipeline.load import load_for
from codectk.testing.golden import latents_digest

PROCESSORS: Mapping[str, Mapping[str, str]] = {
    "SSE4.1 alone": {
        "ATEN_CPU_CAPABILITY": "default",
        "ONEDNN_MAX_CPU_ISA": "SSE41",
        "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
        "OPENBLAS_CORETYPE": "Nehalem",
        "NPY_DISABLE_CPU_FEATURES": "AVX512F AVX512CD AVX512_SKX AVX2 FMA3 X86_V4 X86_V3",
    },
    "AVX2 and no oneDNN": {
        "ATEN_CPU_CAPABILITY": "avx2",
        "MKL_ENABLE_INSTRUCTIONS": "AVX2",
        "OPENBLAS_CORETYPE": "Haswell",
        "CODECTK_TEST_WITHOUT_ONEDNN": "1",
    },
}
"""Variables under which torch, oneDNN, MKL, OpenBLAS and NumPy compute as on an older processor."""


def digests_elsewhere(files: Sequence[bytes], variables: Mapping[str, str], engine: str = "auto") -> list[str]:
    """Decode files in a new process, which finds the plugins that this one finds.

    Returns:
        Digests as `golden.latents_digest` gives them; a sentence in place of one for a file that does not decode.
    """
    with tempfile.TemporaryDirectory(prefix="codectk-elsewhere-") as folder:
        for number, data in enumerate(files):
            (Path(folder) / f"{number:04}.ctk").write_bytes(data)
        path = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(
            [sys.executable, "-m", "codectk.testing.elsewhere", folder, engine],
            env={**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "ignore", **variables},
            capture_output=True,
            text=True,
            timeout=600,
        )
    if done.returncode != 0:
        raise AssertionError(f"the other process failed:\n{done.stderr}")
    told: list[str] = json.loads(done.stdout)
    return told


def _told(path: Path, engine: str) -> str:
    data = path.read_bytes()
    try:
        return latents_digest(data, load_for(read(data).header, engine=engine))
    except CodectkError as error:
        return f"{type(error).__name__}: {error}"


def main(folder: str, engine: str) -> None:
    """Print what the files of a folder decode to."""
    if os.environ.get("CODECTK_TEST_WITHOUT_ONEDNN"):
        try:
            import torch
        except ImportError:
            pass  # nothing to switch off
        else:
            backends: Any = torch.backends
            backends.mkldnn.enabled = False
    print(json.dumps([_told(path, engine) for path in sorted(Path(folder).glob("*.ctk"))]))


if __name__ == "__main__":
    main(*sys.argv[1:])
