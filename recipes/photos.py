"""The training data of the shipped presets, from the packs that they were trained on.

    python recipes/photos.py PACKS OUT

PACKS is a folder with photos-a.tar (CID22 training references and desktop wallpapers), photos-b.tar (camera photos,
reduced) and photos-c.tar (crops at native resolution). OUT/train and OUT/valid get one folder for each of them, and
`renderings`, which `renderings.py` beside this file draws. What is in `valid`, and everything that shows the same
scene, is in no training folder; nor is a picture of the CID22 validation set that strayed into the first pack.
"""

from __future__ import annotations

import argparse
import tarfile
from pathlib import Path

import renderings

PACKS = ("photos-a", "photos-b", "photos-c")
VALID = {
    "photos-b": [f"camera_{n:04d}" for n in (20, 26, 55, 97, 100, 152, 163, 164)],
    "photos-c": [f"native_{n:04d}" for n in (121, 133, 145, 169, 175, 185, 195, 213)],
}
"""What decides: eight reduced photos, eight crops at native resolution."""
UNUSED = {
    "photos-a": ["cid22_0262"],
    "photos-b": [f"camera_{n:04d}" for n in (10, 30, 35, 54, 57, 77, 88)],
    "photos-c": [f"native_{n:04d}" for n in (122, 134, 146, 170, 176, 186, 196, 214)],
}
"""Other pictures of the same scenes, and one of the CID22 validation set."""
RENDERINGS = {"train": (200, 1), "valid": (4, 2)}
"""How many, and from which seed."""


def unpack(pack: Path, out: Path) -> None:
    """Sort the pictures of a pack into training and validation."""
    with tarfile.open(pack) as tar:
        for member in tar:
            if not member.isfile() or (file := tar.extractfile(member)) is None:
                continue
            stem = Path(member.name).stem
            if stem in UNUSED.get(pack.stem, ()):
                continue
            part = "valid" if stem in VALID.get(pack.stem, ()) else "train"
            target = out / part / pack.stem / Path(member.name).name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(file.read())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("packs", type=Path)
    parser.add_argument("out", type=Path)
    chosen = parser.parse_args()
    for name in PACKS:
        unpack(chosen.packs / f"{name}.tar", chosen.out)
    for part, (count, seed) in RENDERINGS.items():
        renderings.series(chosen.out / part / "renderings", count, seed)


if __name__ == "__main__":
    main()
