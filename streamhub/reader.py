"""A reader: one client's cursors, one sink, and the pump that moves them on."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from streamhub.cursor import Cursor
from streamhub.errors import StreamNotFoundError, StreamReplacedError
from streamhub.filters import EVERYTHING, Filter
from streamhub.offset import parse_offset

if TYPE_CHECKING:
    from streamhub.batch import Batch, Encoder
    from streamhub.channel import Place
    from streamhub.cursor import Sink
    from streamhub.history import History
    from streamhub.offset import Offset
    from streamhub.stream import Look

_log = logging.getLogger("streamhub.reader")

#: A reader writes this many batches before others get their turn.
_TURN: Final = 8
#: A reader has this many pieces read for it at once: more would be thrown away again when its sink fills up.
_READS: Final = 8
#: When the disk fails, a reader tries again after so many seconds.
_RETRY: Final = 0.5


class Reader:
    """One client: reads its cursors' streams into its sink, as fast as the sink takes it.

    Subclasses say what is written when a stream comes, ends or is replaced.

    Attributes:
        transport: what it is counted as.
    """

    transport = "other"

    __slots__ = ("_done", "_reading", "_resuming", "behind", "cursors", "history", "sink")

    def __init__(self, history: History, sink: Sink) -> None:
        self.history = history
        self.sink = sink
        self.behind: list[Cursor] = []
        self.cursors: list[Cursor] = []
        self._done = False
        self._reading = 0
        self._resuming = False

    @property
    def fed_at(self) -> float:
        """When it was last handed something where it stood at a tail, on the monotonic clock."""
        return max((cursor.group.fed_at for cursor in self.cursors if cursor.group is not None), default=0.0)

    def follow(self, place: Place, encode: Encoder, wanted: Filter = EVERYTHING) -> Cursor:
        """Add a cursor to a stream; :meth:`pump` starts it. Nothing is added to a reader that was closed."""
        cursor = Cursor(self, place, encode, wanted)
        if not self._done:
            place.channel.cursors.add(cursor)
            self.cursors.append(cursor)
            self.behind.append(cursor)
        return cursor

    def close(self) -> None:
        """Leave every stream. Nothing is written after that."""
        self._done = True
        for cursor in self.cursors:
            cursor.channel.remove(cursor)
        self.cursors.clear()
        self.behind.clear()

    def fail(self) -> None:
        """Leave every stream, and have the sink end: something went wrong that nobody foresaw."""
        self.close()
        self.sink.fail()

    def joined(self, cursor: Cursor, look: Look) -> None:
        """A stream that was waited for came to be."""

    def ended(self, cursor: Cursor, look: Look) -> None:
        """A closed stream was read to its end."""
        raise NotImplementedError

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        """A stream's file was cut or replaced; None: deleted."""
        raise NotImplementedError

    def pump(self) -> None:
        """Move on the cursors that are behind, in turn, until the sink is full or all stand at the tail.

        What goes wrong in that ends this reader, and nobody else who happens to have it pumped.
        """
        try:
            self._pump()
        except Exception:  # noqa: BLE001 - whatever it is, it is one client's trouble and nobody else's
            _log.exception("a reader failed")
            self.fail()

    def _pump(self) -> None:
        batches = 0
        while self.behind and not self.sink.blocked and not self._done and self._reading < _READS:
            cursor = self.behind.pop(0)
            if not cursor.active or cursor.channel.settle(cursor):
                continue
            if batches == _TURN:
                self.behind.insert(0, cursor)
                self._resume_soon()
                return
            batches += 1
            self._read_on(cursor)

    def _read_on(self, cursor: Cursor) -> None:
        channel = cursor.channel
        assert channel.look is not None
        batch = self.history.get(channel.stream, channel.look, cursor.position)
        if batch is None:
            self._reading += 1
            task = self.history.fetch(channel.stream, channel.look, cursor.position)
            task.add_done_callback(lambda task: self._fetched(cursor, task))
        else:
            self._write(cursor, batch)

    def _write(self, cursor: Cursor, batch: Batch) -> None:
        look = cursor.channel.look
        at_tail = look is not None and batch.end == look.tail
        blob = batch.filtered(cursor.wanted).encoded(cursor.encode, at_tail=at_tail)
        cursor.position = batch.end
        self.behind.append(cursor)
        if blob:
            self.sink.write(blob)
            if not self._done:  # else the write found the client gone
                cursor.channel.meter.sent(self.transport, len(blob), len(batch.filtered(cursor.wanted).lines))

    def _fetched(self, cursor: Cursor, task: asyncio.Task[Batch]) -> None:
        self._reading -= 1
        try:
            if cursor.active and not task.cancelled():
                self._go_on_with(cursor, task)
        except Exception:  # noqa: BLE001 - whatever it is, it is one client's trouble and nobody else's
            _log.exception("a reader failed")
            self.fail()
        self.pump()

    def _go_on_with(self, cursor: Cursor, task: asyncio.Task[Batch]) -> None:
        error = task.exception()
        if error is not None:
            self._failed(cursor, error)
        elif self.sink.blocked or task.result().start != cursor.position:
            self.behind.insert(0, cursor)  # its batch is at hand: next time before those that are to be read
        else:
            self._write(cursor, task.result())

    def _failed(self, cursor: Cursor, error: BaseException) -> None:
        if isinstance(error, StreamReplacedError):
            cursor.channel.reset(cursor, parse_offset(error.earliest))
        elif isinstance(error, StreamNotFoundError):
            cursor.channel.reset(cursor, None)
        else:
            _log.warning("cannot read stream %s, will try again: %s", cursor.channel.stream, error)
            asyncio.get_running_loop().call_later(_RETRY, self._retry, cursor)

    def _retry(self, cursor: Cursor) -> None:
        if cursor.active:
            self.behind.append(cursor)
            self.pump()

    def _resume_soon(self) -> None:
        if not self._resuming:
            self._resuming = True
            asyncio.get_running_loop().call_soon(self._resume)

    def _resume(self) -> None:
        self._resuming = False
        self.pump()
