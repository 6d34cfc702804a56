"""Answers that a client may have already: entity tags and 304."""

from __future__ import annotations

import hashlib

from aiohttp import web


def answer_json(
    request: web.Request, body: bytes, etag: str | None = None, *, content_type: str = "application/json"
) -> web.Response:
    """A JSON body with its entity tag, or 304 when the client has it already."""
    if etag is None:
        etag = f'"{hashlib.sha256(body).hexdigest()[:32]}"'
    headers = {"ETag": etag, "Cache-Control": "no-cache"}
    if has_already(request, etag):
        return web.Response(status=304, headers=headers)
    return web.Response(body=body, content_type=content_type, headers=headers)


def has_already(request: web.Request, etag: str) -> bool:
    """Whether ``If-None-Match`` names the tag (weak comparison, RFC 9110 section 13.1.2)."""
    given = request.headers.get("If-None-Match", "")
    return given.strip() == "*" or any(part.strip().removeprefix("W/") == etag for part in given.split(","))
