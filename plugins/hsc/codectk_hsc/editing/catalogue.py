"""The edits of HSC's files. An amount of 1 changes an attribute by about one standard deviation over faces."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from codectk.spec.edits import Edit

UNIT = "standard deviations"


@dataclass(frozen=True)
class Direction:
    """How an edit moves style codes.

    Attributes:
        edit: as users see it.
        slots: first and last style slot that moves.
        effect: deviations of the attribute that one length of its direction was measured to give.
    """

    edit: Edit
    slots: tuple[int, int]
    effect: float

    @property
    def lengths(self) -> float:
        """Lengths of the direction that make an amount of 1."""
        return 1 / self.effect


def _direction(
    name: str, summary: str, slots: tuple[int, int], effect: float, most: float, *, least: float | None = None
) -> Direction:
    return Direction(Edit(name, summary, -most if least is None else least, most, UNIT), slots, effect)


# Slots, effects and ranges were chosen by looking at pictures: beyond the range faces lose shape or become others.
CATALOGUE: Mapping[str, Direction] = {
    direction.edit.name: direction
    for direction in (
        _direction("smile", "more of a smile", (0, 8), 0.43, 1.5),
        _direction("mouth_open", "mouth further open", (0, 8), 0.54, 2.5),
        _direction("eye_open", "eyes further open", (0, 8), 0.29, 1.25),
        _direction("glasses", "glasses appear", (0, 4), 0.53, 3.0, least=0.0),
        _direction("age", "looks older", (0, 15), 0.27, 1.5),
        _direction("masculine", "looks more masculine", (0, 8), 0.47, 1.5),
        _direction("face_width", "wider face", (0, 4), 0.32, 2.0),
        _direction("yaw", "turns to the right of the picture", (0, 4), 0.96, 2.0),
        _direction("pitch", "chin goes up", (0, 4), 0.65, 1.5),
        _direction("light_side", "light comes from the right of the picture", (0, 8), 0.79, 2.5),
        _direction("skin_brightness", "brighter face", (5, 15), 0.63, 2.0),
        _direction("hair_brightness", "brighter hair", (0, 15), 0.47, 2.0),
        _direction("warmth", "warmer colors", (9, 15), 0.77, 2.5),
        _direction("background_brightness", "brighter background", (5, 15), 0.39, 1.5),
        _direction("background_blue", "bluer background", (5, 15), 0.42, 1.5),
    )
}
