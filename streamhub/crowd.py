"""Fan-out: those who stand at the tail of a stream, and how what is new gets to them.

A crowd stands in *lanes*. A lane that was served rests, the longer the larger the crowd is; what comes meanwhile waits,
and goes out in one write. So a crowd costs no more than it can take in, and nobody waits for all of it to be served: a
lane's turn is short. Nothing waits that need not: a small crowd never rests, a lane that has rested is served at once,
and so is one for which a full batch has come together.
"""

from __future__ import annotations

import logging
import time
from typing import TYPE_CHECKING, Final

from streamhub.batch import join
from streamhub.cursor import Group
from streamhub.stream import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator, Sequence

    from streamhub.batch import Batch, Encoder
    from streamhub.cursor import Cursor
    from streamhub.filters import Filter
    from streamhub.meter import Meter

_log = logging.getLogger("streamhub.crowd")

#: So many fill a lane: they are served in about a millisecond.
_LANE: Final = 250
#: No crowd is so large that it rests for longer, in seconds.
_LONGEST_REST: Final = 0.1


class Lane:
    """A part of a crowd, all of whom stand at the same byte.

    Attributes:
        groups: those in it, by what they want.
        missing: what came and was not handed to them yet.
        since: when the first of that came to the file, on the monotonic clock.
        rested_at: when it may be served again, on the same clock.
    """

    __slots__ = ("groups", "missing", "rested_at", "since")

    def __init__(self) -> None:
        self.groups: dict[tuple[Encoder, Filter], Group] = {}
        self.missing: list[Batch] = []
        self.since = 0.0
        self.rested_at = 0.0

    def __len__(self) -> int:
        """How many stand in it."""
        return sum(map(len, self.groups.values()))

    @property
    def due_at(self) -> float:
        """When what is missing is to be handed to it."""
        full = self.missing[-1].end - self.missing[0].start >= BATCH_BYTES
        return 0.0 if full else self.rested_at

    def add(self, cursor: Cursor) -> None:
        """Have a cursor stand in it."""
        key = (cursor.encode, cursor.wanted)
        group = self.groups.get(key)
        if group is None:
            group = self.groups[key] = Group(cursor.position, cursor.reader.transport)
        group.add(cursor)

    def miss(self, batches: list[Batch], arrived_at: float) -> None:
        """Note what it is to be handed."""
        if not self.missing:
            self.since = arrived_at
        self.missing += batches

    def forget_empty_groups(self) -> None:
        """Keep no more than is needed."""
        for key in [key for key, group in self.groups.items() if not group]:
            del self.groups[key]


class Crowd:
    """Those at the tail of one stream.

    Args:
        stream: the stream's id.
        meter: where it counts what it hands out.
        full: descriptors that take nothing for now.
        rest_per_head: for how many seconds a lane rests, for each in the crowd.
        clock: tells the time.
    """

    def __init__(
        self,
        stream: str,
        meter: Meter,
        full: Container[int],
        rest_per_head: float,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._meter = meter
        self._full = full
        self._rest_per_head = rest_per_head
        self._clock = clock
        self._lanes: list[Lane] = []
        self._filling: Lane | None = None

    def __len__(self) -> int:
        """How many they are."""
        return sum(map(len, self._lanes))

    def __iter__(self) -> Iterator[Cursor]:
        """Each of them, as of now: whoever is met with may leave."""
        return iter([cursor for lane in self._lanes for group in lane.groups.values() for cursor in group])

    @property
    def lanes(self) -> Sequence[Lane]:
        """The lanes they stand in."""
        return self._lanes

    @property
    def due_at(self) -> float | None:
        """When somebody is to be served; None when nobody misses anything."""
        return min((lane.due_at for lane in self._lanes if lane.missing), default=None)

    def stand(self, cursor: Cursor) -> None:
        """Have a cursor stand with them, which is at the tail."""
        lane = self._filling
        if lane is None or len(lane) >= _LANE:
            lane = self._filling = self._emptiest()
        if lane.missing:
            self._serve([lane], cursor.position)
        lane.add(cursor)

    def grew(self, batches: list[Batch], tail: int, arrived_at: float) -> None:
        """Hand out what came, up to the new tail: to those who have rested; to the others later."""
        for lane in self._lanes:
            lane.miss(batches, arrived_at)
        self.serve_due(tail)

    def serve_due(self, tail: int) -> None:
        """Hand out what is missing in the lanes whose time has come."""
        now = self._clock()
        self._serve([lane for lane in self._lanes if lane.missing and lane.due_at <= now], tail)

    def serve_all(self, tail: int) -> None:
        """Hand out all that is missing anywhere."""
        self._serve([lane for lane in self._lanes if lane.missing], tail)

    def forget_empty_lanes(self) -> None:
        """Keep no more than is needed."""
        for lane in self._lanes:
            lane.forget_empty_groups()
        self._lanes = [lane for lane in self._lanes if lane.groups]
        if self._filling not in self._lanes:
            self._filling = None

    def _emptiest(self) -> Lane:
        """The lane with the most room, a new one if all are full."""
        lane = min(self._lanes, key=len, default=None)
        if lane is None or len(lane) >= _LANE:
            lane = Lane()
            self._lanes.append(lane)
        return lane

    def _serve(self, lanes: list[Lane], tail: int) -> None:
        """Hand out what is missing, batch after batch: to lanes that stand together, the same bytes."""
        crowd = len(self)
        rest = min(crowd * self._rest_per_head, _LONGEST_REST) if crowd > _LANE else 0.0
        together: dict[int, list[Lane]] = {}
        for lane in lanes:
            together.setdefault(lane.missing[0].start, []).append(lane)
        for those in together.values():
            missing = [lane.missing for lane in those]
            for lane in those:
                lane.missing = []
            for batch in _joined(missing[0]):
                for lane in those:
                    lane.rested_at = self._clock() + rest
                    self._hand_to_lane(lane, batch, tail)

    def _hand_to_lane(self, lane: Lane, batch: Batch, tail: int) -> None:
        for (encode, wanted), group in lane.groups.items():
            try:
                kept = batch.filtered(wanted)
                blob = kept.encoded(encode, at_tail=batch.end == tail)
            except Exception:  # noqa: BLE001 - one form's fault is no reason to leave the others without lines
                self._failed(*group)
                continue
            group.position = batch.end
            if blob and group:
                self._hand_to_group(group, blob, batch, len(kept.lines), lane.since)

    def _hand_to_group(self, group: Group, blob: bytes, batch: Batch, events: int, arrived_at: float) -> None:
        given = len(group)
        for cursor, taken in group.write(blob, self._full):
            given -= not self._hand_to(cursor, blob, batch, taken)
        self._meter.sent(group.transport, len(blob) * given, events * given)
        if self._meter.lag is not None:
            self._meter.lag(group.transport, self._clock() - arrived_at)

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
            self._failed(cursor)
            return False
        if not cursor.active:
            return False  # the write found its client gone
        cursor.fall_behind(batch.end if gets else batch.start)
        self._meter.slow[cursor.reader.transport] += 1
        return gets

    def _failed(self, *cursors: Cursor) -> None:
        _log.exception("%d readers of stream %s failed", len(cursors), self._stream)
        for cursor in cursors:
            cursor.fail()


def _joined(batches: list[Batch]) -> Iterator[Batch]:
    """Small batches as one, as long as it does not become a large one."""
    some: list[Batch] = []
    for batch in batches:
        if some and batch.end - some[0].start > BATCH_BYTES:
            yield join(some)
            some = []
        some.append(batch)
    yield join(some)
