"""The folder of streams: which ids there are, and opening one without being led astray.

Files are opened relative to the folder's descriptor, never by following a link, never blocking on a FIFO;
whatever is no regular file does not exist for a reader.
"""

from __future__ import annotations

import errno
import os
import stat
import threading
from typing import Final

from streamhub.errors import StreamNotFoundError
from streamhub.stream_id import SUFFIX, check_stream_id, file_name, id_of

_OPEN_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY
_OPEN_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
#: What open() says of things that are there but are no stream: a link, a directory, a socket, a device.
_NO_STREAM: Final = {
    errno.ENOENT,
    errno.ELOOP,
    errno.ENXIO,
    errno.ENOTDIR,
    errno.EISDIR,
    errno.ENODEV,
    errno.EACCES,
}


class Folder:
    """A directory of stream files. It may vanish and come back; meanwhile it is empty.

    Safe to use from several threads.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self._fd: int | None = None
        self._moved = False
        self._lock = threading.Lock()

    def close(self) -> None:
        """Give the descriptor back. The folder opens it anew when it is used again."""
        with self._lock:
            if self._fd is not None:
                os.close(self._fd)
                self._fd = None

    def open(self, stream_id: str) -> int:
        """Open a stream's file for reading; the caller closes the descriptor.

        Raises:
            InvalidStreamIdError: no stream can have that id.
            StreamNotFoundError: there is no regular file of that name that may be read.
            OSError: the descriptors have run out, or the disk failed.
        """
        name = file_name(check_stream_id(stream_id))
        self._check_path()
        try:
            fd = os.open(name, _OPEN_FILE, dir_fd=self._directory())
        except OSError as error:
            if error.errno not in _NO_STREAM:
                raise
            raise no_stream(stream_id) from None
        if not stat.S_ISREG(os.fstat(fd).st_mode):
            os.close(fd)
            raise StreamNotFoundError(f"there is no stream {stream_id!r}: {name} is no regular file")
        return fd

    def identity(self, stream_id: str) -> tuple[int, int] | None:
        """Device and inode of the regular file that carries the name now; None when there is none."""
        status = self.status(stream_id)
        return None if status is None else (status.st_dev, status.st_ino)

    def status(self, stream_id: str) -> os.stat_result | None:
        """What ``stat`` says of the regular file that carries the name now; None when there is none.

        That another directory took the whole folder's place is noticed by :meth:`open` and :meth:`scan` only, unless
        the name is missing here: this is called for ten thousand quiet streams a second.
        """
        name = file_name(stream_id)
        try:
            status = self._stat(name)
        except OSError as error:
            if error.errno not in _NO_STREAM:
                raise
            return None
        return status if stat.S_ISREG(status.st_mode) else None

    def scan(self) -> dict[str, int]:
        """The ids there are, each with its file's inode: one pass over the directory, no ``stat`` per file."""
        self._check_path()
        try:
            # A descriptor of its own: scandir closes it, and moves its position.
            fd = os.open(".", _OPEN_DIRECTORY, dir_fd=self._directory())
        except OSError as error:
            if error.errno not in _NO_STREAM:
                raise
            return {}
        try:
            return _scan(fd)
        finally:
            os.close(fd)

    def changed_ns(self) -> int:
        """The directory's modification time: a hint that names came or went, never a proof that none did."""
        try:
            return os.stat(self.path).st_mtime_ns
        except OSError:
            return 0

    def _stat(self, name: str) -> os.stat_result:
        try:
            return os.stat(name, dir_fd=self._directory(), follow_symlinks=False)
        except FileNotFoundError:
            # The descriptor may belong to a directory that was removed and made anew.
            self._check_path()
            if not self._moved:
                raise
            return os.stat(name, dir_fd=self._directory(), follow_symlinks=False)

    def _directory(self) -> int:
        with self._lock:
            if self._fd is None:
                self._fd = os.open(self.path, _OPEN_DIRECTORY)
            elif self._moved:
                fd = os.open(self.path, _OPEN_DIRECTORY)
                # In place, never closed: another thread may be about to use the number.
                os.dup2(fd, self._fd, inheritable=False)
                os.close(fd)
            self._moved = False
            return self._fd

    def _check_path(self) -> None:
        """See whether the path leads to the directory of the descriptor; if not, the next use opens it anew."""
        fd = self._fd
        if fd is None:
            return
        try:
            moved = not os.path.samestat(os.fstat(fd), os.stat(self.path))
        except OSError:
            moved = True
        if moved:
            self._moved = True


def no_stream(stream_id: str) -> StreamNotFoundError:
    """What is said of a stream that is not there, or that must look as if it were not."""
    return StreamNotFoundError(f"there is no stream {stream_id!r}: see /v1/streams for those there are")


def _scan(fd: int) -> dict[str, int]:
    found: dict[str, int] = {}
    with os.scandir(fd) as entries:
        for entry in entries:
            if not entry.name.endswith(SUFFIX):
                continue
            stream_id = id_of(entry.name)
            if stream_id is not None and entry.is_file(follow_symlinks=False):
                found[stream_id] = entry.inode()
    return found
