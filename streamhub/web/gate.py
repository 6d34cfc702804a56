"""Whether there is room for a client, and the time that it may take to say what it wants.

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
#: How long a client that was refused may take to hear it, in seconds.
_FAREWELL: Final = 1.0


class Gate(asyncio.Protocol):
    """Passes everything on, and closes the connection if the first head is late.

    Args:
        inner: who it is passed on to.
        seconds: how long the head may take.
        late: called when it has taken longer.
        admit: whether there is room for one more.
        may_linger: whether one that was refused for want of room may take a moment to hear it.
    """

    __slots__ = ("_admit", "_end", "_inner", "_late", "_may_linger", "_seconds", "_timer", "_transport")

    def __init__(
        self,
        inner: asyncio.Protocol,
        seconds: float,
        late: Callable[[], None],
        admit: Callable[[asyncio.Transport], bool],
        may_linger: Callable[[asyncio.Transport], bool],
    ) -> None:
        self._inner = inner
        self._seconds = seconds
        self._late = late
        self._admit = admit
        self._may_linger = may_linger
        self._end = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """A client is there."""
        self._transport = cast("asyncio.Transport", transport)
        self._timer = asyncio.get_running_loop().call_later(self._seconds, self._time_is_up)
        if self._admit(self._transport):
            self._inner.connection_made(transport)
        else:
            self._timer.cancel()
            self._inner = asyncio.Protocol()  # hears what comes, and does nothing
            self._refuse(HTTPStatus.SERVICE_UNAVAILABLE, "the server has no descriptor left: try again in a moment")

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
        if self._transport.is_closing():
            self._transport.abort()  # it has its answer, and does not take it
            return
        self._late()
        late = f"the head of a request has to be here within {self._seconds:g} s"
        self._refuse(HTTPStatus.REQUEST_TIMEOUT, late if self._end else "")

    def _refuse(self, status: HTTPStatus, detail: str) -> None:
        """End the connection with an answer; without one, if there is nothing to answer."""
        if detail:
            self._transport.write(_answer(status, detail))
        full = status == HTTPStatus.SERVICE_UNAVAILABLE
        if full and self._transport.can_write_eof() and self._may_linger(self._transport):
            self._transport.write_eof()  # what it has asked is read, or a reset could overtake the answer
        else:
            self._transport.close()
        # What takes no answer, and no end of TLS either, is not waited for.
        asyncio.get_running_loop().call_later(_FAREWELL, self._transport.abort)


def _answer(status: HTTPStatus, detail: str) -> bytes:
    body = compact({"type": "about:blank", "title": status.phrase, "status": status.value, "detail": detail})
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}",
        "Content-Type: application/problem+json",
        f"Content-Length: {len(body)}",
        *(["Retry-After: 1"] if status == HTTPStatus.SERVICE_UNAVAILABLE else []),
        "Cache-Control: no-store",
        "X-Content-Type-Options: nosniff",
        "Connection: close",
    )
    return "\r\n".join([*head, "", ""]).encode() + body
