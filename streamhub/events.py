"""The schema: what a mission tells, one JSON object a line.

An event is a ``timestamp``, a ``mission_id``, an ``event_type`` and a ``payload``, in that order::

    {"timestamp":"2026-01-01T12:00:00.000000Z","mission_id":"m-42","event_type":"navigation",
     "payload":{"url":"https://example.com","action":"click","detail":"next page"}}

Optional fields are left out when they are empty. Fields that are not named here are allowed and passed over.
"""

from __future__ import annotations

import functools
import math
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, ClassVar, Final, Literal, TypeAlias, get_args

import msgspec
from msgspec.structs import force_setattr

from streamhub.errors import InvalidEventError

State: TypeAlias = Literal["started", "running", "completed", "failed", "cancelled"]


# An event is made in the mission's own code, so that what it is made of may do anything but raise here: what it has
# of methods is not asked, nor what it says that it is.


def _is_empty(text: object) -> bool:
    return issubclass(type(text), str) and not str.__len__(text)  # type: ignore[arg-type]


def _word_for(number: Any) -> str | None:  # noqa: ANN401 - a float, as the caller knows
    if math.isfinite(number):
        return None
    if math.isnan(number):
        return "NaN"
    return "Infinity" if math.copysign(1, number) > 0 else "-Infinity"


#: What a signal may carry.
SignalValue: TypeAlias = str | int | float | bool | None


class Navigation(msgspec.Struct, frozen=True, omit_defaults=True):
    """The mission went somewhere, or did something to a page."""

    url: str
    action: str
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.detail is not None and _is_empty(self.detail):
            force_setattr(self, "detail", None)


class Extraction(msgspec.Struct, frozen=True, omit_defaults=True):
    """The mission took ``count`` items of ``target`` from somewhere."""

    target: str
    count: Annotated[int, msgspec.Meta(ge=0)]
    url: str | None = None
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.url is not None and _is_empty(self.url):
            force_setattr(self, "url", None)
        if self.detail is not None and _is_empty(self.detail):
            force_setattr(self, "detail", None)


class Signal(msgspec.Struct, frozen=True, omit_defaults=True):
    """Something worth knowing happened. A value that is no finite number is told as a word, such as ``NaN``."""

    name: str
    value: SignalValue = None
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.detail is not None and _is_empty(self.detail):
            force_setattr(self, "detail", None)
        # JSON has no number for these, and a viewer is helped more by the word than by a hole.
        if issubclass(type(self.value), float) and (word := _word_for(self.value)):
            force_setattr(self, "value", word)


class Status(msgspec.Struct, frozen=True, omit_defaults=True):
    """The mission's state changed; if ``final``, the stream ends here."""

    state: State
    final: bool = False
    detail: str | None = None

    def __post_init__(self) -> None:
        if self.detail is not None and _is_empty(self.detail):
            force_setattr(self, "detail", None)


Payload: TypeAlias = Navigation | Extraction | Signal | Status

_LINE_START: Final = b'{"timestamp":"'
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


Timestamp: TypeAlias = Annotated[
    datetime,
    msgspec.Meta(
        tz=True,
        description="When it happened; emitters write UTC with microseconds and Z.",
        examples=["2026-01-01T12:00:00.000000Z"],
    ),
]
MissionId: TypeAlias = Annotated[str, msgspec.Meta(min_length=1, description="The mission that tells it.")]


class _Event(msgspec.Struct, frozen=True, tag_field="event_type"):
    timestamp: Timestamp
    mission_id: MissionId


class NavigationEvent(_Event, frozen=True, tag="navigation"):
    """The mission went somewhere, or did something to a page."""

    event_type: ClassVar[Literal["navigation"]] = "navigation"
    payload: Navigation


class ExtractionEvent(_Event, frozen=True, tag="extraction"):
    """The mission took something from somewhere."""

    event_type: ClassVar[Literal["extraction"]] = "extraction"
    payload: Extraction


class SignalEvent(_Event, frozen=True, tag="signal"):
    """Something worth knowing happened."""

    event_type: ClassVar[Literal["signal"]] = "signal"
    payload: Signal


class StatusEvent(_Event, frozen=True, tag="status"):
    """The mission's state changed."""

    event_type: ClassVar[Literal["status"]] = "status"
    payload: Status


ExecutionStreamEvent: TypeAlias = NavigationEvent | ExtractionEvent | SignalEvent | StatusEvent

#: The four values of ``event_type``.
EVENT_TYPES: Final = ("navigation", "extraction", "signal", "status")

_EVENT_TYPE_OF: Final[dict[type, str]] = dict(zip(get_args(Payload), EVENT_TYPES, strict=True))
_encoder: Final = msgspec.json.Encoder()
_decoder: Final[msgspec.json.Decoder[ExecutionStreamEvent]] = msgspec.json.Decoder(ExecutionStreamEvent)
_payload_decoders: Final[dict[type, msgspec.json.Decoder[Any]]] = {
    kind: msgspec.json.Decoder(kind) for kind in _EVENT_TYPE_OF
}

# What encoding and decoding raise: msgspec's own errors are ValueErrors, as are those of bad text; an object that
# JSON has no form for is a TypeError, a number out of its range an OverflowError, what is nested too deep a
# RecursionError.
_JSON_ERRORS: Final = (ValueError, TypeError, OverflowError, RecursionError)


def encode(event: ExecutionStreamEvent) -> bytes:
    """The event's line, without the newline.

    Raises:
        InvalidEventError: a field has a value that the schema does not allow; the message names it.
    """
    if not isinstance(event.timestamp, datetime):
        raise InvalidEventError(f"timestamp: {ascii(event.timestamp)[:100]} is no datetime")
    rest = line_rest(event.mission_id, event.payload)
    if _EVENT_TYPE_OF[type(event.payload)] != event.event_type:
        kind = type(event.payload).__name__
        raise InvalidEventError(f"payload: {kind} is not for an event of type {event.event_type}")
    return line_start(nanoseconds(event.timestamp)) + rest


def decode(line: bytes) -> ExecutionStreamEvent:
    """The event that a line holds, with or without its newline. Fields that the schema does not name are lost.

    Raises:
        InvalidEventError: the line is no event; the message names the field.
    """
    try:
        line.decode()  # in the fields that it passes over, msgspec does not look at the encoding
        return _decoder.decode(line)
    except _JSON_ERRORS as error:
        raise InvalidEventError(f"the line is no event: {_explain(error)}") from error


def json_schema() -> dict[str, Any]:
    """The JSON Schema (2020-12) of an event, with its components under ``$defs``; the same at every call."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "ExecutionStreamEvent",
        "description": "One line of an execution stream. Fields that are not named here are allowed.",
        **msgspec.json.schema(ExecutionStreamEvent),
    }


def utc_timestamp(moment: int | datetime) -> str:
    """A time as lines carry it: UTC, microseconds, ``Z``, always of the same length, so that it sorts as text.

    Args:
        moment: nanoseconds since 1970, or a datetime; one without a zone is taken as UTC.
    """
    moment = nanoseconds(moment) if isinstance(moment, datetime) else moment
    return line_start(moment)[len(_LINE_START) : -1].decode()


def nanoseconds(moment: datetime) -> int:
    """Nanoseconds since 1970; a datetime without a zone is taken as UTC."""
    moment = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment
    return (moment - _EPOCH) // timedelta(microseconds=1) * 1000


# A line is written in two parts, so that everything but the time can be made ready (and refused) before the
# lock on the file is taken, under which the time is read.


def line_start(moment: int) -> bytes:
    """A line up to its timestamp, which is given in nanoseconds since 1970."""
    return b'%b%06dZ"' % (line_second(moment // 1_000_000_000), moment // 1000 % 1_000_000)


@functools.lru_cache(maxsize=16)
def line_second(seconds: int) -> bytes:
    """A line up to the microseconds of its timestamp; ``seconds`` since 1970."""
    year, month, day, hour, minute, second, *_ = time.gmtime(seconds)
    return b"%b%04d-%02d-%02dT%02d:%02d:%02d." % (_LINE_START, year, month, day, hour, minute, second)


#: Bytes of a line up to the end of its timestamp, the quote included.
TIME_BYTES: Final = len(line_start(0))


def line_rest(mission_id: str, payload: Payload) -> bytes:
    """A line from its timestamp on, without the newline.

    Raises:
        InvalidEventError: a field is not of its type, or JSON cannot carry it; the message names it.
    """
    kind = type(payload)
    middle = line_middle(mission_id, kind)
    try:
        body = _encoder.encode(payload)
        _payload_decoders[kind].decode(body)  # what could not be read back is not written
    except _JSON_ERRORS as error:
        raise InvalidEventError(f"{_EVENT_TYPE_OF[kind]} payload: {_explain(error)}") from error
    if b"\n" in body:  # within what is encoded already (msgspec.Raw)
        raise InvalidEventError(f"{_EVENT_TYPE_OF[kind]} payload: a line feed stands between its fields")
    return b"%b%b}" % (middle, body)


def line_middle(mission_id: str, kind: type[Payload]) -> bytes:
    """A line between its timestamp and its payload, which is of that kind.

    Raises:
        InvalidEventError: ``mission_id`` can be none, or there is no such kind.
    """
    if not isinstance(mission_id, str):
        raise InvalidEventError(f"mission_id: {ascii(mission_id)[:100]} is no text")
    if kind not in _EVENT_TYPE_OF:
        raise InvalidEventError(f"payload: {kind.__name__} is none; use Navigation, Extraction, Signal or Status")
    try:
        mission = _encoder.encode(msgspec.convert(mission_id, MissionId))
    except _JSON_ERRORS as error:
        raise InvalidEventError(f"mission_id: {_explain(error)}") from error
    return b',"mission_id":%b,"event_type":"%b","payload":' % (mission, _EVENT_TYPE_OF[kind].encode())


def _explain(error: Exception) -> str:
    """One printable line out of msgspec's message, which quotes the value as it is."""
    reason, _, path = str(error).rpartition(" - at `$.")
    said = f"{path.rstrip('`')}: {reason}" if reason else str(error)
    return ascii(said)[1:-1][:300]
