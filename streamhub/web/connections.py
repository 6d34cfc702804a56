"""All connections that were taken over: those whose socket is full wait in one ``epoll``, and one timer sees to all."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import select
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.meter import Meter
    from streamhub.web.connection import Connection
    from streamhub.web.timing import Timing

_log = logging.getLogger("streamhub.web")


class Connections:
    """Keeps the connections: wakes the blocked, cuts the stalled, keeps the quiet ones alive.

    Args:
        full: where the descriptors of the blocked are to be found.
        meter: where it is counted how they end.
        timing: how long to wait.
        stall_timeout: seconds after which a peer is cut that takes nothing.

    Attributes:
        open: the connections there are.
        paused: those whose transport takes no more for now (TLS).
        timing: how long it waits.
        meter: where it is counted how they end.
        patience: seconds after which a peer is taken for gone that confirms nothing; past the stall time-out, which
            has its own reason.
    """

    def __init__(self, full: set[int], meter: Meter, timing: Timing, *, stall_timeout: float) -> None:
        self.open: set[Connection] = set()
        self.paused: set[Connection] = set()
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
        self.paused.discard(connection)
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
        return sum(connection.buffered for connection in (*self._blocked.values(), *self.paused))

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
