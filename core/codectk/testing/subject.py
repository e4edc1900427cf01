"""The codec under test, and what the parts of the conformance kit share about it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from codectk import api
from codectk.pipeline.codec import Codec
from codectk.pipeline.load import load
from codectk.spec.knob import Knob, Number
from codectk.testing import pictures


class CodecSubject:
    """Names the codec and makes files of it. The pictures are framed already for a codec that aligns them.

    Attributes:
        codec: name of an installed codec.
        knobs: encoder-side knobs for all files but those of the rate test, such as a low quality for speed.
        weights: name of weights in the store, in place of the codec's own.
        engine: what runs its networks, see `codectk.load`. A codec with a light form has two test classes.
    """

    codec: ClassVar[str] = ""
    knobs: ClassVar[Mapping[str, Number]] = {}
    weights: ClassVar[str | None] = None
    engine: ClassVar[str] = "auto"

    def picture(self, height: int, width: int) -> NDArray[np.uint8]:
        """A picture of the codec's domain, uint8 (height, width, 3); override for faces and the like."""
        return pictures.scene(height, width)

    def ready(self) -> Codec:
        return load(self.codec, engine=self.engine, weights=self.weights)

    def aligned(self) -> bool:
        return self.ready().stages.align is not None

    def encode(self, image: NDArray[np.uint8] | Image.Image, **knobs: Any) -> bytes:
        chosen: dict[str, Any] = {"engine": self.engine, **self.knobs, **knobs}
        # Effort only looks for other values, at length.
        how: Any = {"weights": self.weights, "aligned": self.aligned(), "effort": 0}
        return bytes(api.encode(image, self.codec, **how, **chosen))

    def decode(self, data: bytes, **options: Any) -> Image.Image:
        return api.decode(data, **{"engine": self.engine, **options})

    def small_file(self) -> bytes:
        """One small file, made once per class."""
        cls = type(self)
        if "_small_file" not in vars(cls):
            cls._small_file = self.encode(self.picture(40, 56))
        return cls._small_file

    _small_file: ClassVar[bytes]

    def rate_knob(self) -> Knob:
        knob = self.ready().card.rate_knob
        if knob is None:
            pytest.skip(f"codec '{self.codec}' has no rate knob")
        return knob
