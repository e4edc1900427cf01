"""What a codec must do that claims to be portable: the same latents from a file whatever computes them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import replace
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

from codectk.base.errors import CodectkError
from codectk.base.types import Context
from codectk.coding.coder import Encoder
from codectk.picture.read import read_picture
from codectk.pipeline.codec import Codec
from codectk.pipeline.encode import Encoding
from codectk.pipeline.load import load
from codectk.spec.stages import Analysis, EntropyModel
from codectk.testing.corrupt import with_payload
from codectk.testing.elsewhere import PROCESSORS, digests_elsewhere
from codectk.testing.golden import latents_digest
from codectk.testing.subject import CodecSubject
from codectk.testing.threads import torch_threads

Settings = Callable[[], AbstractContextManager[Any]]


class PortableConformance(CodecSubject):
    """The part of the kit about sameness everywhere; it leaves codecs alone that do not claim it.

    Attributes:
        beyond: odd factors by which values are driven out of what pictures give; the program must stay among whole
            numbers below 2**24 all the same, or refuse at the encoder with a typed error.
    """

    beyond: ClassVar[tuple[int, ...]] = (61, 4099)

    def test_threads_change_nothing(self) -> None:
        """The same values give the same bytes, and the same bytes the same latents, on 1 and 2 threads.

        The analysis runs once: it is ordinary floating point, and a value on the edge of rounding may fall to
        either side of it. What must never differ is everything behind it.
        """
        ready = self._portable()
        codec = replace(ready.stages, analysis=_Once(ready.stages.analysis))
        picture = read_picture(self.picture(64, 80))
        found: list[Any] = []
        knobs: dict[str, Any] = dict(self.knobs)
        for count in (1, 2):
            with torch_threads(count):
                data = replace(ready, stages=codec).encode(picture, **knobs, aligned=self.aligned(), effort=0)
                found.append((data, ready.latents(data)))
        assert found[0][0] == found[1][0]
        _assert_same(found[0][1], found[1][1])

    def test_devices_change_nothing(self) -> None:
        ready = self._portable()
        if not _on_torch(ready) or not sys.modules["torch"].cuda.is_available():
            pytest.skip("no CUDA device, or a codec without torch")
        _assert_same(
            ready.latents(self.small_file()),
            load(self.codec, device="cuda", weights=self.weights).latents(self.small_file()),
        )

    def test_other_processors_change_nothing(self) -> None:
        """Files decode alike where old instructions, another BLAS or no oneDNN compute, in processes of their own."""
        ready = self._portable()
        files = [self.small_file(), self.encode(self.picture(64, 80))]
        here = [latents_digest(data, ready) for data in files]
        engine = "torch" if _on_torch(ready) else self.engine
        for name, variables in PROCESSORS.items():
            assert digests_elsewhere(files, variables, engine) == here, (
                f"files do not decode alike on a processor with {name}"
            )

    def test_the_program_is_exact(self) -> None:
        """Every operation of a decoder gives whole numbers, or what any processor gives.

        Sums of rounded terms differ from processor to processor in their last bits, and some files then do not decode.
        Which ones is luck; each operation is therefore computed twice, and compared.
        """
        self._witnessed(self.small_file(), "the coding program is not portable")

    def test_the_program_is_bounded(self) -> None:
        """The same for values that no picture gives: what is not clamped leaves float32's whole numbers."""
        ready = self._portable()
        for factor in self.beyond:
            try:
                payloads = self._driven(ready, factor)
            except CodectkError:
                continue  # refused at the encoder, so no file has them
            data = self.small_file()
            for layer, payload in enumerate(payloads):
                data = with_payload(data, payload, layer)
            self._witnessed(data, f"with values {factor} times as large, the coding program is not portable")

    def test_the_calling_program_changes_nothing(self) -> None:
        """Its autocast, and its leave to take TF32 or bfloat16 in products, end before the coding program."""
        ready = self._portable()
        if not _on_torch(ready):
            pytest.skip("a codec without torch")
        from codectk.nn.witness import careless

        # Within the program, as in a training: around it, the handle's own guard would hide what is missing.
        self._witnessed(self.small_file(), "the coding program is not kept from the settings of its process", careless)
        with careless():
            latents = ready.latents(self.small_file())
        _assert_same(ready.latents(self.small_file()), latents)

    def _witnessed(self, data: bytes, what: str, settings: Settings = nullcontext) -> None:
        ready = self._portable()
        if not _on_torch(ready):
            pytest.skip("a codec without torch")
        from codectk.nn.witness import Witness

        witness = Witness()
        watched = replace(ready.stages, entropy_model=_Watched(ready.stages.entropy_model, witness, settings))
        try:
            replace(ready, stages=watched).latents(data)
        except CodectkError:
            if not witness.findings:  # which say why the program lost step
                raise
        assert not witness.findings, f"{what}: {'; '.join(witness.findings)}"

    def _driven(self, ready: Codec, factor: int) -> list[bytes]:
        """Payloads of the small file's picture with numbers `factor` times as large."""
        driven = replace(ready.stages, entropy_model=_Driven(ready.stages.entropy_model, factor))
        encoder = Encoder()
        picture = read_picture(self.picture(40, 56))
        Encoding(replace(ready, stages=driven), picture, self.knobs, aligned=self.aligned()).code(encoder)
        return encoder.finish()

    def _portable(self) -> Codec:
        ready = self.ready()
        if not ready.stages.portable:
            pytest.skip(f"codec '{self.codec}' does not claim to be portable")
        return ready


def _on_torch(ready: Codec) -> bool:
    """Whether it may be torch that computes; a codec without any is said to run on that engine, too."""
    return ready.engine == "torch" and "torch" in sys.modules


class _Once:
    """An analysis that remembers what it made for the first picture."""

    def __init__(self, analysis: Analysis) -> None:
        self.produces = analysis.produces
        self._analysis = analysis
        self._values: Mapping[str, Any] | None = None

    def __call__(self, x: Any, condition: Any, ctx: Context) -> Mapping[str, Any]:
        if self._values is None:
            self._values = self._analysis(x, condition, ctx)
        return dict(self._values)


class _Around:
    """An entropy model whose program is run by a subclass."""

    def __init__(self, model: EntropyModel) -> None:
        self.model, self.needs, self.gives = model, model.needs, model.gives


class _Watched(_Around):
    """Runs the program before a witness, with settings of the process."""

    def __init__(self, model: EntropyModel, witness: Any, settings: Settings) -> None:
        super().__init__(model)
        self._witness, self._settings = witness, settings

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        with self._settings(), self._witness:
            return self.model.code(coder, values, ctx)


class _Driven(_Around):
    """Codes values that are numbers, not names, many times as large."""

    def __init__(self, model: EntropyModel, factor: int) -> None:
        super().__init__(model)
        self._factor = factor

    def code(self, coder: Any, values: Mapping[str, Any] | None, ctx: Context) -> Mapping[str, Any]:
        assert values is not None
        numbers = {spec.name for spec in self.needs if spec.kind in ("gaussian", "factorized")}
        large = {name: value * self._factor if name in numbers else value for name, value in values.items()}
        return self.model.code(coder, large, ctx)


def _assert_same(one: Mapping[str, NDArray[Any]], other: Mapping[str, NDArray[Any]]) -> None:
    assert one.keys() == other.keys()
    for name in one:
        assert np.array_equal(one[name], other[name]), f"latent '{name}' differs"
