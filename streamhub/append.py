"""One stream's file, open for appending: whole lines, each under a short lock, in the order of time.

The lock is ``flock``: it belongs to the open file, so it holds between processes, is gone when its process is
killed, and takes two system calls a line. Whoever holds it may trust the end of the file: what stands after the
last newline is torn, and the last line's time is the latest.
"""

from __future__ import annotations

import errno
import fcntl
import os
import resource
import stat
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from streamhub.backward import read_end
from streamhub.events import line_second, line_start
from streamhub.line import is_final

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

# O_NONBLOCK: opening a pipe or a device that somebody planted must not wait. Regular files do not care.
_FLAGS: Final = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_MODE: Final = 0o644
_APPENDING: Final = os.O_RDWR | os.O_APPEND
#: Descriptors are kept from this number on, where there are so many.
_HIGH: Final = 512
_TRY_LOCK: Final = fcntl.LOCK_EX | fcntl.LOCK_NB
#: Seconds between two tries for a lock that others hold for microseconds; a spin would only keep them from working.
_PAUSE: Final = 0.00005
_NOWHERE: Final = -1
_SECOND: Final = 1_000_000_000


class AppendFile:
    """A stream's file. Not thread-safe; ``torn`` and ``closed`` are true as long as it is locked.

    Attributes:
        path: where it is.
        torn: it ends in the middle of a line. The next append begins with a newline.
        closed: its last line is a final status.
        replaced: it was deleted or replaced, and another one is open in its place; for the owner to set back.
    """

    _fd = _NOWHERE
    # An attribute, not a method: a call less for each event.
    _write: Callable[[int, bytes], int] = staticmethod(os.write)

    def __init__(self, path: Path, *, durable: bool = False) -> None:
        """Nothing is opened before the first lock().

        Args:
            path: where it is to be; absolute, since the process may change its directory.
            durable: see to it that the file's name is on the disk as soon as it is made.
        """
        self.path = path
        self.torn = False
        self.closed = False
        self.replaced = False
        self._durable = durable
        self._identity: tuple[int, int] | None = None
        self._end = _NOWHERE
        self._now = 0
        self._latest = 0
        self._checked = _NOWHERE
        # While append_at_once() may be tried, when that ends (else 0), and how lines begin until then.
        self._until = 0
        self._second = b""

    def lock(self, patience: float) -> None:
        """Lock the file, opening it when it must be, and take in what others have appended.

        Whether the path still leads to this file is asked once a second, as it costs as much as a line. Whether the
        descriptor still does is asked each time: whoever closes all he has (a daemon) may have its number again.

        Args:
            patience: for how many seconds to wait for somebody else's lock.

        Raises:
            OSError: it cannot be opened or read, is no regular file, or stayed locked.
        """
        self._until = 0
        checked, self._checked = self._checked, _NOWHERE  # if anything goes wrong, ask again next time
        self._forget_if_lost()
        if self._fd == _NOWHERE:
            self._open()
        self._flock(patience)
        self._now = time.time_ns()
        second = self._now // _SECOND
        if second != checked and not self._is_in_place():
            self._reopen(patience)
        end = os.lseek(self._fd, 0, os.SEEK_END)
        if end != self._end:
            self._take_in(end)
        self._now = max(self._now, self._latest)
        self._checked = second

    def unlock(self) -> None:
        """Let others write. Harmless when it is not locked."""
        if self._fd != _NOWHERE:
            try:
                fcntl.flock(self._fd, fcntl.LOCK_UN)
            except OSError:
                # The descriptor is not ours any more, and so holds no lock of ours.
                self._checked, self._until = _NOWHERE, 0

    def append(self, rest: bytes, *, final: bool = False) -> None:
        """Write one line in one write, with the time at which the file was locked, which it must be.

        Args:
            rest: the line from its timestamp on.
            final: whether it closes the stream.

        Raises:
            OSError: it was not written, or not to its end. A line that lacks its newline only is not lost: the
                next append gives it one.
        """
        self._until = 0
        line = b"%b%b\n" % (line_start(self._now), rest)
        if self.torn:
            line = b"\n" + line
        written = self._write(self._fd, line)
        self._end += written
        self._latest = self._now
        if written == len(line):
            self.torn = False
        else:
            self._see_short_write(line[:written], len(line))
        self.closed = final
        if self._now // _SECOND == self._checked and not (final or self.torn or self.replaced):
            self._until = (self._checked + 1) * _SECOND
            self._second = line_second(self._checked)

    def append_at_once(self, rest: bytes) -> bool:
        """Lock, append and unlock in one go, if nothing has happened since the last append; else append nothing.

        Nearly every event comes this way, so it does what its four system calls need, and no more. Nothing has
        happened: the second in which the path was looked at goes on, the clock is not behind the last line, nobody
        has the lock, and the file ends where that append ended. Everything else is for lock().

        Args:
            rest: the line from its timestamp on; not a final one.

        Returns:
            Whether it was appended.

        Raises:
            OSError: as append() does.
        """
        fd, until = self._fd, self._until
        if not until:
            return False
        try:
            try:
                fcntl.flock(fd, _TRY_LOCK)
                now = time.time_ns()
                if not self._latest <= now < until or os.lseek(fd, 0, os.SEEK_END) != self._end:
                    return False
            except OSError:  # another has the lock, or the descriptor is not ours any more
                return False
            line = b'%b%06dZ"%b\n' % (self._second, (now - until + _SECOND) // 1000, rest)
            written = self._write(fd, line)
            self._end += written
            self._latest = now
            if written != len(line):
                self._until = 0
                self._see_short_write(line[:written], len(line))
        finally:
            try:
                fcntl.flock(fd, fcntl.LOCK_UN)
            except OSError:  # as in unlock()
                self._checked, self._until = _NOWHERE, 0
        return True

    def sync(self) -> None:
        """Wait until what was appended is on the disk.

        Raises:
            OSError: it is not.
        """
        if self._fd != _NOWHERE:
            os.fdatasync(self._fd)

    def close(self) -> None:
        """Let go of the file; the next lock() opens it again. A forked child's close leaves its parent's lock alone."""
        self._forget_if_lost()
        fd, self._fd, self._checked, self._until = self._fd, _NOWHERE, _NOWHERE, 0
        if fd != _NOWHERE:
            with suppress(OSError):  # a network disk's late refusal; who has to know asks for fsync
                os.close(fd)

    def __del__(self) -> None:
        self.close()

    def _see_short_write(self, part: bytes, size: int) -> None:
        if part:
            self.torn = not part.endswith(b"\n")
        if len(part) < size - 1:
            raise OSError(errno.ENOSPC, f"only {len(part)} of {size} bytes could be written")

    def _reopen(self, patience: float) -> None:
        self.close()
        self.replaced = True  # the inode does not tell: once it is let go of, the new file may get it
        self._open()
        self._flock(patience)

    def _open(self) -> None:
        os.makedirs(self.path.parent, exist_ok=True)
        fd = os.open(self.path, _FLAGS, _MODE)
        try:
            identity = _identity(fd)
        except BaseException:
            os.close(fd)
            raise
        self._fd = _out_of_the_way(fd)
        self.replaced |= self._identity not in {None, identity}
        self._identity = identity
        self._end = _NOWHERE
        if self._durable:
            _sync_directory(self.path.parent)

    def _forget_if_lost(self) -> None:
        """Forget a descriptor that somebody closed, and whose number may be of another file: that is not ours to close.

        One whose file the disk has lost is closed: opened anew, the file may be there again.
        """
        if self._fd == _NOWHERE:
            return
        ours = False
        try:
            held = os.fstat(self._fd)
            flags = fcntl.fcntl(self._fd, fcntl.F_GETFL)
            ours = (held.st_dev, held.st_ino) == self._identity and flags & _APPENDING == _APPENDING
        except OSError as error:
            if error.errno != errno.EBADF:
                with suppress(OSError):
                    os.close(self._fd)
        if not ours:
            self._fd = _NOWHERE

    def _is_in_place(self) -> bool:
        """Whether the path still leads to the file."""
        try:
            found = os.lstat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            return True  # one cannot look, but what is open can be written
        return (found.st_dev, found.st_ino) == self._identity

    def _flock(self, patience: float) -> None:
        # Never a wait without an end: whoever may read the file can lock it, and whoever has the lock can be stopped.
        deadline = 0.0
        while True:
            try:
                fcntl.flock(self._fd, _TRY_LOCK)
            except BlockingIOError:
                now = time.monotonic()
                deadline = deadline or now + patience
                if now >= deadline:
                    raise TimeoutError(errno.ETIMEDOUT, "another process keeps the file locked") from None
                time.sleep(_PAUSE)
            else:
                return

    def _take_in(self, end: int) -> None:
        """Look at an end of the file that is not the one this object wrote."""
        found = read_end(self._fd, end)
        if is_final(found.rest):
            # Its writer was stopped one byte short. More lines after it would reopen the stream for some readers.
            end += self._write(self._fd, b"\n")
            found = read_end(self._fd, end)
        self.torn = bool(found.rest)
        self.closed = found.closed
        self._latest = max(self._latest, found.latest)
        self._end = end


def _identity(fd: int) -> tuple[int, int]:
    """The regular file that is open; an OSError when it is none."""
    found = os.fstat(fd)
    if not stat.S_ISREG(found.st_mode):
        raise OSError(errno.EINVAL, "it is no regular file")
    return found.st_dev, found.st_ino


def _out_of_the_way(fd: int) -> int:
    """The same open file at a high number, if one is free: low ones are those that a mission closes and gets again."""
    most, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        high = fcntl.fcntl(fd, fcntl.F_DUPFD_CLOEXEC, min(_HIGH, most // 2))
    except OSError:
        return fd
    os.close(fd)
    return high


def _sync_directory(directory: Path) -> None:
    fd = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
