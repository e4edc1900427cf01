"""A file that was made once decodes to the same latents here: the promise of a portable file, across machines.

    python plugins/segpic/tests/test_golden.py

makes the file and its digest anew, which only new weights justify.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

import codectk
from codectk.bitstream.reader import read
from codectk.picture.read import read_picture
from codectk.pipeline.decode import decode_latents
from codectk.pipeline.load import load_for

FOLDER = Path(__file__).parent / "golden"
FILE, DIGEST = FOLDER / "photo-192x128-q40.ctk", FOLDER / "photo-192x128-q40.latents.sha256"
PHOTO = Path(__file__).parents[3] / "examples" / "photo.png"


def latents_digest(data: bytes) -> str:
    """sha256 over the latents in the order of their names, as little-endian float32."""
    container = read(data)
    latents = decode_latents(container, load_for(container.header))
    digest = hashlib.sha256()
    for name in sorted(latents):
        digest.update(np.ascontiguousarray(latents[name].numpy().astype("<f4")).tobytes())
    return digest.hexdigest()


def test_the_golden_file_decodes_to_its_latents():
    assert latents_digest(FILE.read_bytes()) == DIGEST.read_text(encoding="ascii").strip()


def test_the_golden_file_decodes_to_its_picture():
    decoded = np.asarray(codectk.decode(FILE)).astype(float)
    source = read_picture(PHOTO).pixels[100:228, 100:292].astype(float)
    assert np.mean((decoded - source) ** 2) < 60, "about 31 dB or better"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    made = codectk.encode(read_picture(PHOTO).pixels[100:228, 100:292], codec="segpic", quality=40.0)
    FILE.write_bytes(made)
    DIGEST.write_text(latents_digest(made) + "\n", encoding="ascii")
