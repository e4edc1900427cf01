"""The generator that the heads work around."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from codectk.base.errors import WeightsError
from codectk_hsc.generators.interface import Generator
from codectk_hsc.generators.library import load_generator, preset_entry, preset_path


class Holder:
    """A generator that is loaded when it is first needed.

    It is somebody else's and large: no part of the heads' weights, so it is held outside of their modules, and copies
    of these share it.

    Args:
        sha256: of the file that the heads were trained for.
        generator: the one to use instead.
        file: its verified file, which is else looked for when it is loaded.
    """

    def __init__(self, sha256: str, generator: Generator | None = None, file: Path | None = None):
        self.sha256 = sha256
        self._generator, self._file = generator, file

    def on(self, device: torch.device) -> Generator:
        """The generator; it is loaded to `device`.

        Raises:
            WeightsError: it is not there, or is another one than the heads need.
        """
        if self._generator is None:
            if (entry := preset_entry()).sha256 != self.sha256:
                raise WeightsError(
                    f"These heads belong to a generator with sha256 {self.sha256}, "
                    f"but the installed codectk-hsc knows {entry.name} with {entry.sha256}."
                )
            self._generator = load_generator(self._file or preset_path(), str(device))
        return self._generator

    def __deepcopy__(self, memo: dict[int, Any]) -> Holder:
        return self
