"""The emitter for asyncio missions: the same calls, and the event loop never waits for a disk.

::

    async with AsyncEmitter(mission_id="m-42") as stream:
        stream.navigation(url="https://example.com", action="open")
        await crawl()

A call hands the event to a thread of the emitter's own, which writes them in the order of the calls, and returns at
once: there is nothing to await. An event's time is that of its writing. When the disk does not keep up, and
``capacity`` events wait, more are dropped, counted and told to the viewers, as with an Emitter.
"""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import os
import weakref
from collections import Counter, deque
from typing import TYPE_CHECKING, Final

from streamhub import current
from streamhub.emitter import DEFAULT_MAX_LINE, Emitter, end_by, stream_path
from streamhub.errors import EmitError
from streamhub.events import Signal, line_middle
from streamhub.stream_id import new_stream_id
from streamhub.worker import Worker

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from streamhub.emitter import EndState
    from streamhub.events import Payload
    from streamhub.writer import Fsync

#: Seconds that the end of the block waits for what is still to be written.
_PATIENCE: Final = 10.0

_log: Final = logging.getLogger("streamhub.emitter")


class AsyncEmitter(current.EventStream):
    """Writes one stream, from asyncio and from any thread, without ever waiting.

    Attributes:
        mission_id: the mission.
        live_stream_id: the stream's id; it can be watched from the block's beginning on.
        path: the stream's file.
    """

    live_stream_id: str

    def __init__(
        self,
        mission_id: str,
        live_stream_id: str | None = None,
        directory: str | os.PathLike[str] | None = None,
        *,
        closes_stream: bool = True,
        fsync: Fsync = "never",
        max_line: int = DEFAULT_MAX_LINE,
        capacity: int = 10_000,
    ) -> None:
        """Nothing is opened before the block is entered, or the first event comes.

        Args:
            mission_id: the mission.
            live_stream_id: the stream; an id that sorts by time is made when none is given.
            directory: where streams are kept; see default_directory().
            closes_stream: whether close() and the end of the block end the stream.
            fsync: when to wait for the disk; see :class:`Emitter`.
            max_line: the longest line, in bytes; see :class:`Emitter`.
            capacity: how many events may wait to be written.

        Raises:
            InvalidEventError: ``mission_id`` can be none.
            InvalidStreamIdError: ``live_stream_id`` can be none.
            ConfigError: the directory cannot be told.
        """
        line_middle(mission_id, Signal)  # raises, if it must
        self.mission_id = mission_id
        self.live_stream_id = new_stream_id() if live_stream_id is None else live_stream_id
        self.path = stream_path(self.live_stream_id, directory)
        make = functools.partial(Emitter, mission_id, self.live_stream_id, self.path.parent, max_line=max_line)
        self._writing = _Writing(functools.partial(make, closes_stream=closes_stream, fsync=fsync))
        self._closes_stream = closes_stream
        self._capacity = capacity
        self._worker = Worker()
        # What there was no room for, until the viewers are told; a queue, since signal handlers add to it too.
        self._overflow: deque[str] = deque()
        _alive.add(self)

    @property
    def dropped(self) -> int:
        """How many events of this emitter, in this process, did not get into the stream; soon after they did not."""
        return len(self._overflow) + self._writing.dropped

    def emit(self, payload: Payload) -> None:
        """Hand one event over; what the other calls come to. What cannot be written is counted and logged."""
        if self._worker.waiting >= self._capacity:
            self._overflow.append(type(payload).__name__)
            return
        self._tell_of_overflow()
        self._worker.put(functools.partial(self._writing.write, payload))

    async def open(self) -> None:
        """Open the stream: what entering the block does.

        Raises:
            StreamClosedError: the stream has ended.
            ConfigError: the directory or the file is not what it must be, or may not be written.
        """
        await asyncio.wrap_future(self._worker.call(self._writing.open))

    async def flush(self) -> None:
        """Wait until what was emitted so far is written, or dropped."""
        await asyncio.wrap_future(self._worker.call(_nothing))

    async def close(self, state: EndState | None = None, detail: str | None = None) -> None:
        """End the stream as an Emitter does, after all that was emitted; wait for it, but not for longer than 10 s."""
        self._tell_of_overflow()
        done = self._worker.call(functools.partial(self._writing.close, state, detail))
        try:
            async with asyncio.timeout(_PATIENCE):
                await asyncio.wrap_future(done)
        except TimeoutError:
            with contextlib.suppress(Exception):  # the mission's log handlers
                _log.warning("stream %s: is still being written after %d s: not waiting for it", self.path, _PATIENCE)

    async def __aenter__(self) -> Self:
        try:
            await self.open()
        except asyncio.CancelledError:  # the file may be there by now, and nobody is to wait for its end
            self._worker.put(functools.partial(self._writing.close, *self._end_by(asyncio.CancelledError, None)))
            raise
        current.enter(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current.leave(self)
        if kind is None:
            await self.close()
            return
        await self.close(*self._end_by(kind, error))

    def after_fork(self) -> None:
        """Called in a forked child: go on with the stream there, in a thread of its own."""
        self._closes_stream = False
        self._overflow = deque()
        self._worker.begin()
        self._writing.after_fork()

    def _end_by(
        self, kind: type[BaseException], error: BaseException | None
    ) -> tuple[EndState, str | None] | tuple[None, None]:
        return end_by(kind, error) if self._closes_stream else (None, None)

    def _tell_of_overflow(self) -> None:
        if self._overflow:
            self._worker.put(functools.partial(self._writing.lose, self._overflow))


class _Writing:
    """What is done in the thread. It never raises, but for open()."""

    def __init__(self, make: functools.partial[Emitter]) -> None:
        self._make = make
        self._emitter: Emitter | None = None
        self._lost = 0
        self._said = False

    @property
    def dropped(self) -> int:
        return self._lost + (0 if self._emitter is None else self._emitter.dropped)

    def open(self) -> Emitter:
        if self._emitter is None:
            self._emitter = self._make()
        return self._emitter

    def write(self, payload: Payload) -> None:
        emitter = self._try_open()
        if emitter is None:
            self._lost += 1
        else:
            emitter.emit(payload)

    def lose(self, overflow: deque[str]) -> None:
        emitter = self._try_open()
        kinds = Counter(overflow.popleft() for _ in range(len(overflow)))
        for kind, count in kinds.items():
            error = EmitError("too many events wait to be written: the disk does not keep up")
            if emitter is not None:
                emitter.lose(error, kind, count)
            else:
                self._lost += count

    def close(self, state: EndState | None, detail: str | None) -> None:
        emitter = self._try_open()
        if emitter is not None:
            emitter.close(state, detail)

    def after_fork(self) -> None:
        self._make = functools.partial(self._make, closes_stream=False)
        self._lost = 0

    def _try_open(self) -> Emitter | None:
        try:
            return self.open()
        except Exception as error:  # noqa: BLE001 - a stream that cannot be, no memory: events are lost, not more
            if not self._said:
                self._said = True
                with contextlib.suppress(Exception):
                    _log.warning("events are dropped: %s", error)
            return None


def _nothing() -> None:
    """Is done when all before it is."""


_alive: Final[weakref.WeakSet[AsyncEmitter]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for emitter in list(_alive):
        emitter.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
