"""Payloads from the outside: ``field=value`` arguments, and JSON lines."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import msgspec

from streamhub.errors import InvalidEventError
from streamhub.events import Extraction, Navigation, Payload, Signal, Status

if TYPE_CHECKING:
    from collections.abc import Iterable

_KINDS: Final[dict[str, type[Payload]]] = {
    "navigation": Navigation,
    "extraction": Extraction,
    "signal": Signal,
    "status": Status,
}


def from_arguments(event_type: str, arguments: Iterable[str]) -> Payload:
    """The payload that ``field=value`` arguments describe.

    A number or a boolean is taken as such where the field allows it; a signal's ``value="12"`` stays text.

    Raises:
        InvalidEventError: it is none; the message names the field.
    """
    kind = _kind(event_type)
    known = [field.name for field in msgspec.structs.fields(kind)]
    fields: dict[str, Any] = {}
    for argument in arguments:
        name, equals, text = argument.partition("=")
        if not equals or name not in known or name in fields:
            why = "given twice" if name in fields else f"no field=value of {event_type}"
            raise InvalidEventError(f"argument {argument[:100]!r} is {why}: the fields are {', '.join(known)}")
        fields[name] = _scalar(text) if name == "value" else text
    return _convert(event_type, fields, kind, strict=False)


def from_line(line: bytes, mission_id: str) -> Payload:
    """The payload of a JSON line, an object with ``event_type`` and ``payload`` at least.

    Fields that the schema does not name are left out, and so is the time: it is that of the writing.

    Raises:
        InvalidEventError: it is none, or one of another mission; the message names the field.
    """
    try:
        event = msgspec.json.decode(line)
    except (ValueError, RecursionError) as error:
        raise InvalidEventError(f"the line is no JSON: {error}") from None
    if not isinstance(event, dict):
        raise InvalidEventError("the line is no JSON object")
    event_type = str(event.get("event_type"))
    kind = _kind(event_type)
    told = event.get("mission_id", mission_id)
    if told != mission_id:
        raise InvalidEventError(f"mission_id: {told!r:.100} is not {mission_id!r:.100}, which this stream is for")
    return _convert(event_type, event.get("payload"), kind, strict=True)


def _kind(event_type: str) -> type[Payload]:
    kind = _KINDS.get(event_type)
    if kind is None:
        raise InvalidEventError(f"event_type {event_type!r:.100} is unknown: use {', '.join(_KINDS)}")
    return kind


def _convert(event_type: str, fields: Any, kind: type[Payload], *, strict: bool) -> Payload:  # noqa: ANN401
    try:
        return msgspec.convert(fields, kind, strict=strict)
    except msgspec.ValidationError as error:
        raise InvalidEventError(f"{event_type} payload: {error}") from None


def _scalar(text: str) -> Any:  # noqa: ANN401 - what JSON can say
    """A JSON string, number or boolean; anything else is text as it is."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, str | int | float) else text
