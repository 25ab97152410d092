"""`narthex completion`."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_HELP = """
Print a script that completes commands in a shell.

It completes options, their values and files as well.

\b
Examples:
  narthex completion bash > ~/.local/share/bash-completion/completions/narthex
  narthex completion zsh  > ~/.zfunc/_narthex
  narthex completion fish > ~/.config/fish/completions/narthex.fish
"""


@click.command(help=_HELP)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def command(context: click.Context, shell: str) -> None:
    """Print the script."""
    kind = get_completion_class(shell)
    assert kind is not None
    root = context.find_root().command
    # The class's own `source()` first runs the shell to learn its version, which may not be there.
    script = kind(root, {}, "narthex", "_NARTHEX_COMPLETE")
    click.echo(script.source_template % script.source_vars())
