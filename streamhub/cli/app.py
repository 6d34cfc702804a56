"""The ``streamhub`` program: finds the command, runs it, and turns what went wrong into one line and an exit code."""

from __future__ import annotations

import importlib
import io
import os
import sys
from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

import click
from click.core import ParameterSource

from streamhub.cli.codes import INTERRUPTED, USAGE, code_of, complain
from streamhub.cli.options import file_of
from streamhub.cli.pause import OutputClosedError
from streamhub.errors import StreamhubError

if TYPE_CHECKING:
    from collections.abc import Sequence

_COMMANDS: Final = (
    *("serve", "emit", "ls", "tail", "cat", "grep", "stats", "check", "schema", "demo", "relay"),
    *("config", "healthcheck", "completion"),
)


class _Commands(click.Group):
    """Loads a command's module when it is called for: ``tail`` is not to wait until a web framework is imported."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002
        if cmd_name not in _COMMANDS:
            return None
        try:
            command = getattr(importlib.import_module(f"streamhub.cli.{cmd_name}"), cmd_name)
        except ModuleNotFoundError as error:
            if (error.name or "").startswith("streamhub"):
                raise
            return _lacking(cmd_name, error)
        assert isinstance(command, click.Command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command; a name that is nearly one is answered with the one that may have been meant."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            meant = get_close_matches(args[0], _COMMANDS, 1)
            hint = f" did you mean {meant[0]!r}?" if meant else ""
            raise click.UsageError(
                f"there is no command {args[0][:64]!r}:{hint or ' none is called like that'}", ctx
            ) from error

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. A closed pipe is taken out of click's hands, which would call it a failure."""
        try:
            return super().invoke(ctx)
        except BrokenPipeError:
            raise OutputClosedError from None


def _lacking(name: str, error: ModuleNotFoundError) -> click.Command:
    """What stands for a command whose packages are not installed: help names it, and to run it says what is missing."""

    def fail() -> None:
        raise error

    return click.Command(
        name,
        callback=fail,
        short_help=f"(Not installed: it needs {error.name}.)",
        add_help_option=False,
        context_settings={"ignore_unknown_options": True, "allow_extra_args": True},
    )


@click.group(
    cls=_Commands,
    invoke_without_command=True,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "auto_envvar_prefix": "STREAMHUB",
        "max_content_width": 100,
    },
    epilog="Each flag can stand in the environment and in a TOML file, too: see streamhub config show COMMAND. "
    "Exit codes: 0 ok, 1 failure, 2 usage, 3 not found, 4 a stream is not what it was or should be.",
)
# Somebody may have STREAMHUB_VERSION in the environment for purposes of their own.
@click.version_option(package_name="streamhub", message="%(prog)s %(version)s", allow_from_autoenv=False)
@click.pass_context
def cli(ctx: click.Context) -> None:
    """Watch long-running missions live, and do nothing else to them."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


def run(arguments: Sequence[str] | None = None) -> int:
    """Run a command; gives the exit code."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # rather than fail where the terminal knows ASCII alone
    try:
        code = cli.main(arguments, prog_name="streamhub", standalone_mode=False)
        click.echo(nl=False)  # flushes stdout, if there is one
    except (KeyboardInterrupt, click.Abort):
        return INTERRUPTED
    except (BrokenPipeError, OutputClosedError):
        _let_go_of_stdout()
        return 0
    except (click.ClickException, StreamhubError, OSError) as error:
        return _fail(error)
    return code if isinstance(code, int) else 0


def _let_go_of_stdout() -> None:
    """Who read has enough. What is left in the buffer has nowhere to go, and the interpreter would complain of it."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)


def _fail(error: Exception) -> int:
    if isinstance(error, click.ClickException):
        complain(_say(error))
        return error.exit_code
    complain(str(error))
    return code_of(error)


def _say(error: click.ClickException) -> str:
    """Click's message, with the place that a bad value came from when it was not the command line."""
    message = error.format_message()
    if not isinstance(error, click.UsageError) or error.ctx is None:
        return message
    if isinstance(error, click.BadParameter) and error.param is not None and error.param.name:
        match error.ctx.get_parameter_source(error.param.name):
            case ParameterSource.ENVIRONMENT:
                return f"in the environment: {error.param.envvar}: {message}"
            case ParameterSource.DEFAULT_MAP:
                return f"in the configuration file {file_of(error.ctx)!r}: {message}"
    return f"{message} (see {error.ctx.command_path} --help)"
