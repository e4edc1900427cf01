"""What stays of a face's meaning in an HSC file, and what an edit does besides what it is for.

    python -m benchmarks hsc_attributes --data ../shared/data --save READERS.npz
    python -m benchmarks hsc_meaning agreement FACES --readers READERS.npz --out docs/hsc-agreement
    python -m benchmarks hsc_meaning edits FACES --readers READERS.npz --out docs/hsc-edits

`agreement` reads 22 attributes (`hsc_attributes`) and, where dlib is installed, identity (`hsc_identity`) in originals
and decoded pictures. `edits` makes every edit of the catalogue in files of faces, measures what changes, and draws a
sheet.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import codectk
from benchmarks.common import options, save
from benchmarks.hsc_attributes import AttributeReaders, Features
from codectk.api import decode
from codectk.base.types import Picture
from codectk.eval.classical import REFERENCES
from codectk.eval.classical import decode as decode_classic
from codectk.picture.read import read_picture
from codectk.picture.strip import strip
from codectk.testing.corrupt import layer_ends
from codectk.train.bar import Bar
from codectk_hsc.editing.catalogue import CATALOGUE
from codectk_hsc.training.directions import LABELS

SIDE = 256
SHOWN = ("smile", "glasses", "age", "masculine", "yaw", "light_side", "warmth", "background_blue")
"""Edits on the sheet."""


def identity() -> object | None:
    """The embedding network, or None where its packages are missing."""
    try:
        from hsc_identity import DlibIdentity

        return DlibIdentity()
    except Exception as error:  # its packages raise what they like
        print(f"identity is not measured: {error}")
        return None


def agreement(a: argparse.Namespace) -> None:
    readers, features, who = AttributeReaders.load(a.readers), Features(), identity()
    shown: dict[str, list[np.ndarray]] = {"original": []}
    sizes: dict[str, list[int]] = {"original": []}

    def add(name: str, size: int, pixels: np.ndarray) -> None:
        shown.setdefault(name, []).append(pixels)
        sizes.setdefault(name, []).append(size)

    files = sorted(a.faces.glob("*.png"))[: a.n]
    with Bar() as bar:
        bar.begin("coding", len(files))
        for number, file in enumerate(files, 1):
            original = read_picture(file).pixels
            add("original", 0, original)
            data = codectk.encode(original, codec="hsc", quality=100, aligned=True)
            for layers, end in enumerate(layer_ends(data)):
                if layers in a.layers:
                    add(f"hsc, {layers} layers", end, np.asarray(decode(data, layers=layers)))
            for name in ("webp", "avif", "heic"):
                coded = REFERENCES[name].encode(original, 0)
                add(f"{name}, smallest", len(coded), decode_classic(coded))
            bar.show(number)
    read_ = {name: readers.read(features(pictures)) for name, pictures in shown.items()}
    faces = {name: who(pictures) for name, pictures in shown.items()} if callable(who) else {}
    rows = []
    for name in shown:
        row: dict[str, object] = {"file": name, "bytes": round(float(np.mean(sizes[name])), 1)}
        if name != "original":
            true, told = read_["original"], read_[name]
            each = [np.corrcoef(true[:, k], told[:, k])[0, 1] for k in range(true.shape[1])]
            row["attributes_median"] = round(float(np.median(each)), 3)
            row["attributes"] = {key: round(float(r), 3) for key, r in zip(readers.names, each, strict=True)}
        if faces:
            apart = np.linalg.norm(faces["original"][:, None] - faces[name][None], axis=2)
            same, others = np.diag(apart), apart[~np.eye(len(apart), dtype=bool)]
            row |= {
                "identity_distance": round(float(same.mean()), 3),
                "identity_same": round(float((same < 0.6).mean()), 3),
                "identity_first": round(float((apart.argmin(0) == np.arange(len(apart))).mean()), 3),
                "others_distance": round(float(others.mean()), 3),
            }
        rows.append(row)
        print({key: value for key, value in row.items() if key != "attributes"})
    save(f"{a.out}.json", {"faces": len(files), "rows": rows})


@torch.no_grad()
def edits(a: argparse.Namespace) -> None:
    readers, features, who = AttributeReaders.load(a.readers), Features(), identity()
    names = list(CATALOGUE)
    columns = [readers.names.index(LABELS.get(name, name)) for name in names]
    files = sorted(a.faces.glob("*.png"))[: a.n]
    changed: dict[str, list[np.ndarray]] = {}
    apart: dict[str, list[float]] = {}
    sheet = []
    with Bar() as bar:
        bar.begin("editing", len(files) * len(names))
        for number, file in enumerate(files):
            data = codectk.encode(read_picture(file).pixels, codec="hsc", quality=100, aligned=True)
            plain = np.asarray(decode(data))
            base = readers.read(features([plain]))[0]
            row = [Picture(plain)]
            for done, name in enumerate(names, 1):
                amount = CATALOGUE[name].edit.maximum * 0.6
                file_ = codectk.edit(data, {name: round(amount * 64) / 64})
                made = np.asarray(decode(file_))
                changed.setdefault(name, []).append(readers.read(features([made]))[0] - base)
                if callable(who):
                    one, two = who([plain, made])
                    apart.setdefault(name, []).append(float(np.linalg.norm(one - two)))
                if name in SHOWN:
                    row.append(Picture(np.asarray(decode(codectk.edit(data, {name: CATALOGUE[name].edit.maximum})))))
                bar.show(number * len(names) + done)
            if number < a.shown:
                sheet.append(
                    strip(row, ["decoded", *(f"{n} +{CATALOGUE[n].edit.maximum:g}" for n in names if n in SHOWN)])
                )
    rows = []
    for at, name in enumerate(names):
        amount = CATALOGUE[name].edit.maximum * 0.6
        effect = np.mean(changed[name], 0) / amount
        others = {n: round(float(effect[columns[k]]), 2) for k, n in enumerate(names) if k != at}
        largest = sorted(others, key=lambda n: -abs(others[n]))[:2]
        row = {
            "edit": name,
            "effect": round(float(effect[columns[at]]), 2),
            "side_effects": {n: others[n] for n in largest},
            "identity_distance": round(float(np.mean(apart[name])), 3) if name in apart else None,
        }
        rows.append(row)
        print(row)
    save(f"{a.out}.json", {"faces": len(files), "unit": "standard deviations per amount of 1", "rows": rows})
    Image.fromarray(np.concatenate([row.pixels for row in sheet])).save(f"{a.out}.png")


def arguments(parser: argparse.ArgumentParser) -> None:
    verbs = parser.add_subparsers(required=True)
    for name, run, count in (("agreement", agreement, 100), ("edits", edits, 16)):
        verb = verbs.add_parser(name)
        verb.set_defaults(run=run)
        verb.add_argument("faces", type=Path)
        verb.add_argument("--readers", type=Path, required=True)
        options(verb, "-n", "--layers", "--out", n={"default": count}, layers={"default": [0, 1, 2, 8]})
        verb.add_argument("--shown", type=int, default=4)


def main(a: argparse.Namespace) -> None:
    a.run(a)
