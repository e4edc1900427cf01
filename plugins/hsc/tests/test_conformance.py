"""The conformance kit on the shipped heads, around the generator of the shared data."""

from __future__ import annotations

from pathlib import Path

import pytest

from codectk.pipeline.load import forget
from codectk.testing.conformance import CodecConformance
from codectk.weights.importing import import_file
from codectk_hsc.generators.library import PRESET, preset_path

pytestmark = pytest.mark.filterwarnings("ignore::codectk.base.errors.DomainWarning")  # the kit's pictures are no faces


@pytest.fixture(autouse=True, scope="module")
def generator_in_the_store(data: Path, tmp_path_factory: pytest.TempPathFactory):
    """A weights store that has the generator, as `codectk weights pull hsc` leaves it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODECTK_HOME", str(tmp_path_factory.mktemp("home")))
        made = import_file("hsc", data / "weights" / "mobilestylegan_ffhq_fp16.safetensors", PRESET)
        assert made == preset_path()
        forget()
        yield
        forget()


class TestHsc(CodecConformance):
    codec = "hsc"
    knobs = {"quality": 40.0}  # noqa: RUF012
    sizes = 70
    examples = 2
    forgeries = 4
    psnr_rises = False
