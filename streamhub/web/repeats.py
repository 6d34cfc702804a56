"""Clients that ask again and again at the end of a closed stream, where nothing will ever come."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Hashable

#: Askers remembered, at most.
_REMEMBERED: Final = 10_000


class Repeats:
    """A token bucket for each asker: answers as often as a person asks, refuses a loop.

    Args:
        burst: answers that may follow each other at once.
        per_second: answers a second after that.
        clock: seconds on a clock that never runs backwards.
    """

    def __init__(
        self, *, burst: int = 20, per_second: float = 1.0, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._burst = burst
        self._per_second = per_second
        self._clock = clock
        self._askers: OrderedDict[Hashable, tuple[float, float]] = OrderedDict()

    def refused_for(self, asker: Hashable) -> int:
        """Seconds for which an asker is to stay away; 0 when it may be answered."""
        if asker not in self._askers:
            return 0
        left = self._left(asker)
        return 0 if left >= 1 else max(1, round((1 - left) / self._per_second))

    def answered(self, asker: Hashable) -> None:
        """Note that an asker was told that nothing will come."""
        self._askers[asker] = (self._left(asker) - 1, self._clock())
        self._askers.move_to_end(asker)
        if len(self._askers) > _REMEMBERED:
            self._askers.popitem(last=False)

    def _left(self, asker: Hashable) -> float:
        left, since = self._askers.get(asker, (float(self._burst), self._clock()))
        return min(self._burst, left + (self._clock() - since) * self._per_second)
