"""Running the application: bind, serve until told to stop, drain."""

from __future__ import annotations

import asyncio
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from aiohttp import web

from streamhub.web.app import drain, make_app
from streamhub.web.keys import HUB
from streamhub.web.timing import Timing

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from streamhub.config import Config

#: Connections that the kernel may hold until they are accepted.
_BACKLOG: Final = 4096
_KEEPALIVE: Final = 75.0
_TIMING: Final = Timing()


@asynccontextmanager
async def running(config: Config, timing: Timing = _TIMING) -> AsyncIterator[str]:
    """Serve within the block; gives the server's URL.

    Raises:
        OSError: the address cannot be bound.
    """
    app = make_app(config, timing)
    runner = web.AppRunner(
        app,
        access_log=None,
        handler_cancellation=True,  # a long-poll whose client has gone is to end
        keepalive_timeout=_KEEPALIVE,
        shutdown_timeout=timing.drain,
    )
    await runner.setup()
    try:
        site = web.TCPSite(runner, config.host, config.port, backlog=_BACKLOG, reuse_port=config.workers > 1)
        await site.start()
        yield url_of(config.host, runner.addresses[0][1])
    finally:
        if HUB in app:
            await drain(app)  # still listening: whoever asks whether we are ready is told
        await runner.cleanup()


async def serve(config: Config, started: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT; ``started`` is called with the URL.

    Raises:
        OSError: the address cannot be bound.
    """
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    async with running(config) as url:
        started(url)
        await stop.wait()


def url_of(host: str, port: int) -> str:
    """The address of a server as a browser takes it."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
