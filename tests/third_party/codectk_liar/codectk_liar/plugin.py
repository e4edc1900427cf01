"""The hook."""

from __future__ import annotations

from codectk.spec.hooks import hookimpl
from codectk.spec.stages import Stages


@hookimpl
def codectk_codec(name: str, device: str) -> Stages | None:
    if not name.startswith("liar-"):
        return None
    from codectk.nn.backend import TorchBackend
    from codectk_liar.stages import Hyperprior, Means, Squares

    return Stages(
        id=name,
        stride=16,
        weights_hash="",
        portable=True,
        analysis=Means(),
        entropy_model=Hyperprior(name.removeprefix("liar-")),
        synthesis=Squares(),
        backend=TorchBackend(device),
    )
