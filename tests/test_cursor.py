from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from streamhub.channel import Channel, Place
from streamhub.cursor import Cursor, Group
from streamhub.filters import EVERYTHING
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.offset import ZERO, Offset
from streamhub.stream import Look
from tests.sinks import Sink, SocketSink, Told, newlined

if TYPE_CHECKING:
    from collections.abc import Iterator

GENERATION = "0123abcd"


@pytest.fixture
def channel() -> Channel:
    """A channel at byte 100."""
    channel = Channel("s")
    channel.look = Look((1, 1), GENERATION, 100, closed=False)
    return channel


@pytest.fixture
def sockets() -> Iterator[list[SocketSink]]:
    """Three sinks with descriptors."""
    full: set[int] = set()
    with SocketSink(full) as one, SocketSink(full) as two, SocketSink(full) as three:
        yield [one, two, three]


def follow(channel: Channel, sink: Sink, place: Place | None = None) -> Cursor:
    """A cursor that is not pumped."""
    reader = Told(History(Folder("nowhere"), ThreadPoolExecutor(1), max_line=1024), sink)
    return reader.follow(place or Place(channel, 100), newlined, EVERYTHING)


# --- a cursor ---------------------------------------------------------------------------------------------------


def test_where_to_resume(channel: Channel) -> None:
    """Alone it is where it stands, in a group where the group stands, before its place is reached that place."""
    cursor = follow(channel, Sink(), Place(channel, 40))
    assert cursor.next == Offset(GENERATION, 40)
    Group(70).add(cursor)
    assert cursor.next == Offset(GENERATION, 70)
    ahead = Offset(GENERATION, 500)
    assert follow(channel, Sink(), Place(channel, offset=ahead)).next == ahead
    channel.look = None
    assert cursor.next == ZERO


def test_falling_behind(channel: Channel) -> None:
    """Out of its group, at a byte, in its reader's list of those to be read on."""
    cursor, group = follow(channel, Sink()), Group(100)
    cursor.reader.behind.clear()
    group.add(cursor)
    cursor.fall_behind(90)
    assert (len(group), cursor.group, cursor.position, cursor.reader.behind) == (0, None, 90, [cursor])


def test_a_reader_that_cannot_even_be_ended(channel: Channel, caplog: pytest.LogCaptureFixture) -> None:
    """It is out of the channel all the same, and nobody else is troubled."""

    class Breaking(Sink):
        def fail(self) -> None:
            raise RuntimeError("nobody foresaw this")

    cursor = follow(channel, Breaking())
    cursor.fail()
    assert not cursor.active
    assert [record.message for record in caplog.records] == ["a reader of stream s could not even be ended"]


# --- a group ----------------------------------------------------------------------------------------------------


def test_a_write_to_all(channel: Channel, sockets: list[SocketSink]) -> None:
    """Everyone's descriptor is written to, of those too who came since the last write, and not of those who left."""
    group, cursors = Group(100), [follow(channel, sink) for sink in sockets]
    for cursor in cursors[:2]:
        group.add(cursor)
    assert group.write(b"a", set()) == []
    group.add(cursors[2])
    cursors[0].leave_group()
    assert group.write(b"b", set()) == []
    assert [sink.received() for sink in sockets] == [b"a", b"ab", b"b"]


def test_those_who_did_not_take_it_all(channel: Channel, sockets: list[SocketSink]) -> None:
    """A full one is left alone, one that fills up says how much it took, a dead one and one without descriptor none."""
    small, full, dead = sockets
    dead.far.close()
    sinks = [small, full, dead, Sink()]
    group, cursors = Group(100), [follow(channel, sink) for sink in sinks]
    for cursor in cursors:
        group.add(cursor)
    blob = b"x" * (1 << 22)
    others = dict(group.write(blob, {full.descriptor}))
    assert others.keys() == set(cursors)
    took = others[cursors[0]]
    assert took is not None
    assert 0 < took < len(blob)
    assert small.received() == blob[:took]
    assert [others[cursor] for cursor in cursors[1:]] == [None] * 3
    assert full.received() == b""


def test_whoever_is_met_with_may_leave(channel: Channel) -> None:
    """Going through a group while it changes gives those who were in it."""
    group, cursors = Group(100), {follow(channel, Sink()) for _ in range(5)}
    for cursor in cursors:
        group.add(cursor)
    met = set()
    for cursor in group:
        cursor.leave_group()
        met.add(cursor)
    assert met == cursors
    assert not group
