"""The descriptions of the API as a judge of what a server really says."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from jsonschema import Draft202012Validator

from streamhub.config import Config
from streamhub.web.api.description import DESCRIPTION
from streamhub.web.app import make_app

if TYPE_CHECKING:
    from collections.abc import Mapping

#: What any answer may carry.
COMMON = {
    *("Date", "Server", "Content-Type", "Content-Length", "Connection", "Vary", "X-Content-Type-Options"),
    *("Cross-Origin-Resource-Policy", "Referrer-Policy", "Permissions-Policy", "X-Request-Id"),
    "Access-Control-Allow-Origin",
    "Access-Control-Expose-Headers",
}


class Described:
    """A description, and what follows from it.

    Attributes:
        document: the description itself.
    """

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self._strict = {"components": {"schemas": _strict(document["components"]["schemas"])}}

    def resolve(self, node: Any) -> Any:
        """What a node says, in its own place or another."""
        while isinstance(node, dict) and "$ref" in node:
            target: Any = self.document
            for part in node["$ref"].removeprefix("#/").split("/"):
                target = target[part.replace("~1", "/").replace("~0", "~")]
            node = target
        return node

    def check(self, value: Any, schema: Mapping[str, Any]) -> None:
        """Hold a value against a schema; members that are not described fail too."""
        validator = Draft202012Validator({**schema, **self._strict}, format_checker=Draft202012Validator.FORMAT_CHECKER)
        validator.validate(value)

    def operations(self) -> dict[tuple[str, str], Any]:
        """Every operation of HTTP, by method and path."""
        return {
            (method.upper(), path): operation
            for path, item in self.document["paths"].items()
            for method, operation in item.items()
            if method != "parameters"
        }

    def parameters(self, method: str, path: str, where: str) -> list[dict[str, Any]]:
        """The parameters of an operation that stand in the query string, a header or the path."""
        item = self.document["paths"][path]
        given = [*item.get("parameters", []), *item[method.lower()]["parameters"]]
        return [parameter for parameter in map(self.resolve, given) if parameter["in"] == where]

    def check_answer(self, method: str, path: str, status: int, headers: Mapping[str, str], body: bytes) -> set[str]:
        """Hold an answer against what is described; gives its headers beside those that any may carry."""
        answer = self.resolve(self.operations()[method, path]["responses"].get(str(status)))
        assert answer, f"{method} {path} answers {status}, which is not described: {body[:200]!r}"
        seen = {name.title() for name in headers} - {name.title() for name in COMMON}
        described = {name.title(): self.resolve(header) for name, header in answer.get("headers", {}).items()}
        assert seen <= described.keys(), f"{method} {path} {status}: {seen - described.keys()} are not described"
        for name in seen:
            self.check(headers[name], described[name]["schema"])
        if body:
            kind = headers["Content-Type"].partition(";")[0]
            schema = answer["content"][kind]["schema"]
            self.check(json.loads(body) if kind.endswith("json") and "ndjson" not in kind else body.decode(), schema)
        return seen


def _strict(schema: Any) -> Any:
    """The schema, with nothing allowed that it does not name."""
    if isinstance(schema, list):
        return [_strict(part) for part in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {key: _strict(part) for key, part in schema.items()}
    if "properties" in schema and schema.get("type") == "object":
        closed["additionalProperties"] = False
    return closed


def openapi() -> Described:
    """The description of HTTP, as a server sends it."""
    return Described(json.loads(make_app(Config())[DESCRIPTION].openapi))


def asyncapi() -> Described:
    """The description of what is pushed, as a server sends it."""
    return Described(json.loads(make_app(Config())[DESCRIPTION].asyncapi))
