"""What a server counts, as plain numbers: cheap enough for the hot path, read by whoever exports them."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


class Meter:
    """Counts since the server started. Labels are few and fixed: no stream's id is ever among them.

    Attributes:
        bytes: handed to clients, by transport.
        events: handed to clients, by transport.
        slow: how often a client fell behind the tail, by transport.
        ended: connections by how they ended: ``closed``, ``reset``, ``stalled``, ``inbound`` and the like.
        requests: answers, by the class of their status (``2xx``).
        refused: what was turned away, by cause: ``host``, ``origin``, ``token``, ``capacity``, ``address``, ``late``,
            and ``idle``, when the longest idle one made room.
        malformed: lines that came and were no events.
        lag: called with a transport and the seconds from seeing a batch to having handed it to everyone at the tail.
    """

    def __init__(self) -> None:
        self.bytes: Counter[str] = Counter()
        self.events: Counter[str] = Counter()
        self.slow: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.requests: Counter[str] = Counter()
        self.refused: Counter[str] = Counter()
        self.malformed = 0
        self.lag: Callable[[str, float], None] | None = None

    def sent(self, transport: str, size: int, events: int) -> None:
        """Note what was handed out."""
        self.bytes[transport] += size
        self.events[transport] += events
