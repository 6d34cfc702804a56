from __future__ import annotations

import shlex

import click
import pytest

from streamhub.cli.app import cli
from tests.commands import command
from tests.test_cli_app import COMMANDS


def help_of(*names: str) -> list[str]:
    """What a command says of itself on a screen of a hundred columns."""
    return command(*names, "--help", env={"COLUMNS": "100"}).out.decode().splitlines()


@pytest.mark.parametrize("name", COMMANDS)
def test_fits_a_screen(name: str) -> None:
    """A command's help can be read at a glance, and is nowhere wider than the screen."""
    lines = help_of(name)
    assert len(lines) <= (75 if name == "serve" else 50)
    assert max(map(len, lines)) <= 102
    assert not any("\\b" in line or "\b" in line for line in lines)


def test_every_command_in_a_line() -> None:
    """In the list each command is told whole, in one line."""
    listed = help_of()
    assert not any(line.endswith("...") for line in listed[listed.index("Commands:") :])


@pytest.mark.parametrize("name", [*COMMANDS, "config show", "relay push", "relay pull"])
def test_examples_are_commands(name: str) -> None:
    """Each example is one that the command line takes: its command and flags are there."""
    examples = [line.strip() for line in help_of(*name.split()) if line.startswith("    streamhub ")]
    if name not in {"demo", "config", "relay", "schema", "completion"}:
        assert examples
    for example in examples:
        _program, *words = shlex.split(example.partition("  ")[0].partition(" | ")[0].partition(" > ")[0])
        with click.Context(cli, info_name="streamhub") as ctx:
            _name, found, rest = cli.resolve_command(ctx, words)
        assert found is not None
        found.make_context(words[0], list(rest), resilient_parsing=True).close()


def test_flags_in_parts() -> None:
    """Many flags are in parts, by what they are for, and none is left out."""
    lines = help_of("tail")
    heads = ["Options:", "Which streams:", "Which part of them:", "What is shown:"]
    assert [line for line in lines if line in heads] == heads
    tail = cli.get_command(click.Context(cli), "tail")
    assert tail is not None
    for param in tail.params:
        if isinstance(param, click.Option):
            assert any(param.opts[-1] in line for line in lines), param.opts
