"""Run one of the benchmarks.

    python -m benchmarks              lists them
    python -m benchmarks NAME ...     answers one question; --help says how

A question is a file here with two functions: `arguments(parser)` names its options, `main(options)` answers it. Other
files are parts of several questions. Results are JSON by `common.save`, with machine, versions and command.
"""

from __future__ import annotations

import argparse
import ast
import importlib
import sys
from collections.abc import Sequence
from pathlib import Path

from codectk.base.errors import CodectkError


def questions() -> dict[str, str]:
    """Names, and the first line of what each says about itself; nothing is imported."""
    found = {}
    for path in sorted(Path(__file__).parent.glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        defined = {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
        if {"arguments", "main"} <= defined:
            found[path.stem] = (ast.get_docstring(tree) or "").splitlines()[0]
    return found


def main(words: Sequence[str]) -> int:
    """Run the command line; the exit code."""
    known = questions()
    if not words or words[0] in ("-h", "--help"):
        width = max(map(len, known))
        print(__doc__, *(f"  {name:{width}}  {line}" for name, line in known.items()), sep="\n")
        return 0
    if words[0] not in known:
        print(f"There is no benchmark '{words[0]}'; there are {', '.join(known)}.", file=sys.stderr)
        return 2
    module = importlib.import_module(f"benchmarks.{words[0]}")
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks {words[0]}",
        description=module.__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.set_defaults(error=parser.error)
    module.arguments(parser)
    try:
        return module.main(parser.parse_args(words[1:])) or 0
    except CodectkError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return error.exit_code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
