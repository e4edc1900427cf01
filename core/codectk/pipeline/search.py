"""The knob value that makes a file of a wanted size, searched over complete files."""

from __future__ import annotations

import math

from codectk.base.errors import TargetError, UsageError
from codectk.base.progress import Progress, reporting, silent
from codectk.bitstream.knobs import quantize_knob
from codectk.pipeline.encode import Encoding
from codectk.spec.knob import Knob, Number

MAX_ENCODES = 8
"""Most complete files made in one search."""

MAX_REFINED = 3
"""Most files in one search that are made with effort."""

TOLERANCE = 0.02
"""How far from the target, as a fraction of it, a file may be to end the search."""

CLOSE = math.log(1.2)
"""Within which factor of the target, as a logarithm, a file must be for the search to look for dips and bumps."""


def encode_to_target(
    encoding: Encoding, target_bytes: float, *, strict: bool = False, progress: Progress = silent
) -> bytes:
    """Make a file of about `target_bytes` bytes.

    About `MAX_ENCODES` files are made. Bytes grow with the rate knob as a rule, which the search follows, but it goes
    by the files that it has seen, and ends as soon as one is within `TOLERANCE` of the target (with `strict`: within it
    and not above). Where the knob is too coarse or the files too small for that, the nearest file is returned.

    Args:
        encoding: a prepared picture; the value of its rate knob is where the search starts.
        target_bytes: wanted size of the whole file in bytes, positive.
        strict: never go above the target.
        progress: told after each file, with its bytes and its knob.

    Returns:
        The bytes of a `.ctk` file.

    Raises:
        UsageError: the target is not a positive number, or the codec has no rate knob.
        TargetError: all files tried are smaller or all larger; the sentence has their range.
    """
    knob, start = encoding.codec.card.rate_knob, encoding.rate
    if knob is None or start is None:
        raise UsageError(f"Codec '{encoding.codec.stages.id}' has no rate knob, so a size cannot be asked of it.")
    if not (math.isfinite(target_bytes) and target_bytes > 0):
        raise UsageError(f"A target size must be a positive number of bytes, not {target_bytes}.")
    if encoding.effort == 0:
        return _Search(encoding, knob, target_bytes, strict, progress).run(start)[0]
    return _refined_to_target(encoding, knob, target_bytes, strict, progress)


def _refined_to_target(encoding: Encoding, knob: Knob, target: float, strict: bool, progress: Progress) -> bytes:
    """Search with plain files, which are quick, for one that is of the wanted size once it is refined.

    How much smaller a file becomes with effort is learned from the first ones, of which there are at most
    `MAX_REFINED`.
    """
    plain, start = encoding.plain(), encoding.rate
    assert start is not None
    left = 1.0
    refined: list[bytes] = []
    while len(refined) < MAX_REFINED:
        try:
            before, start = _Search(plain, knob, target / left, strict, progress).run(start)
        except TargetError:
            if not refined:
                raise
            break
        with reporting(progress):
            refined.append(encoding.file(start))
        size = len(refined[-1])
        if target * (1 - TOLERANCE) <= size <= target * (1 if strict else 1 + TOLERANCE):
            return refined[-1]
        left = size / len(before)
    allowed = [data for data in refined if len(data) <= target or not strict]
    if not allowed:
        return _Search(plain, knob, target, strict, progress).run(start)[0]
    return min(allowed, key=lambda data: abs(math.log(len(data) / target)))


class _Search:
    """A bracket of knob values around the target, narrowed until a file is of the wanted size."""

    def __init__(self, encoding: Encoding, knob: Knob, target: float, strict: bool, progress: Progress) -> None:
        self._encoding, self._knob, self._progress = encoding, knob, progress
        self._target, self._strict = target, strict
        # With `strict` only the lower half of the window counts, so its middle is aimed at.
        self._aim = target * (1 - TOLERANCE / 2) if strict else target
        self._files: dict[Number, bytes] = {}

    def run(self, start: Number) -> tuple[bytes, Number]:
        """The file, and its value of the knob."""
        data = self._found(self._settle(start))
        return data, next(value for value, file in self._files.items() if file is data)

    def _found(self, start: Number) -> bytes:
        if self._try(start):
            return self._best()
        end = self._settle(self._knob.maximum if self._gap(start) < 0 else self._knob.minimum)
        if self._try(end):
            return self._best()
        bracket = (start, end) if self._across(start, end) else self._look()
        if bracket is None:
            return self._beyond()
        self._narrow(*bracket)
        return self._best()

    def _look(self) -> tuple[Number, Number] | None:
        """Look for a file on the other side of the target although both ends of the range lie on one side.

        Of a flat or a noisy picture, files may shrink by some bytes where the knob rises. So the wider gap beside the
        nearest file is halved as long as that is close.

        Returns:
            Knob values on either side of the target, the later one last; the same twice if a file ends the search; or
            None.
        """
        while len(self._files) < MAX_ENCODES:
            tried = sorted(self._files)
            nearest = min(tried, key=lambda value: abs(self._gap(value)))
            at = tried.index(nearest)
            other = max(tried[max(0, at - 1) : at + 2], key=lambda value: abs(value - nearest))
            value = self._settle((nearest + other) / 2)
            if abs(self._gap(nearest)) > CLOSE or value in self._files:
                return None
            if self._try(value):
                return value, value
            if self._across(value, nearest):
                return nearest, value
        return None

    def _across(self, one: Number, other: Number) -> bool:
        """Whether the target lies between two files."""
        return (self._gap(one) < 0) != (self._gap(other) < 0)

    def _narrow(self, far: Number, near: Number) -> None:
        """Chandrupatla's method on the logarithm of the size.

        Three points are interpolated by an inverse parabola where that is safe, else the bracket is halved; the first
        step is a straight line, because the logarithm of the size is nearly one.

        Args:
            far, near: knob values on either side of the target; `near` was tried last.
        """
        if near == far:
            return
        share = self._gap(near) / (self._gap(near) - self._gap(far))
        while len(self._files) < MAX_ENCODES:
            value = self._settle(near + share * (far - near))
            if value in self._files:
                value = self._settle((near + far) / 2)
                if value in self._files:
                    return
            if self._try(value):
                return
            if not self._across(value, near):
                old = near
            else:
                old, far = far, near
            near = value
            share = _share((near, self._gap(near)), (far, self._gap(far)), (old, self._gap(old)))

    def _try(self, value: Number) -> bool:
        """Make the file for a knob value unless it exists; True if it ends the search."""
        if value not in self._files:
            self._files[value] = self._encoding.file(value)
            size = len(self._files[value])
            self._progress(len(self._files), MAX_ENCODES, bytes=size, **{self._knob.name: value})
        size = len(self._files[value])
        highest = self._target * (1 if self._strict else 1 + TOLERANCE)
        return self._target * (1 - TOLERANCE) <= size <= highest

    def _best(self) -> bytes:
        if self._strict:
            return max((data for data in self._files.values() if len(data) <= self._target), key=len)
        return min(self._files.values(), key=lambda data: abs(math.log(len(data) / self._target)))

    def _beyond(self) -> bytes:
        """All tries lie on one side of the target, one of them at the end of the knob's range."""
        if self._strict and any(len(data) <= self._target for data in self._files.values()):
            return self._best()
        for value in (self._knob.minimum, self._knob.maximum):
            self._try(self._settle(value))
        sizes = sorted(map(len, self._files.values()))
        raise TargetError(
            f"Codec '{self._encoding.codec.stages.id}' cannot make a file of {self._target:.0f} bytes from this "
            f"picture; {len(sizes)} tries with {self._knob.name} {self._knob.minimum:g} to {self._knob.maximum:g} gave "
            f"{sizes[0]} to {sizes[-1]} bytes."
        )

    def _gap(self, value: Number) -> float:
        return math.log(len(self._files[value]) / self._aim)

    def _settle(self, value: float) -> Number:
        """The nearest value that the knob can take and a file can carry."""
        if self._knob.type == "int":
            value = round(value)
        return self._knob.convert(quantize_knob(self._knob.name, value)) if self._knob.coded else value


def _share(near: tuple[float, float], far: tuple[float, float], old: tuple[float, float]) -> float:
    """Where between `near` (0) and `far` (1) the gap should vanish; the third point lies beyond one of them."""
    (x1, f1), (x2, f2), (x3, f3) = near, far, old
    xi = (x1 - x2) / (x3 - x2)
    phi = (f1 - f2) / (f3 - f2) if f3 != f2 else 0.0
    if not (phi * phi < xi and (1 - phi) ** 2 < 1 - xi):
        return 0.5
    share = f1 / (f2 - f1) * f3 / (f2 - f3) + (x3 - x1) / (x2 - x1) * f1 / (f3 - f1) * f2 / (f3 - f2)
    return min(0.98, max(0.02, share))
