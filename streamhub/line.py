"""One line: whether it is an event, what stands in for it when it is none, and whether it closes its stream."""

from __future__ import annotations

import json
from typing import Any, Final, NoReturn

import msgspec

from streamhub.offset import Offset

#: The quick look: refuses what is no JSON, and half a surrogate pair, which is; ``fault_of`` takes the long one.
check_json: Final = msgspec.json.Decoder(msgspec.Raw).decode


def stand_in(generation: str, start: int, size: int, reason: str) -> bytes:
    """What readers get in the place of a line of ``size`` bytes at ``start`` that is no event."""
    return b'{"event_type":"malformed","payload":{"offset":"%s","bytes":%d,"reason":"%s"}}' % (
        str(Offset(generation, start)).encode(),
        size,
        reason.encode(),
    )


def fault_of(line: bytes, max_line: int) -> str | None:
    """Why a line is no event: ``too-long``, ``nul``, ``utf-8``, ``json`` or ``object``; None when it is one."""
    if len(line) > max_line:
        return "too-long"
    if b"\0" in line:
        return "nul"
    try:
        line.decode()
    except UnicodeDecodeError:
        return "utf-8"
    if not _is_json(line):
        return "json"
    return None if line.lstrip(b" \t\r").startswith(b"{") else "object"


def is_final(line: bytes) -> bool:
    """Whether this line, standing last, closes its stream: a ``status`` whose payload says ``"final": true``."""
    if b'"final"' not in line and b"\\u" not in line:
        return False
    if fault_of(line, len(line)) is not None:
        return False  # Python's parser takes more than JSON: NaN, a byte order mark, surrogates in UTF-8
    try:
        event: Any = json.loads(line.decode(), parse_int=str)
    except (ValueError, RecursionError):
        return False
    payload = event.get("payload") if isinstance(event, dict) and event.get("event_type") == "status" else None
    return isinstance(payload, dict) and payload.get("final") is True


def _is_json(line: bytes) -> bool:
    try:
        check_json(line)
    except RecursionError:
        return False
    except msgspec.DecodeError:
        return b"\\u" in line and _is_json_with_surrogates(line)
    return True


def _is_json_with_surrogates(line: bytes) -> bool:
    """Whether it is JSON with lone surrogates escaped: the grammar allows them, msgspec refuses, Python takes them."""
    try:
        json.loads(line.decode(), parse_constant=_refuse, parse_int=str)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(constant: str) -> NoReturn:
    raise ValueError(constant)
