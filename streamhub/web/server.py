"""Running the application: bind, serve until told to stop, drain."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web
from multidict import CIMultiDict, CIMultiDictProxy

from streamhub.web.app import drain, make_app
from streamhub.web.asker import HTTP_LOG, Asker
from streamhub.web.gate import Gate
from streamhub.web.keys import CONFIG, HUB, LOBBY
from streamhub.web.shortage import said_once
from streamhub.web.systemd import Manager
from streamhub.web.timing import Timing
from streamhub.web.tls import tls_context

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Callable

    from aiohttp.http import RawRequestMessage

    from streamhub.config import Config

#: Connections that the kernel may hold until they are accepted, and how many are at once, before others have a turn:
#: some times as many hold a descriptor before it is known that there is no room for them.
_BACKLOG: Final = 4096
_ACCEPTED: Final = 16
_KEEPALIVE: Final = 75.0
#: The longest first line of a request, in bytes: hundreds of streams may be named in it, each with its offset.
_LONGEST_LINE: Final = 64 * 1024
#: Of the time to drain, what those may take then whose question is being answered.
LAST_ANSWERS: Final = 0.4
#: How long a peer may take to answer the end of TLS, in seconds.
_SHUTDOWN: Final = 5.0
_OPTIONS: Final[dict[str, Any]] = {
    "access_log": None,
    "auto_decompress": False,  # of bodies, which nobody reads
    "keepalive_timeout": _KEEPALIVE,
    "max_line_size": _LONGEST_LINE,
    "logger": HTTP_LOG,
}
_TIMING: Final = Timing()


@asynccontextmanager
async def running(config: Config, timing: Timing = _TIMING) -> AsyncIterator[str]:
    """Serve within the block; gives the server's URL.

    Raises:
        OSError: the address cannot be bound.
        ConfigError: a token, a key or a certificate cannot be used.
    """
    app = make_app(config, timing)
    context = tls_context(config)
    runner = web.AppRunner(
        app,
        handler_cancellation=True,  # a long-poll whose client has gone is to end
        shutdown_timeout=timing.drain * LAST_ANSWERS,
        logger=HTTP_LOG,
    )
    server: asyncio.Server | None = None
    await runner.setup()
    try:
        server = await _listen(runner, app, context)
        with said_once(asyncio.get_running_loop()):
            yield url_of(config, server.sockets[0].getsockname()[1])
    finally:
        if HUB in app:
            await drain(app)  # still listening: whoever asks whether we are ready is told
        if server is not None:
            server.close()
        await runner.cleanup()


async def serve(config: Config, started: Callable[[str], None], manager: Manager | None = None) -> None:
    """Serve until SIGTERM or SIGINT; ``started`` is called with the URL.

    Args:
        config: the settings.
        started: called once the server listens.
        manager: who is to know that we serve, live and stop.

    Raises:
        OSError: the address cannot be bound.
    """
    manager = manager or Manager()
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with manager.alive(), running(config) as url:
        started(url)
        manager.ready(f"serving {config.directory} at {url}")
        await stop.wait()
        manager.stopping()


def url_of(config: Config, port: int) -> str:
    """The address of a server as a browser takes it."""
    host = f"[{config.host}]" if ":" in config.host else config.host
    return f"{'https' if config.tls_cert else 'http'}://{host}:{port}"


async def _listen(runner: web.AppRunner, app: web.Application, context: ssl.SSLContext | None) -> asyncio.Server:
    """Take connections, each through a gate. A site of aiohttp's has no place for one."""
    config, refused, lobby, make = app[CONFIG], app[HUB].meter.refused, app[LOBBY], runner.server
    assert make is not None
    lobby.watch(make)
    loop = asyncio.get_running_loop()
    make.request_factory = _without_expectation(make.request_factory)

    def asker() -> Asker:
        return Asker(make, loop=loop, **_OPTIONS)

    def late() -> None:
        refused["late"] += 1

    server = await loop.create_server(
        lambda: Gate(asker(), config.header_timeout, late, lobby.enter, lobby.may_linger),
        config.host,
        config.port,
        ssl=context,
        ssl_handshake_timeout=None if context is None else config.header_timeout,
        ssl_shutdown_timeout=None if context is None else _SHUTDOWN,
        backlog=_ACCEPTED,  # asyncio takes as many in one go
        reuse_port=config.workers > 1,
    )
    for sock in server.sockets:
        with sock.dup() as same:
            same.listen(_BACKLOG)
    return server


def _without_expectation(make: Callable[..., web.BaseRequest]) -> Callable[..., web.BaseRequest]:
    """Take no notice of ``Expect``: aiohttp would answer it before it is asked who may read.

    A client that waits for "100 Continue" goes on after a moment without it (RFC 9110 section 10.1.1).
    """

    def made(message: RawRequestMessage, *args: Any) -> web.BaseRequest:  # noqa: ANN401 - passed through
        if "Expect" in message.headers:
            headers = CIMultiDict(message.headers)
            headers.popall("Expect")
            message = message._replace(headers=CIMultiDictProxy(headers))
        return make(message, *args)

    return made
