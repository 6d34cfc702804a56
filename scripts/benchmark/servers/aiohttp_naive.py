"""A broadcast as aiohttp's examples do it: a loop over all sockets for each event."""

from __future__ import annotations

import asyncio
from typing import Final

from aiohttp import web

from benchmark.servers.lines import lines, listening

_clients: Final[set[web.WebSocketResponse]] = set()


async def _subscribe(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse(compress=False)
    await socket.prepare(request)
    _clients.add(socket)
    try:
        async for _ in socket:
            pass
    finally:
        _clients.discard(socket)
    return socket


async def _main() -> None:
    app = web.Application()
    app.router.add_get("/", _subscribe)
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    listening(runner.addresses[0][1])
    async for line in lines():
        for socket in list(_clients):
            if not socket.closed:
                await socket.send_str(line)


if __name__ == "__main__":
    asyncio.run(_main())
