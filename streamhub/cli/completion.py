"""``streamhub completion``: what a shell needs to complete our commands, flags and streams."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

from streamhub.cli.help import command

_VARIABLE = "_STREAMHUB_COMPLETE"


@command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    r"""Print what a shell needs to complete words.

    That is commands, flags, and the ids of streams.

    \b
      eval "$(streamhub completion bash)"                                       in ~/.bashrc
      eval "$(streamhub completion zsh)"                                        in ~/.zshrc
      streamhub completion fish > ~/.config/fish/completions/streamhub.fish
    """
    made = get_completion_class(shell)
    assert made is not None
    root = ctx.find_root()
    click.echo(made(root.command, {}, "streamhub", _VARIABLE).source())
