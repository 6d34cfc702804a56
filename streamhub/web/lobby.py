"""The connections that ask: aiohttp holds them from their first byte on, until they go live or end.

Live connections are looked after by :class:`~streamhub.web.connections.Connections`. Of these here aiohttp closes the
idle ones after a while, and waits for the others for ever: for a client to take its answer.
"""

from __future__ import annotations

import asyncio
import resource
import time
from typing import TYPE_CHECKING, Final

from streamhub.errors import CapacityError
from streamhub.web.sockets import cut, waiting

if TYPE_CHECKING:
    from aiohttp import web

    from streamhub.config import Config
    from streamhub.meter import Meter
    from streamhub.web.connections import Connections
    from streamhub.web.timing import Timing

#: Connections that are between two questions, or before the first, at most; of few descriptors a part. Not too few:
#: after a restart all come back at once, and those who are far away have not asked yet when the others come.
_MOST_IDLE: Final = 5000
_IDLE_SHARE: Final = 4
#: Descriptors that no connection may have: for files, and to refuse with; of few a part.
_SPARE: Final = 256
_SPARE_SHARE: Final = 8
#: Of these the part that refused ones may have while they hear it; the others are for those who come meanwhile.
_LINGER_SHARE: Final = 4
#: Answers of fewer bytes are not worth counting.
_LARGE: Final = 64 * 1024


class Lobby:
    """Bounds what those who ask may cost: idle ones, those that take no answer, and bytes that wait for them.

    Attributes:
        busy: those whose question is being answered.
    """

    def __init__(self, config: Config, timing: Timing, meter: Meter, live: Connections) -> None:
        self.busy: set[web.RequestHandler] = set()
        self._stall_timeout = config.stall_timeout
        self._most_buffered = config.max_buffered
        self._timing = timing
        self._meter = meter
        self._live = live
        self._server: web.Server | None = None
        self._slow: dict[web.RequestHandler, tuple[int, float]] = {}
        self._buffered = 0
        self._highest, self._last, self._most_idle = _shares(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        self._loop = asyncio.get_running_loop()
        self._sweeper = self._loop.call_later(timing.sweep, self._sweep)

    def watch(self, server: web.Server) -> None:
        """Look after the connections of a server."""
        self._server = server

    def close(self) -> None:
        """Stop looking after them."""
        self._sweeper.cancel()

    def enter(self, transport: asyncio.Transport) -> bool:
        """Somebody has connected: make room, by closing who has been idle longest; False when there is none at all."""
        held = [] if self._server is None else self._server.connections  # in the order in which they came
        surplus = len(held) - len(self.busy) + 1 - self._most_idle
        for handler in held:
            if surplus <= 0:
                break
            if handler.transport is None:
                surplus -= 1  # it is closed already
            elif handler not in self.busy and not _bytes_for(handler):
                self._meter.refused["idle"] += 1
                handler.force_close()
                surplus -= 1
        if _number(transport) < self._highest:
            return True
        self._meter.refused["capacity"] += 1
        return False

    def may_linger(self, transport: asyncio.Transport) -> bool:
        """Whether somebody who was refused may take a moment to hear it, or has to go at once: others come."""
        return _number(transport) < self._last

    def check(self) -> None:
        """See whether more may be answered.

        Raises:
            CapacityError: clients have as many bytes waiting for them as there may be.
        """
        if self._buffered >= self._most_buffered:
            self._count()  # what was answered since may have been taken at once
        if self._buffered >= self._most_buffered:
            raise CapacityError(
                f"{self._most_buffered} bytes wait for clients that are slow, which is all that may: "
                "try again in a moment"
            )

    def answer(self, response: web.StreamResponse) -> None:
        """Take note of an answer that is about to be sent."""
        size = response.content_length or 0
        if size >= _LARGE:
            self._buffered += size

    def _sweep(self) -> None:
        self._count()
        now, before = time.monotonic(), self._slow
        self._slow = {}
        for handler in () if self._server is None else self._server.connections:
            transport = handler.transport
            if transport is None or (handler in self.busy and not _bytes_for(handler)):
                continue  # what is being asked of the file has nothing to be taken yet
            size, since = waiting(transport), now
            if not size:
                continue
            if handler in before and before[handler][0] == size:
                since = before[handler][1]
            if now - since < self._stall_timeout:
                self._slow[handler] = size, since
            else:
                self._meter.ended["stalled"] += 1
                cut(transport)
        self._sweeper = self._loop.call_later(self._timing.sweep, self._sweep)

    def _count(self) -> None:
        held = () if self._server is None else self._server.connections
        self._buffered = sum(map(_bytes_for, held)) + self._live.buffered


def _bytes_for(handler: web.RequestHandler) -> int:
    return 0 if handler.transport is None else handler.transport.get_write_buffer_size()


def _number(transport: asyncio.Transport) -> int:
    """A connection's descriptor. The kernel gives out the lowest that is free, so it says how many are taken."""
    number: int = transport.get_extra_info("socket").fileno()
    return number


def _shares(descriptors: int) -> tuple[int, int, int]:
    """The first descriptor that is for no connection, the first for none that lingers, and how many may be idle."""
    if descriptors == resource.RLIM_INFINITY:
        return 1 << 62, 1 << 62, _MOST_IDLE
    spare = min(_SPARE, descriptors // _SPARE_SHARE)
    highest = descriptors - spare
    return highest, highest + spare // _LINGER_SHARE, min(_MOST_IDLE, max(1, descriptors // _IDLE_SHARE))
