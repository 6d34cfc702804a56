"""A channel: one watched stream, and everyone who reads it.

Every reader is a cursor into a file. Those that stand at the tail are handed each new batch, the same bytes for
all of a form. **A cursor gets a batch only if it stands exactly at the batch's start, else it reads on from the
file**: history and live without a gap, resuming, and slow readers that lose nothing are that one rule. There is
no queue per client, and so no policy for when it overflows.
"""

from __future__ import annotations

import asyncio
import logging
import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from streamhub.crowd import Crowd
from streamhub.cursor import Cursor, Group
from streamhub.meter import Meter
from streamhub.offset import NO_GENERATION, ZERO, Offset

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterable

    from streamhub.batch import Batch
    from streamhub.stream import Look

_log = logging.getLogger("streamhub.channel")

#: The look is waited for so many seconds before those who have rested are handed what is there already.
_PATIENCE: Final = 0.02


@dataclass(frozen=True, slots=True)
class Place:
    """Where a reader begins in a channel.

    Attributes:
        channel: the stream.
        position: the byte.
        offset: the place to wait for, while this copy of the stream lags behind it.
        epoch: the channel's, when the place was found.
    """

    channel: Channel
    position: int = 0
    offset: Offset | None = None
    epoch: int = field(init=False)

    def __post_init__(self) -> None:
        """Note the epoch."""
        object.__setattr__(self, "epoch", self.channel.epoch)

    @property
    def next(self) -> Offset:
        """The place as a token."""
        look = self.channel.look
        return self.offset or (ZERO if look is None else Offset(look.generation, self.position))

    @property
    def at_end(self) -> bool:
        """Whether nothing will ever come."""
        look = self.channel.look
        return look is not None and look.closed and self.offset is None and self.position == look.tail


class Channel:
    """One watched stream and the cursors in it.

    Args:
        stream: the stream's id.
        meter: where it counts what it hands out.
        full: descriptors that take nothing for now.
        rest_per_head: how long a crowd rests: see :class:`streamhub.crowd.Crowd`.
        glance: looks at the stream's file, tells this channel what it finds, then calls back.

    Attributes:
        stream: the stream's id.
        meter: where it counts what it hands out.
        look: where it stands, as far as readers were told; None while there is no such stream.
        epoch: how many times it was cut, replaced or deleted.
        cursors: everyone in it.
        waiters: those who wait for a change without a cursor (long-polls).
        arrived_at: when the newest lines came to the file, on the monotonic clock.
        looked_at: when somebody who came looked at the file itself, on the monotonic clock.
    """

    def __init__(
        self,
        stream: str,
        meter: Meter | None = None,
        full: Container[int] = (),
        rest_per_head: float = 0.0,
        glance: Callable[[Channel, Callable[[], None]], None] | None = None,
    ) -> None:
        self.stream = stream
        self.meter = meter or Meter()
        self.look: Look | None = None
        self.epoch = 0
        self.cursors: set[Cursor] = set()
        self.waiters: set[asyncio.Future[None]] = set()
        self.arrived_at = 0.0
        self.looked_at = -math.inf
        self._crowd = Crowd(stream, self.meter, full, rest_per_head)
        self._waiting = Group()
        self._glance = glance
        self._glancing = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def watched(self) -> bool:
        """Whether anybody reads it or waits for it."""
        return bool(self.cursors or self.waiters)

    def close(self) -> None:
        """Forget those who rest: the hub closes, and tells nothing any more."""
        self._cancel_timer()

    def remove(self, cursor: Cursor) -> None:
        """Forget a cursor."""
        self.cursors.discard(cursor)
        cursor.leave_group()

    def settle(self, cursor: Cursor) -> bool:
        """Let a cursor stand that has nothing to read for now; False when there is something.

        It comes to stand at the tail, or waits for its stream to come that far, or is told the end.
        """
        look = self.look
        if cursor.epoch != self.epoch:  # its place was found in a file that is no more
            self.reset(cursor, None if look is None else look.earliest)
            return True
        if look is None or not self._begun(cursor, look):
            if cursor in self.cursors:
                self._waiting.add(cursor)
            return True
        if cursor.position < look.tail:
            return False
        if look.closed:
            self.remove(cursor)
            cursor.reader.ended(cursor, look)
        else:
            self._crowd.stand(cursor)
        return True

    def grew(self, look: Look, batches: list[Batch]) -> None:
        """New batches came: hand them to those at the tail."""
        self._crowd.grew(batches, look.tail, self.arrived_at)
        self.look = look  # only now: nobody may be settled by it who was not handed these
        self.release()
        self._stir(self._waiting, 0)
        if look.closed:
            self._crowd.serve_all()
            self._stir(self._crowd, look.tail)
        self._plan()

    def appeared(self, look: Look) -> None:
        """The stream came to be: those who waited begin."""
        self.look = look
        self.release()
        for cursor in self._waiting:
            try:
                cursor.reader.joined(cursor, look)
            except Exception:  # noqa: BLE001 - it is one client's trouble
                _log.exception("a reader of stream %s failed", self.stream)
                cursor.fail()
        self._stir(self._waiting, 0)

    def replaced(self, look: Look | None) -> None:
        """The file was cut or replaced, or deleted (None): whoever was in it stands nowhere any more."""
        self._crowd.serve_all()  # it was in the file when that was looked at
        self.look = look
        self.epoch += 1
        self.release()
        for cursor in list(self.cursors):
            try:
                self.reset(cursor, None if look is None else look.earliest)
            except Exception:  # noqa: BLE001 - it is one client's trouble
                _log.exception("a reader of stream %s failed", self.stream)
                cursor.fail()

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        """Tell one cursor that what it was reading is no more."""
        self.remove(cursor)
        cursor.reader.reset(cursor, earliest)

    async def changed(self, before: Look | None, seconds: float) -> None:
        """Wait until the stream stands elsewhere than ``before``: it grew, closed, came or went; or the time is up."""
        if self.look != before:
            return
        waiter = asyncio.get_running_loop().create_future()
        self.waiters.add(waiter)
        try:
            await asyncio.wait((waiter,), timeout=seconds)
        finally:
            self.waiters.discard(waiter)
            waiter.cancel()

    def release(self) -> None:
        """Let those go on who wait for a change."""
        for waiter in self.waiters:
            if not waiter.done():
                waiter.set_result(None)

    def _begun(self, cursor: Cursor, look: Look) -> bool:
        """Whether the stream has come to where the cursor is to begin."""
        offset = cursor.offset
        if offset is None:
            return True
        if look.generation == NO_GENERATION:
            return False
        if offset.generation != look.generation:
            self.reset(cursor, look.earliest)
            return False
        if offset.byte > look.tail:
            return False
        cursor.position, cursor.offset = offset.byte, None
        return True

    def _stir(self, cursors: Iterable[Cursor], position: int) -> None:
        """Move on those whom no batch moves."""
        for cursor in cursors:
            cursor.fall_behind(position)
            cursor.reader.pump()

    def _plan(self) -> None:
        """Set the timer for those who rest and miss something."""
        due = self._crowd.due_at
        if due is None:
            return
        if self._timer is not None and self._timer.when() > due and not self._glancing:  # who shrinks rests for less
            self._cancel_timer()
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_at(due, self._come_due)

    def _come_due(self) -> None:
        """Somebody has rested: look at the file once more, so that they need not wait as long again for the newest."""
        self._timer = None
        if self._glance is None or self._glancing:
            self._crowd.serve_due()
            self._plan()
        else:
            self._glancing = True
            self._timer = asyncio.get_running_loop().call_later(_PATIENCE, self._come_due)
            self._glance(self, self._glanced)

    def _glanced(self) -> None:
        self._glancing = False
        self._cancel_timer()
        self._crowd.serve_due()
        self._plan()

    def _cancel_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
