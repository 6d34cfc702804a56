"""The HTTP of the API, written out in OpenAPI 3.1."""

from __future__ import annotations

import re
from importlib.metadata import version
from typing import TYPE_CHECKING, Any, Final

from streamhub.events import EVENT_TYPES
from streamhub.web.api.answers import HEADERS, PROBLEMS, problem_name
from streamhub.web.api.parameters import PARAMETERS
from streamhub.web.api.routes import OPTIONS, ROUTES, Method, Route
from streamhub.web.api.schemas import schemas
from streamhub.web.api.security import SCHEMES, SECURITY

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_HEAD: Final = "The head of what GET answers, without its body."
_ABOUT: Final = f"""\
Execution streams, read-only: append-only files of one JSON object a line, as catch-up, long-poll, server-sent events
and WebSocket. What comes over the live channels is told in `/asyncapi.json`.

An *offset* is an opaque token for a place between two lines; it sorts as text, and means the same on every transport
and every host. The types of events are {", ".join(f"`{name}`" for name in EVENT_TYPES)}; a line that is no event shows
as `malformed`. Unknown query parameters are ignored. Every answer varies by `Accept` and `Origin`; one to an origin
that may read carries the headers of CORS. Every answer has an `X-Request-Id`: the one that the request brought, or
another. Errors are problem details (RFC 9457).

Where the server asks for a token, a stream that the token is not good for does not exist: it is answered for as a
stream that is not there, and stands in no list. A client that does not send the head of its first request in time gets
408, and the connection is closed.
"""


def openapi(served: Mapping[str, Mapping[str, str]]) -> dict[str, Any]:
    """The description of what is served.

    Args:
        served: for each path its methods, each with what its handler says of itself.
    """
    return {
        "openapi": "3.1.1",
        "info": {
            "title": "streamhub",
            "summary": "Watch long-running missions live, and do nothing else to them.",
            "description": _ABOUT,
            "version": version("streamhub"),
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/", "description": "Where this document came from."}],
        "tags": [
            {"name": "streams", "description": "Ask, and be answered."},
            {"name": "live", "description": "Be told, as it happens."},
            {"name": "server", "description": "The server itself, and what describes it."},
        ],
        "paths": {path: _path_item(path, route, served[path]) for path, route in ROUTES.items() if path in served},
        "security": SECURITY,
        "components": {
            "securitySchemes": SCHEMES,
            "schemas": schemas(),
            "parameters": {key: parameter.openapi() for key, parameter in PARAMETERS.items()},
            "headers": HEADERS,
            "responses": {problem_name(status): answer.openapi() for status, answer in PROBLEMS.items()},
        },
    }


def _path_item(path: str, route: Route, said: Mapping[str, str]) -> dict[str, Any]:
    in_path = re.findall(r"{(\w+)}", path)
    methods = {"GET": route.get, "HEAD": route.head or route.get, "OPTIONS": OPTIONS}
    item = {
        name.lower(): {
            "operationId": name.lower() + route.name,
            "tags": [route.tag],
            "summary": _HEAD if name == "HEAD" else said[name],
            **({"description": route.about} if route.about and name == "GET" else {}),
            **_security(route, name),
            **_operation(method, [*([401, 403] if route.guarded else []), *([405] if name == "GET" else []), 500]),
        }
        for name, method in methods.items()
        if name in said
    }
    return {**({"parameters": _parameters(in_path)} if in_path else {}), **item}


def _security(route: Route, name: str) -> dict[str, Any]:
    """How a token may be shown, where that is not as everywhere."""
    if not route.guarded:
        return {"security": []}
    if name == "GET" and "subprotocol" in route.get.parameters:
        return {"security": [*SECURITY, {"subprotocol": []}]}
    return {}


def _operation(method: Method, shared: list[int]) -> dict[str, Any]:
    answers: dict[int, Any] = {status: answer.openapi() for status, answer in method.answers.items()}
    for status in (*method.refusals, *shared):
        answers[status] = {"$ref": f"#/components/responses/{problem_name(status)}"}
    return {
        "parameters": _parameters(method.parameters),
        "responses": {str(status): answers[status] for status in sorted(answers)},
    }


def _parameters(keys: Iterable[str]) -> list[dict[str, str]]:
    return [{"$ref": f"#/components/parameters/{key}"} for key in keys]
