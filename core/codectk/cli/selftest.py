"""The self-test of `codectk doctor`: a small made-up picture through every codec on every device."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from codectk.base.errors import WeightsAbsentError
from codectk.cli.errors import failure

if TYPE_CHECKING:
    import numpy as np

HEIGHT, WIDTH = 72, 104
"""Size of the test picture in pixels: no multiple of a usual stride."""


@dataclass(frozen=True)
class Trial:
    """One codec, one encoding device, one decoding device.

    Attributes:
        codec: codec name.
        encoded_on, decoded_on: devices.
        ok: the file decoded to a picture of the right size, to the same pixels twice.
        bytes: size of the file, or 0.
        psnr: of the decoded picture, in dB, or None.
        seconds: both ways, without loading the codec.
        reason: why not ok, with the stable code.
        exit_code: 0 if ok, or if the codec only waits for weights that can be pulled.
    """

    codec: str
    encoded_on: str
    decoded_on: str
    ok: bool
    bytes: int = 0
    psnr: float | None = None
    seconds: float = 0.0
    reason: str = ""
    exit_code: int = 0


def selftest(codecs: Iterable[str], devices: Sequence[str]) -> Iterator[Trial]:
    """Try every codec on every pair of devices; what goes wrong becomes a trial that is not ok."""
    for codec in codecs:
        for encoder in devices:
            for decoder in devices:
                try:
                    yield _try(codec, encoder, decoder)
                except Exception as error:
                    told = failure(error)
                    fault = 0 if isinstance(error, WeightsAbsentError) else told.exit_code
                    yield Trial(codec, encoder, decoder, False, reason=str(told), exit_code=fault)


def picture() -> np.ndarray:
    """Return the test picture, uint8 (HEIGHT, WIDTH, 3): soft gradients, a disc with a sharp edge, fine stripes."""
    import numpy as np

    y, x = np.mgrid[0:HEIGHT, 0:WIDTH].astype(np.float64)
    red = 60 + 120 * x / WIDTH
    green = 90 + 80 * np.sin(x / 17) * np.cos(y / 13)
    blue = 200 - 140 * y / HEIGHT
    pixels = np.stack([red, green, blue], axis=-1)
    pixels[(x - 30) ** 2 + (y - 36) ** 2 < 400] = (230, 180, 40)
    pixels[:, 70:] += 25 * ((x + y) % 6 < 3)[:, 70:, None]
    rounded: np.ndarray = np.clip(np.rint(pixels), 0, 255).astype(np.uint8)
    return rounded


def _try(codec: str, encoder: str, decoder: str) -> Trial:
    import numpy as np

    from codectk import api
    from codectk.base.errors import ContractError
    from codectk.pipeline.load import load

    for device in (encoder, decoder):
        load(codec, device=device)
    original = picture()
    started = time.perf_counter()
    data = api.encode(original, codec, device=encoder)
    decoded = api.decode_picture(data, device=decoder).pixels
    seconds = time.perf_counter() - started
    if decoded.shape != original.shape:
        raise ContractError(f"A picture of shape {original.shape} came back with shape {decoded.shape}.")
    if not np.array_equal(decoded, api.decode_picture(data, device=decoder).pixels):
        raise ContractError("Decoding twice gave different pixels.")
    error = float(np.mean((decoded.astype(np.float64) - original) ** 2))
    psnr = None if error == 0 else 10 * math.log10(255**2 / error)
    return Trial(codec, encoder, decoder, True, len(data), psnr, seconds)
