"""The token of a request: where it may stand, and what it grants."""

from __future__ import annotations

import base64
import binascii
import re
from typing import TYPE_CHECKING, Final

from aiohttp import web

from streamhub.tokens import EVERYTHING, Grant
from streamhub.web.keys import TOKENS
from streamhub.web.query import once

if TYPE_CHECKING:
    from collections.abc import Iterator

#: The only subprotocol that is ever echoed; the token's own would be shown to whoever reads the answer.
SUBPROTOCOL: Final = "streamhub.v1"
#: Where a page's address may carry a token, once.
LOGIN_PATH: Final = "/"
_BEARER: Final = "bearer."
_GRANT: Final = web.RequestKey("grant", Grant)
_SCHEME: Final = re.compile(r"bearer +(\S+)", re.IGNORECASE)


def authorize(request: web.Request) -> None:
    """Find out what the request may see.

    Raises:
        UnauthorizedError: it has no token that is good, and needs one.
    """
    tokens = request.app[TOKENS]
    request[_GRANT] = tokens.grant(_token_of(request)) if tokens else EVERYTHING


def grant_of(request: web.Request) -> Grant:
    """What the request may see."""
    return request[_GRANT]


def offered_subprotocols(request: web.Request) -> list[str]:
    """The subprotocols that a WebSocket handshake offers."""
    offers = request.headers.getall("Sec-WebSocket-Protocol", [])
    return [name.strip() for offer in offers for name in offer.split(",")]


def log_in(request: web.Request) -> web.Response | None:
    """Keep the token of the page's address in a cookie, and send the browser where the address has none."""
    token = once(request.query, "token")
    if token is None or not request.app[TOKENS]:
        return None
    response = web.Response(status=303, headers={"Location": LOGIN_PATH, "Cache-Control": "no-store"})
    left = grant_of(request).seconds_left()
    response.set_cookie(
        _cookie(request),
        _encode(token),
        max_age=None if left is None else int(left),
        path="/",
        secure=request.secure,
        httponly=True,
        samesite="Strict",
    )
    return response


def _token_of(request: web.Request) -> str | None:
    """The token in the first place that has one: a bad one there is not made good by another elsewhere."""
    return next(_candidates(request), None)


def _candidates(request: web.Request) -> Iterator[str]:
    if request.path == LOGIN_PATH and "token" in request.query:
        yield once(request.query, "token") or ""
    values = request.headers.getall("Authorization", [])
    if values:
        # Of two, whoever stands before this server may have looked at the other.
        match = _SCHEME.fullmatch(values[0].strip()) if len(values) == 1 else None
        yield match[1] if match else ""
    offered = offered_subprotocols(request)
    if SUBPROTOCOL in offered:
        yield from (_decode(name.removeprefix(_BEARER)) for name in offered if name.startswith(_BEARER))
    cookie = request.cookies.get(_cookie(request))
    if cookie is not None:
        yield _decode(cookie)


def _cookie(request: web.Request) -> str:
    """The cookie's name. With the prefix browsers take it from nobody else on this host (RFC 6265bis section 4.1.3)."""
    return "__Host-streamhub" if request.secure else "streamhub"


def _encode(token: str) -> str:
    return base64.urlsafe_b64encode(token.encode("utf-8", "surrogateescape")).decode().rstrip("=")


def _decode(text: str) -> str:
    """A token from base64url without padding; nothing that could be one when it is malformed."""
    try:
        data = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        return "" if "=" in text else data.decode("ascii")
    except (binascii.Error, ValueError):
        return ""
