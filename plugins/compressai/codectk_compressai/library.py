"""The one door to CompressAI, whose import takes seconds and prints warnings. Import this module late."""

from __future__ import annotations

import re
import warnings
from collections.abc import Mapping
from typing import Any

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import compressai.zoo
    from compressai.registry import MODELS
    from compressai.zoo import image, image_vbr

from codectk.spec.published import PublishedWeights
from codectk_compressai.presets import PRESETS, Preset

_HASH = re.compile(r"-([0-9a-f]{8,64})\.")
"""The beginning of a file's sha256 in its name, as torch's hub has it."""


def model_class(architecture: str) -> Any:
    """CompressAI's class of an architecture."""
    return MODELS[architecture]


def rename_keys(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict under today's names: checkpoints of CompressAI's first versions have others."""
    renamed: dict[str, Any] = compressai.zoo.load_state_dict(dict(state))
    return renamed


def published(preset: Preset) -> PublishedWeights | None:
    """The checkpoint that CompressAI's zoo would download, or None if it has none."""
    if preset.quality is None:
        url = image_vbr.model_urls.get(preset.architecture, {}).get(preset.metric)
    else:
        url = image.model_urls.get(preset.architecture, {}).get(preset.metric, {}).get(preset.quality)
    found = _HASH.search(url.rsplit("/", 1)[-1]) if url else None
    return PublishedWeights(url, found[1], short=len(found[1]) < 64) if url and found else None


def owner(sha256: str) -> str | None:
    """The codec whose published checkpoint has this hash, or None."""
    for name, preset in PRESETS.items():
        known = published(preset)
        if known and sha256.startswith(known.sha256):
            return name
    return None
