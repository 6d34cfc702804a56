"""Connections that only give: after the response's head, the socket belongs to us.

aiohttp does the request; then :func:`take_over` swaps the transport's protocol for a lean one, because what an
idle aiohttp connection holds (request, parser, task, queue) is dead weight for one that never answers again.
Bytes go straight to the descriptor, so that a thousand clients share one buffer; those whose socket is full wait
in one ``epoll``. Under TLS, or while the transport still holds bytes, they go through the transport instead.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import select
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, TypeVar

from aiohttp import web

from streamhub.web.sockets import cut, unsent, watch_for_silence

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from streamhub.meter import Meter
    from streamhub.reader import Reader
    from streamhub.web.timing import Timing

_C = TypeVar("_C", bound="Connection")
_log = logging.getLogger("streamhub.web")


class Connections:
    """All connections that were taken over: wakes the blocked, cuts the stalled, keeps the quiet ones alive.

    Args:
        full: where the descriptors of the blocked are to be found.
        meter: where it is counted how they end.
        timing: how long to wait.
        stall_timeout: seconds after which a peer is cut that takes nothing.

    Attributes:
        open: the connections there are.
        timing: how long it waits.
        meter: where it is counted how they end.
        patience: seconds after which a peer is taken for gone that confirms nothing; past the stall time-out, which
            has its own reason.
    """

    def __init__(self, full: set[int], meter: Meter, timing: Timing, *, stall_timeout: float) -> None:
        self.open: set[Connection] = set()
        self.timing = timing
        self.meter = meter
        self.now = time.monotonic()
        self.patience = stall_timeout + timing.vanished
        self._stall_timeout = stall_timeout
        self._full = full
        self._blocked: dict[int, Connection] = {}
        self._emptied = asyncio.Event()
        self._epoll = select.epoll()
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._epoll.fileno(), self._writable)
        self._sweeper = self._loop.call_later(self.timing.sweep, self._sweep)

    async def drain(self, seconds: float) -> None:
        """Tell everyone to go, and wait until they have, for so long at most."""
        for connection in list(self.open):
            self._guard(connection, connection.go_away)
        if self.open:
            self._emptied.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), seconds)

    def forget(self, connection: Connection) -> None:
        """It is gone."""
        self.unblock(connection)
        self.open.discard(connection)
        if not self.open:
            self._emptied.set()

    def close(self) -> None:
        """Cut what is left, and stop."""
        self._sweeper.cancel()
        self._loop.remove_reader(self._epoll.fileno())
        for connection in list(self.open):
            connection.abort("shutdown")
        self._epoll.close()

    def block(self, connection: Connection) -> None:
        """Have a connection flushed when its socket takes bytes again."""
        if connection.fd not in self._blocked:
            self._epoll.register(connection.fd, select.EPOLLOUT)
            self._blocked[connection.fd] = connection
            self._full.add(connection.fd)

    def unblock(self, connection: Connection) -> None:
        """It waits no more."""
        if self._blocked.pop(connection.fd, None) is not None:
            self._epoll.unregister(connection.fd)
            self._full.discard(connection.fd)

    @property
    def buffered(self) -> int:
        """Bytes that are kept for clients that do not take them just now."""
        return sum(connection.buffered for connection in self._blocked.values())

    def expire(self, connection: Connection, seconds: float, end: Callable[[], None]) -> None:
        """Have a connection ended after a while, in the way that is given."""
        timer = self._loop.call_later(seconds, end)
        connection.when_lost(timer.cancel)

    def _writable(self) -> None:
        for fd, _events in self._epoll.poll(0):
            connection = self._blocked.get(fd)
            if connection is not None:
                self._guard(connection, connection.flush)

    def _sweep(self) -> None:
        self.now = time.monotonic()
        self._sweeper = self._loop.call_later(self.timing.sweep, self._sweep)
        for connection in list(self.open):
            if connection.blocked or connection.closing:
                cause = connection.given_up(self.now, self._stall_timeout, self.timing.farewell)
                if cause:
                    connection.abort(cause)
            elif connection.silent_since(self.now - self.timing.heartbeat):
                self._guard(connection, connection.beat)

    def _guard(self, connection: Connection, act: Callable[[], None]) -> None:
        """Do something for one connection; if that goes wrong, the connection ends, and the others do not notice."""
        try:
            act()
        except Exception:  # noqa: BLE001 - whatever it is, it is one client's trouble and nobody else's
            _log.exception("a connection failed")
            connection.fail()


class Connection(asyncio.Protocol):
    """One connection, as a sink for a reader.

    Attributes:
        reader: what is pumped when the socket takes bytes again.
        blocked: whether it takes nothing for now.
        wrote_at: when it last wrote, to the second; what its reader's channels wrote is asked for when it matters.
        fd: the socket's descriptor.
        descriptor: the same, as long as channels may write to it directly; else -1.
    """

    __slots__ = (
        "_cause",
        "_connections",
        "_ending",
        "_on_lost",
        "_progress",
        "_rest",
        "_transport",
        "blocked",
        "descriptor",
        "fd",
        "reader",
        "wrote_at",
    )

    def __init__(self, connections: Connections, transport: asyncio.Transport) -> None:
        self.reader: Reader | None = None
        self.blocked = False
        self.wrote_at = connections.now
        self._connections = connections
        self._transport = transport
        self._rest: list[memoryview] = []
        self._ending = False
        self._cause = "left"  # unless we end it: the client did
        self._progress = (0, 0.0)
        self._on_lost: list[Callable[[], None]] = []
        sock = transport.get_extra_info("socket")
        self.fd: int = sock.fileno()
        direct = transport.get_extra_info("sslcontext") is None and not transport.get_write_buffer_size()
        self.descriptor = self.fd if direct else -1
        transport.set_write_buffer_limits(high=64 * 1024)
        watch_for_silence(sock, connections.patience)
        connections.open.add(self)

    @property
    def closing(self) -> bool:
        """Whether its end was written: nothing may follow."""
        return self._ending

    @property
    def cause(self) -> str:
        """How it ended, or would if it ended now."""
        return self._cause

    @property
    def buffered(self) -> int:
        """Bytes that are kept for it."""
        return sum(map(len, self._rest)) + self._transport.get_write_buffer_size()

    @property
    def transport_name(self) -> str:
        """What it is counted as."""
        return "ending" if self.reader is None else self.reader.transport

    def write(self, data: bytes) -> bool:
        """Take bytes, always all of them; False when it is blocked after that."""
        self.wrote_at = self._connections.now
        if self.descriptor < 0:
            self._transport.write(data)
            return not self.blocked
        if self._rest:
            self._rest.append(memoryview(data))
            return False
        try:
            sent = os.write(self.fd, data)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.abort()
            return False
        if sent == len(data):
            return True
        self.keep(memoryview(data)[sent:])
        return False

    def keep(self, rest: memoryview) -> None:
        """Take what the socket did not, for when it does again."""
        self.wrote_at = self._connections.now
        self._rest.append(rest)
        self.blocked = True
        self._connections.block(self)

    def silent_since(self, then: float) -> bool:
        """Whether nothing was written after a moment of the monotonic clock."""
        if self.wrote_at <= then and self.reader is not None:
            self.wrote_at = max(self.wrote_at, self.reader.fed_at)
        return self.wrote_at <= then

    def finish(self, data: bytes, cause: str) -> None:
        """Write the last bytes; the connection ends when they are out and the client has heard it."""
        if self._ending:
            return
        self._cause = cause
        self._close_reader()
        self._ending = True
        self._progress = (0, 0.0)
        self.write(data)
        if not self._rest:
            self.flushed_end()

    def flushed_end(self) -> None:
        """The last bytes are out: say so to the peer, and let it hang up.

        Closing at once would have the kernel reset the connection over whatever the peer has sent meanwhile,
        and the peer lose what it has not read yet.
        """
        if not self._transport.can_write_eof() or self._transport.is_closing():
            self._transport.close()
            return
        try:
            self._transport.write_eof()
        except OSError:  # the peer has hung up already, and refused the last bytes
            self.abort()

    def abort(self, cause: str = "lost") -> None:
        """Cut it: no more is sent."""
        self._cause = cause
        self._close_reader()
        self._ending = True
        self._connections.unblock(self)
        cut(self._transport)

    def fail(self) -> None:
        """Something went wrong that nobody foresaw: end it, by force if it cannot be told."""
        try:
            self.apologise()
        except Exception:  # noqa: BLE001 - whatever it is, it is one client's trouble and nobody else's
            _log.exception("a connection failed, and could not be told")
            self.abort("failed")

    def apologise(self) -> None:
        """Tell the client that it is the server's fault."""
        self.finish(b"", "failed")

    def go_away(self) -> None:
        """The server shuts down: end, so that the client comes back elsewhere."""
        self.finish(b"", "shutdown")

    def expire(self) -> None:
        """The token is good no longer."""
        self.finish(b"", "expired")

    def rotate(self) -> None:
        """It has lasted as long as it is to: the client comes back by itself."""
        self.finish(b"", "rotated")

    def beat(self) -> None:
        """Say something, so that nobody takes the connection for dead."""

    def flush(self) -> None:
        """The socket takes bytes again: write what is left, then let the reader go on."""
        try:
            while self._rest:
                sent = os.write(self.fd, self._rest[0])
                if sent < len(self._rest[0]):
                    self._rest[0] = self._rest[0][sent:]
                    return
                del self._rest[0]
        except BlockingIOError:
            return
        except OSError:
            self.abort()
            return
        self._connections.unblock(self)
        self.blocked = False
        self.wrote_at = self._connections.now
        self._progress = (0, 0.0)
        self._go_on()

    def given_up(self, now: float, stall_timeout: float, farewell: float) -> str:
        """Why it is to be cut; empty as long as it is not.

        ``stalled``: there is something for the peer, and it has taken nothing at all for so long. ``deaf``: it has
        taken everything, the end too, and does not hang up. Called again and again while blocked, or ending.
        """
        # The kernel turns writable in large steps: what it still holds tells whether the peer moves.
        waiting = self.buffered + unsent(self.fd)
        before, since = self._progress
        if before != waiting or not since:
            self._progress = (waiting, now)
            return ""
        if waiting:
            return "stalled" if now - since >= stall_timeout else ""
        return "deaf" if self._ending and now - since >= farewell else ""

    def pause_writing(self) -> None:
        """The transport's buffer is full (TLS)."""
        self.blocked = True

    def resume_writing(self) -> None:
        """The transport's buffer has drained (TLS)."""
        self.blocked = False
        self._go_on()

    def data_received(self, data: bytes) -> None:
        """What a client sends changes nothing."""

    def connection_lost(self, exc: Exception | None) -> None:
        """It is gone: its descriptor may be somebody else's in a moment."""
        if exc is not None and self._cause == "left":
            self._cause = "lost"
        self._close_reader()
        self._ending = True
        self._rest.clear()
        self.descriptor = -1
        self._connections.forget(self)
        self._connections.meter.ended[self._cause] += 1
        for callback in self._on_lost:
            callback()

    def when_lost(self, callback: Callable[[], None]) -> None:
        """Have something done when it is gone."""
        self._on_lost.append(callback)

    def _go_on(self) -> None:
        if self._ending:
            self.flushed_end()
        elif self.reader is not None:
            self.reader.pump()

    def _close_reader(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


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
