"""The cursor of Durable Streams: a number that moves with time, so that caches do not answer for ever.

Not a place in a stream: that is the offset. See section 8.1 of the Durable Streams protocol.
"""

from __future__ import annotations

import random
import time
from datetime import UTC, datetime
from typing import Final

_EPOCH: Final = datetime(2024, 10, 9, tzinfo=UTC).timestamp()
_INTERVAL: Final = 20.0
_MAX_JITTER: Final = 3600


def next_cursor(echoed: str | None) -> int:
    """The number of the present interval; past the one that a client echoes, if that is not behind."""
    current = int((time.time() - _EPOCH) // _INTERVAL)
    if echoed is None or not (echoed.isascii() and echoed.isdigit() and len(echoed) < 16) or int(echoed) < current:
        return current
    jitter = random.randint(1, _MAX_JITTER)  # noqa: S311 - spreads load, guards nothing
    return int(echoed) + max(1, int(jitter // _INTERVAL))
