from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from collections.abc import Set as AbstractSet
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from streamhub import hub as hub_module
from streamhub.channel import Place
from streamhub.config import Config
from streamhub.errors import (
    InvalidStreamIdError,
    OffsetAheadError,
    OffsetGoneError,
    StreamhubError,
    StreamNotFoundError,
)
from streamhub.hub import Hub
from streamhub.offset import ZERO, Offset
from streamhub.seek import FROM_BEGINNING, Start
from streamhub.stream import Look, StreamFile
from streamhub.tail import Change, Tail
from tests import naive
from tests.naive import padded
from tests.scarcity import few_descriptors
from tests.servers import Stream, until
from tests.sinks import Sink, Told, newlined

NOW = Start(now=True)


@asynccontextmanager
async def hub_of(
    directory: Path, kind: type[Hub] = Hub, *, floor: float = 0.005, ceiling: float = 1.0, linger: float = 10.0
) -> AsyncIterator[Hub]:
    """A hub of a folder."""
    hub = kind(Config(directory=str(directory), poll_floor=floor, poll_ceiling=ceiling), linger=linger)
    try:
        yield hub
    finally:
        await hub.close()


@pytest.fixture
async def hub(tmp_path: Path) -> AsyncIterator[Hub]:
    """A hub of the test's own folder."""
    async with hub_of(tmp_path) as it:
        yield it


def follow(hub: Hub, place: Place) -> tuple[Told, Sink]:
    """A reader from a place on."""
    sink = Sink()
    reader = Told(hub.history, sink)
    reader.follow(place, newlined)
    reader.pump()
    return reader, sink


def write(directory: Path, stream: str = "s") -> Path:
    """Write a line to a stream."""
    with Stream(directory, stream) as file:
        file.line(1)
    return file.path


def sleepy(path: Path) -> None:
    """Make a file one that was written to long ago, so that it is looked at rarely."""
    os.utime(path, (path.stat().st_mtime - 86400,) * 2)


# --- following ------------------------------------------------------------------------------------------------


async def test_lines_come_live(hub: Hub, tmp_path: Path) -> None:
    """What is written reaches everyone who follows, history and live without a seam."""
    with Stream(tmp_path) as stream:
        for i in range(100):
            stream.line(i)
        readers = [follow(hub, await hub.start("s", FROM_BEGINNING, wait=False)) for _ in range(10)]
        for i in range(100):
            stream.line(i)
        await until(lambda: all(sink.taken == stream.path.read_bytes() for _, sink in readers))
        stream.final()
        await until(lambda: all(reader.told for reader, _ in readers))
        assert {sink.taken for _, sink in readers} == {stream.path.read_bytes()}


async def test_a_stream_is_one_channel(hub: Hub, tmp_path: Path) -> None:
    """All who come at once share a channel, and it is watched once."""
    write(tmp_path)
    channels = await asyncio.gather(*(hub.channel("s") for _ in range(50)))
    assert len(set(channels)) == 1
    assert list(hub.tailer.tails) == ["s"]


async def test_a_stream_that_cannot_be(hub: Hub) -> None:
    """A bad id is refused, and leaves nothing behind."""
    with pytest.raises(InvalidStreamIdError):
        await hub.channel("../s")
    with pytest.raises(InvalidStreamIdError):
        await hub.start("../s", FROM_BEGINNING, wait=True)
    assert hub.channels == {}


async def test_descriptors_run_out_at_the_start(hub: Hub, tmp_path: Path) -> None:
    """A stream that cannot be opened is an error for who came, and is watched when the next one comes."""
    write(tmp_path)
    await hub.history.run(os.getpid)
    with few_descriptors(0), pytest.raises(OSError, match="Too many open files"):
        await hub.channel("s")
    assert hub.channels == {}
    assert (await hub.channel("s")).look is not None


async def test_a_disk_that_fails_now_and_then_stops_nothing(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Polling goes on after polls that failed: for names, for files, for all."""
    caplog.set_level(logging.ERROR)
    async with hub_of(tmp_path, ceiling=0.02) as hub:
        with Stream(tmp_path) as stream:
            stream.line(1)
            _, sink = follow(hub, await hub.start("s", FROM_BEGINNING, wait=False))
            _, late = follow(hub, await hub.start("late", FROM_BEGINNING, wait=True))
            await until(lambda: bool(sink.taken))
            with few_descriptors(0):
                polls = hub.tailer.polls
                await until(lambda: hub.tailer.polls > polls + 20)
            stream.line(2)
            write(tmp_path, "late")
            await until(lambda: sink.taken == stream.path.read_bytes() and bool(late.taken))
    assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []


# --- where a reader starts -------------------------------------------------------------------------------------


async def test_where_readers_start(hub: Hub, tmp_path: Path) -> None:
    """At the beginning, at the tail, at an offset, some lines before the end: a place in the channel, up to date."""
    with Stream(tmp_path) as stream:
        sizes = [len(stream.line(i)) + 1 for i in range(10)]
        generation = naive.generation(stream.path.read_bytes())
        for start, byte in (
            (FROM_BEGINNING, 0),
            (NOW, sum(sizes)),
            (Start(tail=3), sum(sizes[:7])),
            (Start(offset=Offset(generation, sizes[0])), sizes[0]),
            (Start(offset=ZERO), 0),
        ):
            place = await hub.start("s", start, wait=False)
            assert (place.position, place.offset) == (byte, None)
            assert place.next == Offset(generation, byte)


async def test_what_cannot_be_started_from(hub: Hub, tmp_path: Path) -> None:
    """No such stream, another generation, cut off, not here yet: each its own refusal."""
    with pytest.raises(StreamNotFoundError):
        await hub.start("s", FROM_BEGINNING, wait=False)
    with Stream(tmp_path) as stream:
        data = stream.line(1) + b"\n"
        generation = naive.generation(data)
        ahead = Start(offset=Offset(generation, 2 * len(data)))
        with pytest.raises(OffsetGoneError):
            await hub.start("s", Start(offset=Offset("ffffffff", len(data))), wait=True)
        with pytest.raises(OffsetAheadError):
            await hub.start("s", ahead, wait=False)
        stream.write(data)
        await hub.start("s", ahead, wait=False)
        os.truncate(stream.path, len(data))
        with pytest.raises(OffsetGoneError):
            await hub.start("s", ahead, wait=True)


async def test_who_has_just_written_starts_after_it(tmp_path: Path) -> None:
    """``now`` is the file's tail, not the tail of the last look at a stream that sleeps; ``wait`` changes nothing."""
    for wait in (False, True):
        async with hub_of(tmp_path, ceiling=60) as hub:
            with Stream(tmp_path) as stream:
                stream.line(1)
                sleepy(stream.path)
                await hub.channel("s")
                stream.line(2)
                place = await hub.start("s", NOW, wait=wait)
                assert place.position == stream.path.stat().st_size
                _, sink = follow(hub, place)
                line = stream.line(3)
                await hub.poll(place.channel)
                assert sink.taken == line + b"\n"


async def test_who_waits_finds_a_stream_that_has_just_come(tmp_path: Path) -> None:
    """A stream that others have long waited for is seen at once by who comes, though its turn is not yet."""
    async with hub_of(tmp_path, ceiling=60) as hub:
        await hub.start("s", FROM_BEGINNING, wait=True)
        with Stream(tmp_path) as stream:
            stream.line(1)
            assert (await hub.start("s", FROM_BEGINNING, wait=True)).channel.look is not None


@pytest.mark.parametrize("wait", [False, True])
async def test_who_comes_after_a_foreign_line_finds_the_stream_open(tmp_path: Path, wait: bool) -> None:
    """A closed stream that was written to a moment ago is open, though others have just read to its end."""
    async with hub_of(tmp_path, ceiling=60) as hub:
        with Stream(tmp_path) as stream:
            stream.final()
            told, _ = follow(hub, await hub.start("s", FROM_BEGINNING, wait=wait))
            await until(lambda: bool(told.told))
            stream.line(1)
            reader, sink = follow(hub, await hub.start("s", FROM_BEGINNING, wait=wait))
            await until(lambda: sink.taken == stream.path.read_bytes())
            assert reader.told == []


async def test_a_burst_is_not_given_to_who_starts_after_it(tmp_path: Path) -> None:
    """More was written than one poll takes in: who starts at its end waits for that end, and gets what follows."""
    async with hub_of(tmp_path, floor=0.1, ceiling=60) as hub:
        with Stream(tmp_path) as stream:
            stream.line(1)
            sleepy(stream.path)
            early, early_sink = follow(hub, await hub.start("s", FROM_BEGINNING, wait=False))
            stream.write((padded(999) + b"\n") * 5000)
            place = await hub.start("s", NOW, wait=False)
            assert place.channel.look is not None
            assert place.channel.look.tail < stream.path.stat().st_size
            _, sink = follow(hub, place)
            line = stream.line(2)
            await until(lambda: early_sink.taken == stream.path.read_bytes())
            await until(lambda: bool(sink.taken))
            assert sink.taken == line + b"\n"
            assert early.told == []


async def test_who_leaves_while_the_file_is_looked_at_takes_nothing_along(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Somebody comes, and leaves while the stream is looked at for them: what that look finds, the others are told."""
    looked, left = threading.Event(), threading.Event()
    async with hub_of(tmp_path, ceiling=60) as hub:
        poll = hub.tailer.poll

        def slow(tail: Tail) -> list[tuple[Tail, Change]]:
            changes = poll(tail)
            looked.set()
            left.wait()
            return changes

        with Stream(tmp_path) as stream:
            stream.line(1)
            sleepy(stream.path)
            _, sink = follow(hub, await hub.start("s", FROM_BEGINNING, wait=False))
            await until(lambda: sink.taken == stream.path.read_bytes())
            stream.line(2)
            monkeypatch.setattr(hub.tailer, "poll", slow)
            coming = asyncio.create_task(hub.start("s", NOW, wait=False))
            await until(looked.is_set)
            coming.cancel()
            left.set()
            await until(lambda: sink.taken == stream.path.read_bytes())
            stream.line(3)
            await hub.poll(hub.channels["s"])
            await until(lambda: sink.taken == stream.path.read_bytes())


async def test_who_comes_after_a_rewrite_reads_the_new_content(tmp_path: Path) -> None:
    """A file rewritten in place, as long as it was and not yet noticed, is noticed when somebody comes to read it."""
    async with hub_of(tmp_path, ceiling=60) as hub:
        path = tmp_path / "s.jsonl"
        path.write_bytes(b'{"a":1}\n')
        sleepy(path)
        old, old_sink = follow(hub, await hub.start("s", FROM_BEGINNING, wait=False))
        await until(lambda: old_sink.taken == b'{"a":1}\n')
        await asyncio.sleep(0.06)  # what one reader found is good for the crowd that comes with it, for 50 ms
        path.write_bytes(b'{"b":2}\n')
        _, sink = follow(hub, await hub.start("s", FROM_BEGINNING, wait=False))
        await until(lambda: bool(sink.taken))
        assert sink.taken == b'{"b":2}\n'
        assert old.told == [("reset", Offset(naive.generation(b'{"b":2}\n'), 0))]
        assert old_sink.taken == b'{"a":1}\n'


class Racing(Hub):
    """A hub under whose readers something happens right after the file was looked at."""

    happens: Callable[[], object] | None = None

    async def locate(self, stream: str, start: Start) -> tuple[Look, int]:
        """Look, then let it happen, once."""
        found = await super().locate(stream, start)
        happens, self.happens = self.happens, None
        if happens is not None:
            happens()
        return found


@pytest.mark.parametrize("start", [NOW, Start(tail=1), FROM_BEGINNING])
async def test_a_file_that_is_replaced_while_somebody_comes(tmp_path: Path, start: Start) -> None:
    """A place in the old file is no place in the new one: the reader starts where it asked to, in the new one."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"a":1}\n' * 10)
    new = b"".join(b'{"b":%d}\n' % i for i in range(20))

    def replace() -> None:
        (tmp_path / "new").write_bytes(new)
        (tmp_path / "new").rename(path)

    async with hub_of(tmp_path, Racing, ceiling=60) as hub:
        assert isinstance(hub, Racing)
        hub.happens = replace
        place = await hub.start("s", start, wait=False)
        expected = {NOW: len(new), FROM_BEGINNING: 0}.get(start, new.rindex(b"{"))
        assert place.next == Offset(naive.generation(new), expected)
        assert place.channel.look is not None
        assert place.channel.look.tail == len(new)


@pytest.mark.parametrize("count", [5, 20])
async def test_a_file_that_is_replaced_by_one_that_begins_alike(tmp_path: Path, count: int) -> None:
    """Only the inode tells them apart, and that is enough."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"a":1}\n' * 10)

    def replace() -> None:
        (tmp_path / "new").write_bytes(b'{"a":1}\n' * count)
        (tmp_path / "new").rename(path)

    async with hub_of(tmp_path, Racing, ceiling=60) as hub:
        assert isinstance(hub, Racing)
        hub.happens = replace
        assert (await hub.start("s", NOW, wait=False)).position == count * 8


async def test_a_watched_file_that_is_replaced_while_somebody_comes(tmp_path: Path) -> None:
    """Whoever was placed in the old file before anybody noticed is told like all that are in it."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"a":1}\n')
    async with hub_of(tmp_path, Racing, ceiling=60) as hub:
        assert isinstance(hub, Racing)
        await hub.channel("s")
        hub.happens = lambda: path.write_bytes(b'{"b":2}\n{"b":3}\n')
        place = await hub.start("s", NOW, wait=False)
        reader, sink = follow(hub, place)
        await hub.poll(place.channel)
        assert reader.told == [("reset", Offset(naive.generation(b'{"b":2}\n'), 0))]
        assert sink.taken == b""


async def test_a_file_that_goes_while_somebody_comes(tmp_path: Path) -> None:
    """A stream that was deleted between two looks is not found; who waits, waits for it."""
    for wait in (False, True):
        path = tmp_path / "s.jsonl"
        path.write_bytes(b'{"a":1}\n')
        async with hub_of(tmp_path, Racing) as hub:
            assert isinstance(hub, Racing)
            hub.happens = path.unlink
            if wait:
                place = await hub.start("s", NOW, wait=True)
                assert (place.channel.look, place.position) == (None, 0)
            else:
                with pytest.raises(StreamNotFoundError):
                    await hub.start("s", NOW, wait=False)


async def test_an_offset_of_a_file_that_is_replaced_while_somebody_comes(tmp_path: Path) -> None:
    """An offset that was good a moment ago is refused when the file that it belongs to is gone."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(b'{"a":1}\n')
    async with hub_of(tmp_path, Racing) as hub:
        assert isinstance(hub, Racing)
        hub.happens = lambda: path.write_bytes(b'{"b":22}\n')
        with pytest.raises(OffsetGoneError):
            await hub.start("s", Start(offset=Offset(naive.generation(b'{"a":1}\n'), 8)), wait=False)


async def test_a_crowd_looks_at_the_file_once(tmp_path: Path) -> None:
    """A thousand who come at once to read from the beginning cost a few looks at the file."""
    write(tmp_path)
    async with hub_of(tmp_path, floor=1.0) as hub:  # so that hardly any look is the clock's
        await hub.start("s", FROM_BEGINNING, wait=False)
        polls = hub.tailer.polls
        places = await asyncio.gather(*(hub.start("s", FROM_BEGINNING, wait=False) for _ in range(1000)))
        assert {place.position for place in places} == {0}
        assert hub.tailer.polls - polls <= 10


@pytest.mark.slow
async def test_a_crowd_that_has_rested_gets_the_newest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What came while it rested goes out in one write, and with it what nobody has looked for yet."""
    monkeypatch.setattr("streamhub.crowd._LANE", 1)
    monkeypatch.setattr("streamhub.crowd._LONGEST_REST", 1.0)
    monkeypatch.setattr("streamhub.hub._REST_PER_HEAD", 100.0)
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with hub_of(tmp_path, floor=30.0, ceiling=60.0) as hub:  # so that no look is the clock's
            place = await hub.start("s", FROM_BEGINNING, wait=False)
            sinks = [follow(hub, place)[1] for _ in range(3)]
            await until(lambda: all(sink.taken == stream.path.read_bytes() for sink in sinks))
            for number in range(2):
                stream.line(number)
                await hub.poll(place.channel)
            late = [sink for sink in sinks if sink.taken != stream.path.read_bytes()]
            stream.line(3)
            await until(lambda: all(sink.taken == stream.path.read_bytes() for sink in sinks))
            assert len(late) == 3
            assert {len(sink.blobs) for sink in sinks} == {3}


@pytest.mark.slow
async def test_a_hub_that_closes_while_a_crowd_rests(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is looked at, or handed out, after the end."""
    monkeypatch.setattr("streamhub.crowd._LANE", 1)
    monkeypatch.setattr("streamhub.crowd._LONGEST_REST", 1.0)
    monkeypatch.setattr("streamhub.hub._REST_PER_HEAD", 100.0)
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with hub_of(tmp_path) as hub:
            place = await hub.start("s", NOW, wait=False)
            sinks = [follow(hub, place)[1] for _ in range(3)]
            for number in range(2):
                stream.line(number)
                await hub.poll(place.channel)
        taken = [sink.taken for sink in sinks]
        assert [sink.taken.count(b"\n") for sink in sinks] == [1] * 3
        await asyncio.sleep(1.2)
        assert [sink.taken for sink in sinks] == taken


# --- what a host remembers -------------------------------------------------------------------------------------


async def test_who_polls_knows_the_crowd(hub: Hub, tmp_path: Path) -> None:
    """How many read a stream is known as soon as they come, not first when it grows: a crowd's first event is news."""
    write(tmp_path)
    place = await hub.start("s", NOW, wait=False)
    readers = [follow(hub, place)[0] for _ in range(3)]
    tail = hub.tailer.tails["s"]
    assert len(tail.audience) == 3
    for reader in readers:
        reader.close()
    assert not len(tail.audience)


async def test_the_longest_tail_is_remembered(hub: Hub) -> None:
    """Of the newest generation; an empty file is no generation."""
    for generation, tail in (("aaaaaaaa", 10), ("aaaaaaaa", 30), ("aaaaaaaa", 20), ("00000000", 0)):
        hub.note("s", Look((1, 1), generation, tail, closed=False))
    assert hub.seen("s") == Offset("aaaaaaaa", 30)
    hub.note("s", Look((1, 1), "bbbbbbbb", 5, closed=False))
    assert hub.seen("s") == Offset("bbbbbbbb", 5)
    assert hub.seen("t") is None


async def test_the_tails_in_use_are_remembered(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of more streams than are remembered, those that were looked at last: not those that were first seen last."""
    monkeypatch.setattr("streamhub.hub._REMEMBERED", 2)
    for stream in ("busy", "old", "busy", "new"):
        hub.note(stream, Look((1, 1), "aaaaaaaa", 10, closed=False))
    assert [hub.seen(stream) is not None for stream in ("busy", "old", "new")] == [True, False, True]


# --- names ----------------------------------------------------------------------------------------------------


async def test_names_are_told_now_and_when_they_come(tmp_path: Path) -> None:
    """Who begins to watch names is told all that there are, once; from then on what came, beside all there are."""
    async with hub_of(tmp_path, ceiling=0.02) as hub:
        first: list[tuple[set[str], set[str]]] = []
        second: list[tuple[set[str], set[str]]] = []

        def tell(came: AbstractSet[str], names: Mapping[str, int]) -> None:
            first.append((set(came), set(names)))

        write(tmp_path, "a")
        hub.watch_names(tell)
        await until(lambda: ({"a"}, {"a"}) in first)
        hub.watch_names(lambda came, names: second.append((set(came), set(names))))
        async with asyncio.timeout(2):  # names are read again after five seconds anyway
            while ({"a"}, {"a"}) not in second:
                await asyncio.sleep(0.01)
        write(tmp_path, "b")
        await until(lambda: ({"b"}, {"a", "b"}) in first and ({"b"}, {"a", "b"}) in second)
        hub.unwatch_names(tell)
        write(tmp_path, "c")
        (tmp_path / "a.jsonl").unlink()
        await until(lambda: any(names == {"b", "c"} for _came, names in second))
        for told in (first, second):
            assert Counter(name for came, _names in told for name in came) <= Counter("abc")
        assert "c" not in first[-1][1]


# --- coming and going -----------------------------------------------------------------------------------------


async def test_what_nobody_reads_is_let_go(tmp_path: Path) -> None:
    """Some seconds after its last reader, a stream is watched no more, however the reader went; one with readers is."""
    for stream in ("read", "left", "cancelled"):
        write(tmp_path, stream)
    async with hub_of(tmp_path, ceiling=0.02, linger=0.05) as hub:
        follow(hub, await hub.start("read", FROM_BEGINNING, wait=False))
        reader, _ = follow(hub, await hub.start("left", FROM_BEGINNING, wait=False))
        await hub.start("missing", FROM_BEGINNING, wait=True)
        asking = asyncio.create_task(hub.channel("cancelled"))
        await asyncio.sleep(0)
        asking.cancel()
        waiting = asyncio.create_task((await hub.channel("waited")).changed(None, 60))
        await until(lambda: len(hub.tailer.tails) == 5)
        reader.close()
        await until(lambda: set(hub.channels) == set(hub.tailer.tails) == {"read", "waited"})
        assert (await hub.start("left", FROM_BEGINNING, wait=False)).channel.look is not None
        waiting.cancel()


async def test_draining_answers_who_waits(hub: Hub, tmp_path: Path) -> None:
    """When the server shuts down, whoever waits for a change goes on at once."""
    channel = await hub.channel("s")
    waiting = asyncio.create_task(channel.changed(None, 60))
    await until(lambda: bool(channel.waiters))
    hub.drain()
    await waiting
    assert hub.draining


async def test_nothing_is_left_of_a_hub(tmp_path: Path) -> None:
    """Closed, it holds no descriptor, and its threads have ended."""
    write(tmp_path)
    async with hub_of(tmp_path) as hub:
        follow(hub, await hub.start("s", FROM_BEGINNING, wait=False))
        assert str(tmp_path) in opened_in(tmp_path)
    await until(lambda: not any(thread.name.startswith("streamhub") for thread in threading.enumerate()))
    assert opened_in(tmp_path) == set()


async def test_a_read_under_way_leaves_nothing_open(tmp_path: Path) -> None:
    """A hub that is closed while a thread reads waits for it, and then gives everything back."""
    write(tmp_path)
    began, go_on = threading.Event(), threading.Event()
    async with hub_of(tmp_path) as hub:

        def read() -> dict[str, int]:
            began.set()
            go_on.wait(30)
            return hub.folder.scan()

        reading = asyncio.create_task(hub.history.run(read))
        await until(began.is_set)
        asyncio.get_running_loop().call_later(0.05, go_on.set)
    assert set(await reading) == {"s"}
    assert opened_in(tmp_path) == set()


def endless(file: StreamFile, *_asked: object) -> int:
    """A search that goes on until it is given up."""
    while True:
        file.check_wanted()
        time.sleep(0.001)


async def test_a_search_does_not_hold_up_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A hub that is closed while somebody's start is looked for in a long file breaks that off."""
    write(tmp_path)
    monkeypatch.setattr(hub_module, "locate", endless)
    async with hub_of(tmp_path) as hub:
        searching = asyncio.create_task(hub.locate("s", NOW))
        await until(lambda: str(tmp_path / "s.jsonl") in opened_in(tmp_path))
    with pytest.raises(StreamhubError, match="the server stops"):
        await searching


def opened_in(directory: Path) -> set[str]:
    """What this process has open there."""
    found = set()
    for fd in os.listdir("/proc/self/fd"):
        with suppress(FileNotFoundError):  # the descriptor that the list was read with
            found.add(os.readlink(f"/proc/self/fd/{fd}"))
    return {path for path in found if path.startswith(str(directory))}


async def test_one_stream_s_fault_leaves_the_others_their_news(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """What fails while one stream's readers are told, or a watcher of names, is logged; everyone else is told."""
    hub = Hub(Config(directory=str(tmp_path)))
    names: list[Mapping[str, int]] = []

    def raising(*_told: object) -> None:
        raise RuntimeError("a reader's own fault")

    with Stream(tmp_path, "bad") as bad, Stream(tmp_path, "good") as good:
        channels = [await hub.channel("bad"), await hub.channel("good")]
        channels[0].grew = raising  # type: ignore[method-assign, assignment]
        hub.watch_names(raising)
        hub.watch_names(lambda _came, all_names: names.append(all_names))
        bad.line(1)
        good.line(1)
        size = good.path.stat().st_size
        good_channel = channels[1]
        await until(lambda: good_channel.look is not None and good_channel.look.tail == size)
        await until(lambda: bool(names))
        good.line(2)
        await until(lambda: good_channel.look is not None and good_channel.look.tail == 2 * size)
    await hub.close()
    assert "stream bad" in caplog.text
    assert "names" in caplog.text
