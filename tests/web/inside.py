"""A server whose inside a test can see."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from pathlib import Path
from ssl import SSLContext
from typing import Any

from aiohttp import web

from streamhub.config import Config
from streamhub.hub import Hub
from streamhub.web.app import drain, make_app
from streamhub.web.connections import Connections
from streamhub.web.keys import CONNECTIONS, HUB
from streamhub.web.timing import Timing

#: So quick that a test need not wait.
QUICK = Timing(heartbeat=0.1, sweep=0.02, farewell=0.3, long_poll=0.3, rotation=0.3, drain=2.0)
#: As quick to look, but with nothing to say of its own accord: for tests that count what comes.
SILENT = replace(QUICK, heartbeat=60.0, long_poll=60.0, rotation=60.0)


@dataclass
class Inside:
    """A running server."""

    app: web.Application
    runner: web.AppRunner
    url: str

    @property
    def hub(self) -> Hub:
        """Its streams."""
        return self.app[HUB]

    @property
    def connections(self) -> Connections:
        """Those that were taken over."""
        return self.app[CONNECTIONS]

    @property
    def held(self) -> int:
        """How many connections aiohttp still holds."""
        assert self.runner.server is not None
        return len(self.runner.server.connections)

    def readers(self, stream: str = "s") -> int:
        """How many cursors and waiters there are in a stream."""
        channel = self.hub.channels.get(stream)
        return 0 if channel is None else len(channel.cursors) + len(channel.waiters)

    @property
    def deserted(self) -> bool:
        """Whether nobody is connected, and nothing is left of those who were."""
        return not self.connections.open and not self.held and not any(map(self.readers, self.hub.channels))


@contextlib.asynccontextmanager
async def inside(
    directory: Path, timing: Timing = SILENT, *, ssl: SSLContext | None = None, **settings: Any
) -> AsyncIterator[Inside]:
    """Serve a folder in this process, with everything at hand."""
    app = make_app(replace(Config(directory=str(directory), port=0), **settings), timing)
    runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=timing.drain)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=ssl).start()
        yield Inside(app, runner, f"{'https' if ssl else 'http'}://127.0.0.1:{runner.addresses[0][1]}")
    finally:
        await drain(app)
        await runner.cleanup()
