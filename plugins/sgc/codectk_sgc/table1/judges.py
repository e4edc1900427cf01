"""Judges of quality of Table I: DBCNN, MUSIQ, HyperIQA and CLIP-IQA as pyiqa has them, CLIP as open_clip has it."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import torch

from codectk.base.errors import WeightsError
from codectk_sgc.table1.needed import CachedFile, HubFile, Needed, require_files, require_package


@dataclass(frozen=True)
class Model:
    """A judge of pyiqa.

    Attributes:
        title: as in Table I.
        name: in pyiqa.
        backbone: network and what it was trained on.
        needs: files it loads.
    """

    title: str
    name: str
    backbone: str
    needs: tuple[Needed, ...]


MODELS: Mapping[str, Model] = MappingProxyType(
    {
        "sgc.dbcnn": Model(
            "DBCNN",
            "dbcnn",
            "VGG16 and SCNN, KonIQ-10k, pyiqa",
            (
                HubFile("checkpoints/vgg16-397923af.pth"),
                HubFile("pyiqa/DBCNN_scnn-7ea73d75.pth"),
                HubFile("pyiqa/DBCNN_KonIQ10k-2de81c0a.pth"),
            ),
        ),
        "sgc.musiq": Model(
            "MUSIQ", "musiq", "KonIQ-10k, pyiqa", (HubFile("pyiqa/musiq_koniq_ckpt-e95806b9.pth"),)
        ),
        "sgc.hyperiqa": Model(
            "HyperIQA",
            "hyperiqa",
            "ResNet-50, KonIQ-10k, pyiqa",
            (
                CachedFile("timm/resnet50.a1_in1k", ("model.safetensors", "pytorch_model.bin")),
                HubFile("pyiqa/HyperIQA-resnet50-koniq10k-c96c41b1.pth"),
            ),
        ),
        "sgc.clip_iqa": Model("CLIP-IQA", "clipiqa", "CLIP RN50, pyiqa", (HubFile("clip/RN50.pt"),)),
    }
)  # fmt: skip
"""By component id. The files are those of pyiqa 0.1.16; another version that wants others says so itself."""

CLIP = CachedFile(
    "timm/vit_large_patch14_clip_224.openai", ("open_clip_model.safetensors", "open_clip_pytorch_model.bin")
)


class Judge:
    """A judge of pyiqa as a metric: it sees the decoded picture alone.

    Args:
        model: which.
        device: where it runs.

    Raises:
        UsageError: pyiqa is not installed.
        WeightsError: weights are missing, or pyiqa cannot build it.
    """

    lower_is_better = False
    scope: Literal["picture"] = "picture"

    def __init__(self, model: Model, device: str = "cpu") -> None:
        require_package(model.title, "pyiqa")
        require_files(model.title, model.needs, f"import pyiqa; pyiqa.create_metric('{model.name}')")
        self.name, self.backbone = model.title, model.backbone
        self.protocol = f"pyiqa's '{model.name}' on the whole decoded picture, at pyiqa's scale; mean over pictures"
        self._device = device
        self._network = _built(model.title, lambda: _pyiqa(model.name, device))

    def __call__(self, reference: np.ndarray, picture: np.ndarray) -> float:
        x = torch.from_numpy(np.array(picture)).to(self._device).permute(2, 0, 1)[None].float() / 255
        with torch.no_grad():
            return float(self._network(x))


class Alignment:
    """Cosine between CLIP's embeddings of original and decoded picture.

    Args:
        device: where CLIP runs.

    Raises:
        UsageError: open_clip is not installed.
        WeightsError: weights are missing, or open_clip cannot read them.
    """

    name, backbone, lower_is_better = "CLIP cosine", "ViT-L/14, OpenAI", False
    scope: Literal["picture"] = "picture"
    protocol = "cosine between CLIP ViT-L/14 embeddings of original and decoded picture, each reduced to 224x224"

    def __init__(self, device: str = "cpu") -> None:
        require_package(self.name, "open_clip")
        fetch = "import open_clip; open_clip.create_model('ViT-L-14', 'openai')"
        (file,) = require_files(self.name, [CLIP], fetch)
        self._device = device
        self._network, self._prepared = _built(self.name, lambda: _open_clip(file, device))

    def __call__(self, reference: np.ndarray, picture: np.ndarray) -> float:
        from PIL import Image

        both = torch.stack([self._prepared(Image.fromarray(pixels)) for pixels in (reference, picture)])
        with torch.no_grad():
            one, other = self._network.encode_image(both.to(self._device), normalize=True).float()
        return float(one @ other)


def _pyiqa(name: str, device: str) -> Any:
    import pyiqa

    return pyiqa.create_metric(name, device=device)


def _open_clip(file: Path, device: str) -> Any:
    import open_clip

    # OpenAI's networks were trained with its own approximation of GELU.
    return open_clip.create_model_from_pretrained("ViT-L-14-quickgelu", pretrained=str(file), device=device)


def _built(title: str, build: Callable[[], Any]) -> Any:
    try:
        # Both packages print what they load.
        with contextlib.redirect_stdout(sys.stderr):
            return build()
    except Exception as error:  # they raise what their own parts raise
        reason = str(error).strip().splitlines() or [type(error).__name__]
        raise WeightsError(f"{title} cannot be built from the weights that are here: {reason[0]}") from error
