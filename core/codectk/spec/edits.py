"""Edits: changes of what a picture shows, stored in the file and made by the synthesis.

A file keeps its latents and carries an amount per edit beside them (chunk EDIT), so an edit can always be taken back.
A plugin lists the edits of a codec in its hook `codectk_edits`; its synthesis reads `ctx.edits`.
"""

from __future__ import annotations

from dataclasses import dataclass

from codectk.base.errors import UsageError
from codectk.bitstream.edits import MAX_AMOUNT, is_edit_name, quantize_amount


@dataclass(frozen=True)
class Edit:
    """One edit of a codec's files.

    Attributes:
        name: 1 to 32 of a-z 0-9 _, beginning with a letter.
        summary: one line.
        minimum, maximum: inclusive range of the amount, from -1024..0 to 0..1024; 0 is the picture as it was.
        unit: what an amount of 1 means, such as "standard deviations"; "" if it needs no word.
    """

    name: str
    summary: str
    minimum: float
    maximum: float
    unit: str = ""

    @property
    def wrong(self) -> str:
        """What is wrong with this edit itself, "" for nothing."""
        if not is_edit_name(self.name):
            return "its name is not 1 to 32 of a-z 0-9 _, beginning with a letter"
        if not -MAX_AMOUNT <= self.minimum <= 0 <= self.maximum <= MAX_AMOUNT or self.minimum == self.maximum:
            return f"its range must have 0 in it and lie within -{MAX_AMOUNT}..{MAX_AMOUNT}"
        return ""

    def convert(self, amount: object) -> float:
        """The amount as a file carries it, in steps of 1/64.

        Args:
            amount: a number or its text.

        Raises:
            UsageError: not a number, or out of range.
        """
        try:
            number = float(amount)  # type: ignore[arg-type]
        except (TypeError, ValueError):
            raise UsageError(f"Edit '{self.name}' takes a number, not {amount!r}.") from None
        # NaN fails this test, too.
        if isinstance(amount, bool) or not self.minimum <= number <= self.maximum:
            raise UsageError(f"Edit '{self.name}' takes {self.minimum:g} to {self.maximum:g}, not {amount}.")
        return quantize_amount(number)
