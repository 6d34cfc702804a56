"""Counting lines by type and time: the one pass that a summary rests on, piece by piece, in bounded memory.

Time is cut into cells of one width, which doubles whenever there are too many of them. A line without a time
that can be read, a malformed one too, counts where the line before it does; those before the first time, with it.
"""

from __future__ import annotations

import os
from collections import Counter
from math import inf
from typing import TYPE_CHECKING, Any, Final

from streamhub.line import fault_of
from streamhub.stream import PIECE_BYTES
from streamhub.tag import REFUSED, Tag, decode_tag, tag_of
from streamhub.times import EARLIEST, LATEST, micros_of, moment, time_of_stamp

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from streamhub.stream import StreamFile

#: Cells that one tally takes at most: some 350 bytes each with a handful of types.
MAX_CELLS: Final = 4096
#: Types that are counted under their own name, those seen first; any further one is ``other``.
MAX_TYPES: Final = 32
#: What is counted of types that are too many, too long or no text, and of lines that are no events.
OTHER: Final = "other"
MALFORMED: Final = "malformed"

_LONGEST_NAME: Final = 128


class Cell:
    """The lines of one stretch of time.

    Attributes:
        start: the byte that the first of them starts at.
        end: the byte after the last of them; lines of other cells may lie between.
        counts: how many of each type.
    """

    __slots__ = ("counts", "end", "start")

    def __init__(self, start: int) -> None:
        self.start = start
        self.end = start
        self.counts: dict[str, int] = {}

    def absorb(self, other: Cell) -> None:
        """Take the lines of another cell in."""
        self.start = min(self.start, other.start)
        self.end = max(self.end, other.end)
        for name, count in other.counts.items():
            self.counts[name] = self.counts.get(name, 0) + count


class Tally:
    """What was counted of the lines from ``start`` to ``end``. Not thread-safe.

    Args:
        start: the byte to begin at: the beginning, or the start of a line that has a time.
        since: lines before this many microseconds since 1970 go into no cell.
        until: lines after this many go into no cell.
        names: types to be counted under their own name, whatever else comes.

    Attributes:
        end: the byte up to which lines are counted.
        malformed: how many lines are no events.
        mission_id: the mission of the first event that names one.
        first: the first time there is, as it is written.
        last: the last time there is, as it is written.
        width: the width of a cell, in microseconds.
        cells: the cells that are not empty, by their time divided by ``width``.
        names: the types that are counted under their own name.
    """

    def __init__(
        self, start: int = 0, since: float = -inf, until: float = inf, names: Mapping[str, str] | None = None
    ) -> None:
        self.end = start
        self.malformed = 0
        self.mission_id: str | None = None
        self.first: str | None = None
        self.last: str | None = None
        self.width = 1
        self.cells: dict[int, Cell] = {}
        self.names = dict(names or {OTHER: OTHER, MALFORMED: MALFORMED})
        self._since = since
        self._until = until
        self._cell = Cell(start)
        self._undated: Cell | None = self._cell
        self._low = self._high = LATEST  # the times that belong to the cell: none yet

    def totals(self) -> Counter[str]:
        """How many lines of each type there are in the cells, and before the first time."""
        totals: Counter[str] = Counter()
        for cell in self.cells.values():
            totals.update(cell.counts)
        if self._undated is not None:
            totals.update(self._undated.counts)
        return totals

    def read_piece(self, file: StreamFile, stop: int) -> None:
        """Count on: ``PIECE_BYTES`` or one longer line, and not past ``stop``, a place between lines after ``end``.

        Raises:
            StreamReplacedError: the file is shorter than ``stop``, or no line ends there any more.
        """
        data = os.pread(file.fd, min(PIECE_BYTES, stop - self.end), self.end)
        size = data.rfind(b"\n") + 1
        if size == 0:
            size = file.next_newline(self.end + len(data), stop) + 1 - self.end
            if size <= 0:
                raise file.replaced()
            if size - 1 > file.max_line:
                self._pass_over(size)
                return
            data = os.pread(file.fd, size, self.end)
            if len(data) < size:
                raise file.replaced()
        self._count(data[:size], file.max_line)

    def _pass_over(self, size: int) -> None:
        """Count a line that is too long to be read."""
        self.malformed += 1
        self._add(MALFORMED, self.end)
        self.end += size
        self._cell.end = self.end

    def _count(self, data: bytes, max_line: int) -> None:
        """Count whole lines. The hot loop: what it uses per line is local, and a common line calls nothing of ours."""
        place, counts, low, high = self.end, self._cell.counts, self._low, self._high
        first, last, mission_id = self.first, self.last, self.mission_id
        clean = _is_clean(data)
        lines = data.split(b"\n")
        lines.pop()
        for line in lines:
            if line:
                try:
                    tag = decode_tag(line) if clean and len(line) <= max_line else _careful_tag(line, max_line)
                except REFUSED:
                    tag = _careful_tag(line, max_line)
                if tag is None:
                    self.malformed += 1
                    kind: Any = MALFORMED
                else:
                    kind = tag.event_type
                    time = time_of_stamp(tag.timestamp)
                    if time is not None:
                        last = tag.timestamp
                        if first is None:
                            first = last
                        if not low <= time < high:
                            self._enter(time, place)
                            counts, low, high = self._cell.counts, self._low, self._high
                    if mission_id is None and tag.mission_id and isinstance(tag.mission_id, str):
                        mission_id = tag.mission_id
                try:
                    counts[kind] += 1
                except (KeyError, TypeError):
                    self._add(kind, place)
            place += len(line) + 1
        self.first, self.last, self.mission_id = first, last, mission_id
        self.end = self._cell.end = place

    def _add(self, kind: object, place: int) -> None:
        """Count a line at ``place`` into the cell, if its type is not there yet or has no name of its own."""
        name = OTHER
        if isinstance(kind, str) and len(kind) <= _LONGEST_NAME:
            if len(self.names) < MAX_TYPES + len((OTHER, MALFORMED)):
                self.names.setdefault(kind, kind)
            name = self.names.get(kind, OTHER)
        counts = self._cell.counts
        if not counts:  # what went before it were empty lines
            self._cell.start = place
        counts[name] = counts.get(name, 0) + 1

    def _enter(self, time: datetime, place: int) -> None:
        """Go on in the cell of a time, for a line that starts at ``place``."""
        self._cell.end = place
        micros = micros_of(time)
        if micros < self._since:
            self._cell, self._low, self._high = Cell(place), EARLIEST, moment(int(self._since))
        elif micros > self._until:
            self._cell, self._low, self._high = Cell(place), moment(int(self._until) + 1), LATEST
        else:
            self._cell = self._cell_of(micros, place)
            low = micros // self.width * self.width
            self._low, self._high = moment(low), moment(low + self.width)
        if self._undated is not None:
            self._cell.absorb(self._undated)
            self._undated = None

    def _cell_of(self, micros: int, place: int) -> Cell:
        cell = self.cells.get(micros // self.width)
        if cell is None:
            self.cells[micros // self.width] = Cell(place)
            while len(self.cells) > MAX_CELLS:
                self._widen()
            cell = self.cells[micros // self.width]
        return cell

    def _widen(self) -> None:
        self.width *= 2
        narrow, self.cells = self.cells, {}
        for index, cell in narrow.items():
            wide = self.cells.setdefault(index // 2, cell)
            if wide is not cell:
                wide.absorb(cell)


def _is_clean(data: bytes) -> bool:
    """Whether there is no NUL and no invalid UTF-8: what the decoder does not look for in the values it skips."""
    if b"\0" in data:
        return False
    try:
        return data.isascii() or bool(data.decode())
    except UnicodeDecodeError:
        return False


def _careful_tag(line: bytes, max_line: int) -> Tag | None:
    """What a line says, an unusual one too; None when it is no event."""
    return None if fault_of(line, max_line) is not None else tag_of(line)
