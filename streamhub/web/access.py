"""Who may read: ``Host`` first, then ``Origin``, then the token, on every route alike."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from aiohttp import web

from streamhub.errors import AddressLimitError, CapacityError, UnauthorizedError
from streamhub.web.credentials import authorize
from streamhub.web.keys import CONFIG, HUB, LOBBY
from streamhub.web.logs import REQUEST_ID, request_id
from streamhub.web.problems import problem, problem_of

if TYPE_CHECKING:
    from aiohttp.typedefs import Handler

    from streamhub.config import Config

#: What says "ok" and no more, to whoever asks.
_OPEN_PATHS: Final = {"/healthz", "/readyz"}
#: Where answers may be long.
_STREAMS: Final = "/v1/"
_LOCAL_HOSTS: Final = {"localhost", "127.0.0.1", "[::1]"}
_EXPOSED: Final = (
    "ETag, Retry-After, Stream-Closed, Stream-Cursor, Stream-Earliest-Offset, Stream-Next-Offset, Stream-Up-To-Date, "
    "X-Request-Id"
)
#: What every answer carries, be there a request or not.
ALWAYS: Final = {
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
    "Vary": "Accept, Origin",
}


@web.middleware
async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Refuse hosts and origins that are not expected; turn errors into problem details; count answers."""
    busy = request.app[LOBBY].busy
    busy.add(request.protocol)
    try:
        refusal = None if request.path in _OPEN_PATHS else _refusal(request)
        response = await handler(request) if refusal is None else refusal
    except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer and the log the reason
        response = problem_of(error)
        cause = _cause(error)
        if cause:
            request.app[HUB].meter.refused[cause] += 1
    finally:
        busy.discard(request.protocol)
    request.app[HUB].meter.requests[f"{response.status // 100}xx"] += 1
    return response


async def add_common_headers(request: web.Request, response: web.StreamResponse) -> None:
    """For every response that aiohttp sends."""
    request.app[LOBBY].answer(response)
    for name, value in common_headers(request).items():
        response.headers.setdefault(name, value)
    response.headers["Server"] = "streamhub"  # and not which versions of what it is made of


def common_headers(request: web.Request) -> dict[str, str]:
    """What every response carries, whoever sends it; with CORS for an origin that may read."""
    always = {**ALWAYS, REQUEST_ID: request_id(request)}
    origin = request.headers.get("Origin")
    if origin is None or not _origin_allowed(request, origin):
        return always
    return {
        **always,
        "Access-Control-Allow-Origin": origin,
        "Access-Control-Expose-Headers": _EXPOSED,
        "Cross-Origin-Resource-Policy": "cross-origin",
    }


async def preflight(request: web.Request) -> web.Response:
    """OPTIONS: what may be done here, also from other origins that may read."""
    headers = {"Allow": "GET, HEAD, OPTIONS", "Cache-Control": "no-store"}
    if "Access-Control-Request-Method" in request.headers:
        headers["Access-Control-Allow-Methods"] = "GET, HEAD, OPTIONS"
        headers["Access-Control-Max-Age"] = "600"
        asked = request.headers.get("Access-Control-Request-Headers")
        if asked:
            headers["Access-Control-Allow-Headers"] = asked
    return web.Response(status=204, headers=headers)


def _refusal(request: web.Request) -> web.Response | None:
    """Why a request is turned away.

    Raises:
        UnauthorizedError: it has no token that is good.
        CapacityError: too much waits for slow clients.
    """
    hosts, origins = (request.headers.getall(name, []) for name in ("Host", "Origin"))
    refused = request.app[HUB].meter.refused
    if len(hosts) != 1 or not _host_allowed(request.app[CONFIG], hosts[0]) or _names_another(request, hosts[0]):
        refused["host"] += 1
        host = ", ".join(hosts)[:128]
        return problem(403, f"host {host!r} is not served here: start the server with --allow-host if it should be")
    if origins and (len(origins) > 1 or not _origin_allowed(request, origins[0])):
        refused["origin"] += 1
        origin = ", ".join(origins)[:128]
        return problem(403, f"origin {origin!r} may not read: start the server with --allow-origin if it should")
    if not _is_preflight(request):
        authorize(request)
    if request.app[HUB].draining:
        return problem(503, "the server shuts down: come back in a moment", {"Retry-After": "1"})
    if request.path.startswith(_STREAMS):
        request.app[LOBBY].check()
    return None


def _cause(error: Exception) -> str:
    """What an error is counted as, if it turns somebody away."""
    match error:
        case UnauthorizedError():
            return "token"
        case AddressLimitError():
            return "address"
        case CapacityError():
            return "capacity"
        case _:
            return ""


def _is_preflight(request: web.Request) -> bool:
    """Whether a browser asks if it may ask: it never sends a token along, and is told nothing of any stream."""
    return (
        request.method == "OPTIONS"
        and "Origin" in request.headers
        and "Access-Control-Request-Method" in request.headers
    )


def _host_allowed(config: Config, host: str) -> bool:
    name = _host_name(host)
    return name in _LOCAL_HOSTS or name in {_bracketed(allowed) for allowed in (config.host, *config.allow_hosts)}


def _names_another(request: web.Request, host: str) -> bool:
    """Whether the target is an address with a host of its own, which would come first (RFC 9112 section 3.2.2)."""
    _scheme, found, rest = request.raw_path.partition("://")
    return bool(found) and not request.raw_path.startswith("/") and re.split("[/?#]", rest)[0].lower() != host.lower()


def _host_name(host: str) -> str:
    """A ``Host`` without its port, in lower case."""
    head, colon, port = host.rpartition(":")
    return (head if colon and port.isascii() and port.isdigit() else host).lower()


def _bracketed(host: str) -> str:
    host = host.lower()
    return f"[{host}]" if ":" in host and not host.startswith("[") else host


def _origin_allowed(request: web.Request, origin: str) -> bool:
    """The request's own host and port, or one that was allowed."""
    origin = origin.lower()
    if origin in {allowed.lower().rstrip("/") for allowed in request.app[CONFIG].allow_origins}:
        return True
    try:
        parts = urlsplit(origin)
        port = parts.port
    except ValueError:
        return False
    schemes = {"https"} if request.secure else {"http", "https"}  # before a proxy that speaks TLS, ours is plain
    if parts.scheme not in schemes or origin != f"{parts.scheme}://{parts.netloc}" or "@" in parts.netloc:
        return False
    default = 443 if parts.scheme == "https" else 80
    host = request.headers.get("Host", "").lower()
    own = host if host.rpartition(":")[2].isdigit() and ":" in host else f"{host}:{default}"
    return f"{_bracketed(parts.hostname or '')}:{port or default}" == own
