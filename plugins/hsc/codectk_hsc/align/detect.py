"""Faces found by MTCNN (Zhang et al. 2016), whose three small networks the package mtcnn-runtime carries.

Chosen after a trial on 400 rendered faces pasted into photos (110 to 420 pixels wide, turned by up to 20 degrees, true
square known): MTCNN found all and is off by 1.7 % of the crop's width at a corner in the median, by 1.3 % after a
second look (`Detector.refined`). dlib's 68 points, which defined FFHQ, reach 0.9 %, but their file has 95 MB and was
trained on a set for research only; the 468 points of MediaPipe's mesh reach 1.7 %, and their wheel wants TensorFlow.
"""

from __future__ import annotations

import contextlib
import io
from dataclasses import dataclass

import numpy as np
from PIL import Image

from codectk.base.errors import InputError
from codectk_hsc.align.cut import cut
from codectk_hsc.align.geometry import Frame, Landmarks, frame_of

ADVICE = "a picture that is one face, cut out as in FFHQ, needs no search: --aligned"
MISSING = f"Finding the face in a photo needs one more package: pip install 'codectk-hsc[align]' ({ADVICE})."

SEARCH_SIDE = 1024
"""A larger photo is reduced to this for the search; a face that is not seen in it is no portrait."""

SMALLEST = 30
"""Least width in pixels of a face's box in the reduced photo."""

SURE = 0.9
"""Least confidence of the last network. What is below is rarely a face."""

VIEW_SIDE, VIEW_SCALE = 256, 1.3
"""The second look is at the upright crop and this much around it, in so many pixels."""

DOWN, SCALE = 0.0052, 0.985
"""MTCNN's points are not those that FFHQ was cut by: its square, corrected by the mean error on rendered faces."""


@dataclass(frozen=True, eq=False)
class _Face:
    middle: np.ndarray
    landmarks: Landmarks


class Detector:
    """The networks, loaded once.

    Raises:
        InputError: the package is not installed; the sentence names it.
    """

    def __init__(self) -> None:
        try:
            from mtcnnruntime import MTCNN
        except ImportError as error:
            raise InputError(MISSING) from error
        self._networks = MTCNN()

    def frames(self, pixels: np.ndarray) -> list[Frame]:
        """First look: squares around all faces of a photo, largest first.

        Args:
            pixels: uint8 (H, W, 3) RGB, upright.
        """
        photo = Image.fromarray(pixels)
        photo.thumbnail((SEARCH_SIDE, SEARCH_SIDE), Image.Resampling.LANCZOS)
        scale = pixels.shape[1] / photo.width
        frames = [_frame(face.landmarks) for face in self._search(np.asarray(photo), SMALLEST)]
        return sorted((Frame(f.center * scale, f.right * scale) for f in frames), key=lambda f: -f.side)

    def refined(self, pixels: np.ndarray, frame: Frame) -> Frame:
        """Second look: at the upright crop in full resolution and at its mirror image.

        Args:
            pixels: as for `frames`.
            frame: one of the squares.

        Returns:
            The mean of what both looks found, or `frame` if neither found the face again.
        """
        around = frame.changed(scale=VIEW_SCALE)
        view = cut(pixels, around, VIEW_SIDE)
        seen = [self._middle_face(view), _mirrored(self._middle_face(view[:, ::-1]))]
        points = [np.stack([f.left_eye, f.right_eye, f.mouth]) / VIEW_SIDE for f in seen if f is not None]
        if not points:
            return frame
        return _frame(Landmarks(*around.to_picture(np.mean(points, axis=0))))

    def _middle_face(self, view: np.ndarray) -> Landmarks | None:
        """The face in the middle of a square crop, if there is one."""

        def distance(face: _Face) -> float:
            return float(np.hypot(*(face.middle - VIEW_SIDE / 2)))

        face = min(self._search(view, VIEW_SIDE // 4), key=distance, default=None)
        return face.landmarks if face is not None and distance(face) < VIEW_SIDE / 4 else None

    def _search(self, pixels: np.ndarray, smallest: int) -> list[_Face]:
        try:
            # The package prints a word about boxes that leave the picture; stdout may be the encoded file.
            with contextlib.redirect_stdout(io.StringIO()):
                boxes, points = self._networks.detect(np.ascontiguousarray(pixels[..., ::-1]), min_face_size=smallest)
        except ValueError as error:
            if "concatenate" not in str(error):
                raise
            return []  # the first network saw nothing, and the package stacks an empty list
        return [
            _Face((box[:2] + box[2:4]) / 2, _landmarks(np.asarray(row, np.float64).reshape(2, 5).T))
            for box, row in zip(boxes, points, strict=True)
            if box[4] >= SURE
        ]


def _landmarks(points: np.ndarray) -> Landmarks:
    """From MTCNN's five points: eyes, nose, corners of the mouth; left ones first."""
    return Landmarks(points[0], points[1], (points[3] + points[4]) / 2)


def _frame(face: Landmarks) -> Frame:
    return frame_of(face).changed(SCALE, DOWN)


def _mirrored(face: Landmarks | None) -> Landmarks | None:
    """Points found in the mirror image, in the view itself."""
    if face is None:
        return None

    def turn(point: np.ndarray) -> np.ndarray:
        return np.array([VIEW_SIDE - point[0], point[1]])

    return Landmarks(turn(face.right_eye), turn(face.left_eye), turn(face.mouth))
