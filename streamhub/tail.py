"""The end of one stream's file: where it stands, and what came since the last look."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamhub.errors import StreamNotFoundError, StreamReplacedError
from streamhub.line import is_final
from streamhub.stream import PIECE_BYTES, Look, StreamFile, split_cells

if TYPE_CHECKING:
    from collections.abc import Sized

    from streamhub.batch import Batch
    from streamhub.folder import Folder

#: One look takes in at most this many bytes; what is left is taken at the next.
LOOK_BYTES: Final = 4 * PIECE_BYTES
_UNSEEN: Final = -1
#: So many bytes of a torn end are looked into.
_GLANCE: Final = 4096


@dataclass(frozen=True, slots=True)
class Grew:
    """Lines came: the batches are consecutive, and the stream stands at ``look`` after them."""

    look: Look
    batches: list[Batch]


@dataclass(frozen=True, slots=True)
class Appeared:
    """The stream was not there, and is now."""

    look: Look


@dataclass(frozen=True, slots=True)
class Replaced:
    """The file was cut or replaced: whoever stood in it stands nowhere; ``look`` is the new one."""

    look: Look


@dataclass(frozen=True, slots=True)
class Gone:
    """The file was deleted."""


Change = Grew | Appeared | Replaced | Gone


class Tail:
    """The end of one stream. Not thread-safe: one thread polls.

    Attributes:
        stream: the stream's id.
        look: where it stands; None while there is no such stream.
        modified: when the file says that it was last written, in seconds since 1970: a hint, no more.
        fd: the file's descriptor; -1 while there is none.
        size: the file's size as of the last look, or less than any while there is more to read.
        torn: whether bytes followed the last newline then. They may go again, and as many come that are lines.
        active: when it last changed, on the monotonic clock, in seconds.
        audience: those who read it; only how many there are is asked.
        due: when it is to be looked at next, on the same clock.
    """

    __slots__ = (
        "_file",
        "_folder",
        "_keep_open",
        "_max_line",
        "_scanned",
        "active",
        "audience",
        "due",
        "fd",
        "look",
        "modified",
        "size",
        "stream",
        "torn",
    )

    def __init__(self, folder: Folder, stream: str, max_line: int, *, keep_open: bool) -> None:
        self.stream = stream
        self.look: Look | None = None
        self.modified = 0.0
        self.fd = -1
        self.size = 0
        self.torn = False
        self.active = 0.0
        self.audience: Sized = ()
        self.due = 0.0
        self._folder = folder
        self._max_line = max_line
        self._keep_open = keep_open
        self._file: StreamFile | None = None
        self._scanned = 0  # no newline from the tail up to here: a long torn line is not searched again
        self._open()

    @property
    def keeps_open(self) -> bool:
        """Whether it may hold a descriptor while it is watched."""
        return self._keep_open

    def close(self) -> None:
        """Give the descriptor back."""
        if self._file is not None:
            self._file.close()
            self._file = None
            self.fd = -1

    @property
    def backlog(self) -> bool:
        """Whether more is known to be there than the last look took in."""
        return self.size == _UNSEEN

    def poll(self) -> Change | None:
        """What happened since the last look; None when nothing did.

        Raises:
            OSError: the disk failed or descriptors ran out; the next poll tries again.
        """
        if self._file is not None:  # the hot path: one system call for a stream that stands still
            size = self._file.size()
            if size == self.size and not (self.torn and self._rewritten(self._file, size)):
                return None
            return self._moved(self._file, size)
        if self.look is not None:
            return self._poll_by_name(self.look)
        look = self._open()
        return None if look is None else Appeared(look)

    def verify(self) -> Change | None:
        """Whether the name still leads to what is being read: what a poll of the size alone cannot see.

        Raises:
            OSError: the disk failed or descriptors ran out; the next poll tries again.
        """
        look = self.look
        if look is None:
            return self.poll()
        try:
            with StreamFile.open(self._folder, self.stream, self._max_line) as file:
                same = (
                    file.identity() == look.identity
                    and file.generation(look.tail) == look.generation
                    and file.is_line_start(look.tail)
                )
        except StreamNotFoundError:
            same = False
        return None if same else self._reopen()

    def _open(self) -> Look | None:
        try:
            file = StreamFile.open(self._folder, self.stream, self._max_line)
        except (StreamNotFoundError, FileNotFoundError):
            self.look = None
            return None
        self._file = file
        try:
            self.look = file.look()
        except OSError:
            self.close()
            raise
        self.fd = file.fd
        self.modified = os.fstat(file.fd).st_mtime
        self.size = self._scanned = self.look.tail
        self.torn = False
        if not self._keep_open:
            self.close()
        return self.look

    def _reopen(self) -> Change:
        self.close()
        look = self._open()
        return Gone() if look is None else Replaced(look)

    def _poll_by_name(self, look: Look) -> Change | None:
        """The way of streams there is no descriptor for: by ``stat``, and only what grew is opened."""
        status = self._folder.status(self.stream)
        if status is None or (status.st_dev, status.st_ino) != look.identity:
            return self._reopen()
        if status.st_size == self.size and not self.torn:
            return None
        try:
            with StreamFile.open(self._folder, self.stream, self._max_line) as file:
                if file.identity() != look.identity:
                    return self._reopen()
                size = file.size()
                return self._moved(file, size) if size != self.size or self._rewritten(file, size) else None
        except StreamNotFoundError:
            return self._reopen()

    def _moved(self, file: StreamFile, size: int) -> Change | None:
        look = self.look
        assert look is not None
        if size < look.tail:
            return self._reopen()
        try:
            batches = self._read_new(file, look, size)
        except StreamReplacedError:
            batches = None
        if batches is None:
            return self._reopen()
        self.torn = self.size > (batches[-1].end if batches else look.tail)
        if not batches:
            return None
        self.modified = os.fstat(file.fd).st_mtime
        closed = next((is_final(batch.lines[-1]) for batch in reversed(batches) if batch.lines), look.closed)
        self.look = Look(look.identity, batches[0].generation, batches[-1].end, closed)
        return Grew(self.look, batches)

    def _rewritten(self, file: StreamFile, size: int) -> bool:
        """Whether there is a newline in what was torn, or in the end of it when long; then all is searched anew."""
        assert self.look is not None
        glance = min(size - self.look.tail, _GLANCE)
        found = b"\n" in os.pread(file.fd, glance, size - glance)
        if found:
            self._scanned = self.look.tail
        return found

    def _read_new(self, file: StreamFile, look: Look, size: int) -> list[Batch] | None:
        """The new whole lines; none when there is but a torn one; None when this is not the file of before."""
        lead = min(1, look.tail)  # the newline before the tail must still be there
        data = os.pread(file.fd, min(size - look.tail, LOOK_BYTES) + lead, look.tail - lead)
        if lead and (data[:1] != b"\n" or file.generation(look.tail) != look.generation):
            return None
        whole = len(data) - lead == size - look.tail
        cut = data.rfind(b"\n") + 1
        if cut <= lead and not whole:
            return self._read_long(file, look, size)
        self.size = size if whole else _UNSEEN
        if cut <= lead:
            self._scanned = size
            return []
        generation = look.generation if lead else file.generation(size)
        return split_cells(self.stream, generation, look.tail, data[lead:cut], self._max_line)

    def _read_long(self, file: StreamFile, look: Look, size: int) -> list[Batch]:
        """The way of a line that is longer than a look: search on for its end from where the last look gave up."""
        newline = file.next_newline(max(self._scanned, look.tail), size)
        if newline < 0:
            self.size = self._scanned = size
            return []
        generation = look.generation if look.tail else file.generation(size)
        batch = file.read(look.tail, newline + 1, PIECE_BYTES, generation)
        self.size = size if batch.end == size else _UNSEEN
        return [batch]
