"""After a live response's head, its socket belongs to us.

aiohttp does the request; then :func:`take_over` swaps the transport's protocol for a lean one, because what an
idle aiohttp connection holds (request, parser, task, queue) is dead weight for one that never answers again.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from streamhub.web.connection import Connection

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Mapping

_C = TypeVar("_C", bound=Connection)


def take_over(
    request: web.Request,
    status: int,
    headers: Mapping[str, str],
    make: Callable[[asyncio.Transport], _C],
) -> _C | None:
    """Answer a request with a head, then take its socket away from aiohttp; None when the client has gone.

    aiohttp's protocol object is told that it lost its connection, which ends its task and frees what it holds;
    ``protocol.transport`` is cleared before, so that it cannot close what is no longer its own. The handler
    returns :func:`taken_over` then, which nobody is sent.
    """
    protocol = request.protocol
    transport = protocol.transport
    if transport is None or transport.is_closing():
        return None
    lines = [f"HTTP/1.1 {status} {HTTPStatus(status).phrase}", *(f"{name}: {value}" for name, value in headers.items())]
    transport.write("\r\n".join([*lines, "", ""]).encode("latin-1"))
    protocol.transport = None
    transport.resume_reading()  # aiohttp may have paused over a body that nobody reads
    connection = make(transport)
    transport.set_protocol(connection)
    protocol.connection_lost(None)
    return connection


def taken_over(status: int) -> web.Response:
    """What a handler returns once its socket is another's: it tells the access log the status, and is not sent."""
    return web.Response(status=status)
