"""Filters: which lines of a stream a reader wants. Offsets advance past what is left out."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from typing import TYPE_CHECKING

from streamhub.errors import InvalidRequestError
from streamhub.tag import tag_of

if TYPE_CHECKING:
    from collections.abc import Iterable


def parse_time(text: str) -> datetime:
    """Read an ISO 8601 time; without a zone it is UTC, and a space before the zone counts as ``+``.

    Raises:
        InvalidRequestError: it is no time.
    """
    text = text.strip()
    head, space, zone = text.rpartition(" ")
    if space and any(mark in head for mark in "T: "):  # a '+' after a time, that a query string turned into a space
        text = f"{head}+{zone}"
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise InvalidRequestError(f"time {text[:64]!r} is not ISO 8601: write it like 2026-01-31T12:00:00Z") from None
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def time_of(line: bytes) -> datetime | None:
    """A line's time; None when it has none that can be read."""
    stamp = tag_of(line).timestamp
    if not isinstance(stamp, str):
        return None
    try:
        return parse_time(stamp)
    except (InvalidRequestError, OverflowError):
        return None


@dataclass(frozen=True)
class Filter:
    """Which lines are wanted: all that pass every condition that is set.

    Attributes:
        event_types: the ``event_type`` is one of these (``malformed`` is one); empty: any.
        contains: the line's text contains this, ASCII case ignored; empty: any.
        until: the line's time is not after this; lines without a time pass. None: any.
    """

    event_types: frozenset[str] = frozenset()
    contains: str = ""
    until: datetime | None = None

    @cached_property
    def needle(self) -> bytes:
        """``contains`` as it is compared."""
        return self.contains.encode("utf-8", "surrogatepass").lower()

    def __bool__(self) -> bool:
        return bool(self.event_types or self.contains or self.until)

    def wants(self, line: bytes) -> bool:
        """Whether the line passes. The cheap test comes first: text search needs no decoding."""
        if self.contains and self.needle not in line.lower():
            return False
        if self.event_types:
            event_type = tag_of(line).event_type
            if not isinstance(event_type, str) or event_type not in self.event_types:
                return False
        if self.until is not None:
            time = time_of(line)
            return time is None or time <= self.until
        return True

    def keep(self, lines: Iterable[bytes]) -> list[bool]:
        """For each line whether it passes."""
        return [self.wants(line) for line in lines]


#: Lets everything through.
EVERYTHING = Filter()
