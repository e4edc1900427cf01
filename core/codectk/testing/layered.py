"""What a layered codec must do, and what others must not claim."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from codectk import api
from codectk.base.errors import BitstreamError, IncompleteWarning, UsageError
from codectk.bitstream.chunk import LATENTS
from codectk.bitstream.reader import read
from codectk.coding.coder import Encoder
from codectk.picture.read import read_picture
from codectk.pipeline.encode import Encoding
from codectk.testing import corrupt
from codectk.testing.subject import CodecSubject


class LayerConformance(CodecSubject):
    """The part of the kit about layers."""

    def test_every_prefix_is_what_fewer_layers_are(self) -> None:
        """A file cut after a layer gives the picture of `--layers`, with a remark; the last prefix is the file."""
        data = self.layered_file()
        *ends, last = corrupt.layer_ends(data)
        for layers, end in enumerate(ends):
            wanted = self._pixels(data, layers)
            with pytest.warns(IncompleteWarning, match=f"after layer {layers}" if layers else "after the base layer"):
                cut = np.asarray(self.decode(data[:end]))
            assert np.array_equal(cut, wanted), f"the file cut after layer {layers} is not the file decoded to it"
            assert np.array_equal(self._pixels(data[: end + 3], layers), wanted)
            with pytest.raises(BitstreamError, match=f"--layers {layers} "):
                self.decode(data[: end + 3])
        assert last == len(data)
        assert np.array_equal(self._pixels(data, len(ends)), np.asarray(self.decode(data)))

    def test_later_layers_leave_earlier_ones_alone(self) -> None:
        payloads = list(read(self.layered_file()).payloads(LATENTS))
        # Prepared once: the analysis is ordinary floating point.
        encoding = Encoding(self.ready(), read_picture(self.picture(40, 56)), self.knobs, aligned=self.aligned())
        for layers in range(len(payloads)):
            encoder = _Short(layers)
            encoding.code(encoder)
            assert encoder.finish() == payloads[: layers + 1]

    def test_layers_are_asked_of_layered_codecs_only(self) -> None:
        if self.ready().stages.layered:
            for wrong in (-1, 0.5, True):
                with pytest.raises(UsageError, match="number of layers"):
                    self.decode(self.small_file(), layers=wrong)
        else:
            assert len(api.info(self.small_file()).layers) == 1
            with pytest.raises(UsageError, match="no layers"):
                self.decode(self.small_file(), layers=0)

    def _pixels(self, data: bytes, layers: int) -> NDArray[np.uint8]:
        return np.asarray(self.decode(data, layers=layers))

    def layered_file(self) -> bytes:
        """The small file, which must have layers if the codec has."""
        if not self.ready().stages.layered:
            pytest.skip(f"codec '{self.codec}' has no layers")
        data = self.small_file()
        assert len(api.info(data).layers) > 1, "the file of these tests has one layer only; choose other 'knobs'"
        return data


class _Short(Encoder):
    """An encoder that has no room for more than a number of layers after the base."""

    def __init__(self, layers: int) -> None:
        super().__init__()
        self._left = layers

    def layer(self, more: bool | None) -> bool:
        another = super().layer(bool(more) and self._left > 0)
        self._left -= 1
        return another
