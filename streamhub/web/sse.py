"""Server-sent events: the plain channel (one event per line), and Durable Streams over SSE.

The body ends when the connection does (``Connection: close``): so the same bytes serve HTTP/1.0 and 1.1, and a
blob that is shared by all clients needs no framing of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import web

from streamhub.reader import Reader
from streamhub.seek import parse_start
from streamhub.web.connection import Connection
from streamhub.web.cursor import next_cursor
from streamhub.web.keys import CONNECTIONS, HUB, TIMING
from streamhub.web.live import go_live
from streamhub.web.query import filter_of, may_wait, start_of
from streamhub.web.takeover import taken_over
from streamhub.web.view import view_of
from streamhub.wire import compact, durable_events, sse_comment, sse_event, sse_lines

if TYPE_CHECKING:
    from streamhub.batch import Batch
    from streamhub.cursor import Cursor
    from streamhub.offset import Offset
    from streamhub.seek import Start
    from streamhub.stream import Look

_R = TypeVar("_R", bound="_EventReader")

_HEADERS: Final = {
    "Content-Type": "text/event-stream",
    "Cache-Control": "no-cache",
    "X-Accel-Buffering": "no",
}
_COMMENT: Final = sse_comment("keep-alive")
_RETRY: Final = b"retry: 2000\n\n"


class EventStream(Connection):
    """A connection that server-sent events go out on."""

    __slots__ = ()

    def beat(self) -> None:
        """A comment, which clients pass over."""
        self.write(_COMMENT)


class _EventReader(Reader):
    """Follows one stream into an event stream. Subclasses write its ends."""

    __slots__ = ("connection",)

    def __init__(self, request: web.Request, connection: EventStream) -> None:
        super().__init__(request.app[HUB].history, connection)
        self.connection = connection
        connection.reader = self


class _PlainReader(_EventReader):
    """The plain channel: ``closed`` or ``reset`` is its last event."""

    transport = "sse"

    __slots__ = ()

    def ended(self, cursor: Cursor, look: Look) -> None:
        del cursor
        tail = str(look.next)
        self.connection.finish(sse_event(data=compact({"next": tail}), event="closed", id=tail), "closed")

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        del cursor
        token = None if earliest is None else str(earliest)
        self.connection.finish(sse_event(data=compact({"earliest": token}), event="reset"), "reset")


class _DurableReader(_EventReader):
    """Durable Streams: a control event says the end; a client whose file was replaced asks again, and gets 410."""

    transport = "durable-sse"

    __slots__ = ()

    def ended(self, cursor: Cursor, look: Look) -> None:
        del cursor
        control = {"streamNextOffset": str(look.next), "upToDate": True, "streamClosed": True}
        self.connection.finish(durable_events((), control), "closed")

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        del cursor, earliest
        self.connection.finish(b"", "reset")


@dataclass(frozen=True)
class DurableEncoder:
    """Batches as ``data`` and ``control`` events. Equal ones, and so all clients of a cursor, share their bytes."""

    cursor: int

    def __call__(self, batch: Batch, at_tail: bool) -> bytes:  # noqa: FBT001
        """The batch's events."""
        return durable_events(batch.lines, self.control(batch.next, at_tail=at_tail))

    def control(self, place: Offset, *, at_tail: bool) -> dict[str, Any]:
        """What a control event says."""
        control: dict[str, Any] = {"streamNextOffset": str(place), "streamCursor": str(self.cursor)}
        return {**control, "upToDate": True} if at_tail else control


async def plain_sse(request: web.Request) -> web.StreamResponse:
    """One event per line; ``Last-Event-ID`` says where to resume."""
    resumed = request.headers.get("Last-Event-ID") or None
    start = start_of(request) if resumed is None else parse_start(resumed)
    if request.method == "HEAD":
        return await _head(request, start)
    wanted = filter_of(request)
    place = await view_of(request).start(request.match_info["id"], start, wait=may_wait(request))
    if resumed is not None and place.at_end:
        return web.Response(status=204, headers={"Cache-Control": "no-store"})
    reader = _open(request, _PlainReader, _RETRY)
    if reader is not None:
        reader.follow(place, sse_lines, wanted)
        reader.pump()
    return taken_over(200)


async def durable_sse(request: web.Request) -> web.StreamResponse:
    """``data`` and ``control`` events, for a minute."""
    start = start_of(request)
    wanted = filter_of(request, until=True)
    place = await view_of(request).start(request.match_info["id"], start, wait=may_wait(request))
    encode = DurableEncoder(next_cursor(request.query.get("cursor")))
    look = place.channel.look
    first = b""
    if look is None or (place.position == look.tail and not look.closed):
        first = durable_events((), encode.control(place.next, at_tail=True))
    reader = _open(request, _DurableReader, first)
    if reader is not None:
        reader.follow(place, encode, wanted)
        request.app[CONNECTIONS].expire(reader.connection, request.app[TIMING].rotation, reader.connection.rotate)
        reader.pump()
    return taken_over(200)


async def _head(request: web.Request, start: Start) -> web.Response:
    await view_of(request).locate(request.match_info["id"], start)
    return web.Response(headers=_HEADERS)


def _open(request: web.Request, reader: type[_R], first: bytes) -> _R | None:
    """Send the head and the first bytes; None when the client has gone."""
    connections = request.app[CONNECTIONS]
    headers = {**_HEADERS, "Connection": "close"}
    connection = go_live(request, 200, headers, lambda transport: EventStream(connections, transport))
    if connection is None:
        return None
    if first:
        connection.write(first)
    return reader(request, connection)
