"""What should not be in a stream: lines that are no events, times that run backwards, torn ends."""

from __future__ import annotations

import os
from collections import Counter
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec

from streamhub.line import fault_of, is_final
from streamhub.offset import Offset
from streamhub.stream import PIECE_BYTES
from streamhub.tag import tag_of
from streamhub.times import EARLIEST, time_of_stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from streamhub.batch import Batch
    from streamhub.stream import Look, StreamFile

#: A line that is no event; an event that is earlier than one before it; a line after the final status; one that the
#: judge does not like; and bytes after the last line.
Kind = Literal["malformed", "out-of-order", "past-end", "foreign", "torn"]
KINDS: Final[tuple[Kind, ...]] = ("malformed", "out-of-order", "past-end", "foreign", "torn")


class _Tag(msgspec.Struct, gc=False):
    timestamp: Any = None


_decode: Final = msgspec.json.Decoder(_Tag).decode


class Finding(msgspec.Struct, frozen=True, gc=False):
    """Something that should not be there.

    Attributes:
        kind: what it is.
        offset: the token of the line's start.
        bytes: the line's length, without its newline.
        detail: why; a few words.
    """

    kind: Kind
    offset: str
    bytes: int
    detail: str


class Audit:
    """What was found in a stream so far. Not thread-safe.

    Args:
        judge: says what is wrong with a line that is an object, None when nothing is; None: any object is welcome.

    Attributes:
        end: the byte up to which it was gone through.
        events: how many lines are events.
        counts: how much of each kind was found.
    """

    def __init__(self, judge: Callable[[bytes], str | None] | None = None) -> None:
        self.end = 0
        self.events = 0
        self.counts: Counter[Kind] = Counter()
        self._judge = judge
        self._latest = EARLIEST
        self._latest_stamp = ""
        self._ended = False

    def read_piece(self, file: StreamFile, look: Look) -> list[Finding]:
        """Go on through a piece of what a look found; what there is in it, in order.

        Raises:
            StreamReplacedError: the file was cut or replaced.
        """
        data = os.pread(file.fd, min(PIECE_BYTES, look.tail - self.end), self.end)
        size = data.rfind(b"\n") + 1
        if size and self._is_plain(data[:size], file.max_line):
            self.end += size
            return []
        batch = file.read(self.end, look.tail, PIECE_BYTES, look.generation)
        self.end = batch.end
        return self._read(_careful_lines(file, batch) if batch.malformed else _lines(batch), look)

    def _is_plain(self, data: bytes, max_line: int) -> bool:
        """Whether nothing can be wrong with whole lines, which are counted then: the way of nearly all of them."""
        suspect = self._judge is not None or self._ended or b"\0" in data or b'"final"' in data
        if suspect or (b"\\" in data and b"\\u" in data):
            return False
        latest, stamp = self._latest, self._latest_stamp
        lines = data.split(b"\n")
        lines.pop()
        try:
            if not data.isascii():
                data.decode()
            for line in lines:
                stamp = _decode(line).timestamp  # refuses what is no JSON object
                time = datetime.fromisoformat(stamp)
                if time < latest:
                    return False
                latest = time
        except (TypeError, ValueError, RecursionError):  # no UTF-8, no event, no time, or one without a zone
            return False
        if max(map(len, lines)) > max_line:
            return False
        self._latest, self._latest_stamp = latest, stamp
        self.events += len(lines)
        return True

    def _read(self, lines: Iterator[tuple[int, int, bytes, str | None]], look: Look) -> list[Finding]:
        found: list[Finding] = []
        for place, size, line, fault in lines:
            for kind, detail in self._faults(line, fault):
                found.append(Finding(kind, str(Offset(look.generation, place)), size, detail))
                self.counts[kind] += 1
        return found

    def torn(self, look: Look, size: int) -> Finding:
        """That a file of ``size`` bytes ends in the middle of a line."""
        self.counts["torn"] += 1
        return Finding("torn", str(look.next), size - look.tail, "the last line has no end")

    def _faults(self, line: bytes, fault: str | None) -> Iterator[tuple[Kind, str]]:
        if self._ended:
            yield "past-end", "it follows the final status"
        if fault is not None:
            yield "malformed", fault
            return
        self.events += 1
        stamp = tag_of(line).timestamp
        time = time_of_stamp(stamp)
        if time is not None and time < self._latest:
            seconds = (self._latest - time).total_seconds()
            yield "out-of-order", f"{stamp[:40]} is {seconds:.6f} s before {self._latest_stamp[:40]}"
        elif time is not None:
            self._latest, self._latest_stamp = time, stamp
        self._ended = self._ended or is_final(line)
        wrong = None if self._judge is None else self._judge(line)
        if wrong is not None:
            yield "foreign", wrong


def _lines(batch: Batch) -> Iterator[tuple[int, int, bytes, str | None]]:
    """Where each line starts, how long it is, and the line, of which is known that it is an event."""
    for line, end in zip(batch.lines, batch.ends, strict=True):
        yield end - len(line) - 1, len(line), line, None


def _careful_lines(file: StreamFile, batch: Batch) -> Iterator[tuple[int, int, bytes, str | None]]:
    """The same of the file's own lines, with what is wrong with each."""
    size = batch.end - batch.start
    if size - 1 > file.max_line and len(batch.lines) == 1:
        yield batch.start, size - 1, b"", "too-long"
        return
    data = os.pread(file.fd, size, batch.start)
    if len(data) < size:
        raise file.replaced()
    place = batch.start
    for line in data.split(b"\n")[:-1]:
        if line:
            yield place, len(line), line, fault_of(line, file.max_line)
        place += len(line) + 1
