"""What a mission logs, told in its stream: a handler for the standard library's ``logging``.

::

    logging.getLogger().addHandler(EmitterHandler(level=logging.WARNING))

    with Emitter(mission_id="m-42"):
        logging.warning("the page took %d s", 12)

A record is a ``signal``: the logger's name, the level's name as its value, the message as its detail.
"""

from __future__ import annotations

import logging
import threading
from typing import TYPE_CHECKING, Final

from streamhub.current import current_stream

if TYPE_CHECKING:
    from streamhub.current import EventStream

#: Characters of a detail, at most: a viewer is no log store.
_LONGEST: Final = 16_000
#: What the emitter itself has to say must not go where it failed.
_OWN: Final = "streamhub.emitter"


class EmitterHandler(logging.Handler):
    """Emits log records as signals. It drops what cannot be emitted, and never raises.

    The detail is what the formatter makes of the record: the message, and the traceback of an exception; of more than
    16,000 characters the rest is cut.
    """

    def __init__(self, stream: EventStream | None = None, level: int | str = logging.NOTSET) -> None:
        """Add it to a logger, and leave that logger's other handlers as they are.

        Args:
            stream: where to; None: the current stream, whichever that is when something is logged (see
                :func:`current_stream`). Outside of any, nothing is emitted.
            level: the lowest level that is emitted.
        """
        super().__init__(level)
        self._stream = stream
        self._busy = threading.local()

    def handle(self, record: logging.LogRecord) -> bool | logging.LogRecord:  # type: ignore[override]
        """Emit one record, if the filters let it through.

        Without the lock that a handler has: emitting needs none, and the emitter may log, to handlers with locks of
        their own, whose holders may be waiting for this one.
        """
        passed: bool | logging.LogRecord = False
        try:
            passed = self.filter(record)
        except Exception:  # noqa: BLE001 - as in emit()
            self.handleError(record)
        if passed:
            self.emit(passed if isinstance(passed, logging.LogRecord) else record)
        return passed

    def emit(self, record: logging.LogRecord) -> None:
        """Emit one record."""
        if record.name == _OWN or getattr(self._busy, "now", False):
            return
        self._busy.now = True  # what is logged by formatting or emitting it, in this thread, is not emitted
        try:
            self._emit(record)
        except Exception:  # noqa: BLE001 - a handler's way: logging.raiseExceptions says whether it is shown
            self.handleError(record)
        finally:
            self._busy.now = False

    def _emit(self, record: logging.LogRecord) -> None:
        stream = current_stream() if self._stream is None else self._stream
        if stream.live_stream_id is None:
            return
        detail = self.format(record)
        if len(detail) > _LONGEST:
            detail = f"{detail[:_LONGEST]}\u2026"
        stream.signal(record.name, record.levelname, detail.encode("utf-8", "backslashreplace").decode())
