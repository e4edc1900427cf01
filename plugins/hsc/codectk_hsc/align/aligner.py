"""From an ordinary photo to the crop that HSC codes."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import numpy as np

from codectk.base.errors import CodectkWarning, InputError
from codectk_hsc.align.geometry import Frame, native_size

if TYPE_CHECKING:
    from codectk_hsc.align.detect import Detector


class Aligner:
    """Finds the face in a photo and cuts FFHQ's crop around it; a `codectk.spec.capabilities.Align`.

    Needs the extra `codectk-hsc[align]`, which is imported at the first call.
    """

    def __init__(self) -> None:
        self._detector: Detector | None = None

    def __call__(self, pixels: np.ndarray) -> np.ndarray:
        """Cut the crop of the largest face.

        Args:
            pixels: uint8 (H, W, 3) RGB, upright.

        Returns:
            uint8 (n, n, 3) RGB. n is the crop's own side in the photo rounded to a multiple of 4, so nothing is
            enlarged, but at most 1024 and at least 64 (`native_size`).

        Raises:
            InputError: no face was found or the extra is not installed, where the sentence names `--aligned`; or the
                crop would be smaller than that.

        Warns:
            CodectkWarning: there are several faces.
        """
        from codectk_hsc.align.cut import cut

        frame = self.find(pixels)
        return cut(pixels, frame, native_size(frame))

    def find(self, pixels: np.ndarray) -> Frame:
        """The square of FFHQ's crop around the largest face; arguments and errors as above."""
        from codectk_hsc.align.detect import ADVICE, Detector

        if self._detector is None:
            self._detector = Detector()
        frames = self._detector.frames(pixels)
        if not frames:
            raise InputError(f"No face was found in the picture ({ADVICE}).")
        if len(frames) > 1:
            warnings.warn(CodectkWarning(f"{len(frames)} faces were found; the largest is used."), stacklevel=3)
        return self._detector.refined(pixels, frames[0])
