"""Rooms import only from rooms above them, and torch starts in its own rooms."""

from __future__ import annotations

import graphlib
import subprocess
import sys

ROOMS = (
    "base", "bitstream", "coding", "picture", "spec", "programs", "plugins", "weights", "light", "graph",
    "nn", "pipeline", "api", "pil", "metrics", "train", "testing", "cli", "__main__",
)  # fmt: skip
"""In order; `api` stands for the pipeline, and `pil` for `api` in Pillow."""

TORCH = ("nn", "metrics", "train", "eval")
"""Rooms of torch; the others import them within functions."""

ABOVE = tuple(room for room in ROOMS[: ROOMS.index("pil") + 1] if room not in TORCH)

RANK = {room: rank for rank, room in enumerate(ROOMS)}
RANK["eval"] = RANK["train"]  # side by side: neither may import the other

HEAVY = {"torch", "torchvision", "safetensors", "scipy", "onnxruntime", "matplotlib", "compressai", "timm", "diffusers"}
WITHOUT_TORCH = {*ABOVE, "testing", "cli", "__main__", ""} - {*TORCH}


def _room(name: str) -> str | None:
    """Room of an imported module, or None for other packages and for the front of codectk."""
    parts = name.split(".")
    return parts[1] if parts[0] == "codectk" and len(parts) > 1 and parts[1] in RANK else None


def test_every_room_has_a_place(sources):
    assert {source.room for source in sources} <= {*RANK, ""}


def test_imports_point_upwards(sources):
    wrong = [
        f"{source.module}:{found.line} imports {found.name}"
        for source in sources
        if source.room
        for found in source.imports
        if (room := _room(found.name)) and room != source.room and RANK[room] >= RANK[source.room]
    ]
    assert not wrong


def test_the_contract_knows_only_base(sources):
    (stages,) = [source for source in sources if source.module == "codectk.spec.stages"]
    assert {_room(found.name) for found in stages.imports} - {None, "spec"} == {"base"}


def test_bytes_room_sees_no_arrays(sources):
    wrong = [
        f"{source.module}:{found.line} imports {found.name}"
        for source in sources
        if source.room == "bitstream"
        for found in source.imports
        if found.name.split(".")[0] in {"numpy", "PIL", "constriction"}
    ]
    assert not wrong


def test_no_module_imports_itself_in_a_circle(sources):
    modules = {source.module for source in sources}
    graph = {
        source.module: {found.name for found in source.imports if found.at_import and found.name in modules}
        - {source.module}
        for source in sources
    }
    graphlib.TopologicalSorter(graph).prepare()  # raises CycleError naming the circle


def test_no_plugin_has_a_circle(plugin):
    """Not even one that an import within a function, or one for types alone, puts off."""
    modules = {source.module for source in plugin}
    graph = {
        source.module: {found.name for found in source.imports if found.name in modules} - {source.module}
        for source in plugin
    }
    assert len(modules) > 1
    graphlib.TopologicalSorter(graph).prepare()


def test_nothing_heavy_at_module_level(sources):
    wrong = [
        f"{source.module}:{found.line} imports {found.name}"
        for source in sources
        if source.room in WITHOUT_TORCH
        for found in source.imports
        if found.at_import and found.name.split(".")[0] in HEAVY
    ]
    assert not wrong


def test_rooms_of_torch_are_imported_only_inside(sources):
    wrong = [
        f"{source.module}:{found.line} imports {found.name}"
        for source in sources
        if source.room in WITHOUT_TORCH - {"testing"}
        for found in source.imports
        if found.at_import and _room(found.name) in TORCH and not found.name.startswith(tuple(NUMPY_ONLY))
    ]
    assert not wrong


BY_NAME = {"codectk.plugins.manager", "codectk.cli.main"}
"""What imports a module whose name is told to it: plugins, and the verb that was typed."""


def test_no_import_hides_in_a_string(sources, plugins):
    """An arrow that points down is none the better for being written as text."""
    everything = [*sources, *plugins]
    modules = {source.module for source in everything}
    hidden = [
        f"{source.module}:{line} names {name}"
        for source in everything
        for name, line in source.strings
        if name in modules and name.count(".") and not _may_name(source, name)
    ]
    assert not hidden
    callers = {source.module for source in everything if source.imports_by_name}
    assert callers == BY_NAME


def _may_name(source, name: str) -> bool:
    """Verbs are named by the command line's own list, and run-time checks of types by their own room."""
    return source.module in BY_NAME or source.module.split(".")[:2] == name.split(".")[:2]


def test_plugins_stand_on_what_is_meant_for_them(plugins):
    """On nothing of the program around codecs: handle, recipes, measuring, command line."""
    closed = {"pipeline", "graph", "plugins", "api", "eval", "testing", "cli", "__main__"}
    wrong = [
        f"{source.module}:{found.line} imports {found.name}"
        for source in plugins
        for found in source.imports
        if _room(found.name) in closed
    ]
    assert not wrong


NUMPY_ONLY = [f"codectk.metrics.{name}" for name in ("psnr", "ms_ssim", "ssimulacra2", "butteraugli", "catalog")]
"""Metrics that the core shows by itself, and what finds the others."""


def test_importing_all_of_them_brings_no_torch(sources):
    """The same by experiment, which also sees what other packages pull in."""
    modules = [source.module for source in sources if source.room in {*ABOVE, "cli", "__main__", ""}] + NUMPY_ONLY
    program = f"import sys, {', '.join(modules)}; print(sorted(set(sys.modules) & {HEAVY!r}))"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120)
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_the_walk_finds_what_it_looks_for(sources):
    """The tests above would pass on an empty list."""
    assert len(sources) > 30 and {"base", "coding", "cli"} <= {source.room for source in sources}
    names = {(source.module, found.name, found.at_import) for source in sources for found in source.imports}
    assert ("codectk.spec.stages", "codectk.base.types", True) in names
    assert ("codectk.cli.doctor", "torch", False) in names
    assert any(name == "torch" and at_import for module, name, at_import in names if module.startswith("codectk.nn."))
