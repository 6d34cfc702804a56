"""How long to stay away from a server that is not there: longer each time, and not in step with others."""

from __future__ import annotations

import random
from typing import Final

#: Seconds before the first new attempt, and before any, at most.
_FIRST: Final = 0.25
_MOST: Final = 15.0


class Backoff:
    """Counts attempts in vain.

    Args:
        retries: how many of them in a row there may be; None: any number.
        first: seconds of the first pause, at most; the next is twice as long.
        most: seconds of any pause, at most.
    """

    def __init__(self, retries: int | None = None, *, first: float = _FIRST, most: float = _MOST) -> None:
        self._retries = retries
        self._first = first
        self._most = most
        self.failures = 0

    def succeeded(self) -> None:
        """The server is there."""
        self.failures = 0

    def failed(self, error: Exception, least: float | None = None) -> float:
        """Note one more failure; gives for how many seconds to stay away.

        Args:
            error: what went wrong; it is raised when that was once too often.
            least: what the server asked for (``Retry-After``), in seconds.
        """
        self.failures += 1
        if self._retries is not None and self.failures > self._retries:
            raise error
        pause = min(self._most, self._first * 2 ** min(self.failures - 1, 32))
        return max(least or 0.0, random.uniform(pause / 2, pause))  # noqa: S311 - not for secrets
