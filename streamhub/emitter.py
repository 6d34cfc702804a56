"""The emitter: what a mission calls to be watched. Whatever happens to the file, the mission does not notice.

::

    with Emitter(mission_id="m-42") as stream:
        stream.navigation(url="https://example.com", action="click", detail="next page")
        stream.extraction(target="prices", count=12)
        stream.signal(name="captcha", value=True)
        stream.status(state="running")
    reply = ResponseEnvelope(ok=True, live_stream_id=stream.live_stream_id)

An event that cannot be written is dropped: counted, logged once per outage, and told to the viewers by a ``signal``
named ``events_dropped`` with the count before the next event. A ``signal`` named ``stream_recovered`` comes first
after a torn line was ended, or when the file was deleted or replaced and a new one was begun in its place.
"""

from __future__ import annotations

import errno
import os
import weakref
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, NoReturn, TypeAlias, TypeGuard, get_args

from streamhub import current
from streamhub.append import AppendFile
from streamhub.errors import ConfigError, EmitError, InvalidEventError, StreamhubError
from streamhub.events import TIME_BYTES, Payload, State, Status, line_rest
from streamhub.plain import PlainLines
from streamhub.stream_id import file_name, new_stream_id
from streamhub.writer import Fsync, StreamWriter

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

#: How a mission may end.
EndState: TypeAlias = Literal["completed", "failed", "cancelled"]

#: The longest line that is written unless one says otherwise, in bytes: what readers are shown by default.
DEFAULT_MAX_LINE: Final = 1024 * 1024

#: Where streams are kept when nobody says otherwise, relative to where the process runs.
DEFAULT_DIRECTORY: Final = "outputs/execution_streams"

# At construction these mean that the mission was set up wrongly. Anything else (a full disk, no descriptor left) may
# pass, and is an outage like any other.
_SET_UP_WRONGLY: Final = {
    *(errno.EACCES, errno.EPERM, errno.EROFS, errno.ELOOP, errno.EISDIR, errno.ENOTDIR, errno.ENXIO, errno.EINVAL),
    *(errno.EEXIST, errno.ENOENT, errno.ENAMETOOLONG),
}


def default_directory() -> str:
    """Where streams are kept: what ``STREAMHUB_DIR`` says, else ``outputs/execution_streams``."""
    return os.environ.get("STREAMHUB_DIR") or DEFAULT_DIRECTORY


def stream_path(stream: str, directory: str | os.PathLike[str] | None) -> Path:
    """Where a stream's file is; absolute, since the process may change its directory.

    Raises:
        InvalidStreamIdError: it can be no stream's id.
        ConfigError: there is no directory that the path could be relative to.
    """
    name = file_name(stream)
    try:
        return Path(directory or default_directory()).absolute() / name
    except OSError as error:
        reason = f"the current directory cannot be told: {error.strerror}"
        raise ConfigError(f"{str(directory or default_directory())!a}: {reason}; give an absolute one") from error


def end_by(kind: type[BaseException], error: BaseException | None) -> tuple[EndState, str | None]:
    """How a mission ends that an exception left: its state, and a detail."""
    if isinstance(error, SystemExit) and (error.code is None or (type(error.code) is int and error.code == 0)):
        return "completed", None
    # asyncio, which has the last of them, is not imported for its name.
    broken_off = issubclass(kind, (KeyboardInterrupt, GeneratorExit)) or kind.__name__ == "CancelledError"
    return "cancelled" if broken_off else "failed", kind.__name__


class Emitter(current.EventStream):
    """Writes one stream. Thread-safe; other emitters, in other processes too, may write the same stream.

    Times never run backwards within a stream: while the clock is behind the last line, that line's time is repeated.
    After a fork the child can go on with the stream, but only its parent's ``with`` or close() ends it.

    Attributes:
        mission_id: the mission.
        live_stream_id: the stream's id; from now on it can be watched.
        path: the stream's file.
    """

    live_stream_id: str

    def __init__(
        self,
        mission_id: str,
        live_stream_id: str | None = None,
        directory: str | os.PathLike[str] | None = None,
        *,
        closes_stream: bool = True,
        strict: bool = False,
        fsync: Fsync = "never",
        max_line: int = DEFAULT_MAX_LINE,
    ) -> None:
        """Open the stream: a new one, or one that is there and goes on.

        Args:
            mission_id: the mission.
            live_stream_id: the stream; an id that sorts by time is made when none is given.
            directory: where streams are kept, made when missing; see default_directory().
            closes_stream: whether close() and the end of the ``with`` end the stream. False is for a mission's helpers.
            strict: raise instead of dropping events.
            fsync: when to wait for the disk: ``never``; ``interval``: once a second at most, by the event that finds
                it due, and at the end; ``always``: for each event. It is for power cuts: what a killed process has
                written stays written.
            max_line: the longest line, in bytes; a longer event is dropped. Above the server's ``--max-line`` readers
                get a stand-in instead of the event.

        Raises:
            InvalidEventError: ``mission_id`` can be none.
            InvalidStreamIdError: ``live_stream_id`` can be none.
            StreamClosedError: the stream has ended.
            ConfigError: the directory or the file is not what it must be, or may not be written.
            EmitError: it cannot be written just now (strict only; else it is an outage, and this raises nothing).
        """
        self._plain = PlainLines(mission_id)
        if fsync not in get_args(Fsync):
            raise ConfigError(f"fsync {fsync!r} is unknown: use never, interval or always")
        self.mission_id = mission_id
        self.live_stream_id = new_stream_id() if live_stream_id is None else live_stream_id
        self.path = stream_path(self.live_stream_id, directory)
        self._longest = max_line - TIME_BYTES
        self._closes_stream = closes_stream
        self._strict = strict
        self._writer = StreamWriter(AppendFile(self.path, durable=fsync != "never"), mission_id, fsync=fsync)
        self._open()
        _alive.add(self)

    @property
    def dropped(self) -> int:
        """How many events of this emitter, in this process, did not get into the stream."""
        return self._writer.dropped

    def emit(self, payload: Payload) -> None:
        """Write one event; what navigation(), extraction(), signal() and status() come to.

        Raises:
            InvalidEventError: strict, and the payload is not what its type says.
            EmitError: strict, and the event could not be written.
            StreamClosedError: strict, and the stream has ended.
        """
        error: StreamhubError | None
        try:
            rest = self._plain.rest(payload) or line_rest(self.mission_id, payload)
            if len(rest) > self._longest:
                rest = self._shortened(payload, rest)
            error = self._writer.write(rest, type(payload) is Status and payload.final)
        except Exception as failure:  # noqa: BLE001 - what nobody foresaw, too: no memory, no stack, a clock gone mad
            try:
                error = self._give_up(failure, type(payload).__name__)
            except RecursionError:  # there is no stack left to count it on, and the mission will soon meet that itself
                return
        if error is not None and self._strict:
            raise error

    def close(self, state: EndState | None = None, detail: str | None = None) -> None:
        """End the stream with a final ``status`` (``completed`` unless said otherwise); the second time do nothing.

        With ``closes_stream=False`` the stream stays open: a ``state`` is told, but not as the final one.

        Raises:
            InvalidEventError, EmitError, StreamClosedError: as emit() does, strict only.
        """
        error: StreamhubError | None
        try:
            silent = state is None and not self._closes_stream
            rest = b"" if silent else self._end(state, detail, final=self._closes_stream)
            error = self._writer.close(rest, final=bool(rest) and self._closes_stream)
        except StreamhubError:
            raise  # strict, or it would have been told otherwise
        except Exception as failure:  # noqa: BLE001 - as in emit()
            error = self._give_up(failure, "Status")
        self._raise_if_strict(error)

    def lose(self, error: StreamhubError, kind: str, count: int = 1) -> None:
        """Count events that did not get here; viewers are told with the next one.

        Args:
            error: why; it is logged once.
            kind: what they were.
            count: how many.
        """
        self._writer.drop(error, kind, count)

    def __enter__(self) -> Self:
        current.enter(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        current.leave(self)
        if kind is None:
            self.close()
            return
        with suppress(StreamhubError):  # the mission's own exception is the one to see; this one was logged
            self.close(*(end_by(kind, error) if self._closes_stream else (None, None)))

    def _open(self) -> None:
        try:
            self._writer.open()
        except ValueError as error:  # a NUL in the path
            raise ConfigError(f"{str(self.path)!a} cannot be opened as a stream: {error}") from error
        except OSError as error:
            message = f"{self.path} cannot be opened as a stream: {error.strerror}"
            if error.errno in _SET_UP_WRONGLY:
                raise ConfigError(f"{message}; it must be a regular file in a folder that may be written") from error
            self._writer.begin_outage(error)
            self._raise_if_strict(EmitError(message))

    def _shortened(self, payload: Payload, rest: bytes) -> bytes:
        """What to write of an event that is too long: nothing, but that it is the end."""
        if type(payload) is not Status or not payload.final:
            self._refuse_length(rest)
        return self._end(payload.state, payload.detail, final=True)

    def _end(self, state: State | None, detail: str | None, *, final: bool) -> bytes:
        """The last line from its timestamp on. An end that is badly told is better than none: nobody waits for more."""
        told: State = "completed" if state is None else state
        try:
            rest = line_rest(self.mission_id, Status(told, final, detail))
            if len(rest) > self._longest:
                self._refuse_length(rest)
        except InvalidEventError as error:
            self._raise_if_strict(error)
            end: State = told if _is_state(told) else "failed"
            rest = line_rest(self.mission_id, Status(end, final, f"close() was told otherwise: {error}"))
        return rest

    def _refuse_length(self, rest: bytes) -> NoReturn:
        size, most = len(rest) + TIME_BYTES, self._longest + TIME_BYTES
        raise InvalidEventError(f"the event's line has {size} bytes: write {most} at most, or raise max_line")

    def _give_up(self, failure: Exception, kind: str) -> StreamhubError:
        """Count an event that something was wrong with."""
        error = failure if isinstance(failure, StreamhubError) else EmitError(f"{type(failure).__name__}: {failure!a}")
        self._writer.drop(error, kind)
        return error

    def _raise_if_strict(self, error: StreamhubError | None) -> None:
        if error is not None and self._strict:
            raise error

    def after_fork(self) -> None:
        """Called in a forked child: go on with the stream there, on a file and a lock of its own."""
        self._closes_stream = False
        self._writer.after_fork()


def _is_state(told: object) -> TypeGuard[State]:
    return type(told) is str and told in get_args(State)


_alive: Final[weakref.WeakSet[Emitter]] = weakref.WeakSet()


def _after_fork_in_child() -> None:
    for emitter in list(_alive):
        emitter.after_fork()


os.register_at_fork(after_in_child=_after_fork_in_child)
