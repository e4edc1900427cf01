"""LPIPS, FID and KID as metrics of an evaluation, and metrics of plugins by name."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from codectk.base.errors import ContractError, UsageError, WeightsError
from codectk.eval.distributions import SUBSET_SIZE, SUBSETS, Features, frechet, kernel_distance, patches
from codectk.eval.metric_files import FID_FILE, LPIPS_FILE, find
from codectk.eval.metrics import Pixels
from codectk.eval.provenance import picture_digest
from codectk.plugins import manager
from codectk.spec.metrics import Metric, PictureMetric, SetMetric, SetScore

if TYPE_CHECKING:
    from torch import Tensor

    from codectk.nn.inception import Inception
    from codectk.nn.lpips import LPIPS

AnyMetric = PictureMetric | SetMetric
Pairs = Iterable[tuple[Pixels, Pixels]]

BUILT_IN = ("lpips", "fid", "kid")
"""Names of the core's own metrics."""

ENOUGH_PATCHES = 2048
"""Fewest samples for which the covariance of 2048 features has full rank."""

_BATCH = 8
"""Patches that go through the network at once: about 0.5 GB, and no faster with more on one thread."""

_CACHE_BYTES = 512 << 20


def label(metric: Metric) -> str:
    """How a metric is called wherever its value stands: with its backbone."""
    return f"{metric.name} ({metric.backbone})" if metric.backbone else metric.name


def build(
    names: Sequence[str], device: str = "cpu", weights: Mapping[str, Path | str | None] | None = None
) -> list[AnyMetric]:
    """Metrics by name.

    Args:
        names: of `BUILT_IN`, or component ids of plugins such as "mine.gmsd"; one given twice counts once.
        device: where networks run.
        weights: files for "lpips" and "fid"; see `metric_files.find` for what is used where there is none.

    Raises:
        UsageError: an unknown name, or two metrics with one label.
        WeightsError: the weights are missing or not the right ones.
        PluginError: a plugin's metric cannot be built or keeps no contract.
    """
    given = weights or {}
    made: list[AnyMetric] = []
    shared: list[PatchFeatures] = []
    for name in dict.fromkeys(names):
        if name == "lpips":
            made.append(Lpips.load(find(LPIPS_FILE, given.get("lpips")), device))
        elif name in ("fid", "kid"):
            if not shared:
                shared.append(PatchFeatures.load(find(FID_FILE, given.get("fid")), device))
            made.append((Fid if name == "fid" else Kid)(shared[0]))
        elif "." in name:
            made.append(_checked(name, manager.component("metric", name, {"device": device})))
        else:
            raise UsageError(
                f"There is no metric '{name}'; there are {', '.join(BUILT_IN)} and those of plugins, PLUGIN.NAME."
            )
    labels = [label(metric) for metric in made]
    for text in labels:
        if labels.count(text) > 1:
            raise UsageError(f"Two metrics are called '{text}'.")
    return made


class Lpips:
    """LPIPS v0.1 by AlexNet, picture by picture."""

    name, backbone, lower_is_better = "LPIPS", "Alex v0.1", True
    scope: Literal["picture"] = "picture"
    protocol = "LPIPS v0.1, AlexNet, on the whole decoded 8-bit RGB picture in [-1, 1]; mean over pictures"

    def __init__(self, network: LPIPS, device: str = "cpu") -> None:
        self._network, self._device = network.to(device), device

    @classmethod
    def load(cls, path: Path, device: str) -> Lpips:
        """From a file.

        Raises:
            WeightsError: not readable, or other weights than those of LPIPS v0.1.
        """
        from codectk.nn.lpips import load_lpips

        made = cls(load_lpips(path), device)
        made.refuse_others(str(path))
        return made

    def __call__(self, reference: Pixels, picture: Pixels) -> float | None:
        import torch

        from codectk.nn.lpips import MIN_SIDE

        if min(reference.shape[:2]) < MIN_SIDE:
            return None
        # TF32 would move the distance in its third digit.
        with torch.no_grad(), torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return float(self._network(self._tensor(picture), self._tensor(reference)))

    def refuse_others(self, where: str) -> None:
        """Check the network on a pattern: a distance by other weights must not be reported as LPIPS.

        Args:
            where: the file, for the message.

        Raises:
            WeightsError: it is not LPIPS v0.1 with AlexNet.
        """
        y, x = np.mgrid[:64, :64]
        first = np.stack([(x * 3 + y * c) % 256 for c in (1, 2, 5)], 2).astype(np.uint8)
        distance = self(first, first[::-1, :, ::-1])
        if distance is None or abs(distance - _LPIPS_OF_PATTERN) > 1e-3:
            raise WeightsError(f"{where} has the tensors of LPIPS, but not the values of LPIPS v0.1 with AlexNet.")

    def _tensor(self, pixels: Pixels) -> Tensor:
        import torch

        return torch.from_numpy(pixels.copy()).to(self._device).permute(2, 0, 1)[None].float() / 255


_LPIPS_OF_PATTERN = 0.48255


class PatchFeatures:
    """Features of a picture's patches, remembered: references and files are asked for once by each metric.

    Attributes:
        backbone: network and origin of its weights.
    """

    def __init__(self, network: Inception, source: str, device: str = "cpu") -> None:
        self.backbone = f"Inception-v3, {source}"
        self._network, self._device = network.to(device), device
        self._cache: OrderedDict[str, Features] = OrderedDict()
        self._bytes = 0

    @classmethod
    def load(cls, path: Path, device: str) -> PatchFeatures:
        """From a file that `nn.inception_files` knows.

        Raises:
            WeightsError: not readable, or another network than FID's.
        """
        from codectk.nn.inception_files import load_inception

        return cls(*load_inception(path), device)

    def __call__(self, pixels: Pixels) -> Features:
        """Features by HiFiC's patch protocol, float64 (n, C); n is 0 for a picture smaller than a patch."""
        key = picture_digest(pixels)
        if key in self._cache:
            self._cache.move_to_end(key)
            return self._cache[key]
        found = self._cache[key] = self._compute(pixels)
        self._bytes += found.nbytes
        while self._bytes > _CACHE_BYTES and len(self._cache) > 1:
            self._bytes -= self._cache.popitem(last=False)[1].nbytes
        return found

    def pairs(self, pairs: Pairs) -> tuple[Features, Features]:
        """Features of all references and of all decoded pictures, row i of both from one patch."""
        both = [(self(reference), self(picture)) for reference, picture in pairs]
        both = [(a, b) for a, b in both if len(a)]
        if not both:
            return np.empty((0, 0)), np.empty((0, 0))
        return np.concatenate([a for a, _ in both]), np.concatenate([b for _, b in both])

    def _compute(self, pixels: Pixels) -> Features:
        import torch

        cut = list(patches(pixels))
        batches = []
        with torch.no_grad():
            for start in range(0, len(cut), _BATCH):
                batch = torch.from_numpy(np.stack(cut[start : start + _BATCH])).to(self._device)
                batches.append(self._network.patch_features(batch).double().cpu().numpy())
        return np.concatenate(batches) if batches else np.empty((0, 0))


class Fid:
    """FID/256: Frechet distance between the patches of all originals and those of all decoded pictures."""

    name, lower_is_better = "FID/256", True
    scope: Literal["set"] = "set"
    protocol = (
        "Frechet distance of Inception-v3 features (2048, TensorFlow graph of 2015-12-05) of 256-pixel patches, a grid "
        "and a second one shifted by 128 (HiFiC), resized to 299 as pytorch-fid does (bilinear, no antialiasing)"
    )

    def __init__(self, features: PatchFeatures) -> None:
        self.backbone, self._features = features.backbone, features

    def __call__(self, pairs: Pairs) -> SetScore | None:
        reference, decoded = self._features.pairs(pairs)
        if len(reference) < 2:
            return None
        note = ""
        if len(reference) < ENOUGH_PATCHES:
            note = (
                f"{label(self)} is from {len(reference)} patches; below {ENOUGH_PATCHES} it is biased and comparable "
                "only on the very same pictures, so prefer KID/256."
            )
        return SetScore(frechet(reference, decoded), len(reference), note=note)


class Kid:
    """KID/256: kernel distance on the same patches, unbiased however few they are."""

    name, lower_is_better = "KID/256", True
    scope: Literal["set"] = "set"
    protocol = (
        f"squared MMD, kernel (x . y / 2048 + 1)^3, unbiased for pairs, mean and standard deviation over {SUBSETS} "
        f"subsets of at most {SUBSET_SIZE} patches; patches and features as of FID/256"
    )

    def __init__(self, features: PatchFeatures) -> None:
        self.backbone, self._features = features.backbone, features

    def __call__(self, pairs: Pairs) -> SetScore | None:
        reference, decoded = self._features.pairs(pairs)
        if len(reference) < 4:
            return None
        value, std = kernel_distance(reference, decoded)
        return SetScore(value, len(reference), std)


def _checked(name: str, metric: Any) -> AnyMetric:
    """A plugin's metric that says what it is."""
    texts = {"name": str, "backbone": str, "protocol": str, "lower_is_better": bool}
    for attribute, kind in texts.items():
        if not isinstance(getattr(metric, attribute, None), kind):
            raise ContractError(f"The metric '{name}' has no {attribute} that is a {kind.__name__}.")
    if getattr(metric, "scope", None) not in ("picture", "set") or not callable(metric):
        raise ContractError(f"The metric '{name}' must be callable, with the scope 'picture' or 'set'.")
    if label(metric) in ("", "psnr", "ms_ssim") or not metric.name:
        raise ContractError(f"The metric '{name}' cannot be called '{label(metric)}'.")
    checked: AnyMetric = metric
    return checked
