"""The reference encoders are what their descriptions say."""

from __future__ import annotations

import csv
import io
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, JpegImagePlugin

from codectk.base.errors import InputError
from codectk.eval import classical
from codectk.eval.classical import REFERENCES, Reference, decode, encode_at_size, encode_jpeg, encode_webp


@pytest.fixture(params=list(REFERENCES))
def reference(request: pytest.FixtureRequest) -> Reference:
    """Each reference encoder that this machine has."""
    try:
        REFERENCES[request.param].encode(np.zeros((16, 16, 3), np.uint8), 50)
    except InputError as error:
        pytest.skip(str(error))
    return REFERENCES[request.param]


def test_jpeg_is_progressive_420_and_optimized(picture: np.ndarray) -> None:
    data = encode_jpeg(picture, 60)
    image = Image.open(io.BytesIO(data))
    assert image.format == "JPEG"
    assert image.info.get("progressive")
    assert JpegImagePlugin.get_sampling(image) == 2
    plain = io.BytesIO()
    Image.fromarray(picture).save(plain, "JPEG", quality=60)
    assert len(data) < len(plain.getvalue())


def test_webp_is_lossy_webp(picture: np.ndarray) -> None:
    data = encode_webp(picture, 60)
    assert data[:4] == b"RIFF" and data[8:16] == b"WEBPVP8 "
    assert decode(data).shape == picture.shape


def test_files_are_of_their_format_and_close_to_the_picture(reference: Reference, picture: np.ndarray) -> None:
    data = reference.encode(picture, 200 if reference.id == "jpeg2000" else 80)
    marks = {
        "jpeg": (0, b"\xff\xd8"), "webp": (8, b"WEBP"), "avif": (4, b"ftypavif"), "heic": (4, b"ftyphei"),
        "jxl": (0, b"\xff\x0a"), "jpeg2000": (4, b"jP  "),
    }  # fmt: skip
    place, mark = marks[reference.id.removesuffix("-psnr")]
    assert data[place:].startswith(mark)
    assert np.abs(decode(data).astype(int) - picture).mean() < 10
    assert classical.identity(reference.id)["library"].split()[-1] != "None"


OFFICIAL = {
    "kodak-ssimulacra2.csv": {
        "jpeg-420-prog": "jpeg", "webp-m6": "webp", "avif-444-s6-ssim": "avif", "heic-x265-444-psnr": "heic-psnr",
        "jxl-e7": "jxl",
    },
    "baselines-kodak.csv": {"avif-444-s6-psnr": "avif-psnr"},
}  # fmt: skip


def test_settings_are_those_of_the_measured_baselines(reference: Reference, kodak, baselines: Path) -> None:
    """The same bytes, where the library is the one that the baselines were measured with."""
    source, sizes = kodak("kodim03"), {}
    for name, codecs in OFFICIAL.items():
        with (baselines / name).open() as file:
            for row in csv.DictReader(file):
                if row["image"] == "kodim03" and codecs.get(row["codec"]) == reference.id:
                    sizes[int(row["setting"][1:])] = int(row["bytes"])
    if reference.id == "jpeg2000":
        sizes = {10: 4801, 40: 19648}  # r240 and r60 of the table
    if reference.id == "jxl" and "program" in classical.identity("jxl"):
        pytest.skip("systems' cjxl is of any age; the baselines are of libjxl 0.11")
    if not sizes:
        pytest.skip(f"the baselines have no {reference.id} of these settings")
    for quality, size in sorted(sizes.items())[:2]:
        assert len(reference.encode(source, quality)) == pytest.approx(size, rel=0.03)


def test_no_profile_is_in_the_file(reference: Reference, picture: np.ndarray) -> None:
    data = reference.encode(picture, 50)
    assert b"ICC_PROFILE" not in data and b"ICCP" not in data and b"prof" not in data


def test_jpeg_xl_without_the_package_is_made_by_its_programs(picture: np.ndarray, monkeypatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_jxl", None)
    try:
        data = REFERENCES["jxl"].encode(picture, 80)
    except InputError as error:
        pytest.skip(str(error))
    assert np.abs(decode(data).astype(int) - picture).mean() < 10
    assert classical.identity("jxl")["program"] == "cjxl"
    monkeypatch.setattr(classical.shutil, "which", lambda name: None)
    with pytest.raises(InputError, match="pillow-jxl-plugin, or the programs cjxl"):
        REFERENCES["jxl"].encode(picture, 80)


def test_what_is_not_installed_is_named(picture: np.ndarray, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    with pytest.raises(InputError, match="pip install pillow-heif"):
        REFERENCES["heic"].encode(picture, 50)
    monkeypatch.setattr(classical.features, "check", lambda name: False)
    for name in ("webp", "avif"):
        with pytest.raises(InputError, match="cannot write"):
            REFERENCES[name].encode(picture, 50)


def test_encode_at_size_is_the_lowest_quality_that_is_not_smaller(reference: Reference, picture: np.ndarray) -> None:
    target = (len(reference.encode(picture, 30)) + len(reference.encode(picture, 31))) // 2
    found = encode_at_size(reference, picture, target)
    assert found.data == reference.encode(picture, found.quality)
    assert len(found.data) >= target
    assert len(reference.encode(picture, found.quality - 1)) < target


def test_encode_at_size_beyond_the_range(picture: np.ndarray) -> None:
    jpeg = REFERENCES["jpeg"]
    assert encode_at_size(jpeg, picture, 1).quality == 1
    assert encode_at_size(jpeg, picture, 10**9).quality == jpeg.best
    assert encode_at_size(jpeg, picture, len(encode_jpeg(picture, 42))).data == encode_jpeg(picture, 42)


def test_sweeps_are_curves(reference: Reference, picture: np.ndarray) -> None:
    sizes = [len(reference.encode(picture, q)) for q in reference.sweep]
    assert sizes == sorted(sizes)
