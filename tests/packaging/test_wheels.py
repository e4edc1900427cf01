"""What is in the wheels that users install: the licences of all that is inside, their texts, types, one version."""

from __future__ import annotations

import email.message
import email.parser
import hashlib
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path, PurePosixPath

import pytest

import codectk

ROOT = Path(__file__).parents[2]
PROJECTS = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
PROJECTS += sorted(path.parent for path in ROOT.glob("examples/*/pyproject.toml"))

TEXTS = {
    "Apache-2.0": "Apache License",
    "CC-BY-4.0": "Creative Commons Attribution 4.0 International Public License",
    "CC-BY-SA-4.0": "Creative Commons Attribution-ShareAlike 4.0 International Public License",
}
"""What the text of each licence says of itself."""

pytest.importorskip("hatchling", reason="building needs the extra codectk[dev]")


@pytest.fixture(scope="module", params=PROJECTS, ids=lambda path: "codectk" if path == ROOT else path.name)
def built(request, tmp_path_factory) -> tuple[Path, zipfile.ZipFile, email.message.Message]:
    """A project's folder, its wheel and the wheel's metadata."""
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)],
        cwd=request.param,
        check=True,
        capture_output=True,
    )
    (path,) = folder.glob("*.whl")
    wheel = zipfile.ZipFile(path)
    (name,) = [name for name in wheel.namelist() if name.endswith(".dist-info/METADATA")]
    return request.param, wheel, email.parser.Parser().parsestr(wheel.read(name).decode())


def expression(metadata: email.message.Message) -> list[str]:
    return str(metadata["License-Expression"]).split(" AND ")


def test_every_licence_has_its_text(built) -> None:
    _, wheel, metadata = built
    inside = {name.split("/licenses/", 1)[1]: name for name in wheel.namelist() if ".dist-info/licenses/" in name}
    assert sorted(metadata.get_all("License-File")) == sorted(inside)
    texts = [" ".join(wheel.read(name).decode().split()) for name in inside.values()]
    assert len(texts) == len(expression(metadata)) >= 1
    for licence in expression(metadata):
        (text,) = [text for text in texts if TEXTS[licence] in text]
        assert len(text) > 10_000
    assert metadata["License"] is None and not [
        c for c in metadata.get_all("Classifier", []) if c.startswith("License")
    ]


def test_weights_inside_are_under_a_licence_that_the_wheel_names(built) -> None:
    _, wheel, metadata = built
    names = wheel.namelist()
    manifests = [name for name in names if name.count("/") == 1 and name.endswith("/weights.toml")]
    weights = [name for name in names if name.endswith((".safetensors", ".ctkb"))]
    listed = set()
    for manifest in manifests:
        for entry in tomllib.loads(wheel.read(manifest).decode())["weights"]:
            path = f"{manifest.split('/')[0]}/{entry['file']}"
            if path not in names:  # it comes from elsewhere
                continue
            listed.add(path)
            assert re.split(r"[ ;]", entry["licence"])[0] in expression(metadata)
            data = wheel.read(path)
            assert (len(data), hashlib.sha256(data).hexdigest()) == (entry["bytes"], entry["sha256"])
            graphs = str(PurePosixPath(path).with_suffix(".graphs"))
            assert (graphs in names) == ("graphs_sha256" in entry)
            if graphs in names:
                assert hashlib.sha256(wheel.read(graphs)).hexdigest() == entry["graphs_sha256"]
    assert set(weights) == listed


def test_the_card_names_the_licence_of_the_code(built) -> None:
    _, wheel, metadata = built
    for name in wheel.namelist():
        if name.count("/") == 1 and name.endswith("/card.toml"):
            assert tomllib.loads(wheel.read(name).decode())["licence"] == expression(metadata)[0] == "Apache-2.0"


def test_types_are_announced_and_nothing_else_lies_around(built) -> None:
    _, wheel, metadata = built
    manual = f"codectk-{metadata['Version']}.data/data/share/man/man1/codectk.1"
    others = (name for name in wheel.namelist() if ".dist-info/" not in name and name != manual)
    tops = {name.split("/")[0] for name in others}
    assert tops == {str(metadata["Name"]).replace("-", "_")}
    assert f"{tops.pop()}/py.typed" in wheel.namelist()
    others = [name for name in wheel.namelist() if "/templates/" not in name]
    assert not [name for name in others if "/tests/" in name or name.endswith((".pyc", ".tmp"))]


def test_a_version_stands_in_one_place(built) -> None:
    project, _, metadata = built
    told = tomllib.loads((project / "pyproject.toml").read_text("utf-8"))["project"]
    if project == ROOT:
        assert "version" not in told and metadata["Version"] == codectk.__version__
        return
    assert metadata["Version"] == told["version"]
    sources = [path.read_text("utf-8") for path in project.glob("codectk_*/**/*.py")]
    assert sources and not [text for text in sources if "__version__ =" in text]
    core = ".".join(codectk.__version__.split(".")[:2])
    ours = [need for need in told["dependencies"] if need.startswith("codectk")]
    following = f"{core.split('.')[0]}.{int(core.split('.')[1]) + 1}"
    assert ours and all(need.endswith(f">={core},<{following}") for need in ours)
