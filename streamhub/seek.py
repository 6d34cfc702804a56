"""Where a reader starts: an offset, the last N lines, or a time, turned into a byte between two lines."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamhub.errors import InvalidOffsetError, InvalidRequestError, OffsetAheadError, OffsetGoneError
from streamhub.filters import parse_time, time_of
from streamhub.line import fault_of
from streamhub.offset import BEGINNING, NO_GENERATION, NOW, ZERO, Offset, parse_offset

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from streamhub.stream import Look, StreamFile

_BLOCK: Final = 4096
_BACKWARD_BLOCK: Final = 64 * 1024
#: The time of a line that begins with it, as emitters write them: enough of a long line to look at.
_LEADING_TIME: Final = re.compile(rb'\s*\{\s*"timestamp"\s*:\s*"([^"\\]*)"')


@dataclass(frozen=True)
class Start:
    """Where a reader wants to begin; at most one of the fields is set, none means the beginning.

    Attributes:
        offset: a token.
        now: the tail, wherever it is.
        tail: the last so many lines.
        since: the first line at or after this time.
    """

    offset: Offset | None = None
    now: bool = False
    tail: int | None = None
    since: datetime | None = None

    @property
    def at_beginning(self) -> bool:
        """Whether it means the beginning, whatever the stream holds."""
        return not self.now and self.tail is None and self.since is None and self.offset in {None, ZERO}


FROM_BEGINNING: Final = Start()


def parse_start(offset: str | None = None, tail: str | None = None, since: str | None = None) -> Start:
    """Read the words that say where to start, as they come from a query or a command line.

    Raises:
        InvalidRequestError: more than one is given, or one of them is malformed.
    """
    given = [
        f"{name}={value[:64]!r}"
        for name, value in (("offset", offset), ("tail", tail), ("since", since))
        if value is not None
    ]
    if len(given) > 1:
        raise InvalidRequestError(f"{' and '.join(given)} contradict each other: give one of offset, tail and since")
    if tail is not None:
        return Start(tail=parse_count("tail", tail))
    if since is not None:
        return Start(since=parse_time(since))
    if offset is None or offset == BEGINNING:
        return FROM_BEGINNING
    return Start(now=True) if offset == NOW else Start(offset=parse_offset(offset))


def parse_count(name: str, text: str) -> int:
    """Read a whole number that is not negative.

    Raises:
        InvalidRequestError: it is none.
    """
    if not (text.isascii() and text.isdigit() and len(text) <= 15):
        raise InvalidRequestError(f"{name} {text[:64]!r} is no count: give a whole number from 0")
    return int(text)


def locate(file: StreamFile, look: Look, start: Start, seen: Offset | None = None) -> int:
    """The byte at which a reader starts.

    Args:
        file: the stream.
        look: where it stands.
        start: what was asked for.
        seen: the longest tail this host knows of the stream, to tell a cut file from a copy that lags.

    Raises:
        InvalidOffsetError: the offset is not at the start of a line.
        OffsetGoneError: it belongs to another generation, or to lines that were cut off.
        OffsetAheadError: this copy of the stream does not reach it yet.
    """
    if start.now:
        return look.tail
    if start.tail is not None:
        return last_lines(file, look.tail, start.tail)
    if start.since is not None:
        return first_since(file, look.tail, start.since)
    return 0 if start.offset is None else _check_offset(file, look, start.offset, seen)


def _check_offset(file: StreamFile, look: Look, offset: Offset, seen: Offset | None) -> int:
    if offset == ZERO:
        return 0
    empty = look.generation == NO_GENERATION
    if not empty and offset.generation != look.generation:
        raise OffsetGoneError(
            f"offset {offset} belongs to another generation of this stream: start again from {look.earliest}",
            earliest=str(look.earliest),
        )
    if empty or offset.byte > look.tail:
        if seen is not None and seen.byte > look.tail and (empty or seen.generation == look.generation):
            raise OffsetGoneError(
                f"offset {offset} was cut off this stream: start again from {look.earliest}",
                earliest=str(look.earliest),
            )
        raise OffsetAheadError(f"offset {offset} is past the tail {look.next}: this copy lags, try again in a second")
    if not file.is_line_start(offset.byte):
        raise InvalidOffsetError(f"offset {offset} is not at the start of a line: use one that the server gave")
    return offset.byte


def last_lines(file: StreamFile, tail: int, count: int) -> int:
    """Where the last ``count`` lines begin (empty ones passed over, not counted)."""
    if count == 0 or tail == 0:
        return tail
    end = tail - 1
    for start, block in _blocks_backward(file, end):
        head, *lines = block.split(b"\n")
        begun = len(lines) - lines.count(b"") + (start + len(block) < end)  # the last line begins where the block ends
        if begun < count:
            count -= begun
            end = start + len(head)
            continue
        for newline in _newlines_backward(block):
            if start + newline < end - 1:
                count -= 1
                if count == 0:
                    return start + newline + 1
            end = start + newline
    return 0


def _blocks_backward(file: StreamFile, stop: int) -> Iterator[tuple[int, bytes]]:
    """Pieces of the file up to the last newline before ``stop``, latest first; each ends with one."""
    while (stop := file.last_newline(stop) + 1) > 0:  # holes are not read
        start = max(0, stop - _BACKWARD_BLOCK)
        yield start, os.pread(file.fd, stop - start, start)
        stop = start


def _newlines_backward(block: bytes) -> Iterator[int]:
    place = block.rfind(b"\n")
    while place >= 0:
        yield place
        place = block.rfind(b"\n", 0, place)


def first_since(file: StreamFile, tail: int, since: datetime) -> int:
    """Where the first line at or after a time begins: bisection, some twenty small reads in ten gigabytes.

    Exact where times never run backwards; elsewhere a line at or after the time whose predecessor is before it.
    Lines without a time are passed over.
    """
    low, high, answer = 0, tail, tail
    # Lines that start before low are earlier; none that starts in [high, answer) carries a time.
    while high - low > _BLOCK:
        middle = (low + high) // 2
        place, time, end = _timed_line(file, file.next_newline(middle, high) + 1 or high, high, tail)
        if time is None:
            high = middle + 1
        elif time < since:
            low = end
        else:
            high, answer = middle + 1, place
    while low < high:
        place, time, end = _timed_line(file, low, high, tail)
        if time is None:
            break
        if time >= since:
            return place
        low = end
    return answer


def _timed_line(file: StreamFile, start: int, stop: int, tail: int) -> tuple[int, datetime | None, int]:
    """The first line that starts in [start, stop) and has a time: where it starts, its time, where it ends."""
    block, base = b"", start
    while start < stop:
        newline = block.find(b"\n", start - base)
        if newline < 0:
            file.check_wanted()
            block, base = os.pread(file.fd, _BLOCK, start), start
            newline = block.find(b"\n")
        if newline >= 0:
            end = base + newline + 1
            time = _time_of_event(file, block[start - base : newline])
        else:
            end = file.next_newline(start + len(block), tail) + 1 or tail
            time = _time_of_long_line(file, block, start, end)
        if time is not None:
            return start, time, end
        start = end
    return start, None, start


def _time_of_long_line(file: StreamFile, block: bytes, start: int, end: int) -> datetime | None:
    """The time of a line that goes on past ``block``; what is too long for an event has none."""
    if end - start - 1 > file.max_line:
        return None
    match = _LEADING_TIME.match(block)
    if match is not None:
        return time_of(b'{"timestamp":"%s"}' % match[1])
    return _time_of_event(file, os.pread(file.fd, end - 1 - start, start))


def _time_of_event(file: StreamFile, line: bytes) -> datetime | None:
    """The time of a line; what is no event has none, whatever can be read in it: readers get a stand-in."""
    return time_of(line) if fault_of(line, file.max_line) is None else None
