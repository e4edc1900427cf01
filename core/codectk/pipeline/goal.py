"""What is asked of a file: a size, the most faithful of several seeds, or just what the knobs say."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from codectk.base import arguments
from codectk.base.errors import UsageError
from codectk.base.progress import Progress, reporting, silent
from codectk.bitstream.reader import read
from codectk.pipeline.decode import decode_settings
from codectk.pipeline.encode import Encoding
from codectk.pipeline.search import encode_to_target
from codectk.spec.card import CodecCard
from codectk.spec.knob import Knob

if TYPE_CHECKING:
    from codectk.pipeline.codec import Codec

SEED = "seed"
"""The knob whose values are tried for the most faithful picture."""


@dataclass(frozen=True)
class Goal:
    """What the file of a picture is to be: of a size, or the most faithful of several, or just what the knobs say.

    The fields are arguments of `Codec.encode`.
    """

    target_bpp: float | None = None
    target_bytes: float | None = None
    strict: bool = False
    best_of: int | None = None

    def check(self, codec: Codec, knobs: Container[str]) -> None:
        """Check what can be checked before a picture is prepared, which may take long.

        Args:
            codec: what shall make the file.
            knobs: names of those that are given.

        Raises:
            UsageError: the arguments contradict each other, or the codec cannot do it.
        """
        arguments.check(**asdict(self))
        targets = {"target_bpp": self.target_bpp, "target_bytes": self.target_bytes}
        given = {name: value for name, value in targets.items() if value is not None}
        if len(given) == 2:
            raise UsageError("Give target_bpp or target_bytes, not both.")
        if self.strict and not given:
            raise UsageError("strict has a meaning only together with a target size.")
        if self.best_of is not None:
            if given:
                raise UsageError("Give a target size or best_of, not both.")
            check_codec(codec)
        rate = codec.card.rate_knob
        if given and rate is not None and rate.name in knobs:
            raise UsageError(f"A target size and {rate.name} contradict each other; give one of them.")

    @property
    def once(self) -> bool:
        """One file is made, without a search."""
        return self.target_bpp is self.target_bytes is self.best_of is None

    def file(self, encoding: Encoding, progress: Progress = silent) -> bytes:
        """Make the file of a prepared picture."""
        if self.best_of is not None:
            return encode_best(encoding, self.best_of, progress=progress)
        target = self.target_bytes
        if self.target_bpp is not None:
            target = self.target_bpp * encoding.picture.width * encoding.picture.height / 8
        if target is None:
            with reporting(progress):  # of the tiles of a large picture
                return encoding.file()
        return encode_to_target(encoding, target, strict=self.strict, progress=progress)


def encode_best(encoding: Encoding, tries: int, *, progress: Progress = silent) -> bytes:
    """Make the file whose decoded picture is closest to the original, among seeds that follow each other.

    The latents are made once and painted with each seed, all other knobs of the decoder as they are by default; the
    analysis says how far each picture is from the original. The file is that of an ordinary encoding with the seed of
    the smallest distance (of equal ones the first), so it grows by the bytes of a seed at most.

    Args:
        encoding: a prepared picture; its seed, or the card's default, is the first to be tried. Behind the knob's
            largest value follows its smallest.
        tries: how many seeds, at least 1.
        progress: told after each try with its seed and distance, and in between of the steps that a synthesis reports,
            as if those of all tries were one work.

    Returns:
        The bytes of a `.ctk` file, with the seed.

    Raises:
        UsageError: `tries` is no whole number of at least 1, or as `check_codec`.
    """
    arguments.check(best_of=tries)
    check_codec(encoding.codec)
    knob = seed_knob(encoding.codec.card)
    first, count = int(encoding.knobs.get(SEED, knob.default)), int(knob.maximum - knob.minimum) + 1
    seeds = [int(knob.minimum + (first - knob.minimum + number) % count) for number in range(min(tries, count))]
    pictures = decode_settings(read(encoding.file()), encoding.codec, [{SEED: seed} for seed in seeds])
    work = _Work(progress, len(seeds))
    distances: dict[int, float] = {}
    for seed in seeds:
        with reporting(work.step):
            picture = next(pictures)
        distances[seed] = encoding.distance(picture)
        work.tried(seed, distances[seed])
    return encoding.advising(SEED, min(seeds, key=lambda seed: distances[seed])).file()


def seed_knob(card: CodecCard) -> Knob:
    """The knob of a codec whose values can be tried.

    Raises:
        UsageError: it has none.
    """
    knob = card.knobs.get(SEED)
    if knob is None or not knob.coded or knob.side != "decoder" or knob.type != "int":
        raise UsageError(
            f"Codec '{card.name}' has no seed that its files carry for the decoder, so there is nothing to try."
        )
    return knob


def check_codec(codec: Codec) -> None:
    """Check that a codec can be asked for the best of several seeds.

    Raises:
        UsageError: it has no such seed, or its analysis cannot tell how faithful a picture is.
    """
    seed_knob(codec.card)
    if codec.stages.can.compare is None:
        raise UsageError(f"Codec '{codec.stages.id}' cannot tell which of several pictures is closest to the original.")


class _Work:
    """Tries, and the steps within them, as one work."""

    def __init__(self, progress: Progress, tries: int) -> None:
        self._progress, self._tries = progress, tries
        self._finished, self._steps = 0, 1

    def step(self, done: int, total: int | None = None, **fields: object) -> None:
        if total:
            self._steps = total
            self._progress(self._finished * total + done, self._tries * total, **fields)

    def tried(self, seed: int, distance: float) -> None:
        self._finished += 1
        self._progress(self._finished * self._steps, self._tries * self._steps, seed=seed, distance=distance)
