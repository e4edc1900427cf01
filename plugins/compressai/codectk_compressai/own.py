"""The weights of a codec that was asked for without naming any: those that were imported for it."""

from __future__ import annotations

from pathlib import Path

from codectk.base.errors import WeightsError
from codectk.weights.locate import CODEC, locate
from codectk.weights.store import stored
from codectk.weights.tensors import read_metadata
from codectk_compressai.presets import PRESETS

PACKAGE = "codectk_compressai"


def own_weights(codec: str) -> Path:
    """The verified file in the store that is for this codec.

    Raises:
        WeightsError: there is none, or several, or it is damaged.
    """
    paths = [path for path in stored() if _is_for(path, codec)]
    if not paths:
        way = f"bring a checkpoint in with 'codectk weights import {codec} FILE.pth.tar'"
        if PRESETS[codec].published:
            way = f"fetch CompressAI's with 'codectk weights pull {codec}', or {way}"
        raise WeightsError(f"Codec '{codec}' has no weights yet; {way}.")
    if len(paths) > 1:
        listed = ", ".join(path.stem for path in paths)
        raise WeightsError(f"Codec '{codec}' has several weights: {listed}; choose with --weights NAME.")
    return locate(paths[0].stem, codec=codec, package=PACKAGE).path


def _is_for(path: Path, codec: str) -> bool:
    try:
        return read_metadata(path).get(CODEC) == codec
    except WeightsError:  # somebody else's file, or a damaged one, which `codectk weights verify` reports
        return False
