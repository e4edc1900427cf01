"""Butteraugli through the program `butteraugli_main` of libjxl (Debian: libjxl-devtools), where a machine has it.

Source: Alakuijala et al. 2017, "Guetzli: Perceptually Guided JPEG Encoder", section 3; libjxl for today's definition.
No training loss contains it.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Literal

from PIL import Image

from codectk.base.errors import InputError, UsageError
from codectk.metrics.psnr import Pixels, check_pair

PROGRAM = "butteraugli_main"

MIN_SIDE = 8
"""Smallest side in pixels that the program measures."""

_SECONDS = 600


class Butteraugli:
    """Its 3-norm over the picture, which follows opinions better than the largest difference does.

    Args:
        program: the executable.
    """

    name, backbone, lower_is_better = "Butteraugli 3-norm", "libjxl", True
    scope: Literal["picture"] = "picture"
    protocol = "3-norm of the distance map of butteraugli_main (libjxl), 80 nits, 8-bit sRGB; mean over pictures"

    def __init__(self, program: str) -> None:
        self._program = program

    @classmethod
    def find(cls) -> Butteraugli:
        """The program of this machine.

        Raises:
            UsageError: it has none.
        """
        program = shutil.which(PROGRAM)
        if program is None:
            raise UsageError(
                f"Butteraugli needs the program {PROGRAM} of libjxl on the path; Debian has it in libjxl-devtools."
            )
        return cls(program)

    def __call__(self, reference: Pixels, picture: Pixels) -> float | None:
        """Distance of a picture from its original, 0 for equal ones; about 1 is just visible.

        Raises:
            InputError: the pictures are not uint8 (H, W, 3) of one size, or the program fails.
        """
        check_pair(reference, picture)
        if min(reference.shape[:2]) < MIN_SIDE:
            return None
        with tempfile.TemporaryDirectory(prefix="codectk-butteraugli-") as folder:
            paths = [str(Path(folder) / name) for name in ("original.png", "decoded.png")]
            for path, pixels in zip(paths, (reference, picture), strict=True):
                Image.fromarray(pixels).save(path, compress_level=1)
            try:
                done = subprocess.run([self._program, *paths], capture_output=True, text=True, timeout=_SECONDS)
            except (OSError, subprocess.TimeoutExpired) as error:
                raise InputError(f"{PROGRAM} failed: {error}.") from error
        found = re.search(r"^3-norm: *([0-9.eE+-]+)", done.stdout, re.MULTILINE)
        if done.returncode or found is None:
            raise InputError(f"{PROGRAM} failed: {' '.join((done.stderr or done.stdout).split())}.")
        return float(found[1])
