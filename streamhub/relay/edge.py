"""The edge's files: pieces appended where they belong, and compared where they do not. All of it blocks.

A file is opened for each batch and nothing about it is kept: what it holds is its position. It is opened as the emitter
does, never through a link, and locked while it is written, so that nobody who keeps to that lock comes between.
"""

from __future__ import annotations

import errno
import fcntl
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Self

from streamhub.errors import ConfigError
from streamhub.offset import HEAD_BYTES, generation_of
from streamhub.relay.piece import digest_of
from streamhub.stream_id import file_name

if TYPE_CHECKING:
    from collections.abc import Sequence

    from streamhub.relay.piece import Piece

_OPEN: Final = os.O_RDWR | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY
_MODE: Final = 0o644
_LOCK_NAME: Final = ".relay-pull.lock"
_TRY_LOCK: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
#: Seconds for which to wait for somebody else's lock on a file.
_PATIENCE: Final = 5.0
_PAUSE: Final = 0.001
_ABSENT: Final = -1


@dataclass(slots=True)
class Outcome:
    """What became of the pieces of one stream.

    Attributes:
        stream: its id.
        size: the file's size.
        written: bytes that were appended.
        lines: lines that were.
        repeats: pieces that the file had already.
        gap: whether a piece lies above the file's end: what is between is missing.
        fault: how the file differs; empty: it does not.
        error: why it could not be written, if so.
    """

    stream: str
    size: int = 0
    written: int = 0
    lines: int = 0
    repeats: int = 0
    gap: bool = False
    fault: str = ""
    error: str = ""


class Edge:
    """The folder that is written. Not thread-safe; close it, or use it in a ``with``.

    Raises:
        ConfigError: another puller writes it.
        OSError: it cannot be opened.
    """

    def __init__(self, path: str) -> None:
        self._path = path
        self._directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            self._lock = self._lock_folder()
        except BaseException:
            os.close(self._directory)
            raise

    def close(self) -> None:
        """Let others write the folder."""
        os.close(self._lock)
        os.close(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self.close()

    def size(self, stream: str) -> int:
        """How large a stream's file is; 0 when there is none.

        Raises:
            OSError: it cannot be looked at.
        """
        try:
            return os.stat(file_name(stream), dir_fd=self._directory, follow_symlinks=False).st_size
        except FileNotFoundError:
            return 0

    def compare(self, head: Piece) -> Outcome:
        """Compare a file with the last piece of its stream, of which only the headers are known."""
        outcome = Outcome(head.stream)
        try:
            fd = self._open(head.stream, create=False)
            if fd == _ABSENT:
                outcome.gap = True
                return outcome
            try:
                outcome.size = os.fstat(fd).st_size
                outcome.gap = outcome.size < head.end
                outcome.fault = _generation_fault(fd, outcome.size, head)
                if not (outcome.gap or outcome.fault):
                    same = digest_of(os.pread(fd, head.size, head.start)) == head.digest
                    outcome.fault = "" if same else _difference(head.start, head.end)
            finally:
                os.close(fd)
        except OSError as error:
            outcome.error = _reason(error)
        return outcome

    def write(self, pieces: Sequence[Piece]) -> list[Outcome]:
        """Append pieces, each where it belongs; those of a stream in their order."""
        by_stream: dict[str, list[Piece]] = {}
        for piece in pieces:
            by_stream.setdefault(piece.stream, []).append(piece)
        return [self._write_stream(stream, own) for stream, own in by_stream.items()]

    def _write_stream(self, stream: str, pieces: list[Piece]) -> Outcome:
        outcome = Outcome(stream)
        try:
            fd = self._open(stream, create=pieces[0].start == 0 and pieces[0].is_sound)
            if fd == _ABSENT:
                outcome.gap = bool(pieces[0].start)
                outcome.fault = "" if outcome.gap else "a message is not what its headers say"
                return outcome
            try:
                _lock_file(fd)
                _Writing(fd, outcome).write(pieces)
            finally:
                os.close(fd)
        except OSError as error:
            outcome.error = _reason(error)
        return outcome

    def _open(self, stream: str, *, create: bool) -> int:
        """A file's descriptor, or ``_ABSENT``; it is made if there is none and ``create`` says so.

        Raises:
            OSError: it cannot be opened, or is no regular file.
        """
        flags = _OPEN | os.O_CREAT if create else _OPEN
        try:
            fd = os.open(file_name(stream), flags, _MODE, dir_fd=self._directory)
        except FileNotFoundError:
            return _ABSENT
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise OSError(errno.EINVAL, "it is no regular file")
        return fd

    def _lock_folder(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
        fd = os.open(_LOCK_NAME, flags, 0o600, dir_fd=self._directory)
        try:
            fcntl.flock(fd, _TRY_LOCK)
        except OSError as error:
            os.close(fd)
            if error.errno not in {errno.EAGAIN, errno.EACCES}:
                raise
            raise ConfigError(
                f"another streamhub relay pull writes {self._path!r}: stop it, or name another folder with --dir"
            ) from None
        return fd


class _Writing:
    """One locked file, and the pieces that come to it. What follows on itself is written in one go."""

    def __init__(self, fd: int, outcome: Outcome) -> None:
        self._fd = fd
        self._outcome = outcome
        self._end = os.fstat(fd).st_size
        self._held: list[bytes] = []
        self._generation = ""
        outcome.size = self._end

    def write(self, pieces: Sequence[Piece]) -> None:
        """Take pieces until one does not fit.

        Raises:
            OSError: they could not be written, or not to their end; ``size`` says how far.
        """
        self._generation = pieces[0].offset.generation
        self._outcome.fault = _generation_fault(self._fd, self._end, pieces[0])
        if self._outcome.fault:
            return
        try:
            for piece in pieces:
                if not self._take(piece):
                    break
        finally:
            self._append()

    def _take(self, piece: Piece) -> bool:
        outcome = self._outcome
        if piece.offset.generation != self._generation:
            outcome.fault = f"the origin's generation changed from {self._generation} to {piece.offset.generation}"
        elif not piece.is_sound:
            outcome.fault = "a message is not what its headers say"
        elif piece.start > self._end:
            outcome.gap = True
        elif piece.start == self._end:
            self._hold(piece.data)
        else:
            self._append()
            self._compare(piece)
        return not (outcome.gap or outcome.fault)

    def _hold(self, data: bytes) -> None:
        self._held.append(data)
        self._end += len(data)

    def _compare(self, piece: Piece) -> None:
        """A piece of which the file has a part, or all: the rest is appended if that is equal."""
        part = min(piece.size, self._end - piece.start)
        if os.pread(self._fd, part, piece.start) != piece.data[:part]:
            self._outcome.fault = _difference(piece.start, piece.start + part)
        elif part < piece.size:
            self._hold(piece.data[part:])
        else:
            self._outcome.repeats += 1

    def _append(self) -> None:
        data = memoryview(b"".join(self._held))
        self._held.clear()
        outcome = self._outcome
        while data:
            written = os.write(self._fd, data)
            outcome.size += written
            outcome.written += written
            outcome.lines += bytes(data[:written]).count(b"\n")
            data = data[written:]
        if os.fstat(self._fd).st_size != outcome.size:
            outcome.fault = "somebody else writes to the file here"


def _generation_fault(fd: int, size: int, piece: Piece) -> str:
    head, newline, _ = os.pread(fd, min(size, HEAD_BYTES + 1), 0).partition(b"\n")
    if not newline and len(head) <= HEAD_BYTES:
        return ""  # no whole line yet: what is there is compared when its piece comes
    own = generation_of(head)
    if own == piece.offset.generation:
        return ""
    return f"the file here is of generation {own}, the origin's of {piece.offset.generation}"


def _difference(start: int, end: int) -> str:
    return f"the file here has other bytes than the origin's between {start} and {end}"


def _lock_file(fd: int) -> None:
    """Keep out whoever else appends with this lock; never wait for them without an end."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        with suppress(BlockingIOError):
            fcntl.flock(fd, _TRY_LOCK)
            return
        if time.monotonic() > deadline:
            raise TimeoutError(errno.ETIMEDOUT, "another process keeps the file locked")
        time.sleep(_PAUSE)


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
