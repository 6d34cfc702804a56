from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.errors import InvalidOffsetError, OffsetAheadError, OffsetGoneError, StreamNotFoundError
from streamhub.filters import EVERYTHING, Filter
from streamhub.folder import Folder
from streamhub.offset import ZERO, Offset
from streamhub.page import SEARCH_FACTOR, Page, read_page
from streamhub.seek import FROM_BEGINNING, Start
from tests import naive
from tests.naive import counted_reads, files, padded

MAX_LINE = 100_000
MIB = 1024 * 1024
FINAL = b'{"event_type":"status","payload":{"state":"completed","final":true}}\n'


@contextmanager
def folder_of(data: bytes | None) -> Iterator[Folder]:
    """A folder with one stream of these bytes, or none."""
    with TemporaryDirectory() as directory:
        if data is not None:
            (Path(directory) / "s.jsonl").write_bytes(data)
        with closing(Folder(directory)) as folder:
            yield folder


def page_of(
    folder: Folder,
    start: Start = FROM_BEGINNING,
    *,
    room: int = 4096,
    wanted: Filter = EVERYTHING,
    limit: int | None = None,
    seen: Offset | None = None,
) -> Page:
    """A page of that stream."""
    return read_page(folder, "s", start, max_line=MAX_LINE, room=room, wanted=wanted, limit=limit, seen=seen)


FILTERS = st.sampled_from(
    [
        EVERYTHING,
        EVERYTHING,
        Filter(contains="X"),
        Filter(contains="nowhere"),
        Filter(event_types=frozenset({"malformed"})),
        Filter(event_types=frozenset({"status", "signal"})),
    ]
)


@pytest.mark.slow
@given(files(), FILTERS, st.none() | st.integers(1, 5), st.sampled_from([1, 100, 4096, 70_000, 1_000_000]), st.data())
@settings(max_examples=200)
def test_pages_make_the_stream(data: bytes, wanted: Filter, limit: int | None, room: int, draw: st.DataObject) -> None:
    """Read on from each page's next offset, pages hold every wanted line once, in order, within room and limit."""
    lines = naive.lines(data, MAX_LINE)
    start = draw.draw(st.sampled_from([0, *(line.end for line in lines)]))
    expected = [line for line in lines if line.start >= start and wanted.wants(line.delivered)]
    found: list[bytes] = []
    with folder_of(data) as folder:
        place = Offset(naive.generation(data), start) if naive.tail(data) else ZERO
        while True:
            page = page_of(folder, Start(offset=place), room=room, wanted=wanted, limit=limit)
            found += page.lines
            assert page.start == place.byte
            assert limit is None or len(page.lines) <= limit
            assert len(page.lines) <= 1 or sum(len(line) + 1 for line in page.lines) <= room
            assert [line.delivered for line in expected if line.end <= page.end] == found
            if page.up_to_date:
                break
            assert page.end > page.start
            place = page.next
        assert found == [line.delivered for line in expected]
        assert page.end == naive.tail(data)
        assert page.closed == naive.closed(data, MAX_LINE)


def test_a_page_stops_where_its_room_ends() -> None:
    """As many lines as fit, newlines counted; exactly filled is not over-filled."""
    with folder_of((padded(99) + b"\n") * 10) as folder:
        assert [len(page_of(folder, room=room).lines) for room in (1, 100, 199, 200, 1000, 1001)] == [
            1,
            1,
            1,
            2,
            10,
            10,
        ]
        assert [page_of(folder, room=room).up_to_date for room in (999, 1000)] == [False, True]


def test_a_stand_in_takes_its_own_room() -> None:
    """What counts is what is delivered: a line that is no event may be much longer than what stands in for it."""
    with folder_of((b"x" * 2000 + b"\n") * 3) as folder:
        page = page_of(folder, room=4096)
        assert page.up_to_date == (len(page.lines) == 3)
        assert all(line.startswith(b'{"event_type":"malformed"') for line in page.lines)


@pytest.mark.parametrize("limit", [1, 3, 9, 10, 11])
def test_a_limit_counts_what_is_delivered(limit: int) -> None:
    """The page ends right after the last line that it holds, so that the next one begins with the next."""
    with folder_of((b'{"keep":1}\n' + b'{"drop":1}\n') * 10) as folder:
        page = page_of(folder, limit=limit, wanted=Filter(contains="keep"))
        assert len(page.lines) == min(limit, 10)
        assert page.end == (limit * 22 - 11 if limit < 10 else 220)


MIXED = st.lists(
    st.tuples(
        st.sampled_from([b"", b"x", b'{"keep":1}', padded(300), padded(3000), padded(70_000), b"y" * 120_000]),
        st.sampled_from([1, 2, 40]),
    ),
    max_size=6,
).map(lambda runs: b"".join((line + b"\n") * min(count, 200_000 // (len(line) + 1)) for line, count in runs))


@given(MIXED, FILTERS | st.just(Filter(contains="keep")), st.integers(1, 90), st.sampled_from([200_000, 10**8]))
def test_a_limited_page_is_the_beginning_of_an_unlimited_one(
    data: bytes, wanted: Filter, limit: int, room: int
) -> None:
    """With a limit that is reached it ends right after its last line, else it is the very same page."""
    ends = {line.end for line in naive.lines(data, MAX_LINE) if wanted.wants(line.delivered)}
    with folder_of(data) as folder:
        whole = page_of(folder, room=room, wanted=wanted)
        page = page_of(folder, room=room, wanted=wanted, limit=limit)
    assert page.lines == whole.lines[:limit]
    if len(whole.lines) < limit:
        assert page == whole
    elif room == 10**8:  # one read for all that there is
        assert page.end == (whole.end if len(whole.lines) == limit else sorted(ends)[limit - 1])


def test_a_line_for_which_there_is_no_room_is_read_once() -> None:
    """With a limit as well as without: it may be as long as the file."""
    with folder_of(b"x" * 2 * MIB + b"\n" + padded(99) + b"\n") as folder:
        totals = []
        for limit in (None, 1):
            with counted_reads() as reads:
                page = page_of(folder, room=MIB, limit=limit)
            assert (page.end, len(page.lines)) == (2 * MIB + 1, 1)
            totals.append(reads.total)
    assert totals[1] <= totals[0] + 2 * 4096


@pytest.mark.parametrize("wanted", [EVERYTHING, Filter(contains="keep")])
def test_a_limit_bounds_what_is_read(wanted: Filter) -> None:
    """A few lines cost a small read, however much room there is; lines that are far apart cost little more than it."""
    line = b'{"keep":"%s"}\n' % (b"x" * 85)
    with folder_of(line * 20_000) as folder, counted_reads() as reads:
        assert len(page_of(folder, room=MIB, wanted=wanted, limit=50).lines) == 50
    assert reads.total <= 100_000
    with folder_of(line * 20_000) as folder, counted_reads() as reads:
        assert len(page_of(folder, room=MIB, wanted=wanted, limit=10_000).lines) == 10_000
    assert reads.total <= 1.5 * MIB


def test_a_search_with_a_limit_reads_hardly_more_than_one_without() -> None:
    """However little it finds, a page goes through its part of the file but once; only the first reads are repeated."""
    room = 100_000
    with folder_of((padded(99) + b"\n") * 20_000) as folder, counted_reads() as reads:
        page = page_of(folder, room=room, wanted=Filter(contains="nowhere"), limit=1)
    assert (page.start, page.end, page.lines) == (0, SEARCH_FACTOR * room, [])
    assert reads.total <= (SEARCH_FACTOR + 2) * room


def test_a_search_for_something_rare_gives_up_for_now() -> None:
    """One page looks at so many times its room of the file, then says how far it came, though it found nothing."""
    room = 4096
    data = (padded(99) + b"\n") * (SEARCH_FACTOR * room // 100 * 3) + b'{"rare":1}\n'
    with folder_of(data) as folder:
        with counted_reads() as reads:
            page = page_of(folder, room=room, wanted=Filter(contains="rare"))
        assert page.lines == []
        assert SEARCH_FACTOR * room - 100 <= page.end <= (SEARCH_FACTOR + 1) * room
        assert reads.total <= (SEARCH_FACTOR + 6) * room
        assert not page.up_to_date


def test_the_end() -> None:
    """A page is the last one when it reaches the tail of a closed stream, not before."""
    with folder_of(b"{}\n{}\n" + FINAL) as folder:
        assert page_of(folder).closed
        assert not page_of(folder, limit=2).closed
        assert not page_of(folder, limit=2).up_to_date
        assert page_of(folder, wanted=Filter(contains="nowhere")).closed
        assert page_of(folder, Start(now=True)).closed
    with folder_of(FINAL + b"{}\n") as folder:
        assert not page_of(folder).closed


def test_an_empty_stream() -> None:
    """Nothing, or but a torn line, is an empty page at the zero offset."""
    for data in (b"", b"{"):
        with folder_of(data) as folder:
            page = page_of(folder)
            assert (page.lines, page.next, page.up_to_date, page.closed) == ([], ZERO, True, False)


def test_what_was_just_written_is_in_it() -> None:
    """A page is of the file as it is now."""
    with folder_of(b"{}\n") as folder:
        page = page_of(folder)
        with (Path(folder.path) / "s.jsonl").open("ab", buffering=0) as file:
            file.write(b'{"a":1}\n')
            assert page_of(folder, Start(offset=page.next)).lines == [b'{"a":1}']


def test_refusals() -> None:
    """A page that cannot be is refused: no such stream, no such line, another stream, cut off, not here yet."""
    data = b'{"a":1}\n{"a":2}\n'
    generation = naive.generation(data)
    with folder_of(None) as folder, pytest.raises(StreamNotFoundError):
        page_of(folder)
    with folder_of(data) as folder:
        with pytest.raises(InvalidOffsetError):
            page_of(folder, Start(offset=Offset(generation, 3)))
        with pytest.raises(OffsetGoneError):
            page_of(folder, Start(offset=Offset("ffffffff", 0)))
        with pytest.raises(OffsetGoneError):
            page_of(folder, Start(offset=Offset(generation, 17)), seen=Offset(generation, 17))
        with pytest.raises(OffsetAheadError):
            page_of(folder, Start(offset=Offset(generation, 17)))
