"""Readers: what clients of all transports share, and what each has got so far.

A reader keeps what it was given as *sessions*: what one connection, or one response, said of one stream.
"""

from __future__ import annotations

import asyncio
import random
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Self

import aiohttp

from tests.servers import until

#: A polling client asks again after so many seconds.
_PAUSE = 0.01
#: One that was turned away, or sent away, comes back after up to so many seconds.
_JITTER = 0.5

_REFUSED = {400: "reset", 410: "reset", 404: "deleted"}


@dataclass(eq=False)
class Session:
    """What one connection, or one response, said of one stream.

    Attributes:
        stream: the stream's id.
        asked: where it was asked to start, as a query: ``offset=…``, ``tail=…`` or nothing.
        asked_at: the owner's clock when it was asked.
        opened_at: the owner's clock when it was settled which file is read; None as long as it is not.
        lines: what came.
        offset: where to resume, as far as it was said.
        told: what was said last: ``end``, ``reset`` (or the offset was refused), ``deleted``, ``lost``; ``refused``
            when it was one of several streams that were asked for at once, any of which may be the reason.
    """

    stream: str
    asked: str
    asked_at: int
    opened_at: int | None = None
    lines: list[bytes] = field(default_factory=list)
    offset: str | None = None
    told: str | None = None


@dataclass
class Log:
    """Everything that was said of one stream, in order."""

    sessions: list[Session]

    @property
    def lines(self) -> list[bytes]:
        """All lines, over all sessions."""
        return [line for session in self.sessions for line in session.lines]

    @property
    def offset(self) -> str | None:
        """Where to resume."""
        return next((session.offset for session in reversed(self.sessions) if session.offset is not None), None)

    @property
    def told(self) -> str | None:
        """What was said last."""
        return self.sessions[-1].told


class Reader(ABC):
    """A client of one transport.

    Args:
        url: the server.
        streams: what it reads; several only where the transport can.
        start: where it begins, as a query: ``offset=…``, ``tail=…`` or nothing.
        options: further parameters, as a query: ``wait=1``, ``contains=…``, ``match=…``.
        http: what polling clients ask with.
        receive_buffer: of its socket, in bytes; None leaves it to the system.
        reconnects: whether it comes back when the connection is lost.
        clock: the owner's, to date sessions by.
    """

    #: Whether it asks again by itself, so that a file that was cut shows in the answer.
    asks_again: ClassVar[bool] = False

    def __init__(
        self,
        url: str,
        streams: tuple[str, ...],
        start: str = "",
        *,
        options: str = "",
        http: aiohttp.ClientSession | None = None,
        receive_buffer: int | None = None,
        reconnects: bool = False,
        clock: Callable[[], int] = int,
    ) -> None:
        self.url = url
        self.start = start
        self.options = options
        self.logs = {stream: Log([]) for stream in streams}
        self.status = 0
        self.connections = 0
        self.turned_away = False
        self._http = http
        self._receive_buffer = receive_buffer
        self._reconnects = reconnects
        self._clock = clock
        self._joined = asyncio.Event()
        self._going = asyncio.Event()
        self._going.set()
        self._task: asyncio.Task[None] | None = None

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.start} {self.options} {list(self.logs)}>"

    @property
    def log(self) -> Log:
        """Of the one stream that it reads."""
        (log,) = self.logs.values()
        return log

    @property
    def lagging(self) -> bool:
        """Whether it does not read just now."""
        return not self._going.is_set()

    @property
    def over(self) -> bool:
        """Whether it has nothing more to hope for."""
        return self._task is not None and self._task.done()

    async def join(self) -> int:
        """Begin; gives the status of the first answer."""
        self._task = asyncio.create_task(self._run())
        joined = asyncio.ensure_future(self._joined.wait())
        await asyncio.wait((self._task, joined), return_when=asyncio.FIRST_COMPLETED)
        if not joined.done():
            joined.cancel()
            await self._task
        return self.status

    def pause(self) -> None:
        """Read nothing until :meth:`resume`, beyond what is being taken just now."""
        self._going.clear()

    def resume(self) -> None:
        """Read on."""
        self._going.set()

    def fail(self) -> None:
        """Raise what went wrong in this reader, if something did."""
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def until(self, true: Callable[[], bool], seconds: float = 30.0) -> None:
        """Wait until something holds; fails when time is up, or when this reader failed."""

        def holds() -> bool:
            self.fail()
            return true()

        await until(holds, seconds)

    async def gains(self, count: int) -> None:
        """Wait until it has so many more lines."""
        had = len(self.log.lines)
        await self.until(lambda: len(self.log.lines) >= had + count)

    async def learns(self, seconds: float = 30.0) -> None:
        """Wait until it is told what became of its stream."""
        await self.until(lambda: self.log.told is not None, seconds)

    async def leave(self) -> None:
        """Hang up. What went wrong before is for :meth:`fail` to raise."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait((self._task,))

    async def __aenter__(self) -> Self:
        await self.join()
        return self

    async def __aexit__(self, *_exc: object) -> None:
        await self.leave()
        self.fail()

    @abstractmethod
    async def ask(self) -> None:
        """Make one connection, or one request, and take what it gives."""

    async def _run(self) -> None:
        while True:
            self.connections += 1
            self.turned_away = False
            try:
                await self.ask()
            except (OSError, aiohttp.ClientError):
                self.lost()
                self.turned_away = True
            if not (self.asks_again or self._reconnects) or all(log.told for log in self.logs.values()):
                return
            await asyncio.sleep(random.random() * _JITTER if self.turned_away else _PAUSE)

    def begin(self, stream: str, asked: str) -> Session:
        """A new session of a stream."""
        session = Session(stream, asked, self._clock())
        self.logs.setdefault(stream, Log([])).sessions.append(session)
        return session

    def opened(self, session: Session) -> None:
        """It is settled which file the session reads."""
        if session.opened_at is None:
            session.opened_at = self._clock()

    def answered(self, status: int) -> None:
        """The head of an answer came."""
        self.status = status
        self._joined.set()

    def lost(self) -> None:
        """The connection is gone without a word."""
        if self._reconnects:
            return
        for log in self.logs.values():
            if log.sessions and log.told is None:
                log.sessions[-1].told = "lost"

    def refused(self, session: Session, status: int) -> None:
        """The server does not read from there."""
        self.opened(session)
        assert status in _REFUSED, f"{self!r} got {status} for {session.asked!r}"
        session.told = _REFUSED[status]

    @property
    def waits(self) -> bool:
        """Whether its streams may not be there yet."""
        return "wait=1" in self.options

    def query(self, *parts: str) -> str:
        """An address's query."""
        return "&".join(filter(None, (*parts, self.options)))
