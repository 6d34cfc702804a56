"""The events that are sent: all of one size, numbered, and stamped with the time at which they were handed over."""

from __future__ import annotations

import re
from typing import Final

#: The size of an event in bytes, without its newline.
SIZE: Final = 250

#: Stands in each event once, and nowhere in what carries it. It is long, and of a byte that is rare in the rest, so
#: that a search for it passes over most of the bytes: the clients' cost must not hide the servers'.
MARK: Final = b"~" * 24

#: The time and the number of an event.
STAMP: Final = re.compile(rb'"t":"([0-9]{19})","seq":"([0-9]{8})"')

_HEAD: Final = (
    b'{"timestamp":"2026-01-01T12:00:00.000000Z","mission_id":"m-1","event_type":"navigation","payload":'
    b'{"url":"https://example.com/catalogue/item-345","action":"click"},'
)


def event(seq: int, at: int) -> bytes:
    """One event.

    Args:
        seq: its number, from 0.
        at: when it is handed over, in nanoseconds of the monotonic clock; 0: its latency is of no interest.
    """
    line = b'%s"t":"%019d","seq":"%08d","mark":"%s"' % (_HEAD, at, seq, MARK)
    return line + b" " * (SIZE - 1 - len(line)) + b"}"


def events(first: int, count: int, at: int) -> list[bytes]:
    """Several events, one after the other."""
    return [event(seq, at) for seq in range(first, first + count)]
