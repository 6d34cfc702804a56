"""The shape of a stream: how many lines of which type, over time.

The file is gone through once, after that only what came is added, so that the next question is answered at once.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from math import inf
from typing import TYPE_CHECKING, Any, Final

from streamhub.errors import InvalidRequestError, StreamhubError, StreamNotFoundError, StreamReplacedError
from streamhub.offset import Offset
from streamhub.stream import StreamFile
from streamhub.tally import MALFORMED, Cell, Tally
from streamhub.times import iso, micros_of, moment

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from streamhub.folder import Folder
    from streamhub.stream import Look

#: Buckets in an answer when nobody says, and at most.
DEFAULT_BUCKETS: Final = 200
MAX_BUCKETS: Final = 1000
#: A part of the file that is no longer than this is read again when the cells are too wide for a narrow range.
REREAD_BYTES: Final = 64 * 1024 * 1024
#: Streams whose summaries are kept up: one to three megabytes each when they are long.
KEPT: Final = 32


class Summary:
    """The summary of one stream as far as it was counted. Not thread-safe."""

    def __init__(self) -> None:
        self._tally = Tally()
        self._of: tuple[tuple[int, int], str] | None = None

    @property
    def end(self) -> int:
        """The byte up to which lines are counted."""
        return self._tally.end

    def advance(self, file: StreamFile, look: Look, stopped: Callable[[], bool] | None = None) -> None:
        """Count up to where the stream stands; from the beginning when the file is not the one it was.

        Args:
            file: the stream.
            look: where it stands.
            stopped: asked between pieces; once it is true, the rest is left for the next call.

        Raises:
            StreamReplacedError: the file was cut or replaced meanwhile.
        """
        of = (look.identity, look.generation)
        if of != self._of or not file.is_line_start(self.end):  # nor does one start past the tail
            self._tally, self._of = Tally(), of
        while self.end < look.tail and not (stopped and stopped()):
            self._tally.read_piece(file, look.tail)

    def answer(
        self,
        file: StreamFile,
        look: Look,
        buckets: int = DEFAULT_BUCKETS,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> dict[str, Any]:
        """What ``/v1/stream/{id}/summary`` says, once the summary has advanced to ``look``.

        ``events``, ``malformed``, ``by_type``, ``first`` and ``last`` are of the whole stream; ``by_type`` of
        events only, so that it sums up to ``events``. ``buckets`` are of the lines from ``since`` to ``until``
        (both included), widened to whole cells where the range is wide; those of them that are empty are left
        out, and in their ``by_type`` malformed lines show as ``malformed``. A bucket lasts until the next begins.

        Raises:
            InvalidRequestError: the number of buckets is out of range.
            StreamReplacedError: the file was cut or replaced meanwhile.
        """
        check_buckets(buckets)
        tally = self._tally
        by_type = tally.totals()
        by_type[MALFORMED] -= tally.malformed  # what is left are events that call themselves so
        by_type = +by_type
        return {
            "id": file.stream,
            "mission_id": tally.mission_id,
            "events": by_type.total(),
            "malformed": tally.malformed,
            "bytes": look.tail,
            "tail": str(look.next),
            "closed": look.closed,
            "first": tally.first,
            "last": tally.last,
            "by_type": dict(by_type),
            "buckets": [
                {
                    "from": iso(moment(micros)),
                    "offset": str(Offset(look.generation, cell.start)),
                    "by_type": cell.counts,
                }
                for micros, cell in self._buckets(
                    file,
                    buckets,
                    -inf if since is None else micros_of(since),
                    inf if until is None else micros_of(until),
                )
            ],
        }

    def _buckets(self, file: StreamFile, count: int, since: float, until: float) -> list[tuple[int, Cell]]:
        """The cells of a time range, merged into at most ``count``, each with its start in microseconds."""
        tally = self._tally
        cells = _within(tally, since, until)
        if tally.width > 1 and cells and max(cells) - min(cells) + 1 < count:
            # By where the cells' lines are, not by a search for the times: exact in files out of order, too.
            start = min(cell.start for cell in cells.values())
            stop = max(cell.end for cell in cells.values())
            if stop - start <= REREAD_BYTES:
                tally = Tally(start, since, until, tally.names)
                while tally.end < stop:
                    tally.read_piece(file, stop)
                cells = tally.cells
        return _merged(cells, tally.width, count)


def check_buckets(buckets: int) -> None:
    """Refuse a number of buckets that cannot be had.

    Raises:
        InvalidRequestError: it is out of range.
    """
    if not 1 <= buckets <= MAX_BUCKETS:
        raise InvalidRequestError(f"buckets {buckets} is out of range: give 1 to {MAX_BUCKETS}")


def _within(tally: Tally, since: float, until: float) -> dict[int, Cell]:
    """The cells that hold some of the times from ``since`` to ``until``."""
    width = tally.width
    return {
        index: cell for index, cell in tally.cells.items() if index * width <= until and since < (index + 1) * width
    }


def _merged(cells: dict[int, Cell], width: int, count: int) -> list[tuple[int, Cell]]:
    if not cells:
        return []
    lowest = min(cells)
    step = -(-(max(cells) - lowest + 1) // count)
    merged: dict[int, Cell] = {}
    for index in sorted(cells):
        start = (index - lowest) // step * step + lowest
        merged.setdefault(start * width, Cell(cells[index].start)).absorb(cells[index])
    return list(merged.items())


class _Kept:
    __slots__ = ("lock", "summary")

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.summary = Summary()


class SummaryStore:
    """The summaries of a folder's streams, those asked for last kept up. Safe to use from several threads.

    Each question may go through a whole file, so it belongs into a thread of its own; it waits for no other
    stream's, and holds the interpreter for no more than a piece of the file at a time.

    Args:
        folder: where the streams are.
        max_line: the longest line that is an event, in bytes.
        kept: how many summaries are kept.
    """

    def __init__(self, folder: Folder, max_line: int, kept: int = KEPT) -> None:
        self._folder = folder
        self._max_line = max_line
        self._most = kept
        self._kept: OrderedDict[str, _Kept] = OrderedDict()
        self._lock = threading.Lock()
        self._closed = threading.Event()

    def answer(
        self,
        stream: str,
        buckets: int = DEFAULT_BUCKETS,
        since: datetime | None = None,
        until: datetime | None = None,
    ) -> dict[str, Any]:
        """What :meth:`Summary.answer` says of a stream as it is now.

        Raises:
            InvalidStreamIdError: no stream can have that id.
            InvalidRequestError: the number of buckets is out of range.
            StreamNotFoundError: there is no such stream.
            StreamReplacedError: the file was cut or replaced while it was counted; the next question starts anew.
            StreamhubError: the store was closed meanwhile.
            OSError: the descriptors have run out, or the disk failed.
        """
        check_buckets(buckets)
        try:
            # Opened before a place is made for it: asking for what is not there must not push out what is.
            with StreamFile.open(self._folder, stream, self._max_line) as file:
                kept = self._keep(stream)
                with kept.lock:
                    look = file.look()
                    kept.summary.advance(file, look, self._closed.is_set)
                    if kept.summary.end < look.tail:
                        raise StreamhubError(f"stream {stream!r} is not summed up: the server stops, ask again later")
                    return kept.summary.answer(file, look, buckets, since, until)
        except (StreamNotFoundError, StreamReplacedError):
            self._forget(stream)
            raise

    def close(self) -> None:
        """Break off what is being counted, so that no thread outlives the server by long."""
        self._closed.set()

    def _keep(self, stream: str) -> _Kept:
        with self._lock:
            kept = self._kept.setdefault(stream, _Kept())
            self._kept.move_to_end(stream)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)
            return kept

    def _forget(self, stream: str) -> None:
        with self._lock:
            self._kept.pop(stream, None)
