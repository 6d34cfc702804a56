"""What a server counts, as plain numbers: cheap enough for the hot path, read by whoever exports them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

#: Ways that hold a connection, then the one that does not.
LIVE: Final = ("websocket", "multiplex", "sse", "durable-sse", "long-poll")
TRANSPORTS: Final = (*LIVE, "polling")
#: How a live connection ended: the stream did (``closed``, ``reset``), the client did (``left``, ``lost``, ``client``:
#: it broke a rule), it was cut for taking nothing (``stalled``) or for not hanging up (``deaf``), its time was over, or
#: the server failed.
ENDS: Final = (
    *("closed", "reset", "left", "lost", "client", "stalled", "deaf"),
    *("expired", "rotated", "shutdown", "failed"),
)
#: Why somebody was turned away; ``idle``: the longest idle one made room.
REFUSALS: Final = ("host", "origin", "token", "capacity", "address", "late", "idle")
#: What reads files: the look at a stream's end, a reader that is behind, a polling request.
SOURCES: Final = ("tail", "history", "polling")


class Meter:
    """Counts since the server started. Labels are few and fixed: no stream's id is ever among them.

    Attributes:
        bytes: handed to clients, by transport.
        events: handed to clients, by transport.
        slow: how often a client fell behind the tail, by transport.
        ended: connections by how they ended: see ``ENDS``.
        requests: answers, by the class of their status (``2xx``).
        refused: what was turned away, by cause: see ``REFUSALS``.
        reads: pieces read from files, by what read them: see ``SOURCES``.
        read_bytes: how many bytes those were.
        malformed: lines that came and were no events.
        long_polls: requests that wait for news just now.
        lag: called with a transport and the seconds from the lines' arrival in the file to their send.
    """

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.reads: Counter[str] = Counter()
        self.read_bytes: Counter[str] = Counter()
        self.malformed = 0
        self.long_polls = 0
        self.lag: Callable[[str, float], None] | None = None

    def sent(self, transport: str, size: int, events: int) -> None:
        """Note what was handed out."""
        self.bytes[transport] += size
        self.events[transport] += events

    def read(self, source: str, size: int) -> None:
        """Note what was read."""
        self.reads[source] += 1
        self.read_bytes[source] += size
