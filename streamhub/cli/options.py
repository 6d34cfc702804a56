"""What the options of several commands have in common: sizes, durations, the folder, the configuration file."""

from __future__ import annotations

import functools
import os
import re
from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click
from click.core import ParameterSource

from streamhub.cli.source import open_folder, open_server
from streamhub.config import DEFAULT_DIRECTORY, Config, parse_duration, parse_size, read_settings
from streamhub.errors import ConfigError
from streamhub.folder import Folder

if TYPE_CHECKING:
    from collections.abc import Callable

#: What a Bearer token may consist of (RFC 6750 section 2.1).
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)

#: An origin as browsers send it: no path, and no name without a scheme.
_ORIGIN: Final = re.compile(r"[a-z][a-z0-9+.-]*://[^/?#@*\s]+/?|null", re.ASCII | re.IGNORECASE)

_FILE: Final = "streamhub.config"
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


def origin(value: object) -> str:
    """An origin: ``https://ui.example``, ``http://127.0.0.1:8000``."""
    text = str(value)
    if _ORIGIN.fullmatch(text) is None:
        meant = f"https://{text}" if _ORIGIN.fullmatch(f"https://{text}") else "https://ui.example"
        raise click.BadParameter(f"{text[:64]!r} is no origin that a browser sends: write {meant}, with no path")
    return text


def _apply_file(ctx: click.Context, _param: click.Parameter, path: str | None) -> None:
    if path is None:
        return
    try:
        ctx.default_map = _settings_of_file(ctx, path)
    except ConfigError:
        if not ctx.resilient_parsing:  # the shell only wants to complete a word
            raise
    note_file(ctx, path)


def _settings_of_file(ctx: click.Context, path: str) -> dict[str, Any]:
    command, root, names = ctx.info_name or "", ctx.find_root(), _names(ctx)
    assert isinstance(root.command, click.Group)
    settings = read_settings(path, command, root.command.list_commands(root), names)
    for key in settings.keys() - names.keys():
        raise ConfigError(
            f"configuration file {path!r}: {command} has no setting {key!r}: see {ctx.command_path} --help"
        )
    return {names[key]: value for key, value in settings.items()}


def note_file(ctx: click.Context, path: str) -> None:
    """Keep the name of the configuration file that a command was given."""
    ctx.meta[_FILE] = path


def file_of(ctx: click.Context) -> str | None:
    """The configuration file that a command was given."""
    path: str | None = ctx.meta.get(_FILE)
    return path


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
    is_eager=True,
    expose_value=False,
    callback=_apply_file,
    help="A TOML file with settings, named like the flags.",
)

directory_option = click.option(
    "--dir",
    "directory",
    metavar="FOLDER",
    envvar="STREAMHUB_DIR",
    default=DEFAULT_DIRECTORY,
    show_default=True,
    help="The folder of streams.",
)


def setting(flag: str, *name: str, **attributes: Any) -> Callable[[Decorated], Decorated]:  # noqa: ANN401
    """An option that can be set as ``STREAMHUB_<FLAG>`` too."""
    envvar = "STREAMHUB_" + flag.removeprefix("--").replace("-", "_").upper()
    return click.option(flag, *name, envvar=envvar, **{"show_default": True, **attributes})


host_option = setting("--host", default=Config.host, help="The address to listen on.")
port_option = setting("--port", type=int, default=Config.port, help="The port to listen on; 0 takes a free one.")


_url_option = setting(
    "--url",
    metavar="URL",
    help="A server to read from, not a folder: http://127.0.0.1:8765.",
)
_token_option = setting(
    "--token-file",
    metavar="FILE",
    help="Its first token opens --url; so does STREAMHUB_TOKEN.",
)
tls_ca_option = setting("--tls-ca", metavar="FILE", help="Certificates to trust at --url.")

color_option = setting(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    help="auto: on a terminal, unless NO_COLOR is set.",
)


def form_option(json_form: str) -> Callable[[Decorated], Decorated]:
    """The option for a table, or JSON, of which is said what it is."""
    choice = click.Choice(["table", "json"])
    return click.option(
        *("-o", "--output"), type=choice, default="table", show_default=True, help=f"json: {json_form}."
    )


def complete_stream(ctx: click.Context, _param: click.Parameter, begun: str) -> list[str]:
    """For the shell: the streams of the folder whose ids begin so."""
    folder = Folder(ctx.params.get("directory") or DEFAULT_DIRECTORY)
    with closing(folder), suppress(OSError):
        return sorted(stream for stream in folder.scan() if stream.startswith(begun))
    return []


def source_options(command: Callable[..., None]) -> Callable[..., None]:
    """The options that name a folder or a server; the command gets the ``source`` that they mean."""

    @directory_option
    @_url_option
    @_token_option
    @tls_ca_option
    @functools.wraps(command)
    def with_source(
        *arguments: Any,  # noqa: ANN401
        directory: str,
        url: str | None,
        token_file: str | None,
        tls_ca: str | None,
        **options: Any,  # noqa: ANN401
    ) -> None:
        ctx = click.get_current_context()
        if _is_remote(ctx, url):
            source = open_server(url or "", client_token(ctx, token_file), tls_ca)
        else:
            check_directory(ctx, directory)
            source = open_folder(directory)
        with closing(source):
            command(*arguments, source=source, **options)

    return with_source


def _is_remote(ctx: click.Context, url: str | None) -> bool:
    on_command_line = [
        name for name in ("directory", "url") if ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if len(on_command_line) > 1:
        raise click.UsageError("--dir and --url contradict each other: give one", ctx)
    return url is not None and on_command_line != ["directory"]


def client_token(ctx: click.Context, path: str | None) -> str:
    """The token for a server: of the file that a flag names, else of ``STREAMHUB_TOKEN``, else of the file.

    Both may be as a server has them, with more tokens, and globs after them: it is the first.

    Raises:
        ConfigError: the file cannot be read, or there is no token in it.
    """
    text = os.environ.get("STREAMHUB_TOKEN", "")
    if path and (not text or ctx.get_parameter_source("token_file") is ParameterSource.COMMANDLINE):
        return _first_token(_read(path), f"token file {path!r}")
    return _first_token(text, "STREAMHUB_TOKEN") if text else ""


def _read(path: str) -> str:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError as error:
        raise ConfigError(f"token file {path!r} cannot be read: {error.strerror}") from None


def _first_token(text: str, source: str) -> str:
    words = [words[0] for line in text.splitlines() if (words := line.partition("#")[0].split())]
    if not words:
        raise ConfigError(f"{source} holds no token: write one into its first line")
    if _TOKEN.fullmatch(words[0]) is None:
        what = "the hash of a token" if words[0].startswith("sha256:") else "what is no token"
        raise ConfigError(f"{source} begins with {what}: a server takes the token itself, of A-Z, a-z, 0-9 and ._~+/-=")
    return words[0]


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
