"""Several seeds tried where a picture is encoded, and the most faithful one written into its file."""

from __future__ import annotations

from codectk.base.errors import UsageError
from codectk.base.progress import Progress, reporting, silent
from codectk.bitstream.reader import read
from codectk.pipeline import stages
from codectk.pipeline.decode import decode_settings
from codectk.pipeline.encode import Encoding
from codectk.pipeline.load import Ready
from codectk.spec.card import CodecCard, Knob

SEED = "seed"
"""The knob that is tried."""


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
        UsageError: as `check_tries` and `check_codec`.
    """
    check_tries(tries)
    check_codec(encoding.ready)
    knob = seed_knob(encoding.ready.card)
    first, count = int(encoding.knobs.get(SEED, knob.default)), int(knob.maximum - knob.minimum) + 1
    seeds = [int(knob.minimum + (first - knob.minimum + number) % count) for number in range(min(tries, count))]
    pictures = decode_settings(read(encoding.file()), encoding.ready, [{SEED: seed} for seed in seeds])
    work = _Work(progress, len(seeds))
    distances: dict[int, float] = {}
    for seed in seeds:
        with reporting(work.step):
            picture = next(pictures)
        distances[seed] = encoding.distance(picture)
        work.tried(seed, distances[seed])
    return encoding.advising(SEED, min(seeds, key=lambda seed: distances[seed])).file()


def check_tries(tries: object) -> None:
    """Check a number of tries.

    Raises:
        UsageError: it is no whole number of at least 1.
    """
    if isinstance(tries, bool) or not isinstance(tries, int) or tries < 1:
        raise UsageError(f"The number of seeds to try must be a whole number of at least 1, not {tries!r}.")


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


def check_codec(ready: Ready) -> None:
    """Check that a codec can be asked for the best of several seeds.

    Raises:
        UsageError: it has no such seed, or its analysis cannot tell how faithful a picture is.
    """
    seed_knob(ready.card)
    if not stages.compares(ready.codec):
        raise UsageError(f"Codec '{ready.codec.id}' cannot tell which of several pictures is closest to the original.")


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
