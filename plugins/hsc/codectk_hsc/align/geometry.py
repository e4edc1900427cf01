"""The FFHQ crop (Karras et al. 2019, appendix A) as geometry: from three points of a face to a square and back.

Positions are (x, y) in continuous pixels: the picture's upper left corner is (0, 0), the center of its first pixel is
(0.5, 0.5). Positions in a crop are in crop widths, (0, 0) to (1, 1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from codectk.base.errors import InputError

EYES_TO_SIDE, MOUTH_TO_SIDE = 4.0, 3.6
"""The crop's side: so many times the distance of the eyes, or of eyes and mouth, whichever gives more."""

CENTER = 0.1
"""Where the crop's center lies on the way from the eyes to the mouth."""

MIN_SIZE, MAX_SIZE, SIZE_STEP = 64, 1024, 4


@dataclass(frozen=True, eq=False)
class Landmarks:
    """Where the parts of a face are; left and right as seen in the picture.

    Attributes:
        left_eye: float (2,), middle of the eye, x and y in pixels.
        right_eye: the same of the other eye.
        mouth: middle between the corners of the mouth.
    """

    left_eye: np.ndarray
    right_eye: np.ndarray
    mouth: np.ndarray


@dataclass(frozen=True, eq=False)
class Frame:
    """A square in a picture, turned and placed freely.

    Attributes:
        center: float (2,), x and y in pixels.
        right: float (2,), from the center to the middle of the square's right edge.
    """

    center: np.ndarray
    right: np.ndarray

    @property
    def side(self) -> float:
        """Length of an edge in pixels."""
        return 2 * float(np.hypot(*self.right))

    @property
    def axes(self) -> np.ndarray:
        """float (2, 2): what turns (x, y) in crop widths into (x, y) in pixels; its columns are the edges."""
        x, y = self.right
        return 2 * np.array([[x, -y], [y, x]])

    def to_picture(self, points: np.ndarray) -> np.ndarray:
        """Crop widths to pixels, float (..., 2) to (..., 2)."""
        return np.asarray((points - 0.5) @ self.axes.T + self.center)

    def to_crop(self, points: np.ndarray) -> np.ndarray:
        """Pixels to crop widths, float (..., 2) to (..., 2)."""
        return np.asarray((points - self.center) @ np.linalg.inv(self.axes).T + 0.5)

    def changed(self, scale: float = 1.0, down: float = 0.0) -> Frame:
        """This square `scale` times as large, after its center moved `down` of the present side towards its bottom."""
        return Frame(self.center + down * self.axes[:, 1], scale * self.right)


def frame_of(face: Landmarks) -> Frame:
    """The square that FFHQ cuts around a face.

    Its horizontal is the sum of the line between the eyes and of the normal on the line from the eyes to the mouth, so
    that neither a turned head nor a crooked mouth tilts it alone.

    Raises:
        InputError: the three points coincide.
    """
    eyes = (face.left_eye + face.right_eye) / 2
    across, along = face.right_eye - face.left_eye, face.mouth - eyes
    horizontal = across + np.array([along[1], -along[0]])
    length = np.hypot(*horizontal)
    side = max(EYES_TO_SIDE * np.hypot(*across), MOUTH_TO_SIDE * np.hypot(*along))
    if not length * side > 0:
        raise InputError("The eyes and the mouth of the face that was found coincide.")
    return Frame(eyes + CENTER * along, horizontal * (side / 2 / length))


def native_size(frame: Frame) -> int:
    """Side in pixels of the crop to cut: the most that the picture has, so nothing is enlarged.

    Returns:
        The square's own side rounded to a multiple of 4, at most 1024 (the generator's size).

    Raises:
        InputError: that is below 64. What is found in such a size is often no face, and there is little to code.
    """
    size = SIZE_STEP * round(frame.side / SIZE_STEP)
    if size < MIN_SIZE:
        raise InputError(
            f"The largest face in the picture is too small: its crop has {frame.side:.0f} pixels a side, "
            f"{MIN_SIZE} are needed."
        )
    return min(MAX_SIZE, size)
