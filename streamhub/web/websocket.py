"""The plain WebSocket, and what both WebSockets share: the handshake, and the ear that hears nothing."""

from __future__ import annotations

import base64
import binascii
import hashlib
from typing import TYPE_CHECKING, Any, Final, TypeVar

from aiohttp import HttpVersion11

from streamhub.deflate import Deflated, negotiate
from streamhub.inbound import NO_STATUS, NORMAL, PROTOCOL_ERROR, Breach, Closed, Data, Inbound, Ping
from streamhub.reader import Reader
from streamhub.web.connection import Connection
from streamhub.web.credentials import SUBPROTOCOL, offered_subprotocols
from streamhub.web.keys import CONFIG, CONNECTIONS, HUB
from streamhub.web.live import go_live
from streamhub.web.problems import problem
from streamhub.web.query import filter_of, may_wait, start_of
from streamhub.web.takeover import taken_over
from streamhub.web.view import view_of
from streamhub.wire import PING_FRAME, close_frame, line_messages, pong_frame, text_frames

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable, Sequence

    from aiohttp import web

    from streamhub.batch import Batch, Encoder
    from streamhub.cursor import Cursor
    from streamhub.offset import Offset
    from streamhub.stream import Look
    from streamhub.web.connections import Connections

_S = TypeVar("_S", bound="WebSocket")

#: Close codes of our own.
DELETED: Final = 4404
REPLACED: Final = 4410
GOING_AWAY: Final = 1001
INBOUND_DATA: Final = 1008
INTERNAL: Final = 1011
EXPIRED: Final = 4401
#: What ends a socket, as it is counted.
_CAUSES: Final = {
    INTERNAL: "failed",
    NORMAL: "closed",
    GOING_AWAY: "shutdown",
    EXPIRED: "expired",
    DELETED: "reset",
    REPLACED: "reset",
}
_ACCEPT_SUFFIX: Final = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3


class WebSocket(Connection):
    """A receive-only WebSocket: what the client sends is read, and thrown away.

    Attributes:
        window_bits: the window of permessage-deflate, as a power of two; 0 when messages go out as they are.
    """

    __slots__ = ("_hung_up", "_inbound", "_pong", "_refuse_data", "window_bits")

    def __init__(
        self, connections: Connections, transport: asyncio.Transport, *, refuse_data: bool, window_bits: int
    ) -> None:
        super().__init__(connections, transport)
        self.window_bits = window_bits
        self._inbound = Inbound(deflate=bool(window_bits))
        self._refuse_data = refuse_data
        self._pong: bytes | None = None
        self._hung_up = False  # whether the client has said, or will say, no more

    def data_received(self, data: bytes) -> None:
        """Answer pings and closes; end what breaks the rules; take no notice of the rest."""
        for event in self._inbound.feed(data):
            match event:
                case Ping(payload):
                    self._pong = payload  # of several pings the last one's answer is enough (section 5.5.3)
                case Data() if self._refuse_data:
                    self.refuse(INBOUND_DATA, "this socket is receive-only")
                case Closed(code):
                    self._hang_up(NORMAL if code == NO_STATUS else code)
                case Breach(code, reason):
                    self._hung_up = code == PROTOCOL_ERROR
                    self.refuse(code, reason)
        self._answer_ping()

    def form(self, plain: Encoder, messages: Callable[[Batch, bool], Sequence[bytes]]) -> Encoder:
        """How batches go out on this socket: as they are, or deflated."""
        return Deflated(messages, self.window_bits) if self.window_bits else plain

    def close(self, code: int, reason: str) -> None:
        """End it with a close frame, after what was written before."""
        self.finish(close_frame(code, reason), _CAUSES.get(code, "client"))

    def refuse(self, code: int, reason: str) -> None:
        """End it over what the client did."""
        self.close(code, reason)

    def apologise(self) -> None:
        """Tell the client that it is the server's fault."""
        self.close(INTERNAL, "the server failed: its log says why")

    def go_away(self) -> None:
        """The server shuts down."""
        self.close(GOING_AWAY, "the server shuts down, come back in a moment")

    def expire(self) -> None:
        """The token is good no longer."""
        self.close(EXPIRED, "token expired")

    def beat(self) -> None:
        """A ping: proxies see that the connection lives."""
        self.write(PING_FRAME)

    def flushed_end(self) -> None:
        """The close frame is out: the client's own is waited for, so that it hears ours (section 7.1.1)."""
        if self._hung_up:
            super().flushed_end()

    def _hang_up(self, code: int) -> None:
        """The client closes: answer, if it is not an answer itself, and end."""
        self._hung_up = True
        if not self.closing:
            self.finish(close_frame(code, ""), "left")
        elif not self.blocked:  # else once what it is still to hear is out
            super().flushed_end()

    def _go_on(self) -> None:
        self._answer_ping()
        super()._go_on()

    def _answer_ping(self) -> None:
        if self._pong is not None and not self.blocked and not self.closing:
            payload, self._pong = self._pong, None
            self.write(pong_frame(payload))


class _PlainReader(Reader):
    """Follows one stream into a WebSocket."""

    transport = "websocket"

    __slots__ = ("socket",)

    def __init__(self, request: web.Request, socket: WebSocket) -> None:
        super().__init__(request.app[HUB].history, socket)
        self.socket = socket
        socket.reader = self

    def ended(self, cursor: Cursor, look: Look) -> None:
        del cursor, look
        self.socket.close(NORMAL, "closed")

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        del cursor
        if earliest is None:
            self.socket.close(DELETED, "deleted")
        else:
            self.socket.close(REPLACED, f"cut or replaced, start again from {earliest}")


async def plain_websocket(request: web.Request) -> web.StreamResponse:
    """One text message per line: history, then live, then close."""
    refusal = handshake_refusal(request)
    if refusal is not None:
        return refusal
    wanted = filter_of(request)
    place = await view_of(request).start(request.match_info["id"], start_of(request), wait=may_wait(request))
    socket = upgrade(request, WebSocket)
    if socket is not None:
        reader = _PlainReader(request, socket)
        reader.follow(place, socket.form(text_frames, line_messages), wanted)
        reader.pump()
    return taken_over(101)


def handshake_refusal(request: web.Request) -> web.Response | None:
    """Why a request is no WebSocket handshake (RFC 6455 section 4.2.1); None when it is one."""
    headers = request.headers
    asks = "websocket" in _listed(request, "Upgrade") and "upgrade" in _listed(request, "Connection")
    if not asks or request.method != "GET" or request.version < HttpVersion11:
        asked = {"Upgrade": "websocket", "Connection": "Upgrade"}
        return problem(
            426, "this is a WebSocket: connect with ws:// or wss://, or poll the stream's own address", asked
        )
    if headers.get("Sec-WebSocket-Version") != "13":
        return problem(426, "only WebSocket version 13 is spoken here", {"Sec-WebSocket-Version": "13"})
    try:
        valid = len(base64.b64decode(headers.get("Sec-WebSocket-Key", ""), validate=True)) == 16
    except (binascii.Error, ValueError):
        valid = False
    return None if valid else problem(400, "Sec-WebSocket-Key is not 16 bytes in base64")


def _listed(request: web.Request, name: str) -> set[str]:
    """The members of a list field, over all its lines, in lower case."""
    return {member.strip().lower() for line in request.headers.getall(name, []) for member in line.split(",")}


def upgrade(request: web.Request, socket_type: type[_S]) -> _S | None:
    """Switch protocols; None when the client has gone."""
    connections, config = request.app[CONNECTIONS], request.app[CONFIG]
    key = request.headers["Sec-WebSocket-Key"].encode()
    accept = base64.b64encode(hashlib.sha1(key + _ACCEPT_SUFFIX, usedforsecurity=False).digest()).decode()
    headers: dict[str, Any] = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Accept": accept}
    if SUBPROTOCOL in offered_subprotocols(request):
        headers["Sec-WebSocket-Protocol"] = SUBPROTOCOL
    offers = request.headers.getall("Sec-WebSocket-Extensions", [])
    window_bits, extension = (config.compress and negotiate(",".join(offers))) or (0, "")
    if extension:
        headers["Sec-WebSocket-Extensions"] = extension

    def make(transport: asyncio.Transport) -> _S:
        return socket_type(connections, transport, refuse_data=config.inbound == "close", window_bits=window_bits)

    return go_live(request, 101, headers, make)
