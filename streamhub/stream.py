"""One stream's file, read-only: whole lines at any offset.

Bytes past the last newline do not exist yet. Reads are positional (``pread``), so that a descriptor can be
shared; none of them keeps more than one line of more than a chunk in memory.
"""

from __future__ import annotations

import errno
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from streamhub.batch import Batch, make_batch
from streamhub.errors import StreamhubError, StreamReplacedError
from streamhub.line import is_final, stand_in
from streamhub.offset import HEAD_BYTES, NO_GENERATION, ZERO, Offset, generation_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.folder import Folder

#: History is read in pieces of this many bytes.
PIECE_BYTES: Final = 256 * 1024
#: A batch covers one cell of a grid of this many bytes, so that readers who started apart come to share batches,
#: and a client that stops taking bytes pins no more memory than that. Small enough to be in a cache of the processor
#: still when the client reads it, large enough to make a system call worth its while.
BATCH_BYTES: Final = 32 * 1024
_BLOCK: Final = 4096


@dataclass(frozen=True, slots=True)
class Look:
    """What a look at a stream's file found.

    Attributes:
        identity: device and inode.
        generation: the first line's hash; zeros when there is no complete line.
        tail: the byte after the last newline.
        closed: whether the last line is a final status.
    """

    identity: tuple[int, int]
    generation: str
    tail: int
    closed: bool

    @property
    def next(self) -> Offset:
        """The token of the tail."""
        return Offset(self.generation, self.tail)

    @property
    def earliest(self) -> Offset:
        """The token of the beginning."""
        return Offset(self.generation, 0)


class StreamFile:
    """An open stream file. Close it, or use it in a ``with``.

    Args:
        fd: its descriptor.
        stream: the stream's id.
        max_line: the longest line that is an event, in bytes.
        stopped: asked between the blocks of a long search; once it is true, the search is given up.
    """

    __slots__ = ("_stopped", "fd", "max_line", "stream")

    def __init__(self, fd: int, stream: str, max_line: int, stopped: Callable[[], bool] | None = None) -> None:
        self.fd = fd
        self.stream = stream
        self.max_line = max_line
        self._stopped = stopped

    @classmethod
    def open(cls, folder: Folder, stream: str, max_line: int, stopped: Callable[[], bool] | None = None) -> Self:
        """Open a stream of a folder.

        Raises:
            StreamNotFoundError: there is none of that id.
            OSError: the descriptors have run out, or the disk failed.
        """
        return cls(folder.open(stream), stream, max_line, stopped)

    def close(self) -> None:
        """Give the descriptor back."""
        os.close(self.fd)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def check_wanted(self) -> None:
        """To be called before each block of a long search.

        Raises:
            StreamhubError: the search is to be given up.
        """
        if self._stopped is not None and self._stopped():
            raise StreamhubError(f"stream {self.stream!r} is searched no further: the server stops, ask again later")

    def identity(self) -> tuple[int, int]:
        """Device and inode."""
        status = os.fstat(self.fd)
        return status.st_dev, status.st_ino

    def size(self) -> int:
        """Bytes in the file, the torn end included: ``lseek`` is the cheapest way to ask."""
        return os.lseek(self.fd, 0, os.SEEK_END)

    def look(self) -> Look:
        """Where the stream stands now."""
        tail = self.tail()
        return Look(self.identity(), self.generation(tail), tail, self.closed(tail))

    def tail(self) -> int:
        """The byte after the last newline; 0 when there is none."""
        return self.last_newline(self.size()) + 1

    def generation(self, tail: int) -> str:
        """The stream's generation, given where its tail is."""
        return NO_GENERATION if tail == 0 else generation_of(self.head())

    def head(self) -> bytes:
        """The first line, or as much of it as counts for the generation."""
        return os.pread(self.fd, HEAD_BYTES, 0).partition(b"\n")[0]

    def closed(self, tail: int) -> bool:
        """Whether the last line before ``tail`` (empty ones passed over) is a final status."""
        end = self._without_empty_lines(tail)
        for reach in (_BLOCK, self.max_line + 1):
            start = max(0, end - reach)
            block = os.pread(self.fd, end - start, start)
            newline = block.rfind(b"\n")
            if newline >= 0 or start == 0:
                last = block[newline + 1 :]
                return len(last) <= self.max_line and is_final(last)
        return False  # longer than a line may be

    def is_line_start(self, byte: int) -> bool:
        """Whether a line starts (or will start) at this byte."""
        return byte == 0 or os.pread(self.fd, 1, byte - 1) == b"\n"

    def read(self, start: int, stop: int, room: int, generation: str) -> Batch:
        """The lines from ``start``, as many whole ones as end before ``stop`` and fit ``room`` (one at least).

        ``start`` and ``stop`` are places between lines, ``start < stop``.

        Raises:
            StreamReplacedError: the file is shorter than ``stop``, or no line ends there any more.
        """
        data = self._read_whole_lines(start, stop, room)
        if data is None:
            return self._read_long_line(start, stop, generation)
        return make_batch(self.stream, generation, start, data, self.max_line)

    def read_cells(self, start: int, stop: int, room: int, generation: str) -> list[Batch]:
        """Like :meth:`read`, as batches of about ``BATCH_BYTES`` that end on a grid all readers share."""
        data = self._read_whole_lines(start, stop, _to_grid(start, room))
        if data is None:
            return [self._read_long_line(start, stop, generation)]
        return split_cells(self.stream, generation, start, data, self.max_line)

    def next_newline(self, byte: int, stop: int) -> int:
        """The first newline at or after ``byte`` and before ``stop``; -1 when there is none. Skips holes."""
        step = _BLOCK
        while byte < stop:
            self.check_wanted()
            byte = self._next_data(byte, stop)
            data = os.pread(self.fd, min(step, stop - byte), byte)
            if not data:
                break
            found = data.find(b"\n")
            if found >= 0:
                return byte + found
            byte += len(data)
            step = min(step * 2, PIECE_BYTES)
        return -1

    def last_newline(self, stop: int) -> int:
        """The last newline before ``stop``; -1 when there is none. Skips holes."""
        step = _BLOCK
        while stop > 0:
            self.check_wanted()
            start = max(0, stop - step)
            if self._next_data(start, stop) == stop:
                stop, step = start, step * 2
            elif step > PIECE_BYTES:
                step //= 2  # the data may lie far from stop, behind a hole: look at the nearer half
            else:
                found = os.pread(self.fd, stop - start, start).rfind(b"\n")
                if found >= 0:
                    return start + found
                stop, step = start, min(step * 2, PIECE_BYTES)
        return -1

    def _without_empty_lines(self, stop: int) -> int:
        """The byte after the last one before ``stop`` that is no newline; 0 when there is none."""
        step = _BLOCK
        while stop > 0:
            self.check_wanted()
            start = max(0, stop - step)
            left = os.pread(self.fd, stop - start, start).rstrip(b"\n")
            if left:
                return start + len(left)
            stop, step = start, min(step * 2, PIECE_BYTES)
        return 0

    def _next_data(self, byte: int, stop: int) -> int:
        """Where data goes on at or after ``byte``, holes passed over; ``stop`` when only a hole is left."""
        try:
            return min(stop, os.lseek(self.fd, byte, os.SEEK_DATA))
        except OSError as error:
            # ENXIO: nothing but a hole up to the end. A file system without holes says EINVAL.
            return stop if error.errno == errno.ENXIO else byte

    def _read_whole_lines(self, start: int, stop: int, room: int) -> bytes | None:
        """The bytes of the whole lines there is room for; None when the first one is longer."""
        size = min(stop - start, room)
        data = os.pread(self.fd, size, start)
        if len(data) < size:
            raise self.replaced()
        if start + size == stop and not data.endswith(b"\n"):
            raise self.replaced()
        cut = data.rfind(b"\n") + 1
        return data[:cut] if cut else None

    def _read_long_line(self, start: int, stop: int, generation: str) -> Batch:
        """The one line at ``start``, for which there is no room; past ``max_line`` its bytes are not kept."""
        newline = self.next_newline(start, stop)
        if newline < 0:
            raise self.replaced()
        end = newline + 1
        if newline - start > self.max_line:
            line = stand_in(generation, start, newline - start, "too-long")
            return Batch(self.stream, generation, start, end, [line], [end], 1)
        data = os.pread(self.fd, end - start, start)
        if len(data) < end - start:
            raise self.replaced()
        return make_batch(self.stream, generation, start, data, self.max_line)

    def replaced(self) -> StreamReplacedError:
        """The error of a file that is not what it was."""
        try:
            earliest = str(self.look().earliest)
        except OSError:
            earliest = str(ZERO)
        return StreamReplacedError(
            f"stream {self.stream!r} was cut or replaced: start again from {earliest}", earliest=earliest
        )


def split_cells(stream: str, generation: str, start: int, data: bytes, max_line: int) -> list[Batch]:
    """Cut whole lines into batches of about ``BATCH_BYTES``, each ending at the last line end of its grid cell."""
    batches: list[Batch] = []
    place = 0
    while place < len(data):
        cell = _to_grid(start + place, BATCH_BYTES) + place
        cut = len(data)
        if cell < cut:
            cut = data.rfind(b"\n", place, cell) + 1 or data.find(b"\n", cell) + 1
        batches.append(make_batch(stream, generation, start + place, data[place:cut], max_line))
        place = cut
    return batches


def _to_grid(start: int, step: int) -> int:
    """How far it is from ``start`` to the next multiple of ``step`` that is worth a read.

    Readers stop at the last line end before a multiple: from there the multiple itself is but a part of a line away.
    """
    distance = step - start % step
    return distance if distance >= step // 4 else distance + step
