"""What a request asks for: where to start, which lines. Unknown parameters are ignored."""

from __future__ import annotations

import re
from fnmatch import translate
from typing import TYPE_CHECKING, Final

from streamhub.errors import InvalidRequestError
from streamhub.filters import EVERYTHING, Filter, parse_time
from streamhub.seek import Start, parse_count, parse_start

if TYPE_CHECKING:
    from aiohttp import web
    from multidict import MultiMapping

#: A glob is made into a regular expression, while everybody waits: a long one takes seconds.
_LONGEST_MATCH: Final = 1024
#: Each id in the folder is tried with each glob.
_MOST_GLOBS: Final = 16


def once(query: MultiMapping[str], name: str) -> str | None:
    """A parameter that may stand once.

    Raises:
        InvalidRequestError: it stands more than once.
    """
    values = query.getall(name, [])
    if len(values) > 1:
        raise InvalidRequestError(f"{name} is given {len(values)} times: give it once")
    return values[0] if values else None


def start_of(request: web.Request) -> Start:
    """Where to start: ``offset``, ``tail`` or ``since``; the beginning when none is given.

    Raises:
        InvalidRequestError: one of them is malformed, or two are given.
    """
    query = request.query
    return parse_start(once(query, "offset"), once(query, "tail"), once(query, "since"))


def names_start(request: web.Request) -> bool:
    """Whether the request says where to start."""
    return any(name in request.query for name in ("offset", "tail", "since"))


def filter_of(request: web.Request, *, until: bool = False) -> Filter:
    """Which lines: ``event_type`` (repeatable) and ``contains``; ``until`` where it applies.

    Raises:
        InvalidRequestError: a time is malformed.
    """
    types = frozenset(filter(None, request.query.getall("event_type", [])))
    contains = once(request.query, "contains") or ""
    latest = once(request.query, "until") if until else None
    if not types and not contains and latest is None:
        return EVERYTHING
    return Filter(types, contains, None if latest is None else parse_time(latest))


def match_of(request: web.Request) -> re.Pattern[str] | None:
    """Which ids are meant: those that fit one of the globs in ``match`` (repeatable). None without any.

    Raises:
        InvalidRequestError: the globs are longer, or more, than any that are meant.
    """
    globs = list(dict.fromkeys(filter(None, request.query.getall("match", []))))
    length = sum(map(len, globs))
    if length > _LONGEST_MATCH:
        raise InvalidRequestError(f"match has {length} characters: give {_LONGEST_MATCH} at most, in all")
    if len(globs) > _MOST_GLOBS:
        raise InvalidRequestError(f"match names {len(globs)} globs: give {_MOST_GLOBS} at most")
    return re.compile("|".join(map(translate, globs))) if globs else None


def limit_of(request: web.Request) -> int | None:
    """The most events to deliver; None: no limit.

    Raises:
        InvalidRequestError: it is no whole number from 1.
    """
    text = once(request.query, "limit")
    if text is None:
        return None
    limit = parse_count("limit", text)
    if limit < 1:
        raise InvalidRequestError(f"limit {text!r} is no count: give a whole number from 1")
    return limit


def may_wait(request: web.Request) -> bool:
    """Whether the stream may not be there yet."""
    return request.query.get("wait") in {"1", "true"}
