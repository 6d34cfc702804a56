from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from streamhub.errors import StreamReplacedError
from streamhub.folder import Folder
from streamhub.line import fault_of
from streamhub.stream import PIECE_BYTES, StreamFile
from streamhub.tag import tag_of
from streamhub.tally import MAX_CELLS, Tally

MAX_LINE = 2 * PIECE_BYTES
NOON_MICROS = 1769860800_000000

Open = Callable[[bytes], StreamFile]


@pytest.fixture
def opened(tmp_path: Path) -> Iterator[Open]:
    """Writes a stream and opens it."""
    folder = Folder(str(tmp_path))
    files: list[StreamFile] = []

    def write(content: bytes) -> StreamFile:
        (tmp_path / "s.jsonl").write_bytes(content)
        files.append(StreamFile.open(folder, "s", MAX_LINE))
        return files[-1]

    yield write
    for file in files:
        file.close()
    folder.close()


def line(second: int, kind: str = "status", **more: Any) -> bytes:
    """An event so many seconds after noon, as a line."""
    stamp = f"2026-01-31T12:{second // 60:02d}:{second % 60:02d}.000000Z"
    return json.dumps({"timestamp": stamp, "event_type": kind, **more}).encode() + b"\n"


def count(file: StreamFile, tally: Tally | None = None, tail: int | None = None) -> Tally:
    """Count to the tail, seeing to it that each piece gets on."""
    tally = tally or Tally()
    tail = file.tail() if tail is None else tail
    while tally.end < tail:
        before = tally.end
        tally.read_piece(file, tail)
        assert before < tally.end <= tail
    return tally


def test_lines_longer_than_a_piece(opened: Open) -> None:
    """A line that no piece holds is counted as what it is, up to the longest there may be, and malformed past it."""
    frame = len(line(1, pad="")) - 1
    lines = [
        line(0),
        line(1, pad="x" * (PIECE_BYTES + 5)),
        line(1, pad="x" * (MAX_LINE - frame)),
        line(1, pad="x" * (MAX_LINE - frame + 1)),
        b"x" * (5 * PIECE_BYTES) + b"\n",
        b"x" * (PIECE_BYTES + 5) + b"\n",
        line(2),
    ]
    tally = count(opened(b"".join(lines)))
    assert tally.totals() == {"status": 4, "malformed": 3}
    starts = [sum(map(len, lines[:number])) for number in range(len(lines) + 1)]
    cells = {index * tally.width: (cell.start, cell.end, cell.counts) for index, cell in tally.cells.items()}
    assert cells == {
        NOON_MICROS: (0, starts[1], {"status": 1}),
        NOON_MICROS + 1_000_000: (starts[1], starts[6], {"status": 2, "malformed": 3}),
        NOON_MICROS + 2_000_000: (starts[6], starts[7], {"status": 1}),
    }


def test_a_hole_is_one_malformed_line(opened: Open, tmp_path: Path) -> None:
    """A terabyte that was never written is passed over without being read."""
    file = opened(line(0))
    with (tmp_path / "s.jsonl").open("r+b") as writer:
        writer.seek(2**40)
        writer.write(b"\n" + line(1))
    assert count(file).totals() == {"status": 2, "malformed": 1}


def test_pieces_end_between_lines(opened: Open) -> None:
    """A file of many pieces is counted to its last line, each line once."""
    lines = [line(number % 3000, number=number, pad="x" * (number % 97)) for number in range(12000)]
    tally = count(opened(b"".join(lines)))
    assert tally.end == sum(map(len, lines)) > 4 * PIECE_BYTES
    assert tally.totals() == {"status": 12000}


@pytest.mark.parametrize("cut", [0, 3, len(line(0)), PIECE_BYTES + 100])
def test_a_file_that_was_cut(opened: Open, tmp_path: Path, cut: int) -> None:
    """When the lines that were promised are not there, the error says that the file was cut."""
    file = opened(line(0) + line(1, pad="x" * (PIECE_BYTES + 500)))
    tail = file.tail()
    with (tmp_path / "s.jsonl").open("r+b") as writer:
        writer.truncate(cut)
    tally = Tally()
    with pytest.raises(StreamReplacedError):
        count(file, tally, tail)
    assert tally.end <= cut


def test_lines_without_a_time_follow_the_line_before(opened: Open) -> None:
    """They count where the line before counts, those at the beginning where the first time counts."""
    untimed = b'{"event_type":"signal"}\n'
    lines = [untimed, b"torn\n", line(5), untimed, line(1), untimed, b"\n", b"torn\n", line(5), untimed]
    file = opened(b"".join(lines))
    tally = count(file)
    assert tally.cells[NOON_MICROS + 5_000_000].counts == {"signal": 3, "malformed": 1, "status": 2}
    assert tally.cells[NOON_MICROS + 1_000_000].counts == {"signal": 1, "malformed": 1, "status": 1}
    assert tally.cells[NOON_MICROS + 5_000_000].start == 0
    early = count(file, Tally(until=NOON_MICROS + 1_000_000))
    assert early.totals() == {"signal": 1, "malformed": 1, "status": 1}
    late = count(file, Tally(since=NOON_MICROS + 1_000_001))
    assert late.totals() == {"signal": 3, "malformed": 1, "status": 2}


@pytest.mark.parametrize("start", [b"\n", b"\n\n{}\n", b"\n" * PIECE_BYTES + b"torn\n\n"])
def test_a_cell_starts_at_a_line(opened: Open, start: bytes) -> None:
    """Empty lines are passed over, and where a cell starts they are no part of it."""
    [cell] = count(opened(start + line(1))).cells.values()
    assert cell.start == len(start) - len(start.lstrip(b"\n"))


def test_nesting_too_deep(opened: Open) -> None:
    """What nests too deep to parse is malformed wherever it stands, as for readers, and the count goes on."""
    deep = b"[" * 100_000 + b"]" * 100_000
    lines = [b'{"%s":%s}\n' % (name, deep) for name in (b"a", b"event_type", b"timestamp")]
    assert count(opened(b"".join(lines) + line(1))).totals() == {"malformed": 3, "status": 1}


def test_the_first_mission_and_the_times_as_written(opened: Open) -> None:
    """The mission is the first one named; the first and last times are those in the order of the file."""
    content = line(7) + line(9, mission_id=4) + line(3, mission_id="m") + line(5, mission_id="n") + b"{}\n"
    tally = count(opened(content))
    assert tally.mission_id == "m"
    assert (tally.first, tally.last) == ("2026-01-31T12:00:07.000000Z", "2026-01-31T12:00:05.000000Z")


def test_half_a_surrogate_pair(opened: Open) -> None:
    """A line with a text that was cut inside one counts as its type at its time; one that is its type, as other."""
    cut = line(1, "navigation", mission_id="m", text="cut \ud83d")
    tally = count(opened(cut + line(2, "cut \ud83d", mission_id="n")))
    assert tally.totals() == {"navigation": 1, "other": 1}
    assert (tally.mission_id, tally.first, tally.last) == (
        "m",
        "2026-01-31T12:00:01.000000Z",
        "2026-01-31T12:00:02.000000Z",
    )
    assert tally.cells[NOON_MICROS + 1_000_000].counts == {"navigation": 1}


def test_cells_widen_when_there_are_too_many(opened: Open) -> None:
    """The width doubles just when there would be more cells than are allowed; nothing is lost by it."""
    stamps = [f"2026-01-31T12:00:00.{number:06d}Z" for number in range(MAX_CELLS + 1)]
    lines = [b'{"timestamp":"%s","event_type":"status"}\n' % stamp.encode() for stamp in stamps]
    tally = count(opened(b"".join(lines[:-1])))
    assert (tally.width, len(tally.cells)) == (1, MAX_CELLS)
    tally = count(opened(b"".join(lines)))
    assert (tally.width, len(tally.cells)) == (2, MAX_CELLS // 2 + 1)
    assert tally.totals() == {"status": MAX_CELLS + 1}
    assert [cell.counts["status"] for cell in tally.cells.values()] == [2] * (MAX_CELLS // 2) + [1]


FRAGMENTS = st.sampled_from(
    [
        *(
            b'{"event_type":"a"',
            b'{"a":1',
            b'"b":2',
            b"{",
            b"}",
            b",",
            b" ",
            b"\t",
            b"\r",
            b"\n",
            b"\n",
            b"\0",
            b"\xff",
        ),
        *(b"\xc3\xa9", b'"', b"\\", b'"\\ud800"', b'"\\ud83d\\ude00"', b":", b"1e999", b"NaN", b"[", b"]", b"[[[["),
        *(
            b'"event_type":',
            b'"timestamp":',
            b'"mission_id":',
            b'"2026-01-31T12:00:00Z"',
            b"null",
            b"true",
            b"-",
            b"01",
        ),
    ]
)


@pytest.mark.slow
@given(
    st.lists(FRAGMENTS, max_size=30).map(b"".join)
    | st.lists(FRAGMENTS, max_size=6).map(lambda x: b"{%s}" % b"".join(x))
)
@settings(max_examples=500)
def test_lines_are_judged_as_for_readers(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    """Whatever the bytes, a line is malformed here exactly when readers get a stand-in for it."""
    path = tmp_path_factory.getbasetemp() / "judged.jsonl"
    path.write_bytes(content + b"\n")
    folder = Folder(str(path.parent))
    with StreamFile.open(folder, "judged", MAX_LINE) as file:
        tally = count(file)
    folder.close()
    lines = [one for one in content.split(b"\n") if one]
    faults = [one for one in lines if fault_of(one, MAX_LINE) is not None]
    assert tally.malformed == len(faults)
    named = sum(1 for one in lines if one not in faults and tag_of(one).event_type == "a")
    assert tally.totals()["a"] == named
    assert tally.totals().total() == len(lines)
