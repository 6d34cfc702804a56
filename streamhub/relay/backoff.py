"""How long to wait before the next try."""

from __future__ import annotations

import random
from typing import Final

#: The first wait and the longest, in seconds.
LEAST: Final = 0.1
MOST: Final = 5.0

_chance = random.SystemRandom()


class Backoff:
    """Waits that double up to a limit, each cut by chance, so that those who failed together do not return together.

    Attributes:
        tries: how many have failed since the last success.
    """

    def __init__(self, least: float = LEAST, most: float = MOST) -> None:
        self._least = least
        self._most = most
        self.tries = 0

    @property
    def is_fresh(self) -> bool:
        """Whether nothing has failed since the last success."""
        return self.tries == 0

    def next(self) -> float:
        """The next wait, in seconds."""
        self.tries += 1
        return wait_after(self.tries, self._least, self._most)

    def reset(self) -> None:
        """Start again with the shortest: something worked."""
        self.tries = 0


def wait_after(tries: int, least: float = LEAST, most: float = MOST) -> float:
    """Seconds to wait after so many tries that failed."""
    longest = min(most, least * 2.0 ** min(tries - 1, 30))
    return longest * _chance.uniform(0.5, 1.0)
