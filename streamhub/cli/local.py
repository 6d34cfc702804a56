"""Streams of a folder on this machine, read and followed without a server."""

from __future__ import annotations

import os
import re
import time
from contextlib import closing
from typing import TYPE_CHECKING, Any, Final, Self

from streamhub.batch import Batch
from streamhub.catalog import Catalog
from streamhub.cli.pause import pause
from streamhub.cli.suggest import no_such_stream
from streamhub.config import Config
from streamhub.errors import StreamNotFoundError, StreamReplacedError
from streamhub.folder import Folder
from streamhub.seek import first_since, last_lines, locate
from streamhub.stream import PIECE_BYTES, StreamFile
from streamhub.stream_id import check_stream_id
from streamhub.summary import Summary
from streamhub.tail import Gone, Grew, Replaced
from streamhub.tailer import Tailer

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

    from streamhub.catalog import Entry
    from streamhub.cli.query import Query
    from streamhub.stream import Look
    from streamhub.tail import Change, Tail

#: Seconds between looks at the one stream that is followed: at a busy one, and at a quiet one.
_FLOOR: Final = 0.01
_CEILING: Final = 0.25
#: The name is asked this often whether it still leads to the file that is read, in seconds.
_VERIFY: Final = 1.0
#: The words in what stands for a line that is no event, and what else it is made of (see batch.stand_in).
_STAND_IN_WORDS: Final = b"event_type malformed payload offset bytes reason utf-8 nul json object too-long"
_STAND_IN_REST: Final = re.compile(rb'[0-9a-f_,:{}"-]*')


class LocalSource:
    """A folder of streams."""

    def __init__(self, directory: str) -> None:
        self._folder = Folder(directory)
        self._max_line = Config.max_line

    def again(self) -> Self:
        """The same streams for another thread."""
        return type(self)(self._folder.path)

    def close(self) -> None:
        """Give the folder's descriptor back."""
        self._folder.close()

    def entries(self) -> Iterator[Entry]:
        """The streams there are, newest activity first."""
        yield from Catalog(self._folder, self._max_line).entries()

    def ids(self) -> Collection[str]:
        """The ids of the streams there are, in no order."""
        return self._folder.scan()

    def size(self, stream: str) -> int:
        """How many bytes of complete lines a stream has now; see :class:`Source`."""
        with self.open(stream) as file:
            return file.tail()

    def read(self, stream: str, query: Query) -> Iterator[Batch]:
        """The lines that are wanted, as far as they are there now; see :class:`Source`."""
        with self.open(stream) as file:
            yield from _history(file, file.look(), query)

    def follow(self, stream: str, query: Query, *, wait: bool) -> Iterator[Batch]:
        """The lines that are wanted, until the stream is closed; see :class:`Source`."""
        check_stream_id(stream)
        tailer = Tailer(self._folder, max_line=self._max_line, floor=_FLOOR, ceiling=_CEILING)
        with closing(tailer):
            tail = tailer.watch(stream)
            changes = _changes(tailer, tail)
            if tail.look is None:
                if not wait:
                    raise self._not_found(stream)
                next(changes)
            assert tail.look is not None
            with self.open(stream) as file:
                if file.identity() != tail.look.identity:
                    raise file.replaced()
                yield from _history(file, tail.look, query)
                while not tail.look.closed:
                    for batch in _news(stream, next(changes)):
                        if query.raw:
                            yield from _between(file, tail.look, batch.start, batch.end, query)
                        else:
                            yield batch.filtered(query.wanted)

    def summary(self, stream: str, query: Query, buckets: int, at: Callable[[int], None]) -> dict[str, Any]:
        """A stream's shape over time; see :class:`Source`."""
        with self.open(stream) as file:
            summary, look = Summary(), file.look()

            def stopped() -> bool:
                at(summary.end)
                return False

            summary.advance(file, look, stopped)
            return summary.answer(file, look, buckets, query.start.since, query.until)

    def open(self, stream: str) -> StreamFile:
        """Open a stream; the caller closes it. Raises StreamNotFoundError with what may have been meant."""
        try:
            return StreamFile.open(self._folder, stream, self._max_line)
        except StreamNotFoundError:
            raise self._not_found(stream) from None

    def _not_found(self, stream: str) -> StreamNotFoundError:
        return no_such_stream(stream, self._folder.path, self._folder.scan())


def _history(file: StreamFile, look: Look, query: Query) -> Iterator[Batch]:
    """The lines that are wanted, from where a query begins to where a look found the tail, or until its time."""
    stop = look.tail if query.beyond is None else first_since(file, look.tail, query.beyond)
    last = query.start.tail
    place = locate(file, look, query.start) if last is None else last_lines(file, stop, last)
    yield Batch(file.stream, look.generation, place, place, [])
    yield from _between(file, look, place, stop, query)


def _between(file: StreamFile, look: Look, place: int, stop: int, query: Query) -> Iterator[Batch]:
    skips = bool(query.wanted.needle) and not query.raw and not _may_be_of_stand_in(query.wanted.needle)
    while place < stop:
        batch = _skipped(file, look, place, stop, query.wanted.needle) if skips else None
        if query.raw:
            batch = _own_lines(file, look, place, stop).filtered(query.wanted)
        if batch is None:
            batch = file.read(place, stop, PIECE_BYTES, look.generation).filtered(query.wanted)
        yield batch
        place = batch.end


def _own_lines(file: StreamFile, look: Look, start: int, stop: int) -> Batch:
    """The next lines, whatever they are: one at least."""
    size = min(PIECE_BYTES, stop - start)
    data = os.pread(file.fd, size, start)
    if b"\n" not in data:
        size = file.next_newline(start + len(data), stop) + 1 - start
        data = os.pread(file.fd, size, start)
    if size <= 0 or len(data) < size:
        raise file.replaced()
    *lines, rest = data.split(b"\n")
    return Batch(file.stream, look.generation, start, start + size - len(rest), lines)


def _skipped(file: StreamFile, look: Look, start: int, stop: int, needle: bytes) -> Batch | None:
    """The next lines, left out, if nothing in them can match; None when it must be looked at what they are.

    A search goes through most of a file like this, without a look at what is a line in it, or an event.
    """
    data = os.pread(file.fd, min(PIECE_BYTES, stop - start), start)
    size = 0 if needle in data.lower() else data.rfind(b"\n") + 1
    return Batch(file.stream, look.generation, start, start + size, []) if size else None


def _may_be_of_stand_in(needle: bytes) -> bool:
    """Whether a text can occur in what readers get in the place of a line that is no event."""
    return all(
        word in _STAND_IN_WORDS or _STAND_IN_REST.fullmatch(word) for word in re.findall(rb"[a-z]+|[^a-z]+", needle)
    )


def _news(stream: str, change: Change) -> list[Batch]:
    match change:
        case Grew(batches=batches):
            return batches
        case Replaced(look=look):
            earliest = str(look.earliest)
            message = f"stream {stream!r} was cut or replaced: start again from {earliest}"
            raise StreamReplacedError(message, earliest=earliest)
        case Gone():
            raise StreamNotFoundError(f"stream {stream!r} was deleted")
    return []  # it appeared, which was waited for


def _changes(tailer: Tailer, tail: Tail) -> Iterator[Change]:
    """What happens to the one stream that is watched, as it happens."""
    verified = time.monotonic()
    while True:
        now = time.monotonic()
        due = now if tailer.next_due is None else tailer.next_due
        pause(due - now)
        if now - verified >= _VERIFY:
            verified = now
            found = tailer.poll(tail)
        else:
            found = tailer.poll_due()
        yield from (change for _tail, change in found)
