"""Cursors and fan-out: one watched stream, and everyone who reads it.

Every reader is a cursor into a file. Those that stand at the tail are handed each new batch, the same bytes for
all of a form. **A cursor gets a batch only if it stands exactly at the batch's start, else it reads on from the
file**: history and live without a gap, resuming, and slow readers that lose nothing are that one rule. There is
no queue per client, and so no policy for when it overflows.

A reader writes into a *sink*, whatever that is. Nothing here knows a web framework, and of a socket only its
descriptor: for those who keep up, a batch goes straight there.
"""

from __future__ import annotations

import asyncio
import logging
import math
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from streamhub.meter import Meter
from streamhub.offset import NO_GENERATION, ZERO, Offset

if TYPE_CHECKING:
    from collections.abc import Container

    from streamhub.batch import Batch, Encoder
    from streamhub.filters import Filter
    from streamhub.stream import Look

_log = logging.getLogger("streamhub.channel")


class Sink(Protocol):
    """Where a reader's bytes go."""

    @property
    def descriptor(self) -> int:
        """Where bytes may be written directly unless it is full; -1: nowhere, they are all for :meth:`write`."""

    @property
    def blocked(self) -> bool:
        """Whether it takes nothing more for now. When it does again, it has its reader pumped."""

    def write(self, data: bytes) -> bool:
        """Take bytes, always all of them; False when it is blocked after that."""

    def keep(self, rest: memoryview) -> None:
        """Take what its descriptor did not, and be blocked."""

    def fail(self) -> None:
        """End: something went wrong that nobody foresaw."""


class CursorOwner(Protocol):
    """What a channel needs of a reader."""

    transport: str
    sink: Sink
    behind: list[Cursor]

    def pump(self) -> None:
        """Move the cursors on that are behind."""

    def joined(self, cursor: Cursor, look: Look) -> None:
        """The stream of a cursor came to be."""

    def ended(self, cursor: Cursor, look: Look) -> None:
        """A cursor has read a closed stream to its end."""

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        """A cursor's file was cut or replaced; None: deleted."""

    def fail(self) -> None:
        """End it: something went wrong that nobody foresaw."""


class Group(set["Cursor"]):
    """Cursors that stand together.

    Attributes:
        fed_at: when they were last handed a batch, on the monotonic clock.
    """

    fed_at = 0.0


class Cursor:
    """A reader's place in one stream.

    Attributes:
        channel: the stream.
        reader: whose place it is.
        descriptor: its sink's.
        encode: the form of the wire.
        wanted: which lines.
        position: the byte it stands at, unless it stands at the tail.
        offset: where it is to begin once the stream reaches that far (a copy that lags); None once it has begun.
        epoch: the channel's, when the place was found.
        group: the cursors at the tail, or of those that wait, that it is in; None while it is behind.
    """

    __slots__ = ("channel", "descriptor", "encode", "epoch", "group", "offset", "position", "reader", "wanted")

    def __init__(self, reader: CursorOwner, place: Place, encode: Encoder, wanted: Filter) -> None:
        self.channel = place.channel
        self.reader = reader
        self.descriptor = reader.sink.descriptor
        self.encode = encode
        self.wanted = wanted
        self.position = place.position
        self.offset = place.offset
        self.epoch = place.epoch
        self.group: Group | None = None

    @property
    def next(self) -> Offset:
        """Where to resume: the token after everything that its sink was given."""
        look = self.channel.look
        if self.offset is not None:
            return self.offset
        if look is None or look.generation == NO_GENERATION:
            return ZERO
        return Offset(look.generation, self.position if self.group is None else look.tail)

    @property
    def active(self) -> bool:
        """Whether it is still in its channel: not ended, reset or left."""
        return self in self.channel.cursors

    def leave_group(self) -> None:
        """Stand alone: it is behind, or gone."""
        if self.group is not None:
            self.group.discard(self)
            self.group = None


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
    def at_tail(self) -> bool:
        """Whether there is nothing to read for now."""
        look = self.channel.look
        return look is None or self.offset is not None or self.position == look.tail

    @property
    def at_end(self) -> bool:
        """Whether nothing will ever come."""
        look = self.channel.look
        return look is not None and look.closed and self.offset is None and self.position == look.tail


class Channel:
    """One watched stream and the cursors in it.

    Attributes:
        stream: the stream's id.
        meter: where it counts what it hands out.
        full: descriptors that take nothing for now.
        look: where it stands, as far as readers were told; None while there is no such stream.
        epoch: how many times it was cut, replaced or deleted.
        cursors: everyone in it.
        waiters: those who wait for a change without a cursor (long-polls).
        arrived_at: when the newest lines came to the file, on the monotonic clock.
        looked_at: when somebody who came looked at the file itself, on the monotonic clock.
    """

    def __init__(self, stream: str, meter: Meter | None = None, full: Container[int] = ()) -> None:
        self.stream = stream
        self.meter = meter or Meter()
        self.full = full
        self.look: Look | None = None
        self.epoch = 0
        self.cursors: set[Cursor] = set()
        self.waiters: set[asyncio.Future[None]] = set()
        self.arrived_at = 0.0
        self.looked_at = -math.inf
        self._at_tail: dict[tuple[Encoder, Filter], Group] = {}
        self._waiting = Group()

    @property
    def watched(self) -> bool:
        """Whether anybody reads it or waits for it."""
        return bool(self.cursors or self.waiters)

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
                self._stand(cursor, self._waiting)
            return True
        if cursor.position < look.tail:
            return False
        if look.closed:
            self.remove(cursor)
            cursor.reader.ended(cursor, look)
        else:
            self._stand(cursor, self._at_tail.setdefault((cursor.encode, cursor.wanted), Group()))
        return True

    def grew(self, look: Look, batches: list[Batch]) -> None:
        """New batches came: hand them to those at the tail."""
        for batch in batches:
            for (encode, wanted), group in self._at_tail.items():
                try:
                    kept = batch.filtered(wanted)
                    blob = kept.encoded(encode, at_tail=batch.end == look.tail)
                except Exception:  # noqa: BLE001 - one form's fault is no reason to leave the others without lines
                    self._fail(*group)
                    continue
                if blob and group:
                    self._hand_out(blob, batch, group, len(kept.lines))
        self.look = look
        self.release()
        self._stir(self._waiting, 0)
        if look.closed:
            for group in self._at_tail.values():
                self._stir(group, look.tail)
        self._forget_empty_groups()

    def appeared(self, look: Look) -> None:
        """The stream came to be: those who waited begin."""
        self.look = look
        self.release()
        for cursor in list(self._waiting):
            try:
                cursor.reader.joined(cursor, look)
            except Exception:  # noqa: BLE001 - it is one client's trouble
                self._fail(cursor)
        self._stir(self._waiting, 0)

    def replaced(self, look: Look | None) -> None:
        """The file was cut or replaced, or deleted (None): whoever was in it stands nowhere any more."""
        self.look = look
        self.epoch += 1
        self.release()
        for cursor in list(self.cursors):
            try:
                self.reset(cursor, None if look is None else look.earliest)
            except Exception:  # noqa: BLE001 - it is one client's trouble
                self._fail(cursor)
        self._forget_empty_groups()

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

    def _stand(self, cursor: Cursor, group: Group) -> None:
        group.add(cursor)
        cursor.group = group

    def _stir(self, group: Group, position: int) -> None:
        """Move on those of a group that no batch moves."""
        for cursor in list(group):
            cursor.leave_group()
            cursor.position = position
            cursor.reader.behind.append(cursor)
            cursor.reader.pump()

    def _fail(self, *cursors: Cursor) -> None:
        """End readers over what nobody foresaw: the others are to have their lines, and no reader a gap."""
        _log.exception("%d readers of stream %s failed", len(cursors), self.stream)
        for cursor in cursors:
            self.remove(cursor)
            try:
                cursor.reader.fail()
            except Exception:  # noqa: BLE001 - whatever it is, it is one client's trouble and nobody else's
                _log.exception("a reader of stream %s could not even be ended", self.stream)

    def _forget_empty_groups(self) -> None:
        for key in [key for key, group in self._at_tail.items() if not group]:
            del self._at_tail[key]

    def _hand_out(self, blob: bytes, batch: Batch, group: Group, events: int) -> None:
        """The hot loop: for those who keep up, one write and nothing else. The others are seen to after it."""
        group.fed_at = time.monotonic()
        transport, given = next(iter(group)).reader.transport, len(group)
        write, full, size = os.write, self.full, len(blob)
        others: list[tuple[Cursor, int | None]] = []
        for cursor in group:
            descriptor = cursor.descriptor
            try:
                written = None if descriptor < 0 or descriptor in full else write(descriptor, blob)
            except Exception:  # noqa: BLE001 - whatever it is, its sink meets with it again, and knows what to do
                written = None
            if written != size:
                others.append((cursor, written))
        for cursor, taken in others:
            given -= not self._hand_to(cursor, blob, batch, taken)
        self.meter.sent(transport, size * given, events * given)
        if self.meter.lag is not None:
            self.meter.lag(transport, time.monotonic() - self.arrived_at)

    def _hand_to(self, cursor: Cursor, blob: bytes, batch: Batch, taken: int | None) -> bool:
        """Hand a batch to one of which some was taken already, or nothing was tried; False when it did not get it."""
        sink = cursor.reader.sink
        try:
            gets = taken is not None or not sink.blocked
            if taken is not None:
                sink.keep(memoryview(blob)[taken:])
            elif gets and sink.write(blob):
                return True
        except Exception:  # noqa: BLE001 - it is one client's trouble
            self._fail(cursor)
            return False
        if not cursor.active:
            return False  # the write found its client gone
        cursor.leave_group()
        cursor.position = batch.end if gets else batch.start
        cursor.reader.behind.append(cursor)
        self.meter.slow[cursor.reader.transport] += 1
        return gets
