"""Streams of a folder on this machine, read and followed without a server."""

from __future__ import annotations

import time
from contextlib import closing
from typing import TYPE_CHECKING, Final

from streamhub.catalog import Catalog
from streamhub.cli.pause import pause
from streamhub.config import Config
from streamhub.errors import StreamNotFoundError, StreamReplacedError
from streamhub.folder import Folder
from streamhub.seek import locate
from streamhub.stream import PIECE_BYTES, StreamFile
from streamhub.stream_id import check_stream_id
from streamhub.tail import Gone, Grew, Replaced
from streamhub.tailer import Tailer

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from streamhub.catalog import Entry
    from streamhub.seek import Start
    from streamhub.stream import Look
    from streamhub.tail import Change, Tail

#: Seconds between looks at the one stream that is followed: at a busy one, and at a quiet one.
_FLOOR: Final = 0.01
_CEILING: Final = 0.25
#: The name is asked this often whether it still leads to the file that is read, in seconds.
_VERIFY: Final = 1.0


class LocalSource:
    """A folder of streams."""

    def __init__(self, directory: str) -> None:
        self._folder = Folder(directory)
        self._max_line = Config.max_line

    def entries(self) -> Iterator[Entry]:
        """The streams there are, newest activity first."""
        with closing(self._folder):
            yield from Catalog(self._folder, self._max_line).entries()

    def read(self, stream: str, start: Start) -> Iterator[Sequence[bytes]]:
        """The lines from a place to where the tail is now; see :class:`Source`."""
        with closing(self._folder), self._open(stream) as file:
            yield from self._between(file, file.look(), start)

    def follow(self, stream: str, start: Start, *, wait: bool) -> Iterator[Sequence[bytes]]:
        """The lines from a place on, until the stream is closed; see :class:`Source`."""
        check_stream_id(stream)
        tailer = Tailer(self._folder, max_line=self._max_line, floor=_FLOOR, ceiling=_CEILING)
        with closing(self._folder), closing(tailer):
            tail = tailer.watch(stream)
            changes = _changes(tailer, tail)
            if tail.look is None:
                if not wait:
                    raise self._not_found(stream)
                next(changes)
            assert tail.look is not None
            with self._open(stream) as file:
                if file.identity() != tail.look.identity:
                    raise file.replaced()
                yield from self._between(file, tail.look, start)
            while not tail.look.closed:
                yield from self._news(stream, next(changes))

    def _news(self, stream: str, change: Change) -> Iterator[Sequence[bytes]]:
        match change:
            case Grew(batches=batches):
                yield from (batch.lines for batch in batches)
            case Replaced(look=look):
                earliest = str(look.earliest)
                message = f"stream {stream!r} was cut or replaced: start again from {earliest}"
                raise StreamReplacedError(message, earliest=earliest)
            case Gone():
                raise StreamNotFoundError(f"stream {stream!r} was deleted")

    def _between(self, file: StreamFile, look: Look, start: Start) -> Iterator[Sequence[bytes]]:
        """The lines from a place to the tail that a look found."""
        place = locate(file, look, start)
        while place < look.tail:
            batch = file.read(place, look.tail, PIECE_BYTES, look.generation)
            yield batch.lines
            place = batch.end

    def _open(self, stream: str) -> StreamFile:
        try:
            return StreamFile.open(self._folder, stream, self._max_line)
        except StreamNotFoundError:
            raise self._not_found(stream) from None

    def _not_found(self, stream: str) -> StreamNotFoundError:
        return StreamNotFoundError(f"there is no stream {stream!r} in {self._folder.path!r}: see streamhub ls")


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
