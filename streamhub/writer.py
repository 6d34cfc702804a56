"""The writer: lines into one stream, from any thread, through any outage. It counts and logs; it never raises."""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from streamhub.errors import EmitError, StreamClosedError, StreamhubError
from streamhub.events import Signal, line_rest

if TYPE_CHECKING:
    from streamhub.append import AppendFile

Fsync: TypeAlias = Literal["never", "interval", "always"]

#: How long an event may wait for somebody else's lock on the file, in seconds, before it is dropped.
PATIENCE: Final = 5.0
#: The same while somebody does not let go of it.
BRIEF_PATIENCE: Final = 0.01
#: So many different reasons why an event could not be made are logged.
_MOST_REASONS: Final = 32
#: With ``fsync="interval"``: how many seconds at least lie between two waits for the disk.
FSYNC_INTERVAL: Final = 1.0

_log: Final = logging.getLogger("streamhub.emitter")


class StreamWriter:
    """Writes lines to one stream. Thread-safe, and safe to call from a signal handler or a log handler."""

    def __init__(
        self, file: AppendFile, mission_id: str, *, fsync: Fsync = "never", patience: float = PATIENCE
    ) -> None:
        """Nothing is opened before open() or the first write.

        Args:
            file: the stream's file, for this object alone.
            mission_id: who speaks when losses are told.
            fsync: when to wait for the disk.
            patience: for how many seconds an event may wait for somebody else's lock.
        """
        self._file = file
        self._mission_id = mission_id
        self._fsync = fsync
        self._syncs = fsync != "never"
        self._patience = patience
        self._synced = time.monotonic()
        self._closed = False
        self._begin()

    def _begin(self) -> None:
        # A lock that knows its owner: an event from a signal handler, in the middle of another one, must not wait
        # for itself.
        self._lock = threading.RLock()
        self._busy = False
        self._queue: deque[tuple[bytes, bool, bool]] = deque()
        self._notes: deque[tuple[int, str]] = deque()
        self._said: set[str] = set()
        self._dropped = 0
        self._untold = 0
        self._recovering = ""
        self._last_words = b""
        self._locked_out = False

    @property
    def dropped(self) -> int:
        """How many of the events given to this object, in this process, are not in the stream."""
        return self._dropped

    def open(self) -> None:
        """Open the file and look whether the stream may be written.

        Raises:
            StreamClosedError: it has ended.
            OSError: it cannot be opened; the next write tries again.
        """
        try:
            self._file.lock(self._patience)
            closed = self._file.closed
        finally:
            self._file.unlock()
        if closed:
            self._file.close()
            raise StreamClosedError(f"{self._file.path} has ended: give the mission a new live_stream_id")

    # Here and in _submit() flags go by position: with names, a call takes Python longer, and each event comes this way.
    def write(self, rest: bytes, final: bool = False) -> StreamhubError | None:  # noqa: FBT001, FBT002
        """Write one line.

        Args:
            rest: the line from its timestamp on.
            final: whether it closes the stream, and this writer with it.

        Returns:
            Why it was dropped, if it was.
        """
        with self._lock:
            error = self._refuse() if self._closed else self._submit(rest, final, final)
        if self._notes:
            self._speak()
        return error

    def close(self, rest: bytes = b"", *, final: bool = False) -> StreamhubError | None:
        """Write the last line, if any, and let go of the file; the second time do nothing.

        A final status that could not be written earlier is written instead.
        """
        with self._lock:
            if self._closed:
                return None
            error = self._submit(self._last_words or rest, final, True)  # noqa: FBT003
            self._closed = True
        self._speak()
        return error

    def drop(self, error: StreamhubError, kind: str, count: int = 1) -> None:
        """Count events that no line could be made of; each reason is logged once."""
        with self._lock:
            self._count(count)
            if len(self._said) < _MOST_REASONS:
                self._say_once(f"{kind}: {error}", f"dropped: {kind} (said once): {error}")
        self._speak()

    def begin_outage(self, error: OSError) -> None:
        """Take note that the file cannot be written."""
        with self._lock:
            self._begin_outage(error)
        self._speak()

    def after_fork(self) -> None:
        """Begin anew in a forked child.

        The lock may be held by a thread that is not here, and an open file that is shared shares its lock.
        """
        self._file.close()
        self._begin()

    def _submit(self, rest: bytes, final: bool, last: bool) -> StreamhubError | None:  # noqa: FBT001
        """Write a line (none, if empty), which may close the stream; after the last one let go of the file."""
        if self._busy:
            # A signal handler struck in the middle of a write of this very thread: that goes on to this line too.
            self._queue.append((rest, final, last))
            return None
        self._busy = True
        try:
            error = self._put(rest, final, last)
            while self._queue:
                self._put(*self._queue.popleft())
            return error
        finally:
            self._busy = False
            if self._queue:  # the handler struck after that, or raised
                self._submit(*self._queue.popleft())

    def _put(self, rest: bytes, final: bool, last: bool) -> StreamhubError | None:  # noqa: FBT001
        try:
            if not (last or self._untold or self._recovering or self._syncs) and self._file.append_at_once(rest):
                return None
            return self._write(rest, final=final, last=last)
        except OSError as error:  # the event's own; _write() sees to its own
            return self._fail(rest, error, final=False)

    def _write(self, rest: bytes, *, final: bool, last: bool) -> StreamhubError | None:
        error: StreamhubError | None = None
        if rest or self._untold or self._recovering:
            error = self._append(rest, final=final)
        if error is None:
            if final:
                self._closed = True
            if self._fsync != "never":
                error = self._sync(last=last)
        if last:
            self._file.close()
        return error

    def _append(self, rest: bytes, *, final: bool) -> StreamhubError | None:
        file = self._file
        try:
            file.lock(BRIEF_PATIENCE if self._locked_out else self._patience)
            if file.closed:
                return self._refuse() if rest else None
            if file.torn or file.replaced or self._recovering or self._untold:
                self._tell_of_loss()
            if rest:
                file.append(rest, final=final)
        except OSError as error:
            return self._fail(rest, error, final=final)
        finally:
            try:
                file.unlock()
            except BaseException:  # a signal's handler struck and raised before it had begun
                file.unlock()
                raise
        if self._said and "outage" in self._said:
            self._end_outage()
        return None

    def _tell_of_loss(self) -> None:
        """Say what was lost before anything else is written; what is not said now is said next time."""
        if self._file.torn:
            self._recovering = "a torn line was ended"
        elif self._file.replaced:
            self._recovering = "the file was deleted or replaced"
            self._notes.append((logging.WARNING, "was deleted or replaced; going on in a new file"))
        self._file.replaced = False
        if self._recovering:
            self._file.append(line_rest(self._mission_id, Signal("stream_recovered", None, self._recovering)))
            self._recovering = ""
        if self._untold:
            told = self._untold
            self._file.append(line_rest(self._mission_id, Signal("events_dropped", told)))
            self._untold -= told

    def _sync(self, *, last: bool) -> StreamhubError | None:
        now = time.monotonic()
        if self._fsync == "interval" and not last and now - self._synced < FSYNC_INTERVAL:
            return None
        self._synced = now
        try:
            self._file.sync()
        except OSError as error:
            self._say_once("fsync", f"was written, but a power cut may undo it: {error.strerror}")
            return EmitError(f"{self._file.path} was written, but a power cut may undo it: {error.strerror}")
        self._said.discard("fsync")
        return None

    def _fail(self, rest: bytes, error: OSError, *, final: bool) -> StreamhubError | None:
        self._begin_outage(error)
        if not rest:
            return None
        self._count()
        if final:
            self._last_words = rest
        return EmitError(f"{self._file.path} cannot be written: {error.strerror}")

    def _begin_outage(self, error: OSError) -> None:
        self._say_once("outage", f"cannot be written, events are dropped until it can: {error.strerror}")
        self._locked_out = isinstance(error, TimeoutError)

    def _end_outage(self) -> None:
        self._said.remove("outage")
        self._locked_out = False
        self._notes.append((logging.INFO, f"can be written again; {self._dropped} events were dropped in all"))

    def _refuse(self) -> StreamhubError:
        self._count()
        self._say_once("closed", "has ended, events after the end are dropped")
        return StreamClosedError(f"{self._file.path} has ended: give the mission a new stream id")

    def _count(self, count: int = 1) -> None:
        self._dropped += count
        self._untold += count

    def _say_once(self, key: str, message: str) -> None:
        if key not in self._said:
            self._said.add(key)
            self._notes.append((logging.WARNING, message))

    def _speak(self) -> None:
        # Never under the lock: a log handler has locks of its own, and may want to emit.
        while self._notes and not self._busy:
            level, message = self._notes.popleft()
            with suppress(Exception):  # a mission's log handler or filter that raises: it is not to notice here
                _log.log(level, "stream %s: %s", self._file.path, message)
