"""A line's tag: its type, its time and its mission, as the line says them."""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec


class Tag(msgspec.Struct, gc=False):
    """What is looked at in a line; the types are open, since foreign lines pass untouched."""

    event_type: Any = None
    timestamp: Any = None
    mission_id: Any = None


#: The way of nearly all lines. It fails (see ``REFUSED``) for what is no JSON object, but for some that are, too.
decode_tag: Final = msgspec.json.Decoder(Tag).decode
#: How it fails.
REFUSED: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def tag_of(line: bytes) -> Tag:
    """What a delivered line says of itself; empty where a foreign line holds nothing usable."""
    try:
        return decode_tag(line)
    except REFUSED:
        return _tag_by_python(line)


def _tag_by_python(line: bytes) -> Tag:
    """The way of valid JSON that msgspec refuses: half of a surrogate pair, as cut texts have it."""
    try:
        event: Any = json.loads(line.decode(), parse_int=float)  # an int of any length, and no text
    except (ValueError, RecursionError):
        return Tag()
    if not isinstance(event, dict):
        return Tag()
    return Tag(*(_carried(event.get(name)) for name in Tag.__struct_fields__))


def _carried(value: object) -> object:
    """The value; None for a text that is itself cut in half: UTF-8 cannot carry it into an answer."""
    if isinstance(value, str) and not value.isascii():
        try:
            value.encode()
        except UnicodeEncodeError:
            return None
    return value
