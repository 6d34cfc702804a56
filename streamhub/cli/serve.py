"""``streamhub serve``: the server."""

from __future__ import annotations

import asyncio
import errno
import logging
from typing import TYPE_CHECKING, Any, TypeVar

import click

from streamhub.cli.options import DURATION, SIZE, check_directory, config_option, directory_option
from streamhub.config import Config, duration_text, is_loopback, size_text
from streamhub.errors import ConfigError, StreamhubError
from streamhub.web.server import serve as serve_until_stopped

if TYPE_CHECKING:
    from collections.abc import Callable

_Command = TypeVar("_Command", bound="Callable[..., Any] | click.Command")


def _setting(flag: str, *name: str, **attributes: Any) -> Callable[[_Command], _Command]:  # noqa: ANN401
    """An option that can be set as ``STREAMHUB_<FLAG>`` too."""
    envvar = "STREAMHUB_" + flag.removeprefix("--").replace("-", "_").upper()
    return click.option(flag, *name, envvar=envvar, show_envvar=True, **{"show_default": True, **attributes})


def _size(flag: str, default: int, text: str) -> Callable[[_Command], _Command]:
    return _setting(flag, type=SIZE, default=size_text(default), help=text)


def _duration(flag: str, default: float, text: str) -> Callable[[_Command], _Command]:
    return _setting(flag, type=DURATION, default=duration_text(default), help=text)


@click.command()
@config_option
@directory_option
@_setting("--host", default=Config.host, help="The address to listen on.")
@_setting("--port", type=int, default=Config.port, help="The port to listen on; 0 takes a free one.")
@_setting(
    "--inbound",
    type=click.Choice(["discard", "close"]),
    default=Config.inbound,
    help="What becomes of data that a client sends: thrown away, or its socket closed.",
)
@_duration("--stall-timeout", Config.stall_timeout, "Cut a client that takes nothing at all for so long.")
@_size("--max-line", Config.max_line, "The longest line that is an event.")
@_size("--read-chunk", Config.read_chunk, "The most bytes of lines in one polling response.")
@_duration("--poll-floor", Config.poll_floor, "The time between looks at a busy stream.")
@_duration("--poll-ceiling", Config.poll_ceiling, "The time between looks at a quiet one, at most.")
@_setting("--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="A further name for Host; repeatable.")
@_setting(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="ORIGIN",
    help="An origin whose pages may read, such as https://ui.example; repeatable.",
)
@_setting("--no-auth", is_flag=True, help="Let everybody read who can reach --host.")
@click.pass_context
def serve(ctx: click.Context, /, *, no_auth: bool, **settings: Any) -> None:  # noqa: ANN401
    """Serve a folder of streams, read-only, until SIGINT or SIGTERM.

    Prints the server's URL once it listens.
    """
    config = Config(**settings)
    if not (no_auth or is_loopback(config.host)):
        raise ConfigError(f"host {config.host!r} is not loopback, so others could read: say --no-auth if that is meant")
    check_directory(ctx, config.directory)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        asyncio.run(serve_until_stopped(config, click.echo))
    except OSError as error:
        raise cannot_listen(config, error) from error


def cannot_listen(config: Config, error: OSError) -> StreamhubError:
    """The error of an address that cannot be bound."""
    where = f"{config.host} port {config.port}"
    if error.errno == errno.EADDRINUSE:
        return StreamhubError(f"{where} is in use: stop what listens there, or take another with --port")
    return StreamhubError(f"cannot listen on {where}: {error}")
