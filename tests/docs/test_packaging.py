"""What desktops and shells are told about .ctk files is true."""

from __future__ import annotations

import configparser
import os
import shutil
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

import numpy as np
import pytest
from click.shell_completion import BashComplete

import codectk
from codectk.bitstream.codecs import KNOWN
from codectk.bitstream.header import MAGIC
from codectk.cli.main import VERBS, group

FOLDER = Path(__file__).parents[2] / "packaging"
MIME = "image/x-ctk"


def test_mime_type():
    root = ET.parse(FOLDER / "codectk.xml").getroot()
    name = {"m": "http://www.freedesktop.org/standards/shared-mime-info"}
    (kind,) = root.findall(f"m:mime-type[@type='{MIME}']", name)
    match = kind.find("m:magic/m:match", name)
    assert match.attrib["value"].encode("latin-1").decode("unicode_escape").encode("latin-1") == MAGIC
    assert match.attrib["offset"] == "0" and kind.find("m:glob", name).attrib["pattern"] == "*.ctk"


def test_magic_for_file(pocket: object, tmp_path: Path):
    text = (FOLDER / "codectk.magic").read_text()
    assert all(f"\t{number}\t\\b, {codec}" in text for number, codec in KNOWN.items())
    if not shutil.which("file"):
        pytest.skip("needs the program file")
    (tmp_path / "a.ctk").write_bytes(codectk.encode(np.zeros((16, 16), np.uint8), "pocket"))
    command = ["file", "-b", "-m", str(FOLDER / "codectk.magic"), str(tmp_path / "a.ctk")]
    found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout
    assert found.strip() == "codectk picture, version 1, grey"


def test_thumbnailer(pocket: list[str], tmp_path: Path):
    entry = configparser.ConfigParser(interpolation=None)
    entry.read(FOLDER / "codectk.thumbnailer")
    line = entry["Thumbnailer Entry"]
    assert line["MimeType"] == f"{MIME};"
    (tmp_path / "a.ctk").write_bytes(codectk.encode(np.zeros((16, 16, 3), np.uint8), "pocket"))
    words = [
        {"%i": str(tmp_path / "a.ctk"), "%o": str(tmp_path / "o.png")}.get(word, word) for word in line["Exec"].split()
    ]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(pocket)}
    subprocess.run([sys.executable, "-m", *words], check=True, env=environment, timeout=60)
    assert (tmp_path / "o.png").is_file()


def test_shells_complete_verbs_and_options():
    complete = BashComplete(group, {}, "codectk", "_CODECTK_COMPLETE")
    assert [item.value for item in complete.get_completions([], "")] == list(VERBS)
    assert "--target-bpp" in [item.value for item in complete.get_completions(["encode"], "--t")]
