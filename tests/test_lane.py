from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from streamhub.batch import Batch
from streamhub.channel import Channel, Place
from streamhub.cursor import Cursor
from streamhub.filters import EVERYTHING, Filter
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.lane import Lane, News
from streamhub.stream import BATCH_BYTES
from tests.sinks import Sink, Told, newlined


def standing(lane: Lane, wanted: Filter = EVERYTHING) -> Cursor:
    """Somebody in a lane."""
    reader = Told(History(Folder("nowhere"), ThreadPoolExecutor(1), max_line=1024), Sink())
    cursor = reader.follow(Place(Channel("s"), 100), newlined, wanted)
    lane.add(cursor)
    return cursor


def news(start: int, size: int) -> News:
    """A batch of so many bytes."""
    return News(Batch("s", "0123abcd", start, start + size, [b"x" * (size - 1)]), at_tail=True)


def test_it_is_due_when_it_has_rested_or_when_a_batch_is_full() -> None:
    """What it misses is counted from when the first of it came."""
    lane = Lane()
    lane.rested_at = 7.0
    lane.miss([news(100, 10)], 3.0)
    assert (lane.due_at, lane.since) == (7.0, 3.0)
    lane.miss([news(110, BATCH_BYTES - 10)], 5.0)
    assert (lane.due_at, lane.since) == (0.0, 3.0)


def test_those_who_leave_are_counted_out() -> None:
    """A group goes with the last who is in it."""
    lane = Lane()
    cursors = [standing(lane), standing(lane), standing(lane, Filter(contains="x"))]
    assert (lane.size, len(lane.groups)) == (3, 2)
    for cursor, left in zip(cursors, [(2, 2), (1, 1), (0, 0)], strict=True):
        cursor.leave_group()
        assert (lane.size, len(lane.groups)) == left


def test_two_become_one() -> None:
    """It rests as long as either, and its groups have been fed when either was."""
    one, other = Lane(), Lane()
    cursors = [standing(one), standing(other), standing(other, Filter(contains="x"))]
    one.rested_at, other.rested_at = 5.0, 9.0
    other.groups[newlined, EVERYTHING].fed_at = 4.0
    one.take(other)
    assert (one.size, other.size, one.rested_at) == (3, 0, 9.0)
    assert {cursor.position for cursor in cursors} == {100}
    assert one.groups[newlined, EVERYTHING].fed_at == 4.0
