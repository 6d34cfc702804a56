"""``streamhub config``: what a command would run with, and who said so."""

from __future__ import annotations

import copy
import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

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
#: Secrets that only the environment holds: a command line can be seen by others.
_ENVIRONMENT_ONLY: Final = {"token": "STREAMHUB_TOKEN"}


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
    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    command = root.command.get_command(root, name)
    if command is None:
        raise click.UsageError(f"there is no command {name!r}: see streamhub --help", ctx)
    optional = Command(name, params=[_optional(param) for param in command.params])
    arguments = list(flags)
    with optional.make_context(name, list(arguments), parent=root) as inner:  # refuses what the command would refuse
        given, _rest, _order = optional.make_parser(inner).parse_args(arguments)
        for option in optional.params:
            if isinstance(option, click.Option) and not option.is_eager:
                value, source = option.consume_value(inner, given)
                yield _described(inner, option, value, source)
        for secret, variable in _ENVIRONMENT_ONLY.items():
            if os.environ.get(variable):
                yield _Setting(secret, _MASK, "environment", variable, variable)


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
    if not isinstance(value, str):
        return list(value) if isinstance(value, tuple) else value if isinstance(value, int | float | list) else None
    if value and _is_secret(option, value):
        return _MASK
    parts = urlsplit(value) if "://" in value else None
    return value.replace(f":{parts.password}@", f":{_MASK}@") if parts and parts.password else value


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
