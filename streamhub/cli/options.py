"""What the options of several commands have in common: sizes, durations, the folder, the configuration file."""

from __future__ import annotations

import functools
import os
from typing import TYPE_CHECKING, Any, TypeVar

import click
from click.core import ParameterSource

from streamhub.cli.source import open_folder, open_server
from streamhub.config import DEFAULT_DIRECTORY, Config, parse_duration, parse_size, read_settings
from streamhub.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.cli.source import Source

Decorated = TypeVar("Decorated", bound="Callable[..., Any] | click.Command")


def size(value: object) -> int:
    """Bytes: ``1MiB``, ``64KiB``, ``4096``. From the command line it is text, from a file perhaps a number."""
    try:
        return parse_size(str(value))
    except ConfigError as error:
        raise click.BadParameter(str(error)) from None


def duration(value: object) -> float:
    """Seconds: ``5ms``, ``1s``, ``2m``, ``0.5``."""
    try:
        return parse_duration(str(value))
    except ConfigError as error:
        raise click.BadParameter(str(error)) from None


def _apply_file(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    if path is None or ctx.resilient_parsing:  # the shell only wants to complete a word
        return
    command, root = ctx.info_name or "", ctx.find_root()
    assert isinstance(root.command, click.Group)
    settings = read_settings(path, command, root.command.list_commands(root))
    names = _names(ctx)
    for key in settings.keys() - names.keys():
        raise ConfigError(
            f"configuration file {path!r}: {command} has no setting {key!r}: see {ctx.command_path} --help"
        )
    ctx.default_map = {names[key]: value for key, value in settings.items()}


def _names(ctx: click.Context) -> dict[str, str]:
    """What a command calls its options, by what a file calls them (``stall-timeout``)."""
    return {
        option.opts[-1].lstrip("-"): option.name or ""
        for option in ctx.command.params
        if isinstance(option, click.Option) and not option.is_eager
    }


#: Read before the other options, so that it can give them their defaults. No file is read unless it is named: a file
#: that happens to lie in the working directory must not change what a server does.
config_option = click.option(
    "--config",
    metavar="FILE",
    envvar="STREAMHUB_CONFIG",
    show_envvar=True,
    is_eager=True,
    expose_value=False,
    callback=_apply_file,
    help="A TOML file with settings, named like the flags; flags and the environment come first.",
)

directory_option = click.option(
    "--dir",
    "directory",
    metavar="FOLDER",
    envvar="STREAMHUB_DIR",
    show_envvar=True,
    default=DEFAULT_DIRECTORY,
    show_default=True,
    help="The folder of streams.",
)

_url_option = click.option(
    "--url",
    metavar="URL",
    envvar="STREAMHUB_URL",
    show_envvar=True,
    help="A server to read from instead of a folder, such as http://127.0.0.1:8765.",
)


def setting(flag: str, *name: str, **attributes: Any) -> Callable[[Decorated], Decorated]:  # noqa: ANN401
    """An option that can be set as ``STREAMHUB_<FLAG>`` too."""
    envvar = "STREAMHUB_" + flag.removeprefix("--").replace("-", "_").upper()
    return click.option(flag, *name, envvar=envvar, show_envvar=True, **{"show_default": True, **attributes})


host_option = setting("--host", default=Config.host, help="The address to listen on.")
port_option = setting("--port", type=int, default=Config.port, help="The port to listen on; 0 takes a free one.")


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options ``--dir`` and ``--url``; the command gets the ``source`` that they name."""

    @directory_option
    @_url_option
    @functools.wraps(command)
    def with_source(*arguments: Any, directory: str, url: str | None, **options: Any) -> None:  # noqa: ANN401
        command(*arguments, source=_open_source(directory, url), **options)

    return with_source


def _open_source(directory: str, url: str | None) -> Source:
    ctx = click.get_current_context()
    on_command_line = [
        name for name in ("directory", "url") if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if len(on_command_line) > 1:
        raise click.UsageError("--dir and --url contradict each other: give one", ctx)
    if url is not None and on_command_line != ["directory"]:
        return open_server(url)
    check_directory(ctx, directory)
    return open_folder(directory)


def check_directory(ctx: click.Context, directory: str) -> None:
    """See to it that the folder is there, unless it is the default one.

    Raises:
        ConfigError: one that was named is not there, or is no folder.
    """
    if os.path.isdir(directory):
        return
    if os.path.lexists(directory):
        raise ConfigError(f"{directory!r} is no folder: name the folder of streams with --dir")
    if ctx.get_parameter_source("directory") is not ParameterSource.DEFAULT:
        raise ConfigError(f"there is no folder {directory!r}: make it, or name another with --dir")
