"""The multiplexed WebSocket: many streams on one socket, with offsets. The address says which; nothing else does."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from streamhub.channel import Place
from streamhub.config import Config
from streamhub.errors import CapacityError, InvalidRequestError, StreamhubError
from streamhub.filters import EVERYTHING
from streamhub.inbound import NORMAL
from streamhub.offset import Offset
from streamhub.reader import Reader
from streamhub.seek import Start, parse_start
from streamhub.stream_id import check_stream_id
from streamhub.web.keys import CONFIG, HUB
from streamhub.web.query import filter_of, match_of, may_wait, start_of
from streamhub.web.takeover import taken_over
from streamhub.web.view import view_of
from streamhub.web.websocket import REPLACED, WebSocket, handshake_refusal, upgrade
from streamhub.wire import close_frame, events_message, events_messages, json_message

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from collections.abc import Set as AbstractSet

    from aiohttp import web

    from streamhub.channel import Channel
    from streamhub.cursor import Cursor
    from streamhub.filters import Filter
    from streamhub.hub import Hub
    from streamhub.stream import Look

_log = logging.getLogger("streamhub.web")

#: More streams match than one socket may have.
AT_CAPACITY: Final = 1013
#: How a socket ends once all its streams have: close code, reason, and what it is counted as.
_ALL_ENDED: Final = (NORMAL, "ended", "closed")
_ALL_RESET: Final = (REPLACED, "cut, replaced or deleted", "reset")

#: When a stream that is to join cannot be opened, it is tried again after so many seconds.
_RETRY: Final = 1.0


class MultiplexSocket(WebSocket):
    """A WebSocket that speaks JSON messages."""

    __slots__ = ()

    def refuse(self, code: int, reason: str) -> None:
        """Say what the client did wrong, then close."""
        self.finish(json_message(type="error", code=code, message=reason) + close_frame(code, reason), "client")

    def beat(self) -> None:
        """A heartbeat says where each stream is to be resumed."""
        if isinstance(self.reader, MultiplexReader):
            self.write(self.reader.heartbeat())


class MultiplexReader(Reader):
    """Follows many streams into one socket.

    Args:
        hub: the streams.
        socket: where to.
        wanted: which lines, of all the streams.
        joins: which streams join as they appear; None: none do.
        most: streams at once.
    """

    transport = "multiplex"

    __slots__ = ("_appeared", "_ended", "_hub", "_joining", "_joins", "_known", "_most", "_reset", "_wanted", "socket")

    def __init__(
        self,
        hub: Hub,
        socket: MultiplexSocket,
        *,
        wanted: Filter = EVERYTHING,
        joins: Callable[[str], bool] | None = None,
        most: int = Config.max_streams,
    ) -> None:
        super().__init__(hub.history, socket)
        self.socket = socket
        self._hub = hub
        self._wanted = wanted
        self._joins = joins
        self._most = most
        self._appeared: deque[str] = deque()  # those that match, and wait until the socket takes bytes again
        self._known: set[str] = set()
        self._joining: set[asyncio.Task[None]] = set()
        self._ended = self._reset = 0
        socket.reader = self

    def begin(self, places: dict[str, Place]) -> None:
        """Say which streams there are, follow them, and wait for those that are to join."""
        looks = {stream: place.channel.look for stream, place in places.items()}
        present = [_opened(stream, places[stream].next, look) for stream, look in looks.items() if look is not None]
        self.socket.write(json_message(type="open", streams=present))
        for stream, place in places.items():
            self._known.add(stream)
            self.follow(place, self.socket.form(events_message, events_messages), self._wanted)
        if self._joins is not None and not self.socket.closing:
            self._hub.watch_names(self.see_names)
        self.pump()

    def see_names(self, came: AbstractSet[str], _names: Mapping[str, int]) -> None:
        """Let those of the streams that came join which match."""
        joins = self._joins or _nobody
        appeared = sorted(name for name in came - self._known if joins(name))
        self._known.update(appeared)
        self._appeared += appeared
        self._let_join()

    def pump(self) -> None:
        """Move on, and take in who appeared meanwhile."""
        self._let_join()
        super().pump()

    def heartbeat(self) -> bytes:
        """Where each stream is to be resumed."""
        places = {cursor.channel.stream: str(cursor.next) for cursor in self.cursors}
        return json_message(type="heartbeat", next=places, time=_now())

    def close(self) -> None:
        """Leave every stream."""
        self._hub.unwatch_names(self.see_names)
        for task in self._joining:
            task.cancel()
        super().close()

    def joined(self, cursor: Cursor, look: Look) -> None:
        """A stream that was waited for came to be."""
        at = cursor.offset or Offset(look.generation, 0)
        self.socket.write(json_message(type="open", streams=[_opened(cursor.channel.stream, at, look)]))

    def ended(self, cursor: Cursor, look: Look) -> None:
        """One stream is over."""
        self._ended += 1
        self._leave(cursor, json_message(type="end", stream=cursor.channel.stream, next=str(look.next)))

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        """One stream's file was cut or replaced, or deleted: no more of it comes on this socket."""
        self._reset += 1
        token = None if earliest is None else str(earliest)
        self._leave(cursor, json_message(type="reset", stream=cursor.channel.stream, earliest=token))

    def _leave(self, cursor: Cursor, message: bytes) -> None:
        self.cursors.remove(cursor)
        if self.cursors or self._joins is not None:
            self.socket.write(message)
        else:
            code, reason, cause = _ALL_ENDED if self._ended else _ALL_RESET
            self.socket.finish(message + close_frame(code, reason), cause)

    def _let_join(self) -> None:
        """Let streams join that appeared. Not while the socket is blocked: what says so would pile up."""
        while self._appeared and not self.socket.blocked:
            if len(self.cursors) + len(self._joining) >= self._most:
                self._appeared.clear()
                self.socket.refuse(AT_CAPACITY, f"more than {self._most} streams match: name fewer")
                return
            task = asyncio.create_task(self._join(self._appeared.popleft()))
            self._joining.add(task)
            task.add_done_callback(self._joining.discard)

    async def _channel(self, stream: str) -> Channel:
        """The channel of a stream that joins. Its name is told once: what fails is tried again here."""
        while True:
            try:
                return await self._hub.channel(stream)
            except (OSError, StreamhubError) as error:
                _log.warning("stream %s cannot join a socket, will try again: %s", stream, error)
            await asyncio.sleep(_RETRY)

    async def _join(self, stream: str) -> None:
        channel = await self._channel(stream)
        if self.socket.closing:
            return
        place = Place(channel)
        if channel.look is not None:
            self.socket.write(json_message(type="open", streams=[_opened(stream, place.next, channel.look)]))
        self.follow(place, self.socket.form(events_message, events_messages), self._wanted)
        self.pump()


async def multiplexed_websocket(request: web.Request) -> web.StreamResponse:
    """Several streams, named or matched, on one socket."""
    refusal = handshake_refusal(request)
    if refusal is not None:
        return refusal
    wanted, joins = filter_of(request), _joins(request)
    places = await _places(request, joins)
    socket = upgrade(request, MultiplexSocket)
    if socket is not None:
        most = request.app[CONFIG].max_streams
        MultiplexReader(request.app[HUB], socket, wanted=wanted, joins=joins, most=most).begin(places)
    return taken_over(101)


def _joins(request: web.Request) -> Callable[[str], bool] | None:
    """Which streams join by themselves: those that match, and may be seen. None without ``match``."""
    pattern, allows = match_of(request), view_of(request).allows
    return None if pattern is None else lambda stream: pattern.match(stream) is not None and allows(stream)


async def _places(request: web.Request, joins: Callable[[str], bool] | None) -> dict[str, Place]:
    hub, view, wait, start = request.app[HUB], view_of(request), may_wait(request), start_of(request)
    most = request.app[CONFIG].max_streams
    named = _named(request.query.getall("stream", []), start, most)
    if not named and joins is None:
        raise InvalidRequestError("this socket names no stream: give stream=<id>, stream=<id>@<offset> or match=<glob>")
    found = [] if joins is None else await hub.history.run(lambda: sorted(filter(joins, hub.folder.scan())))
    matched = {stream: start for stream in found if stream not in named}
    if len(named) + len(matched) > most:
        raise CapacityError(f"more than {most} streams match, which is all that one socket may have: name fewer")
    places = await asyncio.gather(
        *(view.start(stream, start, wait=wait) for stream, start in named.items()),
        *(view.start(stream, start, wait=True) for stream, start in matched.items()),
        return_exceptions=True,
    )
    for place in places:  # of several errors the first in order, not the first in time
        if isinstance(place, BaseException):
            raise place
    return {stream: place for stream, place in zip((*named, *matched), places, strict=True) if isinstance(place, Place)}


def _named(texts: list[str], default: Start, most: int) -> dict[str, Start]:
    """The streams an address names, each with where it is to start."""
    named: dict[str, Start] = {}
    for text in texts:
        stream, at, token = text.partition("@")
        if check_stream_id(stream) in named:
            raise InvalidRequestError(f"stream {stream!r} is named twice: name it once")
        named[stream] = parse_start(token) if at else default
    if len(named) > most:
        raise InvalidRequestError(f"{len(named)} streams are named: {most} at most, or give match=<glob>")
    return named


def _nobody(_stream: str) -> bool:
    return False


def _opened(stream: str, at: Offset, look: Look) -> dict[str, Any]:
    return {"stream": stream, "offset": str(at), "tail": str(look.next), "closed": look.closed}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
