"""What every codec must do, as tests. A plugin's own test is three lines; see `codectk.testing`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from codectk import api
from codectk.base.errors import BitstreamError, MismatchError, UsageError, WeightsError
from codectk.bitstream.codecs import number_of
from codectk.bitstream.info import Info
from codectk.metrics.psnr import psnr
from codectk.picture.read import read_picture
from codectk.pipeline.encode import Encoding
from codectk.spec.knob import Knob, Number
from codectk.testing import corrupt, pictures
from codectk.testing.edited import EditConformance
from codectk.testing.engines import EngineConformance
from codectk.testing.layered import LayerConformance
from codectk.testing.portable import PortableConformance

MAX_OVERHEAD = 24
"""Bytes around the payload of an RGB picture without metadata, for a codec with a number in the format."""


MAX_OVERHEAD_PER_LAYER = 10
"""Further bytes around the payload of each layer after the base."""


class CodecConformance(PortableConformance, LayerConformance, EditConformance, EngineConformance):
    """Inherit in a class named `Test...` and set `codec`.

    Attributes:
        codec: name of an installed codec.
        knobs: encoder-side knobs for all files but those of the rate test, such as a low quality for speed; the files
            of a layered codec need at least one layer after the base.
        sizes: largest side in pixels of the size test.
        examples: pictures of the size test, besides the extreme ones.
        forgeries: places of the payload that the forgery test turns.
        rates: where on the rate axis to look, as fractions of its range, rising.
        psnr_rises: False for a codec whose pictures are not meant to come closer to the original pixel by pixel.
    """

    sizes: ClassVar[int] = 130
    examples: ClassVar[int] = 10
    forgeries: ClassVar[int] = 12
    rates: ClassVar[tuple[float, ...]] = (0.1, 0.5, 0.9)
    psnr_rises: ClassVar[bool] = True

    # The file

    def test_file_describes_itself(self) -> None:
        data, ready = self.small_file(), self.ready()
        info = api.info(data)
        assert (info.codec, info.width, info.height) == (self.codec, 56, 40)
        assert info.codec_distribution == ready.distribution
        assert info.bytes == len(data)
        assert info.bpp == len(data) * 8 / (56 * 40)
        assert info.weights_hash == ready.stages.weights_hash[:8]
        assert info.portable == ready.stages.portable
        assert set(info.knobs) == {k.name for k in ready.card.knobs.values() if k.coded and k.side == "encoder"}
        api.verify(data)

    def test_overhead_is_small(self) -> None:
        info = api.info(self.small_file())
        assert info.overhead_bytes <= MAX_OVERHEAD + _names(info) + MAX_OVERHEAD_PER_LAYER * (len(info.layers) - 1)

    def test_estimate_is_what_is_written(self) -> None:
        encoding = Encoding(self.ready(), read_picture(self.picture(96, 112)), self.knobs, aligned=self.aligned())
        expected, data = encoding.bits() / 8, encoding.file()
        info = api.info(data)
        more = _names(info) + MAX_OVERHEAD_PER_LAYER * (len(info.layers) - 1)
        assert abs(len(data) - expected) <= 0.01 * expected + 64 + more

    # The picture

    def test_bytes_buy_quality(self) -> None:
        knob, image = self.rate_knob(), self.picture(96, 112)
        files = [self.encode(image, **{knob.name: _at(knob, fraction)}) for fraction in self.rates]
        sizes = [len(data) for data in files]
        assert sizes == sorted(set(sizes)), f"bytes do not rise with {knob.name}: {sizes}"
        if self.psnr_rises:
            quality = [psnr(image, np.asarray(self.decode(data))) for data in files]
            assert quality == sorted(set(quality)), f"PSNR does not rise with {knob.name}: {quality}"

    def test_target_is_kept(self) -> None:
        knob, image = self.rate_knob(), self.picture(96, 112)
        low, high = (len(self.encode(image, **{knob.name: _at(knob, f)})) for f in (self.rates[0], self.rates[-1]))
        target = (low + high) // 2
        others: dict[str, Any] = {name: value for name, value in self.knobs.items() if name != knob.name}
        data = self.ready().encode(image, aligned=self.aligned(), target_bytes=target, strict=True, effort=0, **others)
        assert low <= len(data) <= target

    def test_any_size(self) -> None:
        side = st.integers(1, self.sizes)

        @settings(max_examples=self.examples, deadline=None, database=None, derandomize=True)
        @given(side, side)
        @example(1, 1)
        @example(1, self.sizes)
        @example(self.sizes, 1)
        def check(height: int, width: int) -> None:
            image = self.decode(self.encode(self.picture(height, width)))
            assert (image.mode, image.size) == ("RGB", (width, height))

        check()

    def test_decoding_twice_gives_the_same_pixels(self) -> None:
        first, second = (self.decode(self.small_file()) for _ in range(2))
        assert np.array_equal(np.asarray(first), np.asarray(second))

    def test_grey_stays_grey(self) -> None:
        image = self.decode(self.encode(Image.fromarray(pictures.grey_scene(33, 47))))
        assert (image.mode, image.size) == ("L", (47, 33))

    @pytest.mark.parametrize("mode", ["RGBA", "LA"])
    def test_alpha_is_lossless(self, mode: str) -> None:
        alpha = pictures.alpha_ramp(33, 47)
        color = pictures.scene(33, 47) if mode == "RGBA" else pictures.grey_scene(33, 47)
        image = self.decode(self.encode(Image.fromarray(np.dstack([color, alpha]), mode)))
        assert image.mode == mode
        assert np.array_equal(np.asarray(image)[..., -1], alpha)

    # Damage

    def test_every_flipped_bit_is_refused(self) -> None:
        _refuse(self.decode, corrupt.flips(self.small_file()), BitstreamError)

    def test_every_cut_is_refused(self) -> None:
        """All but those behind a layer, which `LayerConformance` is about."""
        data = self.small_file()
        ends = corrupt.layer_ends(data)
        _refuse(self.decode, (cut for cut in corrupt.cuts(data) if len(cut[1]) not in ends), BitstreamError)

    def test_forged_payloads_are_refused(self) -> None:
        """The checks of the container are right here, so the codec's own program meets the garbage."""
        _refuse(
            self.decode, corrupt.forged_payloads(self.small_file(), self.forgeries), (BitstreamError, MismatchError)
        )

    def test_other_weights_are_refused_by_name(self) -> None:
        own = self.ready().weights
        other = bytes(byte ^ 0xA5 for byte in own)
        with pytest.raises(WeightsError) as caught:
            self.decode(corrupt.with_weights(self.small_file(), other))
        assert other.hex() in str(caught.value)
        assert own.hex() in str(caught.value) or not any(own)

    # Knobs

    def test_knobs_out_of_range_are_refused(self) -> None:
        data, image = self.small_file(), self.picture(8, 8)
        for knob in self.ready().card.knobs.values():
            for wrong in (knob.minimum - 1, knob.maximum + 1, float("nan"), "much"):
                with pytest.raises(UsageError, match=knob.name):
                    given: dict[str, Any] = {knob.name: wrong}
                    if knob.side == "encoder":
                        self.encode(image, **given)
                    else:
                        self.decode(data, **given)

    def test_unknown_knobs_are_refused_and_the_valid_ones_listed(self) -> None:
        knobs = self.ready().card.knobs.values()
        for side in ("encoder", "decoder"):
            with pytest.raises(UsageError) as caught:
                if side == "encoder":
                    self.encode(self.picture(8, 8), no_such_knob=1)
                else:
                    self.decode(self.small_file(), no_such_knob=1)
            for knob in knobs:
                assert knob.side != side or knob.name in str(caught.value)


def _names(info: Info) -> int:
    """Bytes that the names of a codec take that has no number in the format."""
    return 0 if number_of(info.codec) else 2 + len(info.codec) + len(info.codec_distribution)


def _at(knob: Knob, fraction: float) -> Number:
    value = knob.minimum + fraction * (knob.maximum - knob.minimum)
    return round(value) if knob.type == "int" else value


def _refuse(
    decode: Callable[[bytes], object],
    damaged: Iterable[tuple[str, bytes]],
    error: type[Exception] | tuple[type[Exception], ...],
) -> None:
    """Every file must raise `error`; anything else, above all a picture, fails the test naming the damage."""
    for what, data in damaged:
        try:
            decode(data)
        except error:
            continue
        except Exception as other:
            pytest.fail(f"{what}: {type(other).__name__} instead of a refusal: {other}")
        pytest.fail(f"{what}: decoded to a picture")
