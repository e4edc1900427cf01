"""FFHQ's crop as geometry and as pixels, and finding it in photos whose true crop is known."""

from __future__ import annotations

import importlib.util
import sys
import tarfile
import warnings

import numpy as np
import pytest
from PIL import Image

from codectk.base.errors import CodectkWarning, InputError
from codectk_hsc.align.aligner import Aligner
from codectk_hsc.align.cut import cut
from codectk_hsc.align.geometry import Frame, Landmarks, frame_of, native_size

MEASURED = np.array([(0.377, 0.477), (0.621, 0.477), (0.500, 0.727)])
"""Eyes and mouth of rendered faces, in crop widths."""

detector = pytest.mark.skipif(
    importlib.util.find_spec("mtcnnruntime") is None, reason="needs the extra codectk-hsc[align]"
)


def turned(center, side, degrees):
    angle = np.deg2rad(degrees)
    return Frame(np.array(center, float), side / 2 * np.array([np.cos(angle), np.sin(angle)]))


def corner_error(found, true):
    """Mean distance of the corners in crop widths."""
    corners = np.array([(0, 0), (1, 0), (1, 1), (0, 1)])
    return np.hypot(*(found.to_picture(corners) - true.to_picture(corners)).T).mean() / true.side


def paste(photo, face, frame):
    """A photo with a square picture in it."""
    edges = np.linalg.inv(frame.axes) * face.width
    start = (0.5 - np.linalg.inv(frame.axes) @ frame.center) * face.width
    matrix = (*edges[0], start[0], *edges[1], start[1])
    layers = [
        layer.transform(photo.size, Image.Transform.AFFINE, matrix, Image.Resampling.BICUBIC)
        for layer in (face, Image.new("L", face.size, 255))
    ]
    photo.paste(layers[0], (0, 0), layers[1])


@pytest.mark.parametrize("degrees", [0, 17, -160])
def test_crop_and_picture_positions_are_inverse(degrees):
    frame = turned((210.0, 140.0), 96, degrees)
    points = np.random.default_rng(1).uniform(-1, 2, (5, 2))
    np.testing.assert_allclose(frame.to_crop(frame.to_picture(points)), points, atol=1e-12)
    np.testing.assert_allclose(frame.to_picture(np.array([1, 0.5])), frame.center + frame.right)


@pytest.mark.parametrize("degrees", [0, 20, -35])
def test_the_measured_landmarks_give_the_crop_they_were_measured_in(degrees):
    true = turned((210.0, 140.0), 250, degrees)
    found = frame_of(Landmarks(*true.to_picture(MEASURED)))
    # The points were measured by another network than FFHQ's, and a mean of faces is no face.
    assert corner_error(found, true) < 0.02


def test_the_longer_distance_sets_the_size():
    narrow = Landmarks(np.array([90.0, 100]), np.array([110.0, 100]), np.array([100.0, 150]))
    wide = Landmarks(np.array([50.0, 100]), np.array([150.0, 100]), np.array([100.0, 150]))
    assert frame_of(narrow).side == pytest.approx(3.6 * 50)
    assert frame_of(wide).side == pytest.approx(4 * 100)
    np.testing.assert_allclose(frame_of(wide).center, (100, 105))
    with pytest.raises(InputError, match="coincide"):
        frame_of(Landmarks(narrow.mouth, narrow.mouth, narrow.mouth))


@pytest.mark.parametrize(("side", "size"), [(63, 64), (197.9, 196), (198.1, 200), (3000, 1024)])
def test_the_size_is_the_pictures_own(side, size):
    assert native_size(turned((0, 0), side, 10)) == size


def test_a_face_of_a_few_pixels_is_refused():
    with pytest.raises(InputError, match="has 50 pixels a side, 64 are needed"):
        native_size(turned((0, 0), 50, 10))


def smooth(height, width):
    y, x = np.mgrid[:height, :width] + 0.5
    waves = [np.sin(x / 17 + 1), np.cos(y / 23), np.sin((x + y) / 31)]
    return np.rint(127 + 100 * np.stack(waves, axis=-1)).astype(np.uint8)


@pytest.mark.parametrize("degrees", [0, 90, 12])
def test_a_cut_shows_what_is_there(degrees):
    picture, frame = smooth(200, 260), turned((130.0, 100.0), 80, degrees)
    crop = cut(picture, frame, 80)
    centers = (np.stack(np.meshgrid(np.arange(80), np.arange(80)), axis=-1) + 0.5) / 80
    x, y = np.moveaxis(frame.to_picture(centers), -1, 0)
    expected = 127 + 100 * np.stack([np.sin(x / 17 + 1), np.cos(y / 23), np.sin((x + y) / 31)], axis=-1)
    assert crop.shape == (80, 80, 3) and crop.dtype == np.uint8
    assert np.abs(crop - expected).max() < 3


def test_an_upright_cut_at_its_own_size_is_a_slice():
    picture = np.random.default_rng(2).integers(0, 256, (90, 120, 3), dtype=np.uint8)
    np.testing.assert_array_equal(cut(picture, turned((60.0, 50.0), 64, 0), 64), picture[18:82, 28:92])


def test_a_large_face_is_reduced_without_aliasing():
    stripes = np.zeros((400, 400, 3), np.uint8)
    stripes[:, ::2] = 255
    crop = cut(stripes, turned((200.0, 200.0), 320, 0), 64)
    assert np.abs(crop.astype(int) - 127).max() < 8


def test_outside_the_picture_is_its_blurred_mirror_image_and_inside_nothing_changes():
    picture = np.random.default_rng(3).integers(0, 256, (100, 100, 3), dtype=np.uint8)
    crop = cut(picture, turned((20.0, 50.0), 64, 0), 64)  # 12 columns to the left of the picture
    np.testing.assert_array_equal(crop[:, 12:], picture[18:82, :52])
    assert crop[:, 0].std() < 0.6 * crop[:, 40].std()
    np.testing.assert_allclose(crop[:, 11].astype(int), picture[18:82, 0], atol=110)
    everywhere = cut(picture, turned((50.0, 50.0), 400, 30), 128)
    assert everywhere.shape == (128, 128, 3)
    with pytest.raises(InputError, match="outside"):
        cut(picture, turned((500.0, 50.0), 64, 0), 64)


def test_without_the_extra_the_error_names_it_and_the_way_around(monkeypatch):
    monkeypatch.setitem(sys.modules, "mtcnnruntime", None)
    with pytest.raises(InputError, match=r"pip install 'codectk-hsc\[align\]'.*--aligned"):
        Aligner()(smooth(80, 80))


@pytest.fixture(scope="module")
def faces(data):
    """Rendered faces, which are aligned by nature; 128 pixels."""
    path = data / "faces-synthetic-128.tar"
    if not path.is_file():
        pytest.skip("the rendered faces are not in ../shared")
    with tarfile.open(path) as tar:
        names = sorted(name for name in tar.getnames() if name.endswith(".jpg"))[2749:2752]
        return [Image.open(tar.extractfile(name)).convert("RGB") for name in names]


@pytest.fixture(scope="module")
def aligner():
    return Aligner()


@detector
@pytest.mark.parametrize(("number", "degrees"), [(0, 0), (1, 18), (2, -18)])
def test_the_crop_of_a_turned_face_is_found(faces, aligner, number, degrees):
    true = turned((170.0, 120.0), 150, degrees)
    photo = Image.fromarray(smooth(260, 340))
    paste(photo, faces[number], true)
    pixels = np.asarray(photo)
    with warnings.catch_warnings():
        warnings.simplefilter("error", CodectkWarning)
        crop, frame = aligner(pixels), aligner.find(pixels)
    assert corner_error(frame, true) < 0.05
    assert crop.shape == (native_size(frame),) * 2 + (3,)
    face = np.asarray(faces[number].resize(crop.shape[:2], Image.Resampling.LANCZOS), float)
    inner = (slice(30, -30), slice(30, -30))
    assert np.corrcoef(face[inner].ravel(), crop[inner].ravel())[0, 1] > 0.9


@detector
def test_the_largest_of_several_faces_is_taken_and_said_so(faces, aligner):
    photo = Image.fromarray(smooth(260, 460))
    true = turned((110.0, 120.0), 190, 8)
    paste(photo, faces[0], true)
    paste(photo, faces[1], turned((350.0, 130.0), 110, -5))
    with pytest.warns(CodectkWarning, match="2 faces"):
        assert corner_error(aligner.find(np.asarray(photo)), true) < 0.05


@detector
@pytest.mark.parametrize("shape", [(200, 300), (20, 20), (3, 200)])
def test_no_face_is_an_error_that_names_the_way_around(aligner, shape):
    with pytest.raises(InputError, match=r"No face.*--aligned"):
        aligner(smooth(*shape))
