"""What the multiplexed WebSocket says, taken apart; a line keeps its own bytes. Pure."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

import msgspec

from streamhub.errors import StreamhubError

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True)
class Opened:
    """A stream is there, up to ``tail`` (None: nobody knows), and is read from ``offset`` on."""

    stream: str
    offset: str
    tail: str | None = None


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of a stream, and the place after them."""

    stream: str
    lines: Sequence[bytes]
    next: str


@dataclass(frozen=True, slots=True)
class Ended:
    """A stream is over."""

    stream: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """A stream's file was cut or replaced, or (``earliest`` None) deleted."""

    stream: str
    earliest: str | None


@dataclass(frozen=True, slots=True)
class Missed:
    """A stream cannot be read on from where it was to be; ``earliest`` None: it is there no more."""

    stream: str
    earliest: str | None


@dataclass(frozen=True, slots=True)
class Refused:
    """What is asked for cannot be had; the socket closes with ``code``."""

    code: int
    message: str


Frame: TypeAlias = Opened | Lines | Ended | Replaced | Missed | Refused


class _Opened(msgspec.Struct):
    stream: str
    offset: str
    tail: str


class _Open(msgspec.Struct, tag_field="type", tag="open"):
    streams: list[_Opened]


class _Events(msgspec.Struct, tag_field="type", tag="events"):
    stream: str
    next: str
    events: list[msgspec.Raw]


class _Heartbeat(msgspec.Struct, tag_field="type", tag="heartbeat"):
    pass


class _End(msgspec.Struct, tag_field="type", tag="end"):
    stream: str


class _Reset(msgspec.Struct, tag_field="type", tag="reset"):
    stream: str
    earliest: str | None = None


class _Error(msgspec.Struct, tag_field="type", tag="error"):
    code: int
    message: str


_Frame: TypeAlias = _Open | _Events | _Heartbeat | _End | _Reset | _Error

_decoder: Final[msgspec.json.Decoder[_Frame]] = msgspec.json.Decoder(_Frame)
#: Takes half of a surrogate pair, which JSON allows, as the server does; and a number of any length.
_lenient: Final = json.JSONDecoder(parse_int=str)


def read_frame(message: bytes) -> Sequence[Frame]:
    """What a message says; nothing, if it is but a sign of life.

    Raises:
        StreamhubError: it is none that a streamhub server sends.
    """
    try:
        return _frames(message, _decoder.decode(message))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        lines = _with_surrogates(message)
        if lines is None:
            raise StreamhubError(f"a message of the WebSocket is not understood: {error}: is this a proxy's?") from None
        return (lines,)


def _frames(message: bytes, frame: _Frame) -> Sequence[Frame]:
    match frame:
        case _Events():
            return (Lines(frame.stream, _lines(message, frame.events), frame.next),)
        case _Open():
            return [Opened(opened.stream, opened.offset, opened.tail) for opened in frame.streams]
        case _End():
            return (Ended(frame.stream),)
        case _Reset():
            return (Replaced(frame.stream, frame.earliest),)
        case _Error():
            return (Refused(frame.code, frame.message),)
        case _Heartbeat():
            pass
    return ()


def _lines(message: bytes, events: Sequence[msgspec.Raw]) -> list[bytes]:
    lines = [bytes(event) for event in events]
    # The array is the message's end, "[…]}": where only commas are left over, each element is the whole line.
    start = message.find(b'"events":[') + len(b'"events":[')
    if not lines or start + sum(map(len, lines)) + len(lines) - 1 + len(b"]}") == len(message):
        return lines
    return _with_white_space(message, start, lines)


def _with_white_space(message: bytes, place: int, elements: Sequence[bytes]) -> list[bytes]:
    """The lines with what stands around the JSON in them: the CR of another system's line ends, most of all."""
    lines = []
    for number, element in enumerate(elements, start=1):
        after = message.index(element, place) + len(element)
        end = message.index(b"," if number < len(elements) else b"]", after)
        lines.append(message[place:end])
        place = end + 1
    return lines


def _with_surrogates(message: bytes) -> Lines | None:
    """What a message of events says of which one holds half of a surrogate pair; None when it is no such message."""
    try:
        head, mark, rest = message.decode().partition('"events":[')
        frame = _decoder.decode(f"{head}{mark}]}}")
        return Lines(frame.stream, _elements(rest), frame.next) if isinstance(frame, _Events) else None
    except (ValueError, RecursionError):
        return None


def _elements(text: str) -> list[bytes]:
    """The elements of the array at a message's end, from behind its bracket on, with the white space around them.

    Raises:
        ValueError: it is none.
    """
    elements, place, after = [], 0, ","
    while after == ",":
        _value, end = _lenient.raw_decode(text, _past_space(text, place))
        end = _past_space(text, end)
        elements.append(text[place:end].encode())
        place, after = end + 1, text[end : end + 1]
    if text[end:] != "]}":
        raise ValueError(f"the array of events ends with {text[end:][:10]!r}")
    return elements


def _past_space(text: str, place: int) -> int:
    while text.startswith((" ", "\t", "\r"), place):
        place += 1
    return place
