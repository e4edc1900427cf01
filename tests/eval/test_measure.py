"""Measuring: what is reported is what lies on disk."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import codectk
from codectk.base.errors import InputError, UsageError, WeightsError
from codectk.base.types import Picture
from codectk.bitstream.reader import read
from codectk.eval import pictures
from codectk.eval.classical import REFERENCES
from codectk.eval.codecs import ClassicCodec, CtkCodec, ctk_codec, decoders
from codectk.eval.measure import evaluate
from codectk.eval.probe import Probe, probe
from codectk.eval.provenance import picture_digest
from codectk.metrics.ms_ssim import ms_ssim
from codectk.metrics.psnr import Pixels, psnr
from codectk.pipeline.load import load
from codectk.weights.store import sha256_of
from codectk.weights.tensors import save_tensors


@pytest.fixture
def sources(tmp_path: Path, photo: Callable[..., np.ndarray]) -> list[pictures.Source]:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for name, size in (("large", (176, 200)), ("small", (40, 56))):
        Image.fromarray(photo(*size)).save(folder / f"{name}.png")
    return [pictures.read_source(p) for p in pictures.expand([folder])]


@pytest.fixture
def out(tmp_path: Path) -> Path:
    folder = tmp_path / "out"
    folder.mkdir()
    return folder


def test_measurements_are_of_the_files_on_disk(pocket, sources, out: Path) -> None:
    measured = evaluate(CtkCodec("pocket"), sources, [20, 70.5], out)
    assert [(m.image, m.setting) for m in measured] == [
        ("large", "q20"), ("large", "q70.5"), ("small", "q20"), ("small", "q70.5")
    ]  # fmt: skip
    for m, source in zip(measured, [sources[0], sources[0], sources[1], sources[1]], strict=True):
        data = (out / "pocket" / f"{m.image}-{m.setting}.ctk").read_bytes()
        info = codectk.info(data)
        assert info.knobs["quality"] == m.quality
        assert m.bytes == len(data) and m.bpp == info.bpp and m.overhead_bytes == info.overhead_bytes
        assert m.bpp == len(data) * 8 / (m.width * m.height)
        decoded = np.asarray(codectk.decode(data))
        assert np.array_equal(decoded, np.asarray(Image.open(out / "pocket" / f"{m.image}-{m.setting}.png")))
        assert m.psnr == psnr(source.pixels, decoded)
        assert m.ms_ssim == (ms_ssim(source.pixels, decoded) if m.image == "large" else None)
        assert m.row().point.setting == m.setting and m.row().bytes == m.bytes


def test_real_bits_are_compared_with_estimated_ones(pocket, sources, out: Path) -> None:
    for m in evaluate(CtkCodec("pocket"), sources, [10, 60], out):
        assert m.estimated_bits is not None and m.payload_bytes is not None
        # The coder wastes at most its last word; a zero byte that it need not write may save one.
        assert -8 < m.payload_bytes * 8 - m.estimated_bits < 40 + 0.001 * m.estimated_bits
        assert m.honest


def test_times_add_up(pocket, sources, out: Path) -> None:
    for m in evaluate(CtkCodec("pocket"), sources, [50], out):
        for times in (m.encode, m.decode):
            assert times.coder is not None
            assert times.network >= 0 and times.coder > 0 and times.file > 0
            assert times.total == pytest.approx(times.network + times.coder + times.file)


def test_a_probe_decodes_what_was_encoded(pocket, picture: np.ndarray) -> None:
    ready = load("pocket")
    data = codectk.encode(picture, "pocket", quality=33)
    found = probe(data, ready)
    assert found is not None
    assert found.payload_bytes + found.overhead_bytes == len(data)
    # More detail, more bits: the estimate follows the file.
    finer = probe(codectk.encode(picture, "pocket", quality=66), ready)
    assert finer is not None and finer.estimated_bits > found.estimated_bits


def test_a_wasteful_codec_is_noticed(sources, out: Path) -> None:
    class Wasteful(ClassicCodec):
        def probe(self, data: bytes) -> Probe | None:
            return Probe((len(data) - 200) * 8.0, len(data), 0, 0.0, 0.0)

    for m in evaluate(Wasteful(REFERENCES["jpeg"]), sources[1:], [30], out):
        assert m.gap_bytes == 200 and not m.honest


def test_a_classic_codec_is_measured_alike(sources, out: Path) -> None:
    (m,) = evaluate(ClassicCodec(REFERENCES["jpeg"]), sources[:1], [40], out)
    data = (out / "jpeg" / "large-q40.jpeg").read_bytes()
    assert data == REFERENCES["jpeg"].encode(sources[0].pixels, 40)
    assert m.bytes == len(data) and m.encode.coder is None and m.estimated_bits is None and m.honest


def test_progress_and_warmup(sources, out: Path) -> None:
    seen: list[Picture] = []

    class Recording(ClassicCodec):
        def encode(self, picture: Picture, quality: float) -> bytes:
            seen.append(picture)
            return super().encode(picture, quality)

        def decode(self, data: bytes) -> Pixels:
            return super().decode(data)

    steps: list[tuple[int, int | None, object]] = []
    evaluate(
        Recording(REFERENCES["jpeg"]),
        sources,
        [40, 50],
        out,
        progress=lambda done, total=None, **fields: steps.append((done, total, fields["picture"])),
    )
    assert steps == [(1, 4, "large"), (2, 4, "large"), (3, 4, "small"), (4, 4, "small")]
    # One file more than was measured: loading is in no time.
    assert len(seen) == 5


@pytest.mark.parametrize("qualities", [[], [50, 50]])
def test_qualities_must_make_sense(sources, out: Path, qualities: list[float]) -> None:
    with pytest.raises(UsageError):
        evaluate(ClassicCodec(REFERENCES["jpeg"]), sources, qualities, out)


def test_knobs_go_to_their_side(pocket, sources, out: Path) -> None:
    codec = ctk_codec("pocket", "cpu", {"deblock": "1"})
    assert codec.decoder_knobs == {"deblock": "1"} and not codec.encoder_knobs
    (soft,) = evaluate(codec, sources[:1], [10], out)
    (hard,) = evaluate(ctk_codec("pocket", "cpu", {"deblock": 0}), sources[:1], [10], out)
    assert soft.bytes == hard.bytes and soft.psnr != hard.psnr
    assert codec.identity()["knob:deblock"] == "1"
    assert codec.identity()["distribution"] == "codectk-pocket"


def test_a_file_is_decoded_at_several_settings(pocket, sources, out: Path) -> None:
    codec = CtkCodec("pocket")
    ways = decoders(codec, {"deblock": ["0", "0.5", "1"], "realism": ["1"]})
    assert [d.name for d in ways] == ["pocket deblock 0", "pocket deblock 0.5", "pocket deblock 1"]
    measured = evaluate(codec, sources[:1], [10, 40], out, decoders=ways)
    assert [(m.codec, m.setting) for m in measured] == [(d.name, f"q{q}") for q in (10, 40) for d in ways]
    for q, three in ((10, measured[:3]), (40, measured[3:])):
        data = (out / "pocket" / f"large-q{q}.ctk").read_bytes()
        assert [p.name for p in out.glob(f"*/large-q{q}.ctk")] == [f"large-q{q}.ctk"]  # coded once
        for m, strength in zip(three, (0, 0.5, 1), strict=True):
            assert m.bytes == len(data) and m.coded_by == "pocket"
            decoded = np.asarray(codectk.decode(data, deblock=strength))
            assert m.psnr == psnr(sources[0].pixels, decoded)
            assert np.array_equal(decoded, np.asarray(Image.open(m.decoded_file(out))))
        assert len({m.psnr for m in three}) == 3
    assert ways[1].identity()["knob:deblock"] == "0.5"


def test_without_settings_a_codec_decodes_as_it_is(pocket) -> None:
    codec = ctk_codec("pocket", "cpu", {"deblock": "1"})
    assert decoders(codec, {}) == [codec] == decoders(codec, {"realism": ["0"]})


@pytest.mark.parametrize(
    ("grid", "says"),
    [
        ({"quality": ["1"]}, "turned by the encoder"),
        ({"deblock": ["2"]}, "between 0"),
        ({"deblock": ["1", "1.0"]}, "given twice"),
    ],
)
def test_settings_of_the_decoder_are_checked(pocket, grid: dict[str, list[str]], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        decoders(CtkCodec("pocket"), grid)
    with pytest.raises(UsageError, match="already"):
        decoders(ctk_codec("pocket", "cpu", {"deblock": "1"}), {"deblock": ["0"]})


def test_other_weights_code_and_decode_without_the_store(weighted, sources, out: Path, tmp_path: Path) -> None:
    path = tmp_path / "trained.safetensors"
    save_tensors(path, {"x": np.ones(3, np.float32)}, {"codec": "weighted"})
    codec = ctk_codec("weighted", "cpu", {}, weights=path)
    assert codec.name == "weighted trained"
    (m,) = evaluate(codec, sources[:1], [40], out)
    data = (out / "weighted trained" / "large-q40.ctk").read_bytes()
    assert m.bytes == len(data) and m.honest
    assert read(data).header.weights.hex() == sha256_of(path)[:8]
    assert codec.identity()["weights_sha256"] == sha256_of(path)
    # Nobody else finds these weights.
    with pytest.raises(WeightsError):
        codectk.decode(data)
    # Other content at the same path is another codec.
    save_tensors(path, {"x": np.zeros(3, np.float32)}, {"codec": "weighted"})
    assert ctk_codec("weighted", "cpu", {}, weights=path).identity()["weights_sha256"] == sha256_of(path)


def test_weights_must_be_the_codecs(weighted, tmp_path: Path) -> None:
    path = tmp_path / "trained.safetensors"
    save_tensors(path, {"x": np.ones(3, np.float32)}, {"codec": "other"})
    with pytest.raises(WeightsError, match="are for codec 'other'"):
        ctk_codec("weighted", "cpu", {}, weights=path)
    save_tensors(path, {"x": np.ones(3, np.float32)}, {"codec": "weighted"})
    with pytest.raises(UsageError, match="names a folder"):
        ctk_codec("weighted", "cpu", {}, weights=path, label="a/b")
    # A knob that these weights do not have is no knob.
    with pytest.raises(UsageError, match="no knob 'seed'"):
        ctk_codec("weighted", "cpu", {"seed": "3"}, weights=path)


@pytest.mark.parametrize("knobs", [{"quality": "50"}, {"nonsense": "1"}, {"deblock": "2"}])
def test_knobs_are_checked_before_anything_runs(pocket, knobs: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        ctk_codec("pocket", "cpu", knobs)


def test_folders_are_expanded_and_names_are_unique(tmp_path: Path, sources) -> None:
    folder = sources[0].path.parent
    (folder / "notes.txt").write_text("not a picture")
    assert [p.name for p in pictures.expand([folder])] == ["large.png", "small.png"]
    other = tmp_path / "large.jpg"
    with pytest.raises(UsageError, match="share one name"):
        pictures.expand([folder, other])
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no picture"):
        pictures.expand([tmp_path / "empty"])


def test_a_set_is_known_by_its_pixels(tmp_path: Path, sources, kodak) -> None:
    first = pictures.describe(sources)
    assert first.known is None and first.lossy == ()
    turned = tmp_path / "other name.tiff"
    Image.open(sources[0].path).save(turned)
    again = pictures.describe([sources[1], pictures.read_source(turned)])
    assert again.digest == first.digest and again.names != first.names
    assert pictures.describe(sources[:1]).digest != first.digest
    all_kodak = []
    for i in range(1, 25):
        pixels = kodak(f"kodim{i:02}")
        all_kodak.append(pictures.Source(Path(f"{i}.png"), Picture(pixels), 0.0, picture_digest(pixels)))
    assert pictures.describe(all_kodak).known == "kodak-24"
    assert pictures.describe(all_kodak[1:]).known is None


def test_jpeg_sources_are_told(tmp_path: Path, photo) -> None:
    Image.fromarray(photo(30, 30)).save(tmp_path / "a.jpg")
    assert pictures.describe([pictures.read_source(tmp_path / "a.jpg")]).lossy == ("a",)


def test_a_codec_without_rate_knob_has_nothing_to_vary(pocket, sources, out: Path, monkeypatch) -> None:
    from dataclasses import replace

    from codectk.eval import codecs

    card = codecs.card_of("pocket")
    fixed = replace(card, knobs={k: replace(v, rate=False) for k, v in card.knobs.items()})
    monkeypatch.setattr(codecs, "card_of", lambda name: fixed)
    with pytest.raises(UsageError, match="no rate knob"):
        evaluate(CtkCodec("pocket"), sources, [50], out)


def test_a_picture_of_another_size_is_refused(sources, out: Path) -> None:
    class Cropping(ClassicCodec):
        def decode(self, data: bytes) -> Pixels:
            return super().decode(data)[1:]

    with pytest.raises(InputError, match="one size"):
        evaluate(Cropping(REFERENCES["jpeg"]), sources, [40], out)
