"""What a codec's own weights reach on the pictures that they were trained for, in its card."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from codectk.base.toml import Table


@dataclass(frozen=True)
class Fidelity:
    """The table `[codec.fidelity]` of a card; the core judges pictures by it, see `pipeline.domain`.

    Attributes:
        least: PSNR in dB that the busiest part of such a picture comes back with at best.
        knobs: of both ends, at which that is: the highest quality, and a synthesis that invents nothing.
        measured: how and on what, for whoever trains new weights.
    """

    least: float
    knobs: Mapping[str, float] = field(hash=False)
    measured: str


def parse_fidelity(table: Table) -> Fidelity | None:
    """Take `fidelity` from a codec's table of a card; None where there is none.

    Raises:
        PluginBrokenError: a value is missing, unknown or makes no sense.
    """
    data = table.take("fidelity", dict, {})
    if not data:
        return None
    least, knobs, measured = (data.get(key, "") for key in ("least", "knobs", "measured"))
    right = (
        set(data) == {"least", "knobs", "measured"}
        and isinstance(least, int | float)
        and isinstance(measured, str)
        and isinstance(knobs, dict)
        and all(isinstance(value, int | float) for value in knobs.values())
    )
    table.need(right, "fidelity has 'least' (dB), 'knobs' (numbers by name) and 'measured' (a sentence)")
    return Fidelity(float(least), {name: float(value) for name, value in knobs.items()}, measured)
