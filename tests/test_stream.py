from __future__ import annotations

import os
import threading
import tracemalloc
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamhub.batch import Batch
from streamhub.errors import StreamNotFoundError, StreamReplacedError
from streamhub.folder import Folder
from streamhub.seek import first_since, last_lines
from streamhub.stream import BATCH_BYTES, PIECE_BYTES, Look, StreamFile, split_cells
from tests import naive
from tests.naive import ODD_LINES, counted_reads, files, padded, stream_file

MIB: Final = 1024 * 1024
FINAL: Final = b'{"event_type":"status","payload":{"state":"completed","final":true}}'

max_lines = st.sampled_from([10, 100, 1024, 4096, MIB])
rooms = st.one_of(st.integers(1, 300), st.sampled_from([4096, 5000, 65536, PIECE_BYTES, MIB]))


def check(data: bytes, max_line: int, batches: list[Batch], start: int) -> None:
    """Batches read from ``start`` to the tail are, put together, just what the model has there."""
    place = start
    for batch in batches:
        assert batch.start == place
        assert batch.end > place
        assert data[batch.end - 1 : batch.end] == b"\n"
        assert (batch.stream, batch.generation) == ("s", naive.generation(data))
        expected = [line for line in naive.lines(data[: batch.end], max_line) if line.start >= batch.start]
        assert list(batch.lines) == [line.delivered for line in expected]
        assert list(batch.ends) == [line.end for line in expected]
        assert batch.malformed == sum(line.fault is not None for line in expected)
        assert str(batch.next) == f"{naive.generation(data)}_{batch.end:016d}"
        place = batch.end
    assert place == naive.tail(data)


def read_on(file: StreamFile, start: int, stop: int, room: int, *, cells: bool) -> list[Batch]:
    """Everything from ``start`` to ``stop``, read as a reader does it."""
    batches: list[Batch] = []
    generation = file.generation(stop)
    while start < stop:
        if cells:
            batches += file.read_cells(start, stop, room, generation)
        else:
            batches.append(file.read(start, stop, room, generation))
        start = batches[-1].end
    return batches


# --- Looking ----------------------------------------------------------------------------------------------------


@settings(max_examples=200, deadline=None)
@given(data=files(12), max_line=max_lines)
@example(data=FINAL + b"\n" + b"\n" * 5000, max_line=1024)
@example(data=padded(500) + b"\n" + FINAL + b"\n\n\n", max_line=len(FINAL))
@example(data=padded(8000) + b"\n" + FINAL + b"\n\n\n", max_line=len(FINAL) - 1)
@example(data=b"x" * 5000 + b"\n" + b"\n" * 9000, max_line=100)
def test_look(data: bytes, max_line: int) -> None:
    """A look says what the whole file says: generation, tail, and whether the last line closes it."""
    with stream_file(data, max_line) as file:
        look = file.look()
        assert look == Look(
            file.identity(), naive.generation(data), naive.tail(data), closed=naive.closed(data, max_line)
        )
        assert file.size() == len(data)
    assert str(look.next) == f"{look.generation}_{look.tail:016d}"
    assert str(look.earliest) == f"{look.generation}_{0:016d}"


@pytest.mark.parametrize("line", ODD_LINES, ids=range(len(ODD_LINES)))
def test_closed(line: bytes) -> None:
    """Only a valid status line with a true ``final`` closes; a malformed one that looks like it does not."""
    for data in (line + b"\n", padded(5000) + b"\n" + line + b"\n\n", line + b"\n" + FINAL):
        with stream_file(data) as file:
            assert file.closed(naive.tail(data)) is naive.closed(data, MIB)


@pytest.mark.parametrize("over", [0, 1])
@pytest.mark.parametrize("before", [b"", b"{}\n", b"x" * 3000 + b"\n"])
@pytest.mark.parametrize("empty", [0, 1, 2, 100])
@pytest.mark.parametrize("size", [100, 4094, 4095, 4096, 4097, 10_000])
def test_closed_by_longest_line(size: int, before: bytes, empty: int, over: int) -> None:
    """A final status of just ``max_line`` bytes closes, one of a byte more is no event and does not."""
    final = FINAL[:-1] + b" " * (size - len(FINAL)) + b"}"
    data = before + final + b"\n" * (1 + empty)
    with stream_file(data, size - over) as file:
        assert file.closed(len(data)) is (over == 0)


def test_closed_before_tail() -> None:
    """What stands after the tail that was asked about does not count: neither lines nor a torn end."""
    data = FINAL + b"\n{}\n"
    with stream_file(data) as file:
        assert file.closed(len(FINAL) + 1)
        assert not file.closed(len(data))
    with stream_file(b"{}\n" + FINAL) as file:
        assert not file.look().closed


@settings(max_examples=100, deadline=None)
@given(data=files(8))
def test_is_line_start(data: bytes) -> None:
    """A line starts at 0 and after each newline; never past the end of the file."""
    starts = {0} | {place + 1 for place, byte in enumerate(data) if byte == 0x0A}
    near = {byte + step for byte in starts for step in (-1, 0, 1)} | {len(data) + 1, 9_999_999_999_999_999}
    with stream_file(data) as file:
        for byte in near - {-1}:
            assert file.is_line_start(byte) is (byte in starts)


@settings(max_examples=100, deadline=None)
@given(data=files(8), places=st.lists(st.tuples(st.integers(0, 2**17), st.integers(0, 2**17)), max_size=20))
def test_newlines(data: bytes, places: list[tuple[int, int]]) -> None:
    """The next and the last newline in a range are where bytes.find and rfind see them."""
    with stream_file(data) as file:
        for byte, stop in [*places, (0, len(data)), (0, len(data) + 5000)]:
            assert file.next_newline(byte, stop) == data.find(b"\n", byte, stop)
            assert file.last_newline(stop) == data.rfind(b"\n", 0, stop)


@pytest.mark.parametrize("first", [b"", b"{}", padded(4095), padded(4096), padded(4097), padded(5000), padded(300_000)])
def test_generation(first: bytes) -> None:
    """The generation is the first line's, however long; the same for a copy, and zeros until the line is whole."""
    with stream_file(first) as torn:
        assert torn.look().generation == "00000000"
        assert torn.look().tail == 0
    with stream_file(first + b"\n") as file, stream_file(first + b"\n{}\n" + b"torn") as grown:
        assert file.look().generation == grown.look().generation == naive.generation(first + b"\n")


def test_generation_of_long_first_lines() -> None:
    """First lines that differ only past 4,096 bytes are of one generation, those that differ before it are not."""
    ours, other, near = padded(5000), padded(5001), padded(4095) + b" "
    assert naive.generation(ours + b"\n") == naive.generation(other + b"\n")
    with stream_file(ours + b"\n") as one, stream_file(other + b"\n") as two, stream_file(near + b"\n") as three:
        assert one.look().generation == two.look().generation != three.look().generation


# --- Reading ----------------------------------------------------------------------------------------------------


@pytest.mark.slow
@settings(max_examples=200, deadline=None)
@given(data=files(), max_line=max_lines, room=rooms, cells=st.booleans(), choose=st.randoms(use_true_random=False))
def test_read(data: bytes, max_line: int, room: int, cells: bool, choose: Random) -> None:
    """From any line start, with any room, reads put together are the model's lines: none lost, none twice."""
    tail = naive.tail(data)
    starts = [0, *(line.end for line in naive.lines(data, max_line))]
    start = choose.choice(starts)
    with stream_file(data, max_line) as file:
        check(data, max_line, read_on(file, start, tail, room, cells=cells), start)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(
        st.one_of(
            st.integers(1, 400),
            st.integers(60_000, 70_000),
            st.sampled_from([PIECE_BYTES - 1, PIECE_BYTES, PIECE_BYTES + 1, 300_000]),
        ),
        min_size=1,
        max_size=400,
    ),
    max_line=st.sampled_from([300, 1024, 65_536, 200_000, MIB]),
    room=st.sampled_from([4096, BATCH_BYTES, PIECE_BYTES, MIB]),
    cells=st.booleans(),
)
def test_read_across_grid(sizes: list[int], max_line: int, room: int, cells: bool) -> None:
    """A line that straddles the grid costs nobody else's line, whatever the line before or after it is."""
    data = b"".join(padded(max(8, size)) + b"\n" for size in sizes)
    with stream_file(data, max_line) as file:
        check(data, max_line, read_on(file, 0, len(data), room, cells=cells), 0)


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("room", [4096, BATCH_BYTES, PIECE_BYTES, MIB])
@pytest.mark.parametrize("max_line", [1024, 65_536, MIB])
def test_read_plain_file(room: int, max_line: int, cells: bool) -> None:
    """A plain file of several pieces comes out line by line, also when no line ends on the grid."""
    data = b"".join(padded(100 + number % 7) + b"\n" for number in range(10_000))
    with stream_file(data, max_line) as file:
        batches = read_on(file, 0, len(data), room, cells=cells)
    assert b"".join(line + b"\n" for batch in batches for line in batch.lines) == data
    assert sum(batch.malformed for batch in batches) == 0


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(8, 500), min_size=1, max_size=30), room=st.integers(1, 2000))
def test_read_fits_room(sizes: list[int], room: int) -> None:
    """A read answers no more than there is room for, unless its only line is longer than that."""
    data = b"".join(padded(size) + b"\n" for size in sizes)
    with stream_file(data) as file:
        for batch in read_on(file, 0, len(data), room, cells=False):
            assert batch.end - batch.start <= room or len(batch.lines) == 1


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(8, 9000), min_size=1, max_size=60), stop=st.integers(0, 59))
def test_read_stops(sizes: list[int], stop: int) -> None:
    """Nothing at or after ``stop`` is read."""
    data = b"".join(padded(size) + b"\n" for size in sizes)
    ends = [line.end for line in naive.lines(data, MIB)]
    end = ends[min(stop, len(ends) - 1)]
    with stream_file(data) as file:
        for cells in (False, True):
            check(data[:end], MIB, read_on(file, 0, end, PIECE_BYTES, cells=cells), 0)


@settings(max_examples=40, deadline=None)
@given(sizes=st.lists(st.integers(8, 40_000), min_size=1, max_size=40), start=st.integers(0, 300_000))
def test_split_cells(sizes: list[int], start: int) -> None:
    """Cells end at the last line end before a multiple of the batch size; a longer line is a cell's last."""
    data = b"".join(padded(size) + b"\n" for size in sizes)
    place = start
    for batch in split_cells("s", "0123abcd", start, data, MIB):
        assert batch.start == place
        grid = (place // BATCH_BYTES + 1) * BATCH_BYTES
        if grid - place < BATCH_BYTES // 4:  # hardly more than the line that reaches over it
            grid += BATCH_BYTES
        if batch.end <= grid:
            rest = data[batch.end - start : grid - start]
            assert batch.end == start + len(data) or b"\n" not in rest
        else:
            assert len(batch.lines) == 1
        place = batch.end
    assert place == start + len(data)


def test_readers_share_cells() -> None:
    """Readers who start at different lines come to read the same cells within one piece."""
    data = b"".join(padded(150) + b"\n" for _ in range(20_000))
    with stream_file(data) as file:
        one = {batch.start for batch in read_on(file, 0, len(data), PIECE_BYTES, cells=True)}
        for line in (1, 500, 1700):
            other = [batch.start for batch in read_on(file, line * 151, len(data), PIECE_BYTES, cells=True)]
            assert set(other[3:]) <= one


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("size", [10, 5000, 70_000, 400_000, 2 * MIB])
def test_read_of_cut_file(size: int, cells: bool) -> None:
    """A file that is shorter than what the reader was told is told to be cut, whatever was read of it."""
    data = padded(20) + b"\n" + padded(size) + b"\n"
    for left in (0, 5, 21, 21 + size // 2, len(data) - 1):
        with stream_file(data) as file:
            os.truncate(file.fd, left)
            with pytest.raises(StreamReplacedError, match="cut or replaced") as caught:
                read_on(file, 21, len(data), PIECE_BYTES, cells=cells)
            assert caught.value.earliest == str(file.look().earliest)


@pytest.mark.parametrize("cells", [False, True])
@pytest.mark.parametrize("size", [20, 400_000, 2 * MIB])
def test_read_of_overwritten_file(size: int, cells: bool) -> None:
    """If no line ends at ``stop`` any more, the file is not what it was: nothing of it is given as the stream's."""
    data = padded(20) + b"\n" + padded(size) + b"\n"
    with stream_file(data) as file:
        os.pwrite(file.fd, b"x", len(data) - 1)
        generation = file.generation(len(data))
        with pytest.raises(StreamReplacedError):
            (file.read_cells if cells else file.read)(0, len(data), 8 * MIB, generation)


def test_replaced_of_closed_file() -> None:
    """The error can be made of a file that cannot be looked at any more; it names the beginning."""
    with stream_file(b"{}\n") as file:
        spare = os.dup(file.fd)
        file.close()
        assert file.replaced().earliest == "00000000_0000000000000000"
        os.dup2(spare, file.fd)
        os.close(spare)


def test_reading_leaves_the_position_alone() -> None:
    """Readers in several threads share one descriptor, and each reads its own."""
    data = b"".join(b'{"n":%d}\n' % number for number in range(50_000))
    wrong: list[str] = []

    def read() -> None:
        for room in (4096, 65536):
            lines = [line for batch in read_on(file, 0, len(data), room, cells=True) for line in batch.lines]
            if b"\n".join(lines) + b"\n" != data or file.look().tail != len(data):
                wrong.append(f"room {room}")

    with stream_file(data) as file:
        threads = [threading.Thread(target=read) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert wrong == []


# --- Long lines and holes ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ended", [False, True])
def test_huge_line(tmp_path: Path, ended: bool) -> None:
    """A line of 64 MiB, with its newline or without, is read at its cost in time, never in memory."""
    path = tmp_path / "s.jsonl"
    with path.open("wb") as writer:
        writer.write(b"{}\n")
        for _ in range(64):
            writer.write(b"x" * MIB)
        writer.write(b"\n{}\n" if ended else b"")
    with StreamFile(os.open(path, os.O_RDONLY), "s", MIB) as file:
        tracemalloc.start()
        try:
            look = file.look()
            batches = read_on(file, 0, look.tail, PIECE_BYTES, cells=True)
            batches += read_on(file, 0, look.tail, MIB, cells=False)
            assert last_lines(file, look.tail, 2) == (3 if ended else 0)
            assert first_since(file, look.tail, datetime(2026, 1, 1, tzinfo=UTC)) == look.tail
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
    assert peak < 16 * MIB
    huge = [b'{"event_type":"malformed","payload":{"offset":"%s_%016d","bytes":67108864,"reason":"too-long"}}']
    expected = [b"{}", huge[0] % (look.generation.encode(), 3), b"{}"] if ended else [b"{}"]
    assert [line for batch in batches for line in batch.lines] == expected * 2
    assert look.tail == (64 * MIB + 7 if ended else 3)


def test_huge_first_line() -> None:
    """A first line of many pieces has its generation from its first 4,096 bytes, and its stand-in at offset 0."""
    data = b"x" * (3 * MIB) + b"\n{}\n"
    with stream_file(data) as file:
        check(data, MIB, read_on(file, 0, len(data), PIECE_BYTES, cells=True), 0)


def sparse(path: Path, size: int, islands: dict[int, bytes]) -> StreamFile:
    """A file of holes with bytes here and there."""
    fd = os.open(path, os.O_RDWR | os.O_CREAT)
    os.truncate(fd, size)
    for place, data in islands.items():
        os.pwrite(fd, data, place)
    return StreamFile(fd, "s", MIB)


GB: Final = 10**9


@pytest.mark.parametrize(
    ("islands", "tail", "events"),
    [
        ({}, 0, 0),
        ({0: b"{}\n"}, 3, 1),
        ({0: b"{}\n", 10 * GB - 9: b"torn"}, 3, 1),
        ({0: b"{}\n", 5 * GB: b"torn", 10 * GB - 9: b"torn"}, 3, 1),
        ({0: b"{}\n", 7 * GB: b"{}\n"}, 7 * GB + 3, 1),
        ({0: b"{}\n", 7 * GB: b"x" * 100_000 + b"\n{}\n"}, 7 * GB + 100_004, 2),
        ({GB // 10 * number: b"{}\n" * 99 for number in range(99)}, GB // 10 * 98 + 297, 99 * 98 + 1),
    ],
    ids=["hole", "beginning", "torn", "islands torn", "late", "late block", "islands"],
)
def test_holes(tmp_path: Path, islands: dict[int, bytes], tail: int, events: int) -> None:
    """Ten gigabytes of holes are looked at in a few reads; each is but part of a malformed line, and read as that."""
    with sparse(tmp_path / "s.jsonl", 10 * GB, islands) as file:
        with counted_reads() as reads:
            look = file.look()
        assert look.tail == tail
        assert reads.calls <= 64
        assert reads.total <= 4 * MIB
        with counted_reads() as reads:
            batches = read_on(file, 0, tail, PIECE_BYTES, cells=True)
        assert reads.total <= 4 * PIECE_BYTES * (len(islands) + 1)
        lines = [line for batch in batches for line in batch.lines]
    assert lines.count(b"{}") == events
    assert all(b'"reason":"too-long"' in line for line in lines if line != b"{}")


@pytest.mark.slow
@settings(max_examples=100, deadline=None)
@given(islands=st.dictionaries(st.integers(0, 2 * MIB), files(4), max_size=6), size=st.integers(0, 3 * MIB))
def test_small_holes(islands: dict[int, bytes], size: int) -> None:
    """A file with holes is what it would be if its holes were written out as NUL bytes."""
    with stream_file(b"") as file:
        os.truncate(file.fd, size)
        for place, data in islands.items():
            os.pwrite(file.fd, data, place)
        data = os.pread(file.fd, file.size(), 0)
        assert file.look() == Look(
            file.identity(), naive.generation(data), naive.tail(data), closed=naive.closed(data, MIB)
        )
        check(data, MIB, read_on(file, 0, naive.tail(data), PIECE_BYTES, cells=True), 0)
        for stop in (size // 2, size, *islands):
            assert file.last_newline(stop) == data.rfind(b"\n", 0, stop)
            assert file.next_newline(stop, len(data)) == data.find(b"\n", stop)


# --- Opening ----------------------------------------------------------------------------------------------------


def test_open(tmp_path: Path) -> None:
    """A stream is opened by its id in a folder, and its descriptor given back at the end of the with."""
    (tmp_path / "a.jsonl").write_bytes(b"{}\n")
    folder = Folder(str(tmp_path))
    try:
        with StreamFile.open(folder, "a", MIB) as file:
            fd = file.fd
            status = os.stat(tmp_path / "a.jsonl")
            assert file.identity() == (status.st_dev, status.st_ino)
            assert file.look().tail == 3
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(fd)
        with pytest.raises(StreamNotFoundError):
            StreamFile.open(folder, "b", MIB)
    finally:
        folder.close()


def test_identity_tells_files_apart(tmp_path: Path) -> None:
    """A file that took another's place has another identity, though its bytes are the same."""
    for name in ("a", "b"):
        (tmp_path / name).write_bytes(b"{}\n")
    files = [StreamFile(os.open(tmp_path / name, os.O_RDONLY), "s", MIB) for name in ("a", "b")]
    one, two = (file.look() for file in files)
    for file in files:
        file.close()
    assert one.identity != two.identity
    assert (one.generation, one.tail) == (two.generation, two.tail)
