"""The current stream: what code below a mission emits to, without being handed the emitter.

::

    with Emitter(mission_id="m-42"):
        crawl()


    def crawl() -> None:
        current_stream().navigation("https://example.com", "open")

It is a context variable: each asyncio task has that of the code that created it, as has what runs in
``asyncio.to_thread``. A thread that is started by hand has none, unless it runs in ``contextvars.copy_context()``.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextvars import ContextVar
from typing import TYPE_CHECKING, Final

from streamhub.events import Extraction, Navigation, Signal, Status

if TYPE_CHECKING:
    from streamhub.events import Payload, SignalValue, State


class EventStream(ABC):
    """What can be emitted to: an Emitter, an AsyncEmitter, or nothing at all.

    Attributes:
        live_stream_id: the stream's id; None where there is no stream.
    """

    live_stream_id: str | None

    @abstractmethod
    def emit(self, payload: Payload) -> None:
        """Tell one event; what the four methods below come to."""

    def navigation(self, url: str, action: str, detail: str | None = None) -> None:
        """Tell that the mission went to ``url``, or did ``action`` there."""
        self.emit(Navigation(url, action, detail))

    def extraction(self, target: str, count: int, url: str | None = None, detail: str | None = None) -> None:
        """Tell that the mission took ``count`` items of ``target``, from ``url``."""
        self.emit(Extraction(target, count, url, detail))

    def signal(self, name: str, value: SignalValue = None, detail: str | None = None) -> None:
        """Tell that something worth knowing happened. A value that is no finite number is told as a word (``NaN``)."""
        self.emit(Signal(name, value, detail))

    def status(self, state: State, final: bool = False, detail: str | None = None) -> None:  # noqa: FBT001, FBT002
        """Tell the mission's state; ``final`` ends the stream, whatever ``closes_stream`` is."""
        self.emit(Status(state, final, detail))


class NoStream(EventStream):
    """Takes everything and keeps nothing; false, where streams are true."""

    live_stream_id = None

    def __bool__(self) -> bool:
        return False

    def emit(self, payload: Payload) -> None:
        """Nobody is told."""


_NONE: Final = NoStream()
# Those that were entered and not left, innermost last. No token is kept: a block may be left in another context than
# it was entered in (an asynchronous generator), or in another order, and must not fail then.
_entered: Final[ContextVar[tuple[EventStream, ...]]] = ContextVar("streamhub_entered", default=())


def current_stream() -> EventStream:
    """The stream of the innermost ``with Emitter(…)`` around the caller.

    Outside of any it is one that keeps nothing, and is false: what emits needs no mission to be called in.
    """
    entered = _entered.get()
    return entered[-1] if entered else _NONE


def enter(stream: EventStream) -> None:
    """Make it the current stream."""
    _entered.set((*_entered.get(), stream))


def leave(stream: EventStream) -> None:
    """It is the current stream no more, as far as it is here."""
    entered = _entered.get()
    for index in reversed(range(len(entered))):
        if entered[index] is stream:
            _entered.set(entered[:index] + entered[index + 1 :])
            return
