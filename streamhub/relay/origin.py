"""The origin's files, read a piece at a time, and compared with what JetStream has. All of it blocks."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamhub.errors import StreamNotFoundError
from streamhub.relay.piece import digest_of
from streamhub.stream import StreamFile

if TYPE_CHECKING:
    from streamhub.folder import Folder
    from streamhub.offset import Offset
    from streamhub.relay.piece import Piece

_MAX_LINE: Final = 1 << 62  # a line is carried however long it is: what is too long for an event, readers decide


@dataclass(frozen=True, slots=True)
class Found:
    """What a file holds beside what JetStream has of it.

    Attributes:
        generation: the file's.
        tail: the byte after its last whole line.
        fault: why nothing may be pushed; empty: it may.
        age: seconds since it was written last.
    """

    generation: str
    tail: int
    fault: str
    age: float


def compare(folder: Folder, stream: str, head: Piece | None) -> Found | None:
    """Compare a file with JetStream's last piece of it; None when there is no such file.

    Raises:
        OSError: the disk failed, or descriptors ran out.
    """
    file = _open(folder, stream)
    if file is None:
        return None
    with file:
        tail = file.tail()
        generation = file.generation(tail)
        age = time.time() - os.fstat(file.fd).st_mtime
        fault = "" if head is None else _fault(file, generation, tail, head)
        return Found(generation, tail, fault, age)


def read_piece(folder: Folder, stream: str, offset: Offset, tail: int, room: int) -> bytes | None:
    """Whole lines from an offset up to the tail, as many as there is room for, or else a part of one.

    None when the file is not what it was.

    Raises:
        OSError: the disk failed, or descriptors ran out.
    """
    file = _open(folder, stream)
    if file is None:
        return None
    with file:
        size = min(room, tail - offset.byte)
        data = os.pread(file.fd, size, offset.byte)
        if len(data) < size or file.generation(tail) != offset.generation:
            return None
        if offset.byte + size == tail:
            return data if data.endswith(b"\n") else None
        return data[: data.rfind(b"\n") + 1] or data


def _open(folder: Folder, stream: str) -> StreamFile | None:
    try:
        return StreamFile.open(folder, stream, _MAX_LINE)
    except (StreamNotFoundError, FileNotFoundError):
        return None


def _fault(file: StreamFile, generation: str, tail: int, head: Piece) -> str:
    if head.end > tail:
        return f"the file ends at byte {tail}, and JetStream has it up to {head.end}: it was cut"
    if generation != head.offset.generation:
        return f"the file is of generation {generation}, and JetStream has {head.offset.generation}: it was replaced"
    if digest_of(os.pread(file.fd, head.size, head.start)) != head.digest:
        return f"the file's bytes {head.start} to {head.end} are not those that JetStream has: it was rewritten"
    return ""
