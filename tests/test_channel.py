from __future__ import annotations

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from streamhub.batch import Batch
from streamhub.channel import Channel, Place
from streamhub.cursor import Cursor
from streamhub.filters import EVERYTHING, Filter
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.offset import ZERO, Offset
from streamhub.stream import BATCH_BYTES, Look
from streamhub.wire import sse_lines, text_frames
from tests.servers import until
from tests.sinks import Sink, SocketSink, Told, newlined

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.batch import Encoder

GENERATION = "0123abcd"
FILE = (1, 1)


def look(tail: int, *, closed: bool = False, generation: str = GENERATION) -> Look:
    """Where a stream may stand."""
    return Look(FILE, generation, tail, closed)


class Growing:
    """A channel whose stream a test has grow; there is no file, so that history cannot be read."""

    def __init__(self, directory: Path) -> None:
        self.full: set[int] = set()
        self.channel = Channel("s", full=self.full)
        self.channel.look = look(100)
        self.history = History(Folder(str(directory)), ThreadPoolExecutor(1), max_line=1024)
        self.batches: list[Batch] = []

    @property
    def tail(self) -> int:
        """Where it stands."""
        assert self.channel.look is not None
        return self.channel.look.tail

    def grow(self, *lines: bytes, closed: bool = False, batches: int = 1) -> bytes:
        """Tell the channel of new lines, as several batches if asked; gives their bytes."""
        place, told = self.tail, []
        for some in [lines[i::batches] for i in range(batches)]:
            end = place + sum(len(line) + 1 for line in some)
            told.append(Batch("s", GENERATION, place, end, some))
            place = end
        self.batches += told
        self.channel.grew(look(place, closed=closed), told)
        return b"".join(newlined(batch, False) for batch in told)

    def join(self, sink: Sink, encode: Encoder = newlined, wanted: Filter = EVERYTHING) -> tuple[Told, Cursor]:
        """A reader that begins at the tail."""
        reader = Told(self.history, sink)
        cursor = reader.follow(Place(self.channel, self.tail), encode, wanted)
        reader.pump()
        return reader, cursor


@pytest.fixture
def growing(tmp_path: Path) -> Growing:
    """A channel at byte 100 of its stream."""
    return Growing(tmp_path)


# --- fan-out --------------------------------------------------------------------------------------------------


def test_everyone_at_the_tail_is_handed_the_same_bytes(growing: Growing) -> None:
    """A batch is encoded once for all of a form: each sink gets the very same object."""
    plain = [Sink() for _ in range(3)]
    frames = [Sink() for _ in range(2)]
    for sink in plain:
        growing.join(sink)
    for sink in frames:
        growing.join(sink, text_frames)
    data = growing.grow(b"a", b"b")
    assert {sink.taken for sink in plain} == {data}
    assert len({id(sink.blobs[0]) for sink in plain}) == 1
    assert {sink.taken for sink in frames} == {b"\x81\x01a\x81\x01b"}
    assert len({id(sink.blobs[0]) for sink in frames}) == 1


def test_a_sink_that_breaks_is_one_reader_s_trouble(growing: Growing, caplog: pytest.LogCaptureFixture) -> None:
    """What a write raises is logged and ends that reader; the others have every line, then and later."""
    sinks = [Sink(breaks=number % 3 == 1) for number in range(9)]
    readers = [growing.join(sink)[0] for sink in sinks]
    data = growing.grow(b"a", b"b", batches=2) + growing.grow(b"c")
    for sink, reader in zip(sinks, readers, strict=True):
        assert (sink.taken, sink.failed) == ((b"", True) if sink.breaks else (data, False))
        assert bool(reader.cursors) != sink.breaks
    assert len([record for record in caplog.records if record.exc_info]) == 3


def test_a_form_that_cannot_be_made_is_the_trouble_of_those_who_want_it(
    growing: Growing, caplog: pytest.LogCaptureFixture
) -> None:
    """What an encoder raises is logged and ends the readers of that form, who would have a gap; the others go on."""

    def fails(batch: Batch, at_tail: bool) -> bytes:
        raise ValueError("no such form")

    bad, good = [Sink(), Sink()], [Sink(), Sink()]
    for sink in bad:
        growing.join(sink, fails)
    for sink in good:
        growing.join(sink)
    data = growing.grow(b"a") + growing.grow(b"b")
    assert [sink.failed for sink in bad] == [True, True]
    assert [sink.taken for sink in good] == [data, data]
    assert len(caplog.records) == 1


@pytest.mark.parametrize("happens", ["appeared", "replaced"])
def test_a_reader_that_breaks_when_it_is_told_keeps_nothing_from_the_others(growing: Growing, happens: str) -> None:
    """Whoever raises when its stream comes, or is replaced, is ended; the others are told."""

    class Breaking(Told):
        __slots__ = ()

        def joined(self, cursor: Cursor, look: Look) -> None:
            raise RuntimeError("nobody foresaw this")

        def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
            raise RuntimeError("nobody foresaw this")

    appears = happens == "appeared"
    if appears:
        growing.channel.look = None
    readers = [kind(growing.history, Sink()) for kind in (Breaking, Told, Breaking, Told)]
    for reader in readers:
        reader.follow(Place(growing.channel, 0 if appears else growing.tail), newlined)
        reader.pump()
    if appears:
        growing.channel.appeared(look(0))
    else:
        growing.channel.replaced(None)
    told = [[what for what, _ in reader.told] for reader in readers]
    assert told == [[], ["joined" if appears else "reset"]] * 2


def test_batches_come_in_order_and_once(growing: Growing) -> None:
    """Several batches of one look, and of several, make the stream; the small ones of a look are one write."""
    sink = Sink()
    growing.join(sink)
    data = growing.grow(b"a", b"b" * BATCH_BYTES, b"c", batches=3) + growing.grow(b"d", b"e", batches=2)
    assert sink.taken == data
    assert sink.blobs[-1] == b"d\ne\n"
    assert len(sink.blobs) == 4


def test_only_the_last_batch_of_a_look_reaches_the_tail(growing: Growing) -> None:
    """Encoders are told which batch reaches the tail: clients are then up to date."""
    seen: list[bool] = []

    def encode(batch: Batch, at_tail: bool) -> bytes:
        seen.append(at_tail)
        return newlined(batch, at_tail)

    growing.join(Sink(), encode)
    growing.grow(b"a", b"b" * BATCH_BYTES, batches=2)
    growing.grow(b"c")
    assert seen == [False, True, True]


def test_filters_share_an_encoding_too(growing: Growing) -> None:
    """Equal filters get the same bytes; one that leaves nothing gets nothing, and its reader stays at the tail."""
    sinks = [Sink(), Sink(), Sink()]
    for sink, wanted in zip(sinks, ["a", "a", "zzz"], strict=True):
        growing.join(sink, newlined, Filter(contains=wanted))
    growing.grow(b"a1", b"b", b"A2")
    assert [sink.taken for sink in sinks] == [b"a1\nA2\n", b"a1\nA2\n", b""]
    assert sinks[0].blobs[0] is sinks[1].blobs[0]
    growing.grow(b"zzz")
    assert sinks[2].taken == b"zzz\n"


def test_an_offset_advances_past_what_is_filtered_out(growing: Growing) -> None:
    """A form that carries offsets says where the search is, and the cursor says it too."""
    sink = Sink()
    _, cursor = growing.join(sink, sse_lines, Filter(contains="zzz"))
    growing.grow(b"a")
    assert sink.taken == b"id: %s\n\n" % str(Offset(GENERATION, growing.tail)).encode()
    assert cursor.next == Offset(GENERATION, growing.tail)


# --- straight to descriptors ----------------------------------------------------------------------------------


def test_descriptors_are_written_to_directly(growing: Growing) -> None:
    """Sinks with a descriptor are not asked to write: the bytes are on their sockets, the same as everyone's."""
    with SocketSink(growing.full) as one, SocketSink(growing.full) as other:
        sinks = [one, Sink(), other]
        for sink in sinks:
            growing.join(sink)
        data = growing.grow(b"a", b"b", batches=2) + growing.grow(b"c")
        assert (one.received(), sinks[1].taken, other.received()) == (data, data, data)
        assert one.blobs == other.blobs == []
        transport = Told.transport
        meter = growing.channel.meter
        assert (meter.events[transport], meter.bytes[transport], meter.slow[transport]) == (9, 3 * len(data), 0)


def test_a_socket_that_fills_up_falls_behind_after_the_batch(growing: Growing) -> None:
    """What a socket did not take is its sink's to keep: the reader goes on after the batch, not before."""
    with SocketSink(growing.full) as sink, SocketSink(growing.full) as other:
        reader, cursor = growing.join(sink)
        growing.join(other)
        data = growing.grow(b"x" * (1 << 20))
        assert sink.rests == [data[len(sink.received()) :]]
        assert cursor.next == Offset(GENERATION, 100 + len(data))
        assert reader.behind == [cursor]
        assert growing.full == {sink.descriptor, other.descriptor}
        assert growing.channel.meter.slow[Told.transport] == 2


def test_a_socket_that_is_full_is_not_written_to(growing: Growing) -> None:
    """A descriptor that is known to be full is left alone: its reader stays before the batch, and gets it later."""
    with SocketSink(growing.full) as sink, SocketSink(growing.full) as other:
        reader, cursor = growing.join(sink)
        growing.join(other)
        sink.keep(memoryview(b"rest"))
        data = growing.grow(b"a")
        assert (sink.received(), other.received()) == (b"", data)
        assert cursor.next == Offset(GENERATION, 100)
        assert reader.behind == [cursor]
        assert growing.channel.meter.events[Told.transport] == 1


def test_a_socket_that_is_dead_is_its_sink_s_trouble(growing: Growing) -> None:
    """A write that fails is left to the sink, which knows what an error means; the others have their lines."""
    with SocketSink(growing.full) as sink, SocketSink(growing.full) as other:
        sink.dies = True
        growing.join(sink)
        growing.join(other)
        sink.far.close()
        data = growing.grow(b"a")
        assert other.received() == data
        assert [cursor.reader.sink for cursor in growing.channel.cursors] == [other]
        assert growing.channel.meter.events[Told.transport] == 1


def test_when_they_were_last_fed(growing: Growing) -> None:
    """A reader knows when it was last handed something, whichever way; what a filter leaves out feeds nobody."""
    with SocketSink(growing.full) as sink:
        fed, _ = growing.join(sink)
        hungry, _ = growing.join(Sink(), newlined, Filter(contains="nothing"))
        before = time.monotonic()
        growing.grow(b"a")
        assert fed.fed_at >= before
        assert hungry.fed_at == 0


# --- who does not keep up -------------------------------------------------------------------------------------


def test_a_sink_that_fills_up_falls_behind_after_the_batch(growing: Growing) -> None:
    """What was written counts as delivered: the reader goes on after it, when its sink takes bytes again."""
    sink = Sink(full=[True])
    reader, cursor = growing.join(sink)
    growing.grow(b"a", b"b" * BATCH_BYTES, batches=2)
    assert sink.taken == b"a\n"
    assert cursor.next == Offset(GENERATION, 102)
    assert reader.behind == [cursor]


def test_a_sink_that_is_full_stays_where_it_was(growing: Growing) -> None:
    """A blocked sink is given nothing, and misses nothing: it stands where it stood."""
    sink = Sink()
    reader, cursor = growing.join(sink)
    sink.blocked = True
    growing.grow(b"a", b"b", batches=2)
    growing.grow(b"c")
    assert sink.taken == b""
    assert cursor.next == Offset(GENERATION, 100)
    assert reader.behind == [cursor]


def test_clients_that_vanish_take_nothing_from_the_others(growing: Growing) -> None:
    """A socket that turns out to be dead in the middle of the fan-out leaves; everyone else gets the batch."""
    alive, dead = [Sink() for _ in range(10)], [Sink(dies=True) for _ in range(10)]
    readers = [growing.join(sink)[0] for pair in zip(alive, dead, strict=True) for sink in pair]
    data = growing.grow(b"a") + growing.grow(b"b")
    assert [sink.taken for sink in alive] == [data] * 10
    assert {cursor.reader for cursor in growing.channel.cursors} == set(readers[::2])


def test_what_is_counted_is_what_was_taken(growing: Growing) -> None:
    """A full sink's share is not counted as sent, nor a dead one's; who falls behind is slow, who is gone is not."""
    sinks = [Sink(), Sink(full=[True]), Sink(), Sink(dies=True)]
    for sink in sinks:
        growing.join(sink)
    sinks[2].blocked = True
    growing.grow(b"a", b"bc")
    meter, transport = growing.channel.meter, Told.transport
    assert (meter.events[transport], meter.bytes[transport]) == (4, len(sinks[0].taken) + len(sinks[1].taken))
    assert meter.slow[transport] == 2
    growing.grow(b"d")
    assert (meter.events[transport], meter.slow[transport]) == (5, 2)


def test_clients_may_vanish_when_told_the_end_or_a_reset(growing: Growing) -> None:
    """The same while all are told that the stream is over, or replaced."""

    class Leaving(Told):
        __slots__ = ()

        def ended(self, cursor: Cursor, look: Look) -> None:
            super().ended(cursor, look)
            self.close()

        def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
            super().reset(cursor, earliest)
            self.close()

    for tell, kind in (
        (lambda: growing.grow(b"a", closed=True), "ended"),
        (lambda: growing.channel.replaced(look(5)), "reset"),
    ):
        readers = [Leaving(growing.history, Sink()) for _ in range(10)]
        growing.channel.look = look(100)
        for reader in readers:
            reader.follow(Place(growing.channel, 100), newlined)
            reader.pump()
        tell()
        assert [reader.told[0][0] for reader in readers] == [kind] * 10
        assert not growing.channel.cursors


# --- coming, ending, going ------------------------------------------------------------------------------------


def test_the_end_is_told_once(growing: Growing) -> None:
    """Who has read a closed stream to its end is told, after the last line, and gets no more."""
    sink = Sink()
    reader, cursor = growing.join(sink)
    data = growing.grow(b"a", closed=True)
    assert sink.taken == data
    assert reader.told == [("ended", look(growing.tail, closed=True))]
    assert not cursor.active
    growing.grow(b"a foreign line")
    assert sink.taken == data
    assert len(reader.told) == 1


def test_who_comes_after_the_end_is_told_at_once(growing: Growing) -> None:
    """A reader at the tail of a closed stream has nothing to wait for."""
    growing.grow(b"a", closed=True)
    assert growing.join(Sink())[0].told == [("ended", look(growing.tail, closed=True))]


def test_a_foreign_line_reopens_for_new_readers(growing: Growing) -> None:
    """Past a closed stream's end, new readers follow again."""
    growing.grow(b"a", closed=True)
    growing.grow(b"b")
    sink = Sink()
    reader, _ = growing.join(sink)
    assert growing.grow(b"c") == sink.taken
    assert reader.told == []


def test_everyone_in_a_replaced_file_is_told(growing: Growing) -> None:
    """At the tail, behind or waiting: each is told where the new file begins, once, and is given no more."""
    tail, slow = Sink(), Sink(full=[True])
    readers = [growing.join(tail)[0], growing.join(slow)[0]]
    growing.grow(b"a")
    growing.channel.replaced(look(50, generation="aaaaaaaa"))
    assert [reader.told for reader in readers] == [[("reset", Offset("aaaaaaaa", 0))]] * 2
    before = tail.taken
    growing.grow(b"b")
    assert tail.taken == before
    assert not growing.channel.cursors


def test_everyone_in_a_deleted_file_is_told(growing: Growing) -> None:
    """A deleted file has no earliest offset."""
    reader, _ = growing.join(Sink())
    growing.channel.replaced(None)
    assert reader.told == [("reset", None)]


def test_who_waits_for_a_stream_is_told_that_it_came(growing: Growing) -> None:
    """Before there is a stream its readers wait at the zero offset; then they join, and read from its beginning."""
    growing.channel.look = None
    reader = Told(growing.history, sink := Sink())
    cursor = reader.follow(Place(growing.channel), newlined)
    reader.pump()
    assert cursor.next == ZERO
    growing.channel.appeared(Look(FILE, "00000000", 0, closed=False))
    assert reader.told == [("joined", growing.channel.look)]
    assert cursor.next == ZERO
    growing.grow(b"a")
    assert sink.taken == b"a\n"


def test_who_waits_for_a_copy_that_lags_begins_where_it_asked(growing: Growing) -> None:
    """A cursor past the tail stands still until the file comes that far, then gets what follows its offset, no less."""
    sink = Sink()
    reader = Told(growing.history, sink)
    offset = Offset(GENERATION, 104)
    cursor = reader.follow(Place(growing.channel, offset=offset), newlined)
    reader.pump()
    growing.grow(b"a")
    assert cursor.next == offset
    assert sink.taken == b""
    growing.grow(b"b")
    assert cursor.next == offset
    growing.grow(b"c")
    assert sink.taken == b"c\n"
    assert reader.told == []


def test_who_waits_for_a_copy_of_another_generation_is_reset(growing: Growing) -> None:
    """When what comes turns out to be another stream, the cursor is told, not fed."""
    growing.channel.look = None
    reader = Told(growing.history, sink := Sink())
    reader.follow(Place(growing.channel, offset=Offset("ffffffff", 3)), newlined)
    reader.pump()
    growing.channel.appeared(look(100))
    assert reader.told[-1] == ("reset", Offset(GENERATION, 0))
    assert sink.taken == b""
    assert not growing.channel.cursors


@pytest.mark.parametrize("new", [look(300, generation="ffffffff"), None])
def test_a_place_in_a_file_that_is_no_more_is_no_place(growing: Growing, new: Look | None) -> None:
    """Between finding its place and taking it (others of a socket had to be looked up) a reader's file was replaced."""
    reader = Told(growing.history, sink := Sink())
    place = Place(growing.channel, 50)
    growing.channel.replaced(new)
    reader.follow(place, newlined)
    reader.pump()
    assert reader.told == [("reset", new and new.earliest)]
    assert sink.taken == b""
    assert not growing.channel.cursors


def test_nothing_is_left_of_those_who_leave(growing: Growing) -> None:
    """Closed readers, their forms and their filters are forgotten."""
    readers = [growing.join(Sink(), newlined, Filter(contains=str(i)))[0] for i in range(5)]
    assert len(growing.channel.cursors) == 5
    for reader in readers:
        reader.close()
    growing.grow(b"a")
    assert not growing.channel.watched
    assert not growing.channel._crowd._lanes


# --- a crowd that rests ---------------------------------------------------------------------------------------


class Crowded(Growing):
    """Three who rest for half a minute after they were served; looks at the file are noted, and end when told to."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch, rest: float = 10.0) -> None:
        super().__init__(directory)
        monkeypatch.setattr("streamhub.crowd._LANE", 1)
        monkeypatch.setattr("streamhub.crowd._LONGEST_REST", 60.0)
        self.glances: list[Callable[[], None]] = []
        self.channel = Channel(
            "s", full=self.full, rest_per_head=rest, glance=lambda _, then: self.glances.append(then)
        )
        self.channel.look = look(100)
        self.sinks = [Sink() for _ in range(3)]
        self.readers = [self.join(sink)[0] for sink in self.sinks]

    @property
    def taken(self) -> set[bytes]:
        """What each has."""
        return {sink.taken for sink in self.sinks}


async def test_who_has_rested_is_served_after_another_look(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The file is looked at once more when a lane has rested, and what is found goes out with what it missed."""
    crowded = Crowded(tmp_path, monkeypatch, rest=0.01)
    data = crowded.grow(b"a") + crowded.grow(b"b")
    assert crowded.taken == {b"a\n"}
    await until(lambda: bool(crowded.glances))
    data += crowded.grow(b"c")
    assert len(crowded.glances) == 1
    crowded.glances.pop()()
    while crowded.taken != {data}:
        await asyncio.sleep(0.001)
        for then in crowded.glances:
            then()
        crowded.glances.clear()
    assert {tuple(sink.blobs) for sink in crowded.sinks} == {(b"a\n", b"b\nc\n")}


async def test_a_large_crowd_is_served_to_the_last(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """In portions, between which the event loop does what else there is; nobody has to wait for another line."""
    crowded = Crowded(tmp_path, monkeypatch)
    monkeypatch.setattr("streamhub.crowd._AT_ONCE", 1)
    data = crowded.grow(b"a")
    assert sorted(sink.taken for sink in crowded.sinks) == [b"", b"", data]
    while crowded.taken != {data}:
        await asyncio.sleep(0)
        for then in crowded.glances:
            then()
        crowded.glances.clear()


async def test_a_look_that_takes_for_ever_holds_nobody_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk that hangs is waited for but a moment: what was read before it hung is handed out."""
    crowded = Crowded(tmp_path, monkeypatch, rest=0.01)
    data = crowded.grow(b"a") + crowded.grow(b"b")
    await until(lambda: crowded.taken == {data})
    assert len(crowded.glances) == 1
    crowded.glances.pop()()
    assert crowded.taken == {data}


async def test_who_rests_for_less_does_not_wait_for_the_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When most have left, whoever is served then rests for less, and is served again as soon as that is over."""
    crowded = Crowded(tmp_path, monkeypatch, rest=20.0)
    crowded.grow(b"a")
    crowded.grow(b"b")
    crowded.readers[2].close()
    crowded.channel._crowd._rest_per_head = 0.005
    late = Sink()
    crowded.join(late)
    data = crowded.grow(b"c")
    while late.taken != data:
        await asyncio.sleep(0.001)
        for then in crowded.glances:
            then()
        crowded.glances.clear()
    assert crowded.sinks[0].taken == b"a\n"
    crowded.channel.close()


async def test_the_end_waits_for_nobody_s_rest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """When a stream is closed, all have all of it, and are told."""
    crowded = Crowded(tmp_path, monkeypatch)
    data = crowded.grow(b"a") + crowded.grow(b"b") + crowded.grow(b"c", closed=True)
    assert crowded.taken == {data}
    assert [reader.told for reader in crowded.readers] == [[("ended", crowded.channel.look)]] * 3
    crowded.channel.close()


@pytest.mark.parametrize("new", [look(5, generation="ffffffff"), None])
async def test_a_file_that_goes_takes_nothing_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, new: Look | None
) -> None:
    """What was seen of a file before it was replaced or deleted is handed out before that is told."""
    crowded = Crowded(tmp_path, monkeypatch)
    data = crowded.grow(b"a") + crowded.grow(b"b")
    crowded.channel.replaced(new)
    assert crowded.taken == {data}
    assert [reader.told for reader in crowded.readers] == [[("reset", new and new.earliest)]] * 3
    crowded.channel.close()


@pytest.mark.slow
async def test_a_channel_that_was_closed_hands_out_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No timer is left behind."""
    crowded = Crowded(tmp_path, monkeypatch, rest=0.1)
    crowded.grow(b"a")
    crowded.grow(b"b")
    crowded.channel.close()
    await asyncio.sleep(0.5)
    assert crowded.taken == {b"a\n"}
    assert not crowded.glances


# --- where a reader stands ------------------------------------------------------------------------------------


def test_place() -> None:
    """A place says where it is, and whether anything will ever come there."""
    channel = Channel("s")
    place = Place(channel)
    assert (place.next, place.at_end) == (ZERO, False)
    channel.look = look(100)
    assert (place.next, place.at_end) == (Offset(GENERATION, 0), False)
    place = Place(channel, 100)
    assert (place.next, place.at_end) == (Offset(GENERATION, 100), False)
    channel.look = look(100, closed=True)
    assert place.at_end
    ahead = Place(channel, offset=Offset(GENERATION, 200))
    assert (ahead.next, ahead.at_end) == (Offset(GENERATION, 200), False)


# --- waiting without a cursor ---------------------------------------------------------------------------------


async def waiting(channel: Channel, seconds: float = 30.0) -> asyncio.Task[None]:
    """A task that waits for a change from where the channel stands, and has begun to."""
    task = asyncio.create_task(channel.changed(channel.look, seconds))
    await asyncio.sleep(0)
    assert channel.waiters
    assert channel.watched
    return task


async def test_waiters_go_on_at_any_change(growing: Growing) -> None:
    """Growth, an end, a replaced or deleted file, one that appears, and a server that drains: each is news."""
    channel = growing.channel
    for change in (
        lambda: growing.grow(b"a"),
        lambda: growing.grow(b"a", closed=True),
        lambda: channel.replaced(look(5)),
        lambda: channel.replaced(None),
        lambda: channel.appeared(look(5)),
        channel.release,
    ):
        tasks = [await waiting(channel) for _ in range(3)]
        change()
        await asyncio.gather(*tasks)
        assert not channel.waiters


async def test_news_that_came_before_the_wait_is_news(growing: Growing) -> None:
    """Whoever looked at a stream that has moved on since does not wait: not for growth, nor for what came or went."""
    channel = growing.channel
    for change in (
        lambda: growing.grow(b"a"),
        lambda: channel.replaced(look(5)),
        lambda: channel.replaced(None),
        lambda: channel.appeared(look(5)),
    ):
        before = channel.look
        change()
        async with asyncio.timeout(5):
            await channel.changed(before, 30)


async def test_a_wait_without_news_ends(growing: Growing) -> None:
    """When the time is up, or the waiter is cancelled, nothing is left of it."""
    await growing.channel.changed(growing.channel.look, 0.01)
    assert not growing.channel.waiters
    task = await waiting(growing.channel)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert not growing.channel.waiters
