"""``streamhub serve``: the server."""

from __future__ import annotations

import asyncio
import errno
import logging
import os
from typing import TYPE_CHECKING, Any

import click

from streamhub.cli.cautions import cautions
from streamhub.cli.help import command
from streamhub.cli.options import (
    check_directory,
    config_option,
    directory_option,
    duration,
    host_option,
    origin,
    port_option,
    setting,
    size,
)
from streamhub.config import Config, duration_text, is_loopback, size_text
from streamhub.errors import ConfigError, StreamhubError
from streamhub.tokens import hashed, tokens_of
from streamhub.web.logs import set_up
from streamhub.web.server import serve as serve_until_stopped
from streamhub.web.systemd import Manager
from streamhub.web.tls import tls_context
from streamhub.web.workers import Workers

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.cli.options import Decorated

_log = logging.getLogger("streamhub.serve")


def _size(flag: str, default: int, text: str) -> Callable[[Decorated], Decorated]:
    return setting(flag, type=size, default=size_text(default), help=text)


def _duration(flag: str, default: float, text: str) -> Callable[[Decorated], Decorated]:
    return setting(flag, type=duration, default=duration_text(default), help=text)


@command()
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
    type=origin,
    multiple=True,
    metavar="ORIGIN",
    help="An origin whose pages may read, such as https://ui.example; repeatable.",
)
@setting("--token-file", default="", metavar="FILE", show_default=False, help="Who may read: lines of token [glob].")
@setting(
    "--jwt-key",
    default="",
    metavar="KEY",
    show_default=False,
    hide_input=True,
    help="Take JSON Web Tokens: a public key (RS256, EdDSA) or a secret (HS256), or the file that holds it.",
)
@setting("--tls-cert", default="", metavar="FILE", show_default=False, help="Speak TLS: the certificate and its chain.")
@setting("--tls-key", default="", metavar="FILE", show_default=False, help="The certificate's private key.")
@setting(
    "--max-connections", type=int, default=Config.max_connections, help="Live connections at most, for each worker."
)
@setting(
    "--max-connections-per-address",
    type=int,
    default=Config.max_connections_per_address,
    help="Of these, the most that one address may have; 0: all.",
)
@_size(
    "--max-buffered",
    Config.max_buffered,
    "Bytes that may wait for slow clients, in all, before further questions are refused.",
)
@_duration("--header-timeout", Config.header_timeout, "The time in which the head of a first request has to be there.")
@setting("--max-streams", type=int, default=Config.max_streams, help="Streams on one multiplexed WebSocket at most.")
@setting("--compress", is_flag=True, help="Offer to compress: less to send, more work.")
@setting(
    "--log-format",
    type=click.Choice(["text", "json"]),
    default=Config.log_format,
    help="How the log is written to stderr.",
)
@setting("--access-log", is_flag=True, help="Log each answer, and how each live connection ends.")
@setting("--workers", type=int, default=Config.workers, help="Processes that serve, on one port.")
@setting("--no-auth", is_flag=True, help="Let everybody read who can reach --host.")
@click.pass_context
def serve(ctx: click.Context, /, *, no_auth: bool, **settings: Any) -> None:  # noqa: ANN401
    r"""Serve a folder of streams, read-only.

    \b
      streamhub serve
      streamhub serve --dir /srv/streams --port 9000
      streamhub serve --host 0.0.0.0 --allow-host streams.example --token-file tokens

    Prints the server's URL once it listens, and runs until SIGINT or SIGTERM. Tokens may also stand in
    STREAMHUB_TOKEN, as in the file.
    """
    environment = os.environ.get("STREAMHUB_TOKEN", "")
    config = Config(**settings, tokens=hashed(environment))
    _check_access(config, no_auth=no_auth)
    check_directory(ctx, config.directory)
    made = not os.path.isdir(config.directory)
    os.makedirs(config.directory, exist_ok=True)
    set_up(config)
    for caution in cautions(config.token_file, environment):
        _say(config, caution, logging.WARNING)
    manager = Manager.from_environment()
    try:
        if config.workers > 1:
            Workers(config, manager).run(_started(config, made=made))
        else:
            asyncio.run(serve_until_stopped(config, _started(config, made=made), manager))
    except OSError as error:
        raise cannot_listen(config, error) from error


def _check_access(config: Config, *, no_auth: bool) -> None:
    """See to it that nobody reads who is not meant to.

    Raises:
        ConfigError: it was not said who may read, or was said twice; or a token, a key or a certificate is unfit.
    """
    if no_auth and config.protected:
        raise ConfigError(
            "--no-auth contradicts the tokens (--token-file, STREAMHUB_TOKEN, --jwt-key): give one of both"
        )
    if not (no_auth or config.protected or is_loopback(config.host)):
        raise ConfigError(
            f"host {config.host!r} is not loopback, so others could read: say who may with --token-file, "
            "STREAMHUB_TOKEN or --jwt-key, or --no-auth if everybody may"
        )
    tokens_of(config)
    tls_context(config)


def _started(config: Config, *, made: bool) -> Callable[[str], None]:
    def say(url: str) -> None:
        folder = os.path.abspath(config.directory) + (" (made)" if made else "")
        _say(config, f"serving {folder}, read-only; Ctrl-C stops it")
        if not (config.protected or is_loopback(config.host)):
            _say(config, "whoever can reach this machine can read it all")
        click.echo(url)

    return say


def _say(config: Config, message: str, level: int = logging.INFO) -> None:
    """Tell whoever started the server; programs read it in the log's form."""
    if config.log_format == "json":
        _log.log(level, message)
    else:
        click.echo(f"streamhub: {message}", err=True)


def cannot_listen(config: Config, error: OSError) -> StreamhubError:
    """The error of an address that cannot be bound."""
    where = f"{config.host} port {config.port}"
    if error.errno == errno.EADDRINUSE:
        return StreamhubError(f"{where} is in use: stop what listens there, or take another with --port")
    return StreamhubError(f"cannot listen on {where}: {error}")
