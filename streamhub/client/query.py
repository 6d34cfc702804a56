"""What is asked for: where to begin, and which events."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeAlias, TypedDict

from streamhub.errors import InvalidRequestError
from streamhub.filters import parse_time
from streamhub.offset import BEGINNING, NOW, ZERO, parse_offset

if TYPE_CHECKING:
    from collections.abc import Sequence

Query: TypeAlias = list[tuple[str, str]]


class Part(TypedDict, total=False):
    """Which part of a stream is to be followed: the arguments of :class:`Selection`, which says what they mean."""

    offset: str | None
    tail: int | None
    since: datetime | str | None
    event_types: Sequence[str]
    contains: str


class PastPart(Part, total=False):
    """Which part of a stream is to be read."""

    until: datetime | str | None


@dataclass(frozen=True)
class Selection:
    """Which part of a stream. At most one of ``offset``, ``tail`` and ``since`` says where it begins.

    Attributes:
        offset: from there on; ``-1`` is the beginning, ``now`` the tail. None: the beginning.
        tail: only the last so many events (counted before others are left out), and what follows.
        since: from the first event at or after that time on; without a zone it is UTC.
        until: no event after that time (catch-up only).
        event_types: only events of these types; empty: of any. ``malformed`` is one.
        contains: only lines that contain this text; upper and lower case of ASCII are the same. Empty: any.

    Raises:
        InvalidRequestError: a value can be none, or more than one says where to begin.
    """

    offset: str | None = None
    tail: int | None = None
    since: datetime | str | None = None
    until: datetime | str | None = None
    event_types: Sequence[str] = ()
    contains: str = ""

    def __post_init__(self) -> None:
        if sum(value is not None for value in (self.offset, self.tail, self.since)) > 1:
            raise InvalidRequestError("more than one of offset, tail and since is given: one says where to begin")
        if self.offset == BEGINNING:
            object.__setattr__(self, "offset", None)
        if self.offset is not None and self.offset != NOW:
            parse_offset(self.offset)
        if self.tail is not None and self.tail < 0:
            raise InvalidRequestError(f"tail {self.tail} is no count: give a whole number from 0")
        if isinstance(self.event_types, str):
            raise InvalidRequestError(f"event_types {self.event_types!r} is one text: give a list of types")
        self.query(start=True)  # a time that is none is to be refused now

    @property
    def searches(self) -> bool:
        """Whether the place where it begins has yet to be found."""
        return self.tail is not None or self.since is not None

    def query(self, *, start: bool) -> Query:
        """As the parameters of an address.

        Args:
            start: with where to begin; else that is said elsewhere.
        """
        query: Query = [("event_type", kind) for kind in self.event_types]
        if self.contains:
            query.append(("contains", self.contains))
        if self.until is not None:
            query.append(("until", _time(self.until)))
        if not start:
            return query
        if self.tail is not None:
            return [*query, ("tail", str(self.tail))]
        if self.since is not None:
            return [*query, ("since", _time(self.since))]
        return [*query, ("offset", self.offset or str(ZERO))]


def _time(time: datetime | str) -> str:
    time = parse_time(time) if isinstance(time, str) else time
    return (time.replace(tzinfo=UTC) if time.tzinfo is None else time).isoformat()
