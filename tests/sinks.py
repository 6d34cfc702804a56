"""Sinks and readers without sockets: what was written where, and who was told what."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Self

from streamhub.reader import Reader

if TYPE_CHECKING:
    from streamhub.batch import Batch
    from streamhub.cursor import Cursor
    from streamhub.history import History
    from streamhub.offset import Offset
    from streamhub.stream import Look


def newlined(batch: Batch, _at_tail: bool) -> bytes:
    """The lines as they stand in the file: the form in which what was written is easily compared."""
    return b"".join(line + b"\n" for line in batch.lines)


class Sink:
    """Keeps what it is given.

    Args:
        full: for each write whether the sink is blocked after it; open for ever after the last.
        dies: whether a write finds the client gone, as a socket's may.
        breaks: whether a write raises what nobody foresaw.
    """

    descriptor = -1

    def __init__(self, full: Iterable[bool] = (), *, dies: bool = False, breaks: bool = False) -> None:
        self.blocked = False
        self.dies = dies
        self.breaks = breaks
        self.failed = False
        self.blobs: list[bytes] = []
        self.reader: Reader | None = None
        self.when_written: Callable[[], None] | None = None
        self._full = iter(full)

    @property
    def taken(self) -> bytes:
        """Everything, in order."""
        return b"".join(self.blobs)

    def write(self, data: bytes) -> bool:
        """Take bytes; False when it is blocked after that."""
        assert not self.blocked, "nothing is to be written to a sink that is blocked"
        if self.breaks:
            raise RuntimeError("nobody foresaw this")
        if self.dies:
            assert self.reader is not None
            self.reader.close()
            return False
        self.blobs.append(data)
        self.blocked = next(self._full, False)
        if self.when_written is not None:
            self.when_written()
        return not self.blocked

    def keep(self, rest: memoryview) -> None:
        """Only what has a descriptor is asked to."""
        raise NotImplementedError

    def fail(self) -> None:
        """Take note of the end."""
        self.failed = True

    def unblock(self) -> None:
        """Take bytes again."""
        if self.blocked:
            self.blocked = False
            assert self.reader is not None
            self.reader.pump()


class SocketSink(Sink):
    """A sink with a descriptor: one end of a pair of sockets.

    Attributes:
        full: the descriptors of those that are blocked.
        rests: what the socket did not take.
    """

    def __init__(self, full: set[int]) -> None:
        super().__init__()
        self.full = full
        self.rests: list[bytes] = []
        self._near, self.far = socket.socketpair()
        for end in (self._near, self.far):
            end.setblocking(False)
        self.descriptor = self._near.fileno()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc: object) -> None:
        self._near.close()
        self.far.close()

    def keep(self, rest: memoryview) -> None:
        """Keep what the socket did not take."""
        self.rests.append(bytes(rest))
        self.blocked = True
        self.full.add(self.descriptor)

    def received(self) -> bytes:
        """What has come to the other end."""
        pieces = []
        while True:
            try:
                pieces.append(self.far.recv(1 << 20))
            except BlockingIOError:
                return b"".join(pieces)


class Told(Reader):
    """A reader that keeps what it was told."""

    __slots__ = ("told",)

    def __init__(self, history: History, sink: Sink) -> None:
        super().__init__(history, sink)
        self.told: list[tuple[str, object]] = []
        sink.reader = self

    def joined(self, cursor: Cursor, look: Look) -> None:
        """Its stream came to be."""
        del cursor
        self.told.append(("joined", look))

    def ended(self, cursor: Cursor, look: Look) -> None:
        """Its stream is over."""
        del cursor
        self.told.append(("ended", look))

    def reset(self, cursor: Cursor, earliest: Offset | None) -> None:
        """Its stream was cut or replaced."""
        del cursor
        self.told.append(("reset", earliest))
