"""The time that a client may take to say what it wants.

A silent connection is closed by aiohttp's own timer, after more than a minute; one that sends a byte now and then
would have that long too. The gate stands between the transport and aiohttp's protocol (a Server is a protocol factory,
and a transport's protocol may be changed: both are documented) and steps aside once the first request's head is there.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final, cast

from streamhub.wire import compact

if TYPE_CHECKING:
    from collections.abc import Callable

_END_OF_HEAD: Final = b"\r\n\r\n"
_STATUS: Final = HTTPStatus.REQUEST_TIMEOUT


class Gate(asyncio.Protocol):
    """Passes everything on, and closes the connection if the first head is late.

    Args:
        inner: who it is passed on to.
        seconds: how long the head may take.
        late: called when it has taken longer.
    """

    __slots__ = ("_end", "_inner", "_late", "_seconds", "_timer", "_transport")

    def __init__(self, inner: asyncio.Protocol, seconds: float, late: Callable[[], None]) -> None:
        self._inner = inner
        self._seconds = seconds
        self._late = late
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._time_is_up)
        self._inner.connection_made(transport)

    def data_received(self, data: bytes) -> None:
        """Pass on what came; with the end of the head in it, step aside first."""
        seen = self._end + data if self._end else data.lstrip(b"\r\n")  # empty lines may come before a request
        if _END_OF_HEAD in seen:
            self._timer.cancel()
            self._transport.set_protocol(self._inner)
        self._end = seen[-3:]
        self._inner.data_received(data)

    def eof_received(self) -> bool | None:
        """The client says no more."""
        return self._inner.eof_received()

    def pause_writing(self) -> None:
        """The transport is full."""
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        """The transport takes bytes again."""
        self._inner.resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, or was refused."""
        self._timer.cancel()
        self._inner.connection_lost(exc)

    def _time_is_up(self) -> None:
        self._late()
        if self._end and not self._transport.is_closing():
            self._transport.write(_too_late(self._seconds))
        self._transport.close()
        # What takes no answer, and no end of TLS either, is not waited for.
        asyncio.get_running_loop().call_later(1.0, self._transport.abort)


def _too_late(seconds: float) -> bytes:
    detail = f"the head of a request has to be here within {seconds:g} s"
    body = compact({"type": "about:blank", "title": _STATUS.phrase, "status": _STATUS.value, "detail": detail})
    head = (
        f"HTTP/1.1 {_STATUS.value} {_STATUS.phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    )
    return "\r\n".join([*head, "", ""]).encode() + body
