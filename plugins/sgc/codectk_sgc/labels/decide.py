"""Yes or no, coded with a probability from a network that is corrected by how earlier answers turned out.

Chances are logits in steps of ln(9/8), so that both probabilities of a step are ratios of whole numbers.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from codectk.coding.tables import Tables
from codectk.spec.stages import SymbolCoder
from codectk_sgc.labels.context import CANDIDATES, PATTERNS
from codectk_sgc.wavefront import IntArray

LEVELS = 85
"""Steps from even chances to nearly certain, on either side."""

FINE = 16
"""Parts of a step in which the network speaks."""

_CORRECTION_BITS = 8
RATE = 6000
"""What an answer that was certain not to come adds to a correction, in parts of 2**-8 of a fine step."""


def _answers() -> Tables:
    chances = [(9**n << 16) // (9**n + 8**n) for n in range(LEVELS + 1)]
    yes = np.array([*((1 << 16) - chance for chance in reversed(chances[1:])), *chances])
    # The last entry is the escape's, which is never needed.
    return Tables.from_counts([np.array([(1 << 16) - y, y, 0]) for y in yes.tolist()], np.zeros(len(yes), np.int32))


ANSWERS = _answers()
"""Tables of 0 and 1 by level, LEVELS of them for no, one for even chances, LEVELS for yes."""

_YES: IntArray = ANSWERS.frequencies[:, 1].astype(np.int64)


class Decisions:
    """Codes whether cells have a candidate's label, and learns where the network is wrong in this map.

    Args:
        classes: number of labels.
    """

    def __init__(self, classes: int) -> None:
        self._by_pattern = np.zeros((CANDIDATES, PATTERNS), np.int64)
        self._by_label = np.zeros((CANDIDATES, classes), np.int64)

    def code(
        self,
        coder: SymbolCoder,
        number: int,
        chances: IntArray,
        pattern: IntArray,
        label: IntArray,
        answers: npt.NDArray[np.bool_] | None,
    ) -> npt.NDArray[np.bool_]:
        """Code one answer for each of n cells.

        Args:
            coder: encoder, decoder or meter.
            number: of the candidate, 0..CANDIDATES-1.
            chances: the network's logits, in steps of ln(9/8) / FINE.
            pattern: see `context.patterns`.
            label: the candidate, 0..classes-1.
            answers: whether it is the cell's label; None decodes.
        """
        correction = self._by_pattern[number, pattern] + self._by_label[number, label]
        fine = chances + (correction >> _CORRECTION_BITS)
        level = np.clip((fine + FINE // 2) // FINE, -LEVELS, LEVELS) + LEVELS
        given = None if answers is None else answers.astype(np.int32)
        # Garbage may decode to an escape; the digest refuses it in the end.
        coded: npt.NDArray[np.bool_] = coder.code(level, given, ANSWERS) == 1
        learned = ((coded.astype(np.int64) << 16) - _YES[level]) * RATE >> 16
        np.add.at(self._by_pattern[number], pattern, learned)
        np.add.at(self._by_label[number], label, learned)
        return coded
