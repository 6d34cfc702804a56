"""What a follower knows: where it stands in each of its streams, and what is over. Pure: it asks nobody."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, TypeAlias

from streamhub.client.address import fitting, room_after
from streamhub.client.frames import Ended, Frame, Lines, Missed, Opened, Refused, Replaced
from streamhub.client.item import Item
from streamhub.client.places import ends
from streamhub.client.replays import Replays
from streamhub.errors import (
    CapacityError,
    InvalidRequestError,
    OffsetGoneError,
    StreamhubError,
    StreamNotFoundError,
    StreamReplacedError,
    UnauthorizedError,
)
from streamhub.offset import BEGINNING, NOW, ZERO, parse_offset
from streamhub.stream_id import check_stream_id

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from streamhub.client.query import Query, Selection

#: Streams to follow: one, several, or each with the offset to go on from.
Streams: TypeAlias = "str | Iterable[str] | Mapping[str, str]"

#: Streams named beyond that at most, of 160 bytes each.
_MOST_NAMED = 80

_FAREWELLS = {1013: CapacityError, 4401: UnauthorizedError}


@dataclass(frozen=True, slots=True)
class Reset:
    """The file of a stream that is followed was cut, replaced or deleted: what comes next is no continuation.

    Attributes:
        stream: the stream's id.
        offset: where the follower stood: it has had all events before that.
        earliest: where the new file begins; None: it was deleted.
    """

    stream: str
    offset: str
    earliest: str | None

    def error(self) -> StreamhubError:
        """What is raised when nobody says how to go on."""
        if self.earliest is None:
            return StreamNotFoundError(f"stream {self.stream} was deleted at offset {self.offset}: nothing more comes")
        message = f"stream {self.stream} was cut or replaced: start again from {self.earliest}"
        return StreamReplacedError(message, earliest=self.earliest)


@dataclass(frozen=True, slots=True)
class Gap:
    """A place that was to be read on from is gone: what was appended after it while nobody read cannot be had.

    Attributes:
        stream: the stream's id.
        offset: the place that is gone, given by whoever asked or reached before the connection was lost.
        earliest: where what there is now begins; None: the stream was deleted.
    """

    stream: str
    offset: str
    earliest: str | None

    def error(self) -> StreamhubError:
        """What is raised when nobody says how to go on."""
        if self.earliest is None:
            return StreamNotFoundError(f"stream {self.stream} was deleted while nobody followed it at {self.offset}")
        message = f"offset {self.offset} of stream {self.stream} is gone: the earliest is {self.earliest}"
        return OffsetGoneError(message, earliest=self.earliest)


@dataclass(frozen=True, slots=True)
class Batch:
    """Events that came together, of one stream.

    Attributes:
        items: the events.
        start: the place before them; None: nobody knows.
    """

    items: list[Item]
    start: str | None


class Following:
    """The state of one follower.

    Attributes:
        selection: where to begin, and which events.
        match: globs of streams that join as they appear.
        wait: whether streams may not be there yet.
        places: where each stream is to be resumed; None: where ``selection`` begins.

    Raises:
        InvalidRequestError: a stream or a place can be none, or there is nothing to follow.
    """

    def __init__(
        self, streams: Streams, selection: Selection, *, match: str | Sequence[str] = (), wait: bool = False
    ) -> None:
        self.places: dict[str, str | None] = _places(streams)
        if selection.offset not in {None, NOW}:  # a place in those that are named; others begin at their beginning
            self.places = {stream: place or selection.offset for stream, place in self.places.items()}
            selection = replace(selection, offset=None)
        self.selection = selection
        self.match = (match,) if isinstance(match, str) else tuple(match)
        self.wait = wait
        self._over: set[str] = set()
        self._gone: set[str] = set()
        self._replays = Replays()
        self._begun = False
        if not self.places and not self.match:
            raise InvalidRequestError("there is nothing to follow: name a stream, or give match=<glob>")

    @property
    def offsets(self) -> dict[str, str]:
        """Where to resume each stream that has been reached."""
        return {stream: place for stream, place in self.places.items() if place not in {None, NOW}}

    @property
    def wanted(self) -> list[str]:
        """The streams that are not over."""
        return [stream for stream in self.places if stream not in self._over]

    @property
    def past(self) -> set[str]:
        """The streams that are over and may match: they are named, as far as an address has room, to stay silent."""
        return self._over - self._gone if self.match else set()

    @property
    def finished(self) -> bool:
        """Whether nothing more can come."""
        return not self.match and not self.wanted

    def query(self) -> Query:
        """What to ask the multiplexed WebSocket for.

        Raises:
            InvalidRequestError: these are more streams than an address can name.
        """
        self._replays.begin()
        query = self.selection.query(start=not self._begun)
        named = [stream for stream in self.wanted if not self._may_come_again(stream)]
        query += map(self._with_place, named)
        room = room_after(query)
        if room < 0:
            raise InvalidRequestError(f"{len(named)} streams are more than an address can name: follow fewer at once")
        joined = sorted(filter(self._may_come_again, self.wanted), key=self._last_to_be_left_out)
        query += fitting(map(self._with_place, joined), room)
        query += [("match", glob) for glob in self.match]
        # What is over and matches would come again from its beginning, to be thrown away.
        query += [("stream", f"{stream}@{NOW}") for stream in sorted(self.past)][: max(0, _MOST_NAMED - len(query))]
        return [*query, ("wait", "1")] if self.wait else query

    def _may_come_again(self, stream: str) -> bool:
        """Whether a stream that is not named comes from its beginning, so that nothing of it is missed."""
        if self.places[stream] == NOW or not any(fnmatchcase(stream, glob) for glob in self.match):
            return False
        return self._begun or not (self.selection.searches or self.selection.offset == NOW)

    def _last_to_be_left_out(self, stream: str) -> tuple[bool, int]:
        return self._replays.counts(stream), -parse_offset(self._stood(stream)).byte

    def _with_place(self, stream: str) -> tuple[str, str]:
        place = self.places[stream]
        return "stream", stream if place is None else f"{stream}@{place}"

    def start_of(self, stream: str) -> Query:
        """What to ask for when this one stream is to be read on."""
        place = self.places[stream]
        if place is not None:
            return [*self.selection.query(start=False), ("offset", place)]
        return self.selection.query(start=True)

    def take(self, frame: Frame) -> Batch | Reset | Gap | None:
        """Note what a message says; gives what is news for those who follow.

        Raises:
            StreamhubError: the server refuses, and asking again is no use.
        """
        if isinstance(frame, Refused):
            raise _FAREWELLS.get(frame.code, StreamhubError)(frame.message)
        self._begun = True
        if frame.stream in self._over:
            return None
        match frame:
            case Opened():
                return self._open(frame)
            case Lines():
                return self._receive(frame)
            case Ended(stream):
                self.drop(stream)
            case Replaced(stream, earliest):
                self.drop(stream)
                return Reset(stream, self._stood(stream), earliest)
            case Missed(stream, earliest):
                self.drop(stream)
                return Gap(stream, self._stood(stream), earliest)
        return None

    def _open(self, opened: Opened) -> Gap | None:
        stream, place = opened.stream, self._reached(opened.stream)
        if place is None:
            self.places[stream] = opened.offset
        elif opened.offset != place and _is_gone(place, opened):
            self.drop(stream)
            return Gap(stream, place, opened.offset)
        self._replays.open(stream, opened.offset, place)
        return None

    def _receive(self, frame: Lines) -> Batch | None:
        stream, start = frame.stream, self._reached(frame.stream)
        lines = self._replays.news(stream, frame.lines, start, frame.next)
        if lines is None:
            return None
        self.places[stream] = frame.next
        items = [Item(stream, *each) for each in zip(lines, ends(lines, start, frame.next), strict=True)]
        return Batch(items, start) if items else None

    def join(self, stream: str) -> None:
        """Follow a stream that matches: one that was there when all began, from the selected place on."""
        self.places.setdefault(stream, str(ZERO) if self._begun else None)

    def drop(self, stream: str) -> None:
        """Have no more of a stream."""
        self._over.add(stream)

    def forget(self, streams: Iterable[str]) -> None:
        """Name these no more: they are over, and may be there no more."""
        self._gone.update(streams)

    def go_on(self, stream: str, offset: str) -> None:
        """Have more of a stream that was dropped, from another place on.

        Raises:
            InvalidOffsetError: it is no place.
        """
        self.places[stream] = _checked(offset)
        self._over.discard(stream)
        self._gone.discard(stream)
        self._replays.forget(stream)

    def _reached(self, stream: str) -> str | None:
        place = self.places.get(stream)
        return None if place == NOW else place

    def _stood(self, stream: str) -> str:
        return self._reached(stream) or str(ZERO)


def _is_gone(place: str, opened: Opened) -> bool:
    """Whether a stream that comes from its beginning is not the one that was read up to that place."""
    reached, tail = parse_offset(place), parse_offset(opened.tail or place)
    return reached.byte > 0 and (tail.generation != reached.generation or tail.byte < reached.byte)


def _places(streams: Streams) -> dict[str, str | None]:
    if isinstance(streams, str):
        streams = (streams,)
    if isinstance(streams, Mapping):
        return {check_stream_id(stream): _checked(offset) for stream, offset in streams.items()}
    return {check_stream_id(stream): None for stream in streams}


def _checked(offset: str) -> str:
    if offset == NOW:
        return NOW
    return str(ZERO) if offset == BEGINNING else str(parse_offset(offset))
