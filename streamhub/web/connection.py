"""A connection that only gives: its bytes go straight to the descriptor, what the socket does not take waits here.

Under TLS, or while the transport still holds bytes, they go through the transport instead.
"""

from __future__ import annotations

import asyncio
import logging
import os
from typing import TYPE_CHECKING, Protocol

from streamhub.web.sockets import cut, unsent, watch_for_silence

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.meter import Meter
    from streamhub.reader import Reader

_log = logging.getLogger("streamhub.web")


class Keeper(Protocol):
    """What a connection needs of whoever keeps them all: see :class:`streamhub.web.connections.Connections`."""

    open: set[Connection]
    paused: set[Connection]
    meter: Meter
    now: float
    patience: float

    def forget(self, connection: Connection) -> None:
        """It is gone."""

    def block(self, connection: Connection) -> None:
        """Have a connection flushed when its socket takes bytes again."""

    def unblock(self, connection: Connection) -> None:
        """It waits no more."""


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

    def __init__(self, connections: Keeper, transport: asyncio.Transport) -> None:
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
        self._connections.paused.add(self)

    def resume_writing(self) -> None:
        """The transport's buffer has drained (TLS)."""
        self.blocked = False
        self._connections.paused.discard(self)
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
