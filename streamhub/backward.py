"""The end of a stream's file, read backward: is the last line whole, is it the final one, what is its time?"""

from __future__ import annotations

import os
from itertools import chain
from typing import TYPE_CHECKING, Final, NamedTuple

from streamhub.events import nanoseconds
from streamhub.filters import time_of
from streamhub.line import is_final

if TYPE_CHECKING:
    from collections.abc import Iterator

#: How far back from the end a time is looked for, in bytes: a file that holds none must not hold up the mission.
_LOOK_BACK: Final = 16 * 1024 * 1024
_FIRST_BLOCK: Final = 4096
_LARGEST_BLOCK: Final = 1024 * 1024


class End(NamedTuple):
    """How a file ends."""

    #: What stands after the last newline; of what is very long only the head.
    rest: bytes
    #: Whether the last line before that, empty ones apart, is a final status.
    closed: bool
    #: The time of the last line that has one, in nanoseconds since 1970; 0 when none is found. That of a line which
    #: lacks nothing but its newline counts.
    latest: int


def read_end(fd: int, end: int) -> End:
    """How the file ends at the byte ``end``."""
    lines = _lines_backward(fd, end)
    rest = next(lines)
    filled = (line for line in lines if line)  # one of white space is no empty line: to readers it is malformed
    last = next(filled, b"")
    closed = is_final(last)
    times = (time_of(line) for line in chain((rest, last), filled))
    moment = next((time for time in times if time is not None), None)
    return End(rest, closed, 0 if moment is None else nanoseconds(moment))


def _lines_backward(fd: int, end: int) -> Iterator[bytes]:
    """What stands after the last newline (perhaps nothing), then the lines before it, latest first.

    Of a line longer than the largest block only its head is given: enough to see that it is there.
    """
    size, head, stop = _FIRST_BLOCK, b"", max(0, end - _LOOK_BACK)
    while end > stop:
        start = max(stop, end - size)
        first, *others = (os.pread(fd, end - start, start) + head).split(b"\n")
        yield from reversed(others)
        head, end, size = first[:_LARGEST_BLOCK], start, min(4 * size, _LARGEST_BLOCK)
    yield head
