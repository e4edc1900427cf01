"""The README's example runs and prints what it says."""

import re
from pathlib import Path

from PIL import Image

from codectk.testing.pictures import scene


def test_the_example_runs(tmp_path, monkeypatch, capsys):
    text = (Path(__file__).parents[1] / "README.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (promised,) = re.findall(r"print\(.*?\)  # (.*)", code)
    Image.fromarray(scene(90, 120)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    size, shares = capsys.readouterr().out.split(" ", 1)
    assert shares.strip() == promised and int(size) < 685
