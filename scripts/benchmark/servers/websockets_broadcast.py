"""The function that the websockets library has for this."""

from __future__ import annotations

import asyncio

from websockets.asyncio.server import ServerConnection, broadcast, serve

from benchmark.servers.lines import lines, listening


async def _subscribe(connection: ServerConnection) -> None:
    await connection.wait_closed()


async def _main() -> None:
    server = await serve(_subscribe, "127.0.0.1", 0, compression=None, ping_interval=None, backlog=1024)
    listening(next(iter(server.sockets)).getsockname()[1])
    async for line in lines():
        broadcast(server.connections, line)


if __name__ == "__main__":
    asyncio.run(_main())
