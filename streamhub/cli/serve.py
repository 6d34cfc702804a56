"""``streamhub serve``: the server."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING, Any

import click

from streamhub.cli.options import (
    check_directory,
    config_option,
    directory_option,
    duration,
    host_option,
    port_option,
    setting,
    size,
)
from streamhub.config import Config, duration_text, is_loopback, size_text
from streamhub.errors import ConfigError, StreamhubError
from streamhub.web.server import serve as serve_until_stopped
from streamhub.web.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.cli.options import Decorated


def _size(flag: str, default: int, text: str) -> Callable[[Decorated], Decorated]:
    return setting(flag, type=size, default=size_text(default), help=text)


def _duration(flag: str, default: float, text: str) -> Callable[[Decorated], Decorated]:
    return setting(flag, type=duration, default=duration_text(default), help=text)


@click.command()
@config_option
@directory_option
@host_option
@port_option
@setting(
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
@setting("--allow-host", "allow_hosts", multiple=True, metavar="NAME", help="A further name for Host; repeatable.")
@setting(
    "--allow-origin",
    "allow_origins",
    multiple=True,
    metavar="ORIGIN",
    help="An origin whose pages may read, such as https://ui.example; repeatable.",
)
@setting("--compress", is_flag=True, help="Offer to compress: less to send, more work.")
@setting("--workers", type=int, default=Config.workers, help="Processes that serve, on one port.")
@setting("--no-auth", is_flag=True, help="Let everybody read who can reach --host.")
@click.pass_context
def serve(ctx: click.Context, /, *, no_auth: bool, **settings: Any) -> None:  # noqa: ANN401
    """Serve a folder of streams, read-only, until SIGINT or SIGTERM.

    Prints the server's URL once it listens.
    """
    config = Config(**settings)
    if not (no_auth or is_loopback(config.host)):
        raise ConfigError(f"host {config.host!r} is not loopback, so others could read: say --no-auth if that is meant")
    check_directory(ctx, config.directory)
    os.makedirs(config.directory, exist_ok=True)
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    try:
        if config.workers > 1:
            Workers(config).run(_started(config))
        else:
            asyncio.run(serve_until_stopped(config, _started(config)))
    except OSError as error:
        raise cannot_listen(config, error) from error


def _started(config: Config) -> Callable[[str], None]:
    def say(url: str) -> None:
        click.echo(f"streamhub: serving {config.directory}, read-only; Ctrl-C stops it", err=True)
        if not is_loopback(config.host):
            click.echo("streamhub: whoever can reach this machine can read it all", err=True)
        click.echo(url)

    return say


def cannot_listen(config: Config, error: OSError) -> StreamhubError:
    """The error of an address that cannot be bound."""
    where = f"{config.host} port {config.port}"
    if error.errno == errno.EADDRINUSE:
        return StreamhubError(f"{where} is in use: stop what listens there, or take another with --port")
    return StreamhubError(f"cannot listen on {where}: {error}")
