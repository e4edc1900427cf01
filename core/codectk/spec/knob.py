"""Knobs in a card: what a codec's user can turn."""

from __future__ import annotations

import math
import operator
import re
from dataclasses import dataclass
from typing import Any, Literal, cast

from codectk.base.errors import UsageError
from codectk.base.toml import Table

Side = Literal["encoder", "decoder"]
Number = float | int

_NAME = re.compile(r"[a-z][a-z0-9_]{0,31}")


@dataclass(frozen=True)
class Knob:
    """One option of a codec.

    Attributes:
        name: as in `--knob NAME=VALUE` and in Python keyword arguments.
        side: who turns it. Encoder knobs shape the file, decoder knobs only the picture.
        type: "float" or "int".
        minimum, maximum: inclusive range.
        default: value when none is given.
        coded: the file carries it. For a decoder knob this is the encoder's advice, used when
            the person decoding gives no value.
        rate: the knob that `--target-bytes` searches over; the file grows with it.
        help: one line.
    """

    name: str
    side: Side
    type: Literal["float", "int"]
    minimum: Number
    maximum: Number
    default: Number
    coded: bool = False
    rate: bool = False
    help: str = ""

    def convert(self, value: object) -> Number:
        """Return `value` (a number or its text) as this knob's type.

        Raises:
            UsageError: not a number, not whole where it must be, or out of range.
        """
        number = _number(value)
        if number is None or (self.type == "int" and number != int(number)):
            kind = "a whole number" if self.type == "int" else "a number"
            raise UsageError(f"Knob '{self.name}' must be {kind}, not {value!r}.")
        if not self.minimum <= number <= self.maximum:
            raise UsageError(f"Knob '{self.name}' must be between {self.minimum} and {self.maximum}, not {value}.")
        return int(number) if self.type == "int" else float(number)


def parse_knob(name: str, table: Table) -> Knob:
    """Read a table of `[codec.knobs]`.

    Raises:
        PluginBrokenError: a value is missing, unknown or makes no sense.
    """
    kind, side = table.take("type", str), table.take("side", str)
    table.need(_NAME.fullmatch(name) is not None, "the name must be 1 to 32 characters of a-z, 0-9, _")
    table.need(kind in ("float", "int"), "type must be 'float' or 'int'")
    table.need(side in ("encoder", "decoder"), "side must be 'encoder' or 'decoder'")
    low, high, default = (table.take(key, float) for key in ("min", "max", "default"))
    table.need(all(map(math.isfinite, (low, high, default))), "min, max and default must be finite")
    if kind == "int":
        table.need(all(isinstance(bound, int) for bound in (low, high, default)), "an int knob has whole bounds")
    else:
        low, high, default = float(low), float(high), float(default)
    table.need(low <= default <= high, "min <= default <= max does not hold")
    coded, rate = table.take("coded", bool, False), table.take("rate", bool, False)
    table.need(not rate or side == "encoder", "a rate knob is an encoder knob")
    text = table.take("help", str, "")
    table.done()
    return Knob(name, cast(Side, side), cast(Any, kind), low, high, default, coded, rate, text)


def _number(value: object) -> Number | None:
    """Return a finite number, or None. Whole numbers, such as large seeds, stay exact."""
    if isinstance(value, bool):
        return None
    for parse in (int if isinstance(value, str) else operator.index, float):
        try:
            number: Number = parse(cast(Any, value))
        except (TypeError, ValueError, OverflowError):
            continue
        return number if isinstance(number, int) or math.isfinite(number) else None
    return None
