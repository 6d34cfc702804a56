from __future__ import annotations

import asyncio
import logging
import random
from concurrent.futures import Executor, Future
from contextlib import AsyncExitStack, closing
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.channel import Channel, Place
from streamhub.filters import EVERYTHING, Filter
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.offset import Offset
from streamhub.stream import BATCH_BYTES
from streamhub.tail import Appeared, Grew, Tail
from tests import naive
from tests.naive import padded
from tests.scarcity import few_descriptors
from tests.servers import until
from tests.sinks import Sink, Told, newlined

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

MAX_LINE = 4 * BATCH_BYTES
FINAL = b'{"event_type":"status","payload":{"state":"completed","final":true}}'


class AtOnce(Executor):
    """Runs what it is given there and then, so that a test decides what happens when."""

    def submit(self, function: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Run it."""
        future: Future[Any] = Future()
        try:
            future.set_result(function(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - it is passed on
            future.set_exception(error)
        return future


@dataclass
class Expected:
    """A reader, and what it is to be given."""

    told: Told
    sink: Sink
    start: int
    wanted: Filter
    generation: int


class House:
    """One stream with its tail, channel and history, all moved by hand."""

    def __init__(self, directory: Path, stream: str = "s") -> None:
        self.path = directory / f"{stream}.jsonl"
        self.folder = Folder(str(directory))
        self.tail = Tail(self.folder, stream, MAX_LINE, keep_open=True)
        self.channel = Channel(stream)
        self.channel.look = self.tail.look
        self.history = History(self.folder, AtOnce(), max_line=MAX_LINE, kept=4)
        self.readers: list[Expected] = []
        self.generation = 0

    def close(self) -> None:
        """Give the descriptors back."""
        for reader in self.readers:
            reader.told.close()
        self.tail.close()
        self.folder.close()

    @property
    def data(self) -> bytes:
        """The complete lines in the file."""
        data = self.path.read_bytes() if self.path.exists() else b""
        return data[: data.rfind(b"\n") + 1]

    def append(self, data: bytes) -> None:
        """Write at the end of the file; nobody knows yet."""
        with self.path.open("ab") as file:
            file.write(data)

    def look(self) -> None:
        """Poll once, and tell the channel."""
        match self.tail.verify() or self.tail.poll():
            case None:
                pass
            case Grew(look, batches):
                self.channel.grew(look, batches)
            case Appeared(look):
                self.channel.appeared(look)
            case change:
                self.history.forget(self.channel.stream)
                self.channel.replaced(getattr(change, "look", None))

    def look_all(self) -> None:
        """Poll until nothing is new."""
        self.look()
        while self.tail.backlog:
            self.look()

    def join(self, start: int, full: Iterable[bool] = (), wanted: Filter = EVERYTHING) -> Expected:
        """A reader from a byte on."""
        sink = Sink(full)
        told = Told(self.history, sink)
        self.readers.append(Expected(told, sink, start, wanted, self.generation))
        told.follow(Place(self.channel, start), newlined, wanted)
        told.pump()
        return self.readers[-1]

    async def settle(self) -> None:
        """Let everything that was begun come to its end."""
        for _ in range(3):
            await asyncio.sleep(0)
            while self.history._reading:
                await asyncio.sleep(0)

    async def finish(self) -> None:
        """Have every sink take everything."""
        while any(reader.sink.blocked for reader in self.readers):
            for reader in self.readers:
                reader.sink.unblock()
            await self.settle()
        await self.settle()

    def expected(self, reader: Expected) -> bytes:
        """What a reader is to have got."""
        lines = [line.delivered for line in naive.lines(self.data, MAX_LINE) if line.start >= reader.start]
        return b"".join(line + b"\n" for line in lines if reader.wanted.wants(line))


@pytest.fixture
def house(tmp_path: Path) -> Iterable[House]:
    """A stream of 1,000 lines of 1,000 bytes, in about 16 batches."""
    (tmp_path / "s.jsonl").write_bytes((padded(999) + b"\n") * 1000)
    with closing(House(tmp_path)) as it:
        yield it


# --- one reader -----------------------------------------------------------------------------------------------


async def test_history_then_live(house: House) -> None:
    """From the beginning through the file to the tail, and on with what is written: one stream without a seam."""
    reader = house.join(0)
    await house.settle()
    house.append(padded(100) + b"\n")
    house.look()
    assert reader.sink.taken == house.data
    assert reader.told.told == []


async def test_lines_that_come_while_history_is_read(house: House) -> None:
    """A reader that is still in the past is not handed what comes at the tail: it reads that on from the file."""
    reader = house.join(0)
    while not reader.sink.blobs:
        await asyncio.sleep(0)
    house.append(padded(100) + b"\n")
    house.look()
    await house.settle()
    assert reader.sink.taken == house.data


async def test_others_get_their_turn(house: House) -> None:
    """A reader of a long history gives way after some batches, though all of it is at hand and its sink never fills."""
    house.history = History(house.folder, AtOnce(), max_line=MAX_LINE)
    await asyncio.gather(house.history.fetch("s", house.channel.look, 0))  # type: ignore[arg-type]
    first = house.join(0)
    await house.settle()
    batches = len(first.sink.blobs)
    second = house.join(0)
    assert 0 < len(second.sink.blobs) < batches
    await house.settle()
    assert second.sink.taken == house.data


async def test_a_full_sink_is_left_alone(house: House) -> None:
    """While it takes nothing, nothing is read for it, and nothing is kept for it."""
    reader = house.join(0, full=[True])
    await house.settle()
    reads = house.history.reads
    for _ in range(20):
        house.append(padded(100) + b"\n")
        house.look()
        await house.settle()
    assert len(reader.sink.blobs) == 1
    assert house.history.reads == reads
    await house.finish()
    assert reader.sink.taken == house.data


async def test_the_end_comes_after_the_last_line(house: House) -> None:
    """A closed stream is told once everything is delivered, also to a slow reader, and only once."""
    house.append(FINAL + b"\n")
    house.look()
    fast, slow = house.join(0), house.join(0, full=[True] * 5)
    await house.settle()
    assert fast.told.told == [("ended", house.channel.look)]
    assert slow.told.told == []
    await house.finish()
    assert slow.told.told == [("ended", house.channel.look)]
    assert slow.sink.taken == fast.sink.taken == house.data


async def test_a_stream_that_is_reopened_under_a_slow_reader(house: House) -> None:
    """A foreign line past the end that comes before a reader was told the end is read like any other."""
    house.append(FINAL + b"\n")
    house.look()
    slow = house.join(0, full=[True])
    await house.settle()
    house.append(padded(50) + b"\n")
    house.look()
    await house.finish()
    assert slow.told.told == []
    assert slow.sink.taken == house.data


@pytest.mark.parametrize("size", [0, 500, 3000, 500_000])
async def test_a_cut_under_a_reader_in_the_past(house: House, size: int) -> None:
    """A reader whose file is cut while it reads is told, whether the poll or its own read comes first."""
    for poll_first in (True, False):
        house.path.write_bytes((padded(999) + b"\n") * 1000)
        house.look_all()
        house.history.forget("s")
        reader = house.join(4000, full=[True])
        await house.settle()
        house.path.write_bytes(house.data[:size])
        if poll_first:
            house.look()
        await house.finish()
        assert [kind for kind, _ in reader.told.told] == ["reset"]
        house.look()
        await house.finish()
        assert [kind for kind, _ in reader.told.told] == ["reset"]


async def test_a_deleted_file_under_a_reader_in_the_past(house: House) -> None:
    """When its own read finds no file, the reader is told that it is gone."""
    reader = house.join(0, full=[True])
    await house.settle()
    house.history.forget("s")
    house.path.unlink()
    await house.finish()
    assert reader.told.told == [("reset", None)]


@pytest.mark.slow
async def test_a_failing_disk_is_tried_again(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A read that fails is logged, and tried again after half a second; the reader misses nothing."""
    caplog.set_level(logging.WARNING, "streamhub.reader")
    with few_descriptors(0):
        reader = house.join(0)
        await house.settle()
    assert "Too many open files" in caplog.text
    assert reader.sink.taken == b""
    async with asyncio.timeout(30):
        while reader.sink.taken != house.data:
            await asyncio.sleep(0.05)


async def test_what_nobody_foresaw_ends_one_reader(house: House, caplog: pytest.LogCaptureFixture) -> None:
    """A sink that raises while history is read into it ends its reader, which is logged; others read on."""
    bad, good = Sink(breaks=True), Sink()
    house.append(b'{"a":1}\n')
    house.look()
    for sink in (bad, good):
        reader = Told(house.history, sink)
        reader.follow(Place(house.channel), newlined)
        reader.pump()
    await until(lambda: bool(good.taken) and bad.failed)
    assert house.channel.cursors == {cursor for cursor in house.channel.cursors if cursor.reader.sink is good}
    assert len([record for record in caplog.records if record.exc_info]) == 1


async def test_nothing_comes_after_a_reader_was_closed(house: House) -> None:
    """A read that ends after its reader left is not delivered, and no channel knows the reader any more."""
    reader = house.join(0)
    reader.told.close()
    await house.settle()
    house.append(padded(10) + b"\n")
    house.look()
    reader.told.pump()
    assert reader.sink.taken == b""
    assert not house.channel.watched


async def test_a_reader_that_was_closed_joins_nothing(house: House) -> None:
    """A client that vanishes while its streams are being added leaves nothing behind in them."""
    sink = Sink()
    reader = Told(house.history, sink)
    reader.close()
    reader.follow(Place(house.channel), newlined)
    reader.pump()
    await house.settle()
    assert sink.taken == b""
    assert not house.channel.watched


async def test_a_reader_that_dies_in_a_write_is_gone(house: House) -> None:
    """When a write finds the client gone, the pump stops and nothing is left."""
    sink = Sink(dies=True)
    reader = Told(house.history, sink)
    reader.follow(Place(house.channel), newlined)
    reader.pump()
    await house.settle()
    assert not house.channel.watched
    assert reader.behind == reader.cursors == []


# --- many streams, one reader ---------------------------------------------------------------------------------


async def test_many_streams_are_read_in_turn(tmp_path: Path) -> None:
    """One long stream does not hold up the others: each gets its share of a sink that fills after every batch."""
    async with AsyncExitStack() as stack:
        houses = []
        for i in range(5):
            (tmp_path / f"{i}.jsonl").write_bytes((b'{"i":%d,"x":"%s"}\n' % (i, b"x" * 980)) * 500)
            houses.append(stack.enter_context(closing(House(tmp_path, str(i)))))
        history = History(houses[0].folder, AtOnce(), max_line=MAX_LINE)
        sink = Sink(full=[True] * 1000)
        reader = Told(history, sink)
        for one in houses:
            reader.follow(Place(one.channel), newlined)
        reader.pump()
        for _ in range(10):
            await houses[0].settle()
            sink.unblock()
        await houses[0].settle()
        counts = [sum(blob.startswith(b'{"i":%d' % i) for blob in sink.blobs) for i in range(5)]
        assert min(counts) >= 1
        assert max(counts) <= 4
        while sink.blocked:
            sink.unblock()
            while history._reading:
                await asyncio.sleep(0)
            await houses[0].settle()
        for i, one in enumerate(houses):
            assert b"".join(blob for blob in sink.blobs if blob.startswith(b'{"i":%d' % i)) == one.data


async def test_a_slow_reader_of_many_streams_reads_little_ahead(tmp_path: Path) -> None:
    """Each time its sink takes a batch, a few pieces are read for it, not one for every stream that it follows."""
    async with AsyncExitStack() as stack:
        houses = []
        for i in range(60):
            (tmp_path / f"{i}.jsonl").write_bytes((padded(999) + b"\n") * 300)
            houses.append(stack.enter_context(closing(House(tmp_path, str(i)))))
        history = History(houses[0].folder, AtOnce(), max_line=MAX_LINE)
        sink = Sink(full=[True] * 10_000)
        reader = Told(history, sink)
        for one in houses:
            reader.follow(Place(one.channel), newlined)
        reader.pump()
        while history._reading:
            await asyncio.sleep(0)
        for _ in range(20):
            sink.unblock()
            while history._reading:
                await asyncio.sleep(0)
        assert history.reads <= 20 * 9


# --- any number of readers, sinks that block at random ---------------------------------------------------------

LINE = st.sampled_from([b"{}", b'{"a":1}', b'{"event_type":"signal"}', b""]) | st.sampled_from(
    [10, 300, 5000, BATCH_BYTES - 1, BATCH_BYTES + 10]
).map(padded)
ACTION = st.one_of(
    st.tuples(st.just("append"), st.lists(LINE, min_size=1, max_size=5)),
    st.tuples(st.just("append"), st.lists(LINE, min_size=1, max_size=5)),
    st.tuples(st.just("tear"), st.sampled_from([b"{", b'{"torn":'])),
    st.tuples(st.just("look"), st.none()),
    st.tuples(st.just("look"), st.none()),
    st.tuples(st.just("join"), st.tuples(st.floats(0, 1), st.sampled_from([EVERYTHING, Filter(contains="SIGNAL")]))),
    st.tuples(st.just("join"), st.tuples(st.floats(0, 1), st.just(EVERYTHING))),
    st.tuples(st.just("leave"), st.floats(0, 0.99)),
    st.tuples(st.just("unblock"), st.floats(0, 0.99)),
    st.tuples(st.just("settle"), st.integers(1, 5)),
    st.tuples(st.just("replace"), st.lists(LINE, max_size=3)),
)


@dataclass
class Run:
    """A random history of one stream and its readers."""

    house: House
    dice: random.Random
    torn: bool = False
    gone: list[Expected] = field(default_factory=list)

    async def do(self, kind: str, what: Any) -> None:
        """Take one step."""
        house = self.house
        if kind == "append":
            house.append(b"\n" * self.torn + b"".join(line + b"\n" for line in what))
            self.torn = False
        elif kind == "tear":
            house.append(what)
            self.torn = True
        elif kind == "look":
            house.look()
        elif kind == "join":
            self._join(*what)
        elif kind == "unblock" and house.readers:
            house.readers[int(what * len(house.readers))].sink.unblock()
        elif kind == "leave" and house.readers:
            leaver = house.readers.pop(int(what * len(house.readers)))
            leaver.told.close()
            self.gone.append(leaver)
            assert house.expected(leaver).startswith(leaver.sink.taken)
        elif kind == "settle":
            for _ in range(what):
                await asyncio.sleep(0)
        elif kind == "replace":
            await self._replace(what)

    def _join(self, where: float, wanted: Filter) -> None:
        look = self.house.channel.look
        start = 0
        if look is not None:
            lines = self.house.data[: look.tail].split(b"\n")[:-1]
            start = sum(len(line) + 1 for line in lines[: round(where * len(lines))])
        self.house.join(start, (self.dice.random() < 0.4 for _ in range(200)), wanted)

    async def _replace(self, lines: list[bytes]) -> None:
        """Check everyone on the old file, then put a new one in its place."""
        house = self.house
        for reader in house.readers:
            assert house.expected(reader).startswith(reader.sink.taken)
        other = house.path.with_name("other")
        other.write_bytes(b"".join(line + b"\n" for line in [b'{"new":%d}' % self.dice.randrange(10**9), *lines]))
        other.rename(house.path)
        self.torn = False
        was_there = house.channel.look is not None
        house.look_all()
        if was_there:
            for reader in house.readers:
                assert reader.told.told[-1] == ("reset", house.channel.look.earliest)  # type: ignore[union-attr]
                taken = len(reader.sink.blobs)
                reader.sink.unblock()
                await house.settle()
                assert len(reader.sink.blobs) == taken
            house.readers.clear()


@given(st.lists(ACTION, max_size=50), st.integers(0, 1000).map(random.Random))
@settings(max_examples=200)
def test_every_reader_gets_every_line_once_in_order(actions: list[tuple[str, Any]], dice: random.Random) -> None:
    """Whatever is written, whoever joins where, however sinks block: each gets the file from its start on."""

    async def run() -> None:
        with TemporaryDirectory() as directory, closing(House(Path(directory))) as house:
            it = Run(house, dice)
            for kind, what in actions:
                await it.do(kind, what)
            house.look_all()
            await house.finish()
            house.look_all()
            await house.finish()
            for reader in house.readers:
                assert reader.sink.taken == house.expected(reader)
                assert [kind for kind, _ in reader.told.told] in ([], ["joined"])
                (cursor,) = reader.told.cursors
                look = house.channel.look
                assert look is None or cursor.next == Offset(look.generation, look.tail)

    asyncio.run(run())
