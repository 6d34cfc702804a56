"""The two ends of a stream: its first and last time and its mission, from a few small reads however long it is."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, NamedTuple

from streamhub.line import fault_of
from streamhub.tag import Tag, tag_of
from streamhub.times import micros_of, time_of_stamp

if TYPE_CHECKING:
    from datetime import datetime

    from streamhub.stream import StreamFile

_BLOCK: Final = 4096
#: A time or a mission's name that is longer is taken for none: whoever keeps many must not be filled by one.
LONGEST_TEXT: Final = 256


class Ends(NamedTuple):
    """What the lines at the ends of a stream say; None where none of them says it.

    Attributes:
        mission_id: the mission of the first event that names one.
        first: the time of the first line that has one, as it is written there.
        last: the time of the last line that has one, as it is written there.
        last_micros: the same in microseconds since 1970.
    """

    mission_id: str | None
    first: str | None
    last: str | None
    last_micros: int | None


def read_ends(file: StreamFile, tail: int) -> Ends:
    """Look at the lines in the first and the last 4 KiB before ``tail``, or at one longer line where it stands.

    Lines that are malformed or say nothing are passed over, within these reads.
    """
    first, mission_id = _beginning(file, tail)
    return Ends(mission_id, first, *_end(file, tail))


def _beginning(file: StreamFile, tail: int) -> tuple[str | None, str | None]:
    block = os.pread(file.fd, min(tail, _BLOCK), 0)
    if b"\n" not in block:
        block = os.pread(file.fd, min(tail, file.max_line + 1), 0)
    first = mission_id = None
    for line in block.split(b"\n")[:-1]:
        tag = _tag_of(line, file.max_line)
        if mission_id is None and isinstance(tag.mission_id, str) and 0 < len(tag.mission_id) <= LONGEST_TEXT:
            mission_id = tag.mission_id
        if first is None and _time_of(tag) is not None:
            first = tag.timestamp
        if first is not None and mission_id is not None:
            break
    return first, mission_id


def _end(file: StreamFile, tail: int) -> tuple[str | None, int | None]:
    start = max(0, tail - _BLOCK)
    block = os.pread(file.fd, tail - start, start)
    if start and b"\n" not in block.rstrip(b"\n"):
        # The newline before the line, the line, and its own newline.
        start = max(0, tail - file.max_line - 2)
        block = os.pread(file.fd, tail - start, start)
    for line in reversed(block.split(b"\n")[1 if start else 0 : -1]):
        tag = _tag_of(line, file.max_line)
        time = _time_of(tag)
        if time is not None:
            return tag.timestamp, micros_of(time)
    return None, None


def _tag_of(line: bytes, max_line: int) -> Tag:
    return Tag() if not line or fault_of(line, max_line) is not None else tag_of(line)


def _time_of(tag: Tag) -> datetime | None:
    stamp = tag.timestamp
    return None if isinstance(stamp, str) and len(stamp) > LONGEST_TEXT else time_of_stamp(stamp)
