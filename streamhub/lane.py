"""A lane: a part of those who stand at the tail of a stream, which is served by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from streamhub.cursor import Group
from streamhub.stream import BATCH_BYTES

if TYPE_CHECKING:
    from streamhub.batch import Batch, Encoder
    from streamhub.cursor import Cursor
    from streamhub.filters import Filter


class News(NamedTuple):
    """A batch that came, and whether it reached the stream's tail then."""

    batch: Batch
    at_tail: bool


class LaneGroup(Group):
    """Those in a lane who want the same bytes.

    Attributes:
        encode: the form of the wire.
        wanted: which lines.
    """

    __slots__ = ("_lane", "encode", "wanted")

    def __init__(self, lane: Lane, cursor: Cursor) -> None:
        super().__init__(cursor.position, cursor.reader.transport)
        self.encode = cursor.encode
        self.wanted = cursor.wanted
        self._lane = lane

    def discard(self, cursor: Cursor) -> None:
        """Have it stand here no more."""
        super().discard(cursor)
        self._lane.left(self)


class Lane:
    """A part of a crowd, all of whom stand at the same byte.

    Attributes:
        size: how many they are.
        groups: those in it, by what they want; never an empty one.
        missing: what came and was not handed to them yet.
        since: when the first of that came to the file, on the monotonic clock.
        rested_at: when it may be served again, on the same clock.
    """

    __slots__ = ("groups", "missing", "rested_at", "since", "size")

    def __init__(self) -> None:
        self.size = 0
        self.groups: dict[tuple[Encoder, Filter], LaneGroup] = {}
        self.missing: list[News] = []
        self.since = 0.0
        self.rested_at = 0.0

    @property
    def due_at(self) -> float:
        """When what is missing is to be handed to it."""
        full = self.missing[-1].batch.end - self.missing[0].batch.start >= BATCH_BYTES
        return 0.0 if full else self.rested_at

    def add(self, cursor: Cursor) -> None:
        """Have a cursor stand in it."""
        key = (cursor.encode, cursor.wanted)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = LaneGroup(self, cursor)
        group.add(cursor)
        self.size += 1

    def left(self, group: LaneGroup) -> None:
        """Somebody left a group."""
        self.size -= 1
        if not group:
            del self.groups[group.encode, group.wanted]

    def take(self, other: Lane) -> None:
        """Have all of another lane stand in this one: neither misses anything."""
        for group in list(other.groups.values()):
            for cursor in group:
                cursor.leave_group()
                cursor.position = group.position
                self.add(cursor)
            mine = self.groups[group.encode, group.wanted]
            mine.fed_at = max(mine.fed_at, group.fed_at)
        self.rested_at = max(self.rested_at, other.rested_at)

    def miss(self, news: list[News], arrived_at: float) -> None:
        """Note what it is to be handed."""
        if not self.missing:
            self.since = arrived_at
        self.missing += news
