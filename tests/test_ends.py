from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streamhub.ends import LONGEST_TEXT, Ends, read_ends
from streamhub.folder import Folder
from streamhub.stream import StreamFile

MAX_LINE = 16 * 1024
NOON = "2026-01-31T12:00:00.000000Z"
ONE = "2026-01-31T13:00:00.000000Z"
NOON_MICROS = 1769860800_000000
ONE_MICROS = NOON_MICROS + 3600_000000

Read = Callable[[bytes], Ends]


def line(**fields: Any) -> bytes:
    """A line of these fields."""
    return json.dumps(fields).encode() + b"\n"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Writes a stream and looks at its ends."""

    def read(content: bytes) -> Ends:
        (tmp_path / "s.jsonl").write_bytes(content)
        folder = Folder(str(tmp_path))
        try:
            with StreamFile.open(folder, "s", MAX_LINE) as file:
                return read_ends(file, file.tail())
        finally:
            folder.close()

    return read


@pytest.mark.parametrize("content", [b"", b"torn", b"\n", b"\n\n\n", b"not json\n", b"[1]\n", b"{}\n"])
def test_nothing_said(read: Read, content: bytes) -> None:
    """A stream whose lines say nothing has neither times nor a mission."""
    assert read(content) == Ends(None, None, None, None)


def test_first_and_last_time_as_written(read: Read) -> None:
    """The times are those of the first and the last line, in the writer's own words."""
    middle = line(timestamp="2026-01-31T12:30:00Z", mission_id="other") * 300
    ends = read(
        line(timestamp="2026-01-31 14:00:00+02:00", mission_id="m") + middle + line(timestamp="2026-01-31T13:00:00")
    )
    assert ends == Ends("m", "2026-01-31 14:00:00+02:00", "2026-01-31T13:00:00", ONE_MICROS)


@pytest.mark.parametrize(
    "junk",
    [
        b"\n",
        b"not json\n",
        b'{"timestamp":"2026-01-01T00:00:00Z","mission_id":"x"\n',
        b'{"timestamp":"2026-01-01T00:00:00Z","mission_id":"x","a":"\xff"}\n',
        b'{"timestamp":"2026-01-01T00:00:00Z","mission_id":"x"}\0\n',
        b'["timestamp"]\n',
        line(timestamp="yesterday", mission_id=""),
        line(timestamp=17, mission_id=4),
        line(timestamp=" " * LONGEST_TEXT + NOON, mission_id="m" * (LONGEST_TEXT + 1)),
        b'{"timestamp":1e999,"mission_id":1e999}\n',
        b'{"timestamp":"2026-01-01\\ud83d00:00:00","mission_id":"\\ud83d"}\n',
    ],
)
def test_lines_that_say_nothing_are_passed_over(read: Read, junk: bytes) -> None:
    """Malformed lines, and lines without a usable time or mission, leave the word to their neighbours."""
    event = line(timestamp=NOON, mission_id="m")
    assert read(junk * 3 + event + junk * 3) == Ends("m", NOON, NOON, NOON_MICROS)


@pytest.mark.parametrize("more", [b'"text":"cut \\ud83d"', b'"number":1e999', b'"event_type":1e999'])
def test_lines_that_only_python_can_read(read: Read, more: bytes) -> None:
    """Half a surrogate pair, or a number without bounds, takes nothing from what else a line says."""
    event = b'{"timestamp":"%s","mission_id":"m",%s}\n' % (NOON.encode(), more)
    assert read(event) == Ends("m", NOON, NOON, NOON_MICROS)


def test_the_torn_end_is_not_read(read: Read) -> None:
    """Bytes past the last newline do not exist yet."""
    assert read(line(timestamp=NOON) + line(timestamp=ONE)[:-1]).last == NOON


def test_mission_and_time_may_stand_in_different_lines(read: Read) -> None:
    """The first mission and the first time are each looked for on their own."""
    assert read(line(timestamp=NOON) + line(mission_id="m") + line(timestamp=ONE)) == Ends("m", NOON, ONE, ONE_MICROS)


@pytest.mark.parametrize("size", [4000, 4090, 4096, 5000, 9000, MAX_LINE - 100])
def test_long_lines_at_the_ends(read: Read, size: int) -> None:
    """A first or last line that is longer than a block is read as a whole."""
    first = line(pad="x" * size, timestamp=NOON, mission_id="m")
    last = line(pad="x" * size, timestamp=ONE)
    assert read(first + line(a=1) + last) == Ends("m", NOON, ONE, ONE_MICROS)
    assert read(first) == Ends("m", NOON, NOON, NOON_MICROS)
    assert read(last + last + b"\n\n").last == ONE


def test_a_line_that_the_block_cuts_in_two_is_not_read(read: Read) -> None:
    """What is left of a line whose beginning is out of reach may look like an event, and is none."""
    inner = json.dumps({"timestamp": ONE}).encode()
    cut = b"[" + b" " * 8000 + b"," + inner.rjust(4000) + b"\n"
    assert read(line(timestamp=NOON) + cut + b"[%s]\n" % (b" " * 500)).last is None


def test_a_line_of_exactly_the_longest_length(read: Read) -> None:
    """The longest line that is an event is one at both ends; one byte more, and it says nothing."""
    frame = len(line(pad="", timestamp=NOON)) - 1
    longest = line(pad="x" * (MAX_LINE - frame), timestamp=NOON)
    assert len(longest) == MAX_LINE + 1
    assert read(longest + longest) == Ends(None, NOON, NOON, NOON_MICROS)
    too_long = line(pad="x" * (MAX_LINE - frame + 1), timestamp=NOON)
    assert read(too_long + too_long) == Ends(None, None, None, None)
