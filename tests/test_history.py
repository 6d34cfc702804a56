from __future__ import annotations

import asyncio
import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from streamhub.batch import Batch
from streamhub.errors import StreamNotFoundError, StreamReplacedError
from streamhub.folder import Folder
from streamhub.history import History
from streamhub.stream import BATCH_BYTES, PIECE_BYTES, Look, StreamFile
from tests import naive
from tests.naive import padded
from tests.scarcity import few_descriptors

MAX_LINE = 2 * PIECE_BYTES


class Past:
    """A history, and the one stream that is read through it."""

    def __init__(self, path: Path, history: History, folder: Folder) -> None:
        self.path = path
        self.history = history
        self.folder = folder

    def look(self) -> Look:
        """Where the stream stands."""
        with StreamFile.open(self.folder, "s", MAX_LINE) as file:
            return file.look()

    async def read(self, look: Look, start: int = 0) -> list[Batch]:
        """Everything from a byte on, as a reader gets it."""
        batches: list[Batch] = []
        while start < look.tail:
            batch = self.history.get("s", look, start) or await self.history.fetch("s", look, start)
            batches.append(batch)
            start = batch.end
        return batches


@contextmanager
def past(directory: Path, data: bytes, kept: int = 48) -> Iterator[Past]:
    """The history of a stream with these bytes."""
    path = directory / "s.jsonl"
    path.write_bytes(data)
    with closing(Folder(str(directory))) as folder, ThreadPoolExecutor(2) as threads:
        yield Past(path, History(folder, threads, max_line=MAX_LINE, kept=kept), folder)


def lines_of(batches: list[Batch]) -> list[bytes]:
    """What the batches deliver."""
    return [line for batch in batches for line in batch.lines]


@pytest.mark.slow
@pytest.mark.parametrize("size", [20, 700, BATCH_BYTES - 1, BATCH_BYTES, 2 * PIECE_BYTES, 2 * PIECE_BYTES + 1])
async def test_it_reads_the_file(tmp_path: Path, size: int) -> None:
    """Read from the beginning to the tail, batch by batch, it is the file; what comes after the tail is not in it."""
    lines = (padded(size) + b"\n\n") * (4 * PIECE_BYTES // size + 2)
    with past(tmp_path, lines + b"\0\n" + lines + b"torn") as it:
        look = it.look()
        batches = await it.read(look)
        assert lines_of(batches) == [line.delivered for line in naive.lines(it.path.read_bytes(), MAX_LINE)]
        assert [batch.start for batch in batches[1:]] == [batch.end for batch in batches[:-1]]
        assert batches[-1].end == look.tail


async def test_readers_who_started_apart_share_batches(tmp_path: Path) -> None:
    """From the next cell of the grid on, whoever reads gets the same objects, and the file is read once."""
    with past(tmp_path, (padded(100) + b"\n") * 4000) as it:
        look = it.look()
        first = await it.read(look)
        reads = it.history.reads
        second = await it.read(look, 101 * 7)
        assert second[1:] == first[1:]
        assert it.history.reads == reads + 1


async def test_those_who_want_the_same_wait_for_one_read(tmp_path: Path) -> None:
    """A thousand readers of one place cost one read."""
    with past(tmp_path, b"{}\n") as it:
        look = it.look()
        batches = await asyncio.gather(*(it.history.fetch("s", look, 0) for _ in range(1000)))
        assert len({id(batch) for batch in batches}) == 1
        assert it.history.reads == 1


async def test_it_keeps_so_much_and_no_more(tmp_path: Path) -> None:
    """Batches are forgotten, the longest unused first, and read again when somebody wants them."""
    kept = PIECE_BYTES // BATCH_BYTES + 2  # one read brings all but two of them
    with past(tmp_path, (padded(BATCH_BYTES - 1) + b"\n") * (2 * kept), kept=kept) as it:
        look = it.look()
        await it.read(look)
        at_hand = [start for start in range(0, look.tail, BATCH_BYTES) if it.history.get("s", look, start)]
        assert at_hand == [i * BATCH_BYTES for i in range(kept, 2 * kept)]
        it.history.get("s", look, kept * BATCH_BYTES)
        await it.history.fetch("s", look, 0)
        assert it.history.get("s", look, kept * BATCH_BYTES) is not None
        assert it.history.get("s", look, (kept + 1) * BATCH_BYTES) is None
        assert lines_of(await it.read(look)) == [padded(BATCH_BYTES - 1)] * (2 * kept)


async def test_what_was_kept_stays_right_when_the_stream_grows(tmp_path: Path) -> None:
    """Batches of a shorter look go on to be used; what came is read."""
    with past(tmp_path, b'{"a":1}\n') as it:
        (first,) = await it.read(it.look())
        with it.path.open("ab") as file:
            file.write(b'{"a":2}\n')
        again, more = await it.read(it.look())
        assert again is first
        assert list(more.lines) == [b'{"a":2}']


@pytest.mark.parametrize(
    "data",
    [b'{"b":1}\n{}\n', b'{"b":1}\n', b"", b'{"a":1}x\n{}\n', b'{"a":1}\n'],
    ids=["another", "shorter", "empty", "moved", "cut"],
)
async def test_a_rewritten_file_is_not_read_on(tmp_path: Path, data: bytes) -> None:
    """Where the file is not what it was any more, the reader is told, with the place to start again from."""
    with past(tmp_path, b'{"a":1}\n{}\n') as it:
        look = it.look()
        it.path.write_bytes(data)
        with pytest.raises(StreamReplacedError) as caught:
            await it.history.fetch("s", look, 8)
        assert caught.value.earliest == str(it.look().earliest)


async def test_a_place_that_is_no_line_start_any_more(tmp_path: Path) -> None:
    """The same first line and the same tail are not enough: where the reader stands a line must begin."""
    with past(tmp_path, b'{"a":1}\n{"b":2}\n{"c":3}\n') as it:
        look = it.look()
        it.path.write_bytes(b'{"a":1}\n{"bb":22}\n{"c"}\n')
        assert it.look() == look
        with pytest.raises(StreamReplacedError):
            await it.history.fetch("s", look, 16)


async def test_another_file_of_the_name_is_not_read_on(tmp_path: Path) -> None:
    """The same bytes in another file are another stream; what was kept of the old one is not given for it."""
    with past(tmp_path, b'{"a":1}\n') as it:
        look = it.look()
        (old,) = await it.read(look)
        (tmp_path / "new").write_bytes(b'{"a":1}\n')
        (tmp_path / "new").rename(it.path)
        assert it.history.get("s", it.look(), 0) is None
        (new,) = await it.read(it.look())
        assert new is not old
        it.history._batches.clear()
        with pytest.raises(StreamReplacedError):
            await it.history.fetch("s", look, 0)


async def test_a_deleted_file(tmp_path: Path) -> None:
    """When the file is gone, that is said."""
    with past(tmp_path, b'{"a":1}\n') as it:
        look = it.look()
        it.path.unlink()
        with pytest.raises(StreamNotFoundError):
            await it.history.fetch("s", look, 0)


async def test_a_failed_read_is_not_kept(tmp_path: Path) -> None:
    """After descriptors ran out the next reader's turn is a fresh one."""
    with past(tmp_path, b'{"a":1}\n') as it:
        look = it.look()
        await it.history.run(os.getpid)  # the thread is there, so that the read is what fails
        with few_descriptors(0), pytest.raises(OSError, match="Too many open files"):
            await it.history.fetch("s", look, 0)
        assert lines_of(await it.read(look)) == [b'{"a":1}']


async def test_a_read_goes_on_when_one_who_waits_leaves(tmp_path: Path) -> None:
    """The read is everybody's: a reader that is cancelled does not cancel it."""
    with past(tmp_path, b'{"a":1}\n') as it:
        look = it.look()
        task = it.history.fetch("s", look, 0)
        leaver = asyncio.create_task(asyncio.wait([task]))
        await asyncio.sleep(0)
        leaver.cancel()
        assert list((await task).lines) == [b'{"a":1}']


async def test_what_is_forgotten_is_read_anew(tmp_path: Path) -> None:
    """After a cut nothing kept of the stream is given, nor what was being read; who waits gets that still."""
    with past(tmp_path, b'{"a":1}\n') as it:
        look = it.look()
        (old,) = await it.read(look)
        it.history._batches.clear()
        reading = it.history.fetch("s", look, 0)
        it.history.forget("s")
        assert it.history.fetch("s", look, 0) is not reading
        assert list((await reading).lines) == [b'{"a":1}']
        it.history.forget("s")
        assert it.history.get("s", look, 0) is None
        assert not it.history._reading
        (new,) = await it.read(look)
        assert new is not old


@pytest.mark.slow
async def test_an_error_that_nobody_waits_for_is_no_error(tmp_path: Path) -> None:
    """When all who wanted a read have left, its failure disturbs nobody."""
    complaints: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: complaints.append(context))
    with past(tmp_path, b'{"a":1}\n') as it:
        look = it.look()
        it.path.unlink()
        task = it.history.fetch("s", look, 0)
        await asyncio.wait([task])
        del task
        gc.collect()
        await asyncio.sleep(0)
    assert complaints == []


@pytest.mark.parametrize("leave", ["cancel", "close"])
async def test_a_search_is_told_that_nobody_waits_for_it(tmp_path: Path, leave: str) -> None:
    """When who asked has left, or the history closes, what still searches in a thread hears of it."""
    began, ended = threading.Event(), threading.Event()

    def search(stream: str, *, stopped: Callable[[], bool]) -> str:
        began.set()
        while not stopped():
            time.sleep(0.001)
        ended.set()
        return stream

    with past(tmp_path, b"{}\n") as it:
        searching = asyncio.create_task(it.history.search(search, "s"))
        await asyncio.to_thread(began.wait)
        assert not ended.is_set()
        if leave == "cancel":
            searching.cancel()
            with pytest.raises(asyncio.CancelledError):
                await searching
        else:
            it.history.close()
            assert await searching == "s"
        assert await asyncio.to_thread(ended.wait, 30)
