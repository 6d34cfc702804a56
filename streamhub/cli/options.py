"""What the options of several commands have in common: sizes, durations, the folder, the configuration file."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any, Final

import click
from click.core import ParameterSource

from streamhub.config import default_directory, parse_duration, parse_size, read_settings
from streamhub.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Callable


class _Parsed(click.ParamType[float]):
    """A value that :mod:`streamhub.config` reads."""

    def __init__(self, name: str, parse: Callable[[str], float]) -> None:
        self.name = name
        self._parse = parse

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:  # noqa: ANN401
        """From the command line and the environment it is text, from a file perhaps a number."""
        try:
            return self._parse(str(value))
        except ConfigError as error:
            self.fail(str(error), param, ctx)


#: Bytes: ``1MiB``, ``64KiB``, ``4096``.
SIZE: Final = _Parsed("size", parse_size)
#: Seconds: ``5ms``, ``1s``, ``2m``, ``0.5``.
DURATION: Final = _Parsed("duration", parse_duration)


def _apply_file(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    if path is not None:
        settings = read_settings(path, ctx.info_name or "")
        ctx.default_map = {name: settings.pop(key) for key, name in _file_keys(ctx).items() if key in settings}
        if settings:
            raise ConfigError(f"{path}: {ctx.info_name} has no setting {', '.join(settings)}: see --help")


def _file_keys(ctx: click.Context) -> dict[str, str]:
    """A command's options as a file names them (``stall-timeout``), and as the command does."""
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
    default=default_directory,
    show_default="outputs/execution_streams",
    help="The folder of streams.",
)


def check_directory(ctx: click.Context, directory: str) -> None:
    """See to it that the folder is there; the default one is made.

    Raises:
        ConfigError: one that was named is not there, or is no folder.
    """
    if os.path.isdir(directory):
        return
    if os.path.lexists(directory):
        raise ConfigError(f"{directory!r} is no folder: name the folder of streams with --dir")
    if ctx.get_parameter_source("directory") is not ParameterSource.DEFAULT:
        raise ConfigError(f"there is no folder {directory!r}: make it, or name another with --dir")
    os.makedirs(directory, exist_ok=True)
