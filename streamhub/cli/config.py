"""``streamhub config``: what a command would run with, and who said so."""

from __future__ import annotations

import copy
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import click
import msgspec
from click.core import ParameterSource

from streamhub.cli.codes import USAGE
from streamhub.cli.help import Command
from streamhub.cli.options import color_option, file_of, form_option
from streamhub.cli.output import write
from streamhub.cli.table import cell, console, table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

#: What is shown of a secret.
_MASK: Final = "********"
#: What is called like this is one, whether or not it was marked (``hide_input``).
_SECRET_NAME: Final = re.compile(r"password|secret|token$")
#: Where a URL has a password, or a token in the place of a user.
_IN_URL: Final = re.compile(r"(://(?:[^:/@\s]*:)?)[^/\s]+@")
#: The token is held by the environment alone, since a command line can be seen by others.
_VARIABLE: Final = "STREAMHUB_TOKEN"


@dataclass(frozen=True)
class _Setting:
    """One setting: its name, its value as one writes it, what kind of place that is from, and which.

    And what it is called in the environment.
    """

    setting: str
    value: Any
    source: str
    where: str | None
    variable: str


@click.group(invoke_without_command=True)
@click.pass_context
def config(ctx: click.Context) -> None:
    """Show settings, and where they come from."""
    if ctx.invoked_subcommand is None:
        click.echo(ctx.get_help(), err=True)
        ctx.exit(USAGE)


@config.command(cls=Command, context_settings={"ignore_unknown_options": True})
@form_option("an object a setting")
@color_option
@click.argument("command", default="serve", metavar="[COMMAND]")
@click.argument("flags", nargs=-1, type=click.UNPROCESSED, metavar="[FLAG]...")
@click.pass_context
def show(ctx: click.Context, output: str, color: str, command: str, flags: tuple[str, ...]) -> None:
    r"""Show each setting of a command, and where it comes from.

    That of serve, if no command is named. The last column is what the setting is called in the environment.

    \b
      streamhub config show
      streamhub config show tail
      streamhub config show relay push
      streamhub config show serve --config streamhub.toml --port 9000

    A flag comes before the environment, that before the configuration file, that before the default. Secrets are
    masked.
    """
    settings = list(_settings(ctx, command, flags))
    if output == "json":
        write(b"".join(msgspec.json.encode(setting) + b"\n" for setting in settings))
        return
    rows = table("setting", "value", "from", "variable")
    for one in settings:
        dim = "dim" if one.source == "default" else ""
        rows.add_row(
            cell(one.setting),
            cell(_text(one.value), dim),
            cell(one.source + (f" {one.where}" if one.source in {"flag", "file"} else ""), dim),
            cell(one.variable, "dim"),
        )
    console(color).print(rows)


def _settings(ctx: click.Context, name: str, flags: Sequence[str]) -> Iterator[_Setting]:
    if name.startswith("-"):
        name, flags = "serve", (name, *flags)
    parent, command, arguments = _found(ctx, [name, *flags])
    name = command.name or ""
    optional = Command(name, params=[_optional(param) for param in command.params])
    with optional.make_context(name, list(arguments), parent=parent) as inner:  # refuses what the command would refuse
        given, _rest, _order = optional.make_parser(inner).parse_args(arguments)
        for option in optional.params:
            if isinstance(option, click.Option) and not option.is_eager:
                value, source = option.consume_value(inner, given)
                yield _described(inner, option, value, source)
        if any(option.name == "token_file" for option in optional.params):
            yield _token()


def _found(ctx: click.Context, words: list[str]) -> tuple[click.Context, click.Command, list[str]]:
    """The command that words begin with, the context it is run in, and the words after it."""
    within = ctx.find_root()
    group = within.command
    assert isinstance(group, click.Group)
    while words and (command := group.get_command(within, words[0])) is not None:
        if not isinstance(command, click.Group):
            return within, command, words[1:]
        within = click.Context(command, parent=within, info_name=words[0])
        group, words = command, words[1:]
    if group is ctx.find_root().command:
        raise click.UsageError(f"there is no command {words[0]!r}: see streamhub --help", ctx)
    names = ", ".join(group.list_commands(within))
    raise click.UsageError(f"{group.name} is several commands: name one of {names}", ctx)


def _token() -> _Setting:
    if os.environ.get(_VARIABLE):
        return _Setting("token", _MASK, "environment", _VARIABLE, _VARIABLE)
    return _Setting("token", "", "default", None, _VARIABLE)


def _optional(param: click.Parameter) -> click.Parameter:
    """The same option or argument, which need not be given: it is only asked what it would be."""
    param = copy.copy(param)
    param.required = False
    return param


def _described(ctx: click.Context, option: click.Parameter, value: Any, source: ParameterSource) -> _Setting:  # noqa: ANN401
    name = option.opts[-1].lstrip("-")
    said = {
        ParameterSource.COMMANDLINE: ("flag", option.opts[-1]),
        ParameterSource.ENVIRONMENT: ("environment", str(option.envvar)),
        ParameterSource.DEFAULT_MAP: ("file", file_of(ctx)),
    }
    kind, where = said.get(source, ("default", None))
    return _Setting(name, _masked(option, value), kind, where, str(option.envvar))


def _masked(option: click.Parameter, value: Any) -> Any:  # noqa: ANN401 - of several types
    if isinstance(value, list | tuple):
        return [_masked(option, one) for one in value]
    if not isinstance(value, str):
        return value if isinstance(value, int | float) else None
    if value and _is_secret(option, value):
        return _MASK
    return _IN_URL.sub(rf"\1{_MASK}@", value)


def _is_secret(option: click.Parameter, value: str) -> bool:
    """Whether a value is a secret; some may be one, or name the file that holds it."""
    hidden = isinstance(option, click.Option) and option.hide_input
    return (hidden or _SECRET_NAME.search(option.name or "") is not None) and not os.path.isfile(value)


def _text(value: Any) -> str:  # noqa: ANN401 - of several types
    match value:
        case None | "" | []:
            return "-"
        case bool():
            return "yes" if value else "no"
        case list():
            return " ".join(map(str, value))
    return str(value)
