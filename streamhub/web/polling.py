"""Polling: the read side of the Durable Streams protocol, JSON mode, and the raw lines."""

from __future__ import annotations

import asyncio
import hashlib
import time
from typing import TYPE_CHECKING, Final

from aiohttp import web

from streamhub.errors import InvalidRequestError, OffsetAheadError, StreamNotFoundError
from streamhub.offset import ZERO
from streamhub.page import Page, read_page
from streamhub.seek import Start
from streamhub.web.answers import has_already
from streamhub.web.credentials import grant_of
from streamhub.web.cursor import next_cursor
from streamhub.web.keys import ADMISSION, CONFIG, HUB, REPEATS, TIMING
from streamhub.web.problems import problem
from streamhub.web.query import filter_of, limit_of, may_wait, names_start, once, start_of
from streamhub.web.sse import durable_sse
from streamhub.web.view import view_of
from streamhub.wire import json_array, json_lines

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.channel import Channel
    from streamhub.filters import Filter

JSON: Final = "application/json"
NDJSON: Final = "application/x-ndjson"

_CACHEABLE: Final = "private, max-age=60, stale-while-revalidate=300"


async def poll(request: web.Request) -> web.StreamResponse:
    """Catch-up, long-poll, or Durable Streams over SSE, as ``live`` says; HEAD for the stream's state."""
    live = once(request.query, "live")
    if live not in {None, "long-poll", "sse"}:
        raise InvalidRequestError(f"live {live!r} is unknown: give long-poll or sse")
    if live is not None and not names_start(request):
        raise InvalidRequestError(
            f"live={live} needs a place to start: give offset (-1 is the beginning), tail or since"
        )
    if request.method == "HEAD":
        return await _head(request)
    if live == "sse":
        return await durable_sse(request)
    if live is None:
        return await _catch_up(request)
    meter = request.app[HUB].meter
    with request.app[ADMISSION].admitted(request.remote):
        meter.long_polls += 1
        try:
            return await _long_poll(request)
        finally:
            meter.long_polls -= 1


async def _head(request: web.Request) -> web.Response:
    look, _position = await view_of(request).locate(request.match_info["id"], start_of(request))
    headers = {"Stream-Next-Offset": str(look.next), "Cache-Control": "no-store"}
    if look.closed:
        headers["Stream-Closed"] = "true"
    return web.Response(content_type=_form(request), headers=headers)


async def _catch_up(request: web.Request) -> web.Response:
    refusal = _refuse_loop(request)
    if refusal is not None:
        return refusal
    start, wanted = start_of(request), filter_of(request, until=True)
    try:
        if start.now:
            look, tail = await view_of(request).locate(request.match_info["id"], start)
            page = Page(look, tail, tail)
        else:
            page = await _read(request, start, wanted)
    except StreamNotFoundError:
        if not may_wait(request):
            raise
        if start.offset not in {None, ZERO}:
            raise OffsetAheadError(f"offset {start.offset} is of a stream that is not here yet: try again") from None
        return _nothing_yet(request)
    _note_end(request, page)
    return _answer(request, start, page)


async def _long_poll(request: web.Request) -> web.Response:
    refusal = _refuse_loop(request)
    if refusal is not None:
        return refusal
    asked, wanted = start_of(request), filter_of(request, until=True)
    place = await view_of(request).start(request.match_info["id"], asked, wait=may_wait(request))
    # The beginning is that of whatever file is read.
    start = asked if place.offset is not None or asked.at_beginning else Start(offset=place.next)
    left = grant_of(request).seconds_left()
    patience = request.app[TIMING].long_poll if left is None else min(left, request.app[TIMING].long_poll)
    deadline = asyncio.get_running_loop().time() + patience
    waited = False
    while True:
        before = place.channel.look  # what is told while the file is read is not to be missed
        page = await _try_read(request, start, wanted, wait=may_wait(request))
        if page is not None:
            if page.lines:
                _note_lag(request, place.channel, waited=waited)
                return _answer(request, asked, page)
            start = Start(offset=page.next)
        remaining = deadline - asyncio.get_running_loop().time()
        if page is not None:
            _note_end(request, page)
        if remaining <= 0 or request.app[HUB].draining or (page is not None and page.closed):
            searching = page is not None and not page.up_to_date  # filters let nothing through so far
            return (
                _answer(request, asked, page) if page is not None and searching else _no_content(request, asked, page)
            )
        if page is None or page.up_to_date:
            await place.channel.changed(before, remaining)
            waited = True


def _note_lag(request: web.Request, channel: Channel, *, waited: bool) -> None:
    """For who waited for the lines, how long these took; for who came late, that says nothing."""
    lag = request.app[HUB].meter.lag
    if waited and lag is not None:
        lag("long-poll", time.monotonic() - channel.arrived_at)


def _asker(request: web.Request) -> tuple[object, ...]:
    # With what it may see: that somebody else's questions were refused tells that the stream is there.
    return request.remote, grant_of(request), request.match_info["id"], start_of(request)


def _refuse_loop(request: web.Request) -> web.Response | None:
    """Refuse who was told again and again that a closed stream has no more, before it costs a look at the file."""
    seconds = request.app[REPEATS].refused_for(_asker(request))
    if not seconds:
        return None
    detail = "this stream is closed and nothing will follow this offset: stop asking"
    return problem(429, detail, {"Retry-After": str(seconds)})


def _note_end(request: web.Request, page: Page) -> None:
    """Remember who began where nothing will ever come; who read lines that filters left out was but told so."""
    if page.closed and page.start == page.end:
        request.app[REPEATS].answered(_asker(request))


async def _try_read(request: web.Request, start: Start, wanted: Filter, *, wait: bool) -> Page | None:
    try:
        return await _read(request, start, wanted)
    except (StreamNotFoundError, OffsetAheadError):
        if wait:
            return None
        raise


async def _read(request: web.Request, start: Start, wanted: Filter) -> Page:
    config, hub, stream = request.app[CONFIG], request.app[HUB], request.match_info["id"]
    limit = limit_of(request)

    seen = hub.seen(stream)

    def read(*, stopped: Callable[[], bool]) -> Page:
        return read_page(
            hub.folder,
            stream,
            start,
            max_line=config.max_line,
            room=config.read_chunk,
            wanted=wanted,
            limit=limit,
            seen=seen,
            stopped=stopped,
        )

    view_of(request).check(stream)
    page = await hub.history.search(read)
    hub.note(stream, page.look)
    hub.meter.read("polling", page.end - page.start)
    return page


def _answer(request: web.Request, start: Start, page: Page) -> web.Response:
    headers = _state(request, page)
    headers["Cache-Control"] = "no-cache" if page.up_to_date or start.tail is not None else _CACHEABLE
    if request.app[CONFIG].compress:
        headers["Vary"] = "Accept, Accept-Encoding, Origin"
    if start.now:
        headers["Cache-Control"] = "no-store"
    else:
        headers["ETag"] = _etag(request, page)
        if has_already(request, headers["ETag"]):
            return web.Response(status=304, headers=headers)
    form = _form(request)
    body = json_array(page.lines) if form == JSON else json_lines(page.lines)
    transport = "polling" if request.query.get("live") is None else "long-poll"
    request.app[HUB].meter.sent(transport, len(body), len(page.lines))
    response = web.Response(body=body, content_type=form, headers=headers)
    if _gzipped(request):
        response.enable_compression(web.ContentCoding.gzip)
    return response


def _gzipped(request: web.Request) -> bool:
    return request.app[CONFIG].compress and "gzip" in request.headers.get("Accept-Encoding", "").lower()


def _state(request: web.Request, page: Page) -> dict[str, str]:
    headers = {
        "Stream-Next-Offset": str(page.next),
        "Stream-Cursor": str(next_cursor(request.query.get("cursor"))),
    }
    if page.up_to_date:
        headers["Stream-Up-To-Date"] = "true"
    if page.closed:
        headers["Stream-Closed"] = "true"
    return headers


def _no_content(request: web.Request, asked: Start, page: Page | None) -> web.Response:
    """A long-poll's time is up, or nothing will ever come."""
    headers = {
        "Stream-Next-Offset": str(asked.offset or ZERO),
        "Stream-Cursor": str(next_cursor(request.query.get("cursor"))),
    }
    headers |= {"Stream-Up-To-Date": "true"} if page is None else _state(request, page)
    return web.Response(status=204, headers={**headers, "Cache-Control": "no-store"})


def _nothing_yet(request: web.Request) -> web.Response:
    """The stream may come: an empty answer at the beginning."""
    headers = {
        "Stream-Next-Offset": str(ZERO),
        "Stream-Up-To-Date": "true",
        "Stream-Cursor": str(next_cursor(request.query.get("cursor"))),
        "Cache-Control": "no-store",
    }
    form = _form(request)
    return web.Response(body=b"[]" if form == JSON else b"", content_type=form, headers=headers)


def _form(request: web.Request) -> str:
    """The form the client accepts: the file's own lines when it names them, else a JSON array."""
    accepted = (part.partition(";")[0].strip().lower() for part in request.headers.get("Accept", "").split(","))
    return NDJSON if NDJSON in accepted else JSON


def _etag(request: web.Request, page: Page) -> str:
    """Names what the body holds: from where to where, in which form, what was left out, and whether it is the end."""
    form = ("n" if _form(request) == NDJSON else "j") + ("z" if _gzipped(request) else "")
    chosen = [
        (name, value) for name, value in sorted(request.query.items()) if name in {"event_type", "contains", "until"}
    ]
    left_out = ":" + hashlib.sha256(repr(chosen).encode()).hexdigest()[:8] if chosen else ""
    end = ":c" if page.closed else ""
    return f'"{page.look.generation}:{page.start}:{page.end}:{len(page.lines)}:{form}{left_out}{end}"'
