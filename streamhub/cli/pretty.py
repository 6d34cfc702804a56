"""Events for people: one line each, whatever a stream holds."""

from __future__ import annotations

import json
from datetime import UTC
from typing import Any, Final

import click

from streamhub.cli.text import printable
from streamhub.times import time_of_stamp

#: What colour each type has.
TYPE_COLORS: Final = {
    "navigation": "cyan",
    "extraction": "green",
    "signal": "yellow",
    "status": "blue",
    "malformed": "red",
}
_STATE_COLORS: Final = {"completed": "green", "failed": "red", "cancelled": "yellow"}
_TIME_WIDTH: Final = len("2026-01-01 12:00:00.000")
_TYPE_WIDTH: Final = len("navigation")


def pretty(line: bytes, *, color: bool) -> str:
    """An event's line as one line of text: time (UTC), type, and what it says in short."""
    try:
        event = json.loads(line)
    except (ValueError, RecursionError):  # a number of thousands of digits, or nested too deep, for this parser
        event = None
    if not isinstance(event, dict):
        return printable(line.decode(errors="replace"))
    kind, payload = str(event.get("event_type")), event.get("payload")
    time, body = time_text(event.get("timestamp")), printable(_body(kind, payload))
    kind = printable(kind).ljust(_TYPE_WIDTH)
    if color:
        time, kind, body = click.style(time, dim=True), _colored_kind(kind), _colored_body(body, kind, payload)
    return f"{time}  {kind}  {body}".rstrip()


def time_text(stamp: object) -> str:
    """A timestamp as people read it, in UTC, always as wide; blank when it is none."""
    time = time_of_stamp(stamp)
    try:
        text = "" if time is None else time.astimezone(UTC).isoformat(" ", "milliseconds")[:_TIME_WIDTH]
    except OverflowError:
        text = ""
    return text.ljust(_TIME_WIDTH)


def _body(kind: str, payload: Any) -> str:  # noqa: ANN401 - it may be a foreign line's
    headline = _headline(kind, payload)
    if headline is None:
        return _json(payload)
    detail = payload.get("detail")
    return f"{headline} - {detail}" if isinstance(detail, str) and detail else headline


def _headline(kind: str, payload: Any) -> str | None:  # noqa: ANN401
    """What an event says, but for its detail; None when it is of no form that is known."""
    match kind, payload:
        case "navigation", {"url": str(url), "action": str(action)}:
            return f"{action} {url}"
        case "extraction", {"target": str(target), "count": int(count), **rest}:
            return f"{count} {target}" + (f" from {rest['url']}" if "url" in rest else "")
        case "signal", {"name": str(name), **rest}:
            return f"{name} = {_json(rest['value'])}" if "value" in rest else name
        case "status", {"state": str(state), **rest}:
            return f"{state} (final)" if rest.get("final") is True else state
        case "malformed", {"reason": str(reason), "bytes": int(size), "offset": str(offset)}:
            return f"{reason}: {size} bytes at {offset}"
    return None


def _json(value: Any) -> str:  # noqa: ANN401
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _colored_kind(kind: str) -> str:
    return click.style(kind, fg=TYPE_COLORS.get(kind.strip()))


def _colored_body(body: str, kind: str, payload: Any) -> str:  # noqa: ANN401
    state = payload.get("state") if kind.strip() == "status" and isinstance(payload, dict) else None
    color = _STATE_COLORS.get(state) if isinstance(state, str) else None
    return click.style(body, fg=color) if color else body
