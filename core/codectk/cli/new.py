"""codectk new"""

from __future__ import annotations

import shlex
from typing import TYPE_CHECKING

import click

from codectk.cli.options import debug_option

if TYPE_CHECKING:
    from codectk.testing.scaffold import Kind


@click.command("new")
@click.argument("name", metavar="NAME")
@click.option(
    "--kind", type=click.Choice(["codec", "torch", "component"]), default="codec", show_default=True,
    help="A whole codec in NumPy, one of torch networks to train, or a component: a metric for 'codectk eval'.",
)  # fmt: skip
@click.option("-o", "--output", metavar="DIR", help="The folder to make; default: codectk-NAME, here.")
@debug_option
def command(name: str, kind: Kind, output: str | None) -> int:
    """Write a plugin that works, to start from.

    The package has an entry point, a card, code, a README and tests; it installs with pip and passes. NAME is
    lower-case words joined by '-'. Nothing that exists is touched.
    """
    from codectk.testing.scaffold import create

    folder = create(name, kind, output)
    what = "component" if kind == "component" else "codec"
    click.echo(f"{folder} is a {what} that works. Next:")
    click.echo(f"  pip install -e {shlex.quote(f'{folder}[test]')}")
    click.echo(f"  pytest {shlex.quote(str(folder))}")
    return 0
