"""A plugin for this API version or the one before is used; any other is refused with both versions named."""

from __future__ import annotations

import pytest

from codectk import spec
from codectk.base.errors import PluginIncompatibleError
from codectk.pipeline.build import build_codec
from codectk.pipeline.load import forget
from codectk.plugins import manager
from codectk.plugins.discover import discover

CODE = """
from codectk.spec.hooks import hookimpl
from codectk.spec.stages import Stages

@hookimpl
def codectk_codec(name, device):
    return Stages(id=name, stride=8, weights_hash="", portable=True, analysis=0, entropy_model=0, synthesis=0)
"""

CARD = 'api = {api}\ntitle = ""\nsummary = ""\nlicence = ""\n[[codec]]\nname = "{name}"\nsummary = ""\nstride = 8\n'


@pytest.fixture
def core_of_api_5(site, monkeypatch: pytest.MonkeyPatch):
    """A core with API 5, and one plugin each for API 3 to 6, named after it."""
    monkeypatch.setattr(spec, "API", 5)
    for api in (3, 4, 5, 6):
        site.add(f"for{api}", CODE, card=CARD.replace("{api}", str(api)))
    forget()
    yield
    forget()


@pytest.mark.parametrize("api", [4, 5])
def test_this_version_and_the_one_before_are_used(core_of_api_5, api: int):
    assert build_codec(*manager.find_codec(f"for{api}")).id == f"for{api}"


@pytest.mark.parametrize("api", [3, 6])
def test_others_are_refused_and_both_versions_named(core_of_api_5, api: int):
    (record,) = [record for record in discover() if record.name == f"for{api}"]
    assert (record.status, record.card) == ("incompatible", None)
    with pytest.raises(PluginIncompatibleError) as caught:
        build_codec(*manager.find_codec(f"for{api}"))
    message = str(caught.value)
    assert f"Plugin 'for{api}' (codectk-for{api} 1.0) is incompatible" in message
    assert f"written for plugin API {api}, but this codectk has API 5 and accepts 4 and 5." in message
    assert (caught.value.code, caught.value.exit_code) == ("CTK-E503", 5)
