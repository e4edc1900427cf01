"""codectk new"""

from __future__ import annotations

import shlex
from typing import Literal

import click

from codectk.cli.options import debug_option


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option(
    "--kind", type=click.Choice(["codec", "component"]), default="codec", show_default=True,
    help="A whole codec, or a component: a metric for 'codectk eval'.",
)  # fmt: skip
@click.option("-o", "--output", metavar="DIR", help="The folder to make; default: codectk-NAME, here.")
@debug_option
def command(name: str, kind: Literal["codec", "component"], output: str | None) -> int:
    """Write a plugin that works, to start from.

    The package has an entry point, a card, code, a README and tests; it installs with pip and passes. NAME is
    lower-case words joined by '-'. Nothing that exists is touched.
    """
    from codectk.testing.scaffold import create

    folder = create(name, kind, output)
    click.echo(f"{folder} is a {kind} that works. Next:")
    click.echo(f"  pip install -e {shlex.quote(f'{folder}[test]')}")
    click.echo(f"  pytest {shlex.quote(str(folder))}")
    return 0
