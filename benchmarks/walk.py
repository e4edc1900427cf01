"""How far one call walks through the code: files, functions, and moves from one file to another.

    python -m benchmarks walk encode --engine torch        # a process's first call, then the second one
    python -m benchmarks walk train --list                 # with each move, and how often it was made

Counted are calls of Python functions of codectk and its plugins, by all threads, not code that runs at import. A move
is a call out of another file than the function's own. `encode` and `decode` take a picture of 64x96 pixels; of `train`,
the first call makes network and trainer and takes a step, the second one takes the next.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np
from PIL import Image

from benchmarks.common import options

CALLS = ("encode", "decode", "train")


class Walk:
    """What a call came by.

    Attributes:
        files: paths.
        functions: path and qualified name of each.
        moves: how often each file called each function of another one.
    """

    def __init__(self, call: Callable[[], Any]) -> None:
        self.files: set[str] = set()
        self.functions: set[tuple[str, str]] = set()
        self.moves: Counter[tuple[str, str, str]] = Counter()
        threading.setprofile(self._see)
        sys.setprofile(self._see)
        try:
            call()
        finally:
            sys.setprofile(None)
            threading.setprofile(None)

    def __str__(self) -> str:
        return f"{len(self.files)} files, {len(self.functions)} functions, {sum(self.moves.values())} moves"

    def _see(self, frame: FrameType, event: str, _: Any) -> None:
        place, name = _place(frame), frame.f_code.co_qualname
        if event != "call" or not place or name == "<module>":
            return
        caller = frame.f_back
        while caller is not None and not _place(caller):
            caller = caller.f_back
        before = _place(caller) if caller else ""
        self.files.add(place)
        self.functions.add((place, name))
        if before != place:
            self.moves[before, place, name] += 1


def _place(frame: FrameType) -> str:
    """A file of codectk or of a plugin, from its package on; "" for any other."""
    path = frame.f_code.co_filename
    start = path.rfind("/codectk")
    package = path[start + 1 :].partition("/")[0]
    return path[start + 1 :] if package == "codectk" or package.startswith("codectk_") else ""


def _smooth(height: int, width: int) -> np.ndarray:
    """Soft colors, which no codec warns about."""
    small = np.random.default_rng(0).integers(60, 200, (3, 4, 3), dtype=np.uint8)
    return np.asarray(Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC))


def _call(a: argparse.Namespace, folder: Path) -> Callable[[], Any]:
    """What is walked; all that it needs is there."""
    picture, file = folder / "picture.png", folder / "picture.ctk"
    Image.fromarray(_smooth(64, 96)).save(picture)
    if a.call == "decode":  # by another process, so that this one has loaded nothing
        encode = [sys.executable, "-m", "codectk", "encode", str(picture), "-o", str(file), "--codec", a.codec]
        subprocess.run(encode, check=True, stdout=subprocess.DEVNULL)
    import codectk

    if a.call == "encode":
        return lambda: codectk.encode(picture, codec=a.codec, engine=a.engine)
    if a.call == "decode":
        return lambda: codectk.decode(file, engine=a.engine)
    return _training(a.codec, folder)


def _training(codec: str, folder: Path) -> Callable[[], Any]:
    from codectk.train.bar import Bar
    from codectk.train.data import load_data
    from codectk.train.settings import from_dict
    from codectk.train.trainer import make
    from codectk.train.world import join_world

    Image.fromarray(_smooth(200, 300)).save(folder / "photo.png")
    data = {"paths": [str(folder / "photo.png")], "crop": 64, "batch": 1}
    recipe = from_dict({"codec": {"name": codec}, "data": data, "optim": {"steps": 10, "warmup": 1, "decay": 1}})
    trainers: list[Any] = []

    def step() -> None:
        if not trainers:
            load = partial(load_data, recipe, Bar(False), lambda remark: None)
            trainers.append(make(recipe, load, *join_world("cpu"), fresh=True, say=lambda remark: None))
        trainers[0].train_step()

    return step


def arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("call", choices=CALLS)
    options(parser, "--codec", codec={"default": "segpic"})
    parser.add_argument("--engine", default="torch", help="of encode and decode (default: torch)")
    parser.add_argument("--list", action="store_true", help="print the moves of both calls")


def main(a: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder:
        call = _call(a, Path(folder))
        for which in ("first", "second"):
            walk = Walk(call)
            print(f"{a.call}, {which}: {walk}")
            for (before, place, name), count in walk.moves.most_common() if a.list else ():
                print(f"{count:8}  {before or '-'} -> {place} {name}")
