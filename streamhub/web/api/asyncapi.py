"""What the API pushes, written out in AsyncAPI 3.0."""

from __future__ import annotations

from importlib.metadata import version
from typing import Any, Final

from streamhub.web.api.channels import CHANNELS
from streamhub.web.api.messages import MESSAGES
from streamhub.web.api.schemas import schemas
from streamhub.web.api.security import SCHEMES, asyncapi_schemes

_ABOUT: Final = """\
What a reader of execution streams is told, as it happens. Nothing is received: what a client sends is read and thrown
away (or closes the socket, if the server was told so). History and live are one sequence, with no gap between; an
offset that one channel gives is good on every other. What is known before a connection is made is an HTTP status, see
`/openapi.json`.
"""


def asyncapi() -> dict[str, Any]:
    """The description of what is pushed."""
    return {
        "asyncapi": "3.0.0",
        "info": {
            "title": "streamhub",
            "version": version("streamhub"),
            "description": _ABOUT,
            "license": {"name": "MIT"},
        },
        "defaultContentType": "application/json",
        "servers": {protocol: _server(protocol) for protocol in ("ws", "http")},
        "channels": {name: channel.asyncapi() for name, channel in CHANNELS.items()},
        "operations": {
            f"send{name[0].upper()}{name[1:]}": channel.operation(name) for name, channel in CHANNELS.items()
        },
        "components": {
            "securitySchemes": asyncapi_schemes(),
            "schemas": _schemas(),
            "messages": {name: message.asyncapi(name) for name, message in MESSAGES.items()},
        },
    }


def _server(protocol: str) -> dict[str, Any]:
    """This server, wherever it is: it knows no name of its own."""
    host = {"default": "127.0.0.1:8765", "description": "Where this document came from."}
    names = SCHEMES if protocol == "ws" else [name for name in SCHEMES if name != "subprotocol"]
    security = [{"$ref": f"#/components/securitySchemes/{name}"} for name in names]
    return {"host": "{host}", "protocol": protocol, "variables": {"host": host}, "security": security}


def _schemas() -> dict[str, Any]:
    """The schemas without ``discriminator``, which is another thing in AsyncAPI."""
    return {
        name: {key: value for key, value in schema.items() if key != "discriminator"}
        for name, schema in schemas().items()
    }
