"""Cursors: where a reader stands in a stream, alone or in a group, and what it needs of those around it.

A reader writes into a *sink*, whatever that is. Nothing here knows a web framework, and of a socket only its
descriptor: for those who keep up, a batch goes straight there.
"""

from __future__ import annotations

import logging
import os
import time
from typing import TYPE_CHECKING, Protocol

from streamhub.offset import NO_GENERATION, ZERO, Offset

if TYPE_CHECKING:
    from collections.abc import Container, Iterator

    from streamhub.batch import Encoder
    from streamhub.filters import Filter
    from streamhub.meter import Meter
    from streamhub.stream import Look

_log = logging.getLogger("streamhub.cursor")


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


class Watched(Protocol):
    """What a reader needs of a channel."""

    stream: str
    meter: Meter
    look: Look | None
    epoch: int
    cursors: set[Cursor]

    def remove(self, cursor: Cursor) -> None:
        """Forget a cursor."""

    def settle(self, cursor: Cursor) -> bool:
        """Let a cursor stand that has nothing to read for now; False when there is something."""

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        """Tell one cursor that what it was reading is no more."""


class Beginning(Protocol):
    """Where a cursor begins: see :class:`streamhub.channel.Place`."""

    @property
    def channel(self) -> Watched:
        """The stream."""

    @property
    def position(self) -> int:
        """The byte."""

    @property
    def offset(self) -> Offset | None:
        """The place to wait for, while this copy of the stream lags behind it."""

    @property
    def epoch(self) -> int:
        """The channel's, when the place was found."""


class Cursor:
    """A reader's place in one stream.

    Attributes:
        channel: the stream.
        reader: whose place it is.
        descriptor: its sink's.
        encode: the form of the wire.
        wanted: which lines.
        position: the byte it stands at, unless its group says.
        offset: where it is to begin once the stream reaches that far (a copy that lags); None once it has begun.
        epoch: the channel's, when the place was found.
        group: those it stands with, at the tail or waiting; None while it is behind.
    """

    __slots__ = ("channel", "descriptor", "encode", "epoch", "group", "offset", "position", "reader", "wanted")

    def __init__(self, reader: CursorOwner, place: Beginning, encode: Encoder, wanted: Filter) -> None:
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
        return Offset(look.generation, self.position if self.group is None else self.group.position)

    @property
    def active(self) -> bool:
        """Whether it is still in its channel: not ended, reset or left."""
        return self in self.channel.cursors

    def leave_group(self) -> None:
        """Stand alone: it is behind, or gone."""
        if self.group is not None:
            self.group.discard(self)
            self.group = None

    def fall_behind(self, position: int) -> None:
        """Stand alone at a byte, to be read on from there."""
        self.leave_group()
        self.position = position
        self.reader.behind.append(self)

    def fail(self) -> None:
        """End its reader over what nobody foresaw: the others are to have their lines, and no reader a gap."""
        self.channel.remove(self)
        try:
            self.reader.fail()
        except Exception:  # noqa: BLE001 - whatever it is, it is one client's trouble and nobody else's
            _log.exception("a reader of stream %s could not even be ended", self.channel.stream)


class Group:
    """Cursors that stand together and want the same bytes.

    Attributes:
        position: the byte they stand at.
        transport: what they are counted as.
        fed_at: when they were last handed a batch, on the monotonic clock.
    """

    __slots__ = ("_cursors", "_descriptors", "_direct", "_others", "_sorted", "fed_at", "position", "transport")

    def __init__(self, position: int = 0, transport: str = "") -> None:
        self.position = position
        self.transport = transport
        self.fed_at = 0.0
        self._cursors: set[Cursor] = set()
        self._sorted = False
        self._direct: list[Cursor] = []
        self._others: list[Cursor] = []
        self._descriptors: list[int] = []

    def __len__(self) -> int:
        """How many they are."""
        return len(self._cursors)

    def __iter__(self) -> Iterator[Cursor]:
        """Each of them, as of now: whoever is met with may leave."""
        return iter(list(self._cursors))

    def add(self, cursor: Cursor) -> None:
        """Have a cursor stand here."""
        self._cursors.add(cursor)
        self._forget_order()
        cursor.group = self

    def discard(self, cursor: Cursor) -> None:
        """Have one of them stand here no more."""
        self._cursors.remove(cursor)
        self._forget_order()

    def write(self, blob: bytes, full: Container[int]) -> list[tuple[Cursor, int | None]]:
        """The hot loop: for those who keep up, one write and nothing else.

        What it touches of a client is its descriptor, which stands in a list with the others: anything else would
        have to come from memory.

        Returns:
            Those who did not take it all, with what they took; None: nothing was tried, or it failed.
        """
        self.fed_at = time.monotonic()
        if not self._sorted:
            self._sort()
        write, size = os.write, len(blob)
        others: list[tuple[Cursor, int | None]] = [(cursor, None) for cursor in self._others]
        for index, descriptor in enumerate(self._descriptors):
            try:
                written = None if descriptor in full else write(descriptor, blob)
            except Exception:  # noqa: BLE001 - whatever it is, its sink meets with it again, and knows what to do
                written = None
            if written != size:
                others.append((self._direct[index], written))
        return others

    def _sort(self) -> None:
        """Apart, those whose sinks have descriptors and those whose have none."""
        self._others = [cursor for cursor in self._cursors if cursor.descriptor < 0]
        self._direct = [cursor for cursor in self._cursors if cursor.descriptor >= 0]
        self._descriptors = [cursor.descriptor for cursor in self._direct]
        self._sorted = True

    def _forget_order(self) -> None:
        """Hold nobody who has left."""
        self._sorted = False
        self._direct, self._others, self._descriptors = [], [], []
