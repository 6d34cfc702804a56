"""Fan-out: those who stand at the tail of a stream, and how what is new gets to them.

A crowd stands in *lanes*. A lane that was served rests, the longer the larger the crowd is; what comes meanwhile waits,
and goes out in one write. So a crowd costs no more than it can take in, and on a busy stream nobody waits for all of
it to be served: lanes have their turns one after another. Nothing waits that need not: a small crowd never rests, what
comes to a lane that has rested goes out at once, and so does what makes a full batch. Of a very large crowd a few lanes
are served at a time, so that other streams need not wait for all of it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from typing import TYPE_CHECKING, Final

from streamhub.lane import Lane, News
from streamhub.stream import BATCH_BYTES

if TYPE_CHECKING:
    from collections.abc import Callable, Container, Iterator

    from streamhub.batch import Batch, Encoder
    from streamhub.cursor import Cursor
    from streamhub.filters import Filter
    from streamhub.lane import LaneGroup
    from streamhub.meter import Meter

_log = logging.getLogger("streamhub.crowd")

#: So many fill a lane: they are served in about a millisecond.
_LANE: Final = 250
#: So many lanes are served at once; then whoever else the event loop has to do with has its turn.
_AT_ONCE: Final = 4
#: No crowd is so large that it rests for longer, in seconds.
_LONGEST_REST: Final = 0.1


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
        return sum(lane.size for lane in self._lanes)

    def __iter__(self) -> Iterator[Cursor]:
        """Each of them, as of now: whoever is met with may leave."""
        return iter([cursor for lane in self._lanes for group in lane.groups.values() for cursor in group])

    @property
    def due_at(self) -> float | None:
        """When somebody is to be served; None when nobody misses anything."""
        return min((lane.due_at for lane in self._lanes if lane.missing), default=None)

    def stand(self, cursor: Cursor) -> None:
        """Have a cursor stand with them, which is at the tail."""
        lane = self._filling
        if lane is None or lane.size >= _LANE:
            lane = self._filling = self._emptiest()
        if lane.missing:
            self._serve([lane])
        lane.add(cursor)

    def grew(self, batches: list[Batch], tail: int, arrived_at: float) -> None:
        """Hand out what came, up to the new tail: to those who have rested; to the others later."""
        self._tidy()
        if self._lanes:
            news = [News(batch, batch.end == tail) for batch in batches]
            for lane in self._lanes:
                lane.miss(news, arrived_at)
            self.serve_due()

    def serve_due(self) -> None:
        """Hand out what is missing in lanes whose time has come: in some of them, if there are many."""
        now = self._clock()
        due = [lane for lane in self._lanes if lane.missing and lane.due_at <= now]
        if len(due) > _AT_ONCE:  # who has waited for longest comes first
            due = sorted(due, key=lambda lane: lane.rested_at)[:_AT_ONCE]
        self._serve(due)

    def serve_all(self) -> None:
        """Hand out all that is missing anywhere."""
        self._serve([lane for lane in self._lanes if lane.missing])

    def _emptiest(self) -> Lane:
        """The lane with the most room, a new one if all are full."""
        lane = min(self._lanes, key=lambda lane: lane.size, default=None)
        if lane is None or lane.size >= _LANE:
            lane = Lane()
            self._lanes.append(lane)
        return lane

    def _tidy(self) -> None:
        """Keep no more lanes than are of use, when many have left."""
        count = len(self)
        if count and len(self._lanes) <= 2 * (count // _LANE) + 1:
            return
        roomy: Lane | None = None
        for lane in sorted((lane for lane in self._lanes if not lane.missing), key=lambda lane: lane.size):
            if roomy is not None and roomy.size + lane.size <= _LANE:
                roomy.take(lane)
            else:
                roomy = lane
        self._lanes = [lane for lane in self._lanes if lane.size]
        self._filling = None

    def _serve(self, lanes: list[Lane]) -> None:
        """Hand out what is missing: to lanes that stand together, together."""
        together: dict[int, list[Lane]] = {}
        for lane in lanes:
            together.setdefault(lane.missing[0].batch.start, []).append(lane)
        for some in together.values():
            self._serve_together(some)

    def _serve_together(self, lanes: list[Lane]) -> None:
        crowd = len(self)
        rest = min(crowd * self._rest_per_head, _LONGEST_REST) if crowd > _LANE else 0.0
        missing, since = lanes[0].missing, lanes[0].since
        for lane in lanes:
            lane.missing = []
        began = self._clock()
        for piece in _pieces(missing):
            forms: dict[tuple[Encoder, Filter], list[LaneGroup]] = {}
            for lane in lanes:
                for key, group in lane.groups.items():
                    forms.setdefault(key, []).append(group)
            for groups in forms.values():
                self._hand_to_groups(groups, piece, since)
        # As if each had been served by itself: from now on they have their turns one after another.
        turn = (self._clock() - began) / len(lanes)
        for number, lane in enumerate(lanes):
            lane.rested_at = began + number * turn + rest

    def _hand_to_groups(self, groups: list[LaneGroup], piece: list[News], arrived_at: float) -> None:
        """Hand what is new to all, in several lanes, who want it in the same form."""
        try:
            kept = [news.batch.filtered(groups[0].wanted) for news in piece]
            blobs = [
                batch.encoded(groups[0].encode, at_tail=news.at_tail) for batch, news in zip(kept, piece, strict=True)
            ]
            blob = blobs[0] if len(blobs) == 1 else b"".join(blobs)
            events = sum(len(batch.lines) for batch in kept)
            start = piece[0].batch.start
            for group in groups:
                if group.position != start:
                    self._leave_to_the_file(group, start)
                    continue
                group.position = piece[-1].batch.end
                if blob and group:
                    self._hand_to_group(group, blob, start, events, arrived_at)
        except Exception:  # noqa: BLE001 - one form's fault is no reason to leave the others without lines
            self._failed(*(cursor for group in groups for cursor in group))

    def _hand_to_group(self, group: LaneGroup, blob: bytes, start: int, events: int, arrived_at: float) -> None:
        given = len(group)
        for cursor, taken in group.write(blob, self._full):
            given -= not self._hand_to(cursor, blob, start, group.position, taken)
        self._meter.sent(group.transport, len(blob) * given, events * given)
        if self._meter.lag is not None:
            self._meter.lag(group.transport, self._clock() - arrived_at)

    def _leave_to_the_file(self, group: LaneGroup, start: int) -> None:
        """Have those read on by themselves who do not stand where the news begins: nobody is to have a gap."""
        place = f"byte {group.position}, and the news begins at {start}"
        _log.error("%d readers of stream %s are at %s: they read on from the file", len(group), self._stream, place)
        loop = asyncio.get_running_loop()
        for cursor in group:
            cursor.fall_behind(group.position)
            loop.call_soon(cursor.reader.pump)  # not before its channel has looked as far as what is handed out now

    def _hand_to(self, cursor: Cursor, blob: bytes, start: int, end: int, taken: int | None) -> bool:
        """Hand bytes to one of which some was taken already, or nothing was tried; False when it did not get them."""
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
        cursor.fall_behind(end if gets else start)
        self._meter.slow[cursor.reader.transport] += 1
        return gets

    def _failed(self, *cursors: Cursor) -> None:
        _log.exception("%d readers of stream %s failed", len(cursors), self._stream)
        for cursor in cursors:
            cursor.fail()


def _pieces(missing: list[News]) -> Iterator[list[News]]:
    """Small batches together, as long as they do not become a large one."""
    piece: list[News] = []
    for news in missing:
        if piece and news.batch.end - piece[0].batch.start > BATCH_BYTES:
            yield piece
            piece = []
        piece.append(news)
    yield piece
