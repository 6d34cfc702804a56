"""How a token is shown, as both descriptions say it."""

from __future__ import annotations

from typing import Any, Final

_JWT_CLAIMS: Final = "a JSON Web Token with the claims `exp` and `streams` (a glob, or a list of globs)"

#: The schemes, as OpenAPI writes them.
SCHEMES: Final[dict[str, Any]] = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "description": f"A token that the server knows, or {_JWT_CLAIMS}.",
    },
    "cookie": {
        "type": "apiKey",
        "in": "cookie",
        "name": "streamhub",
        "description": "The same in base64url, set by opening `/?token=…` once; under TLS it is `__Host-streamhub`.",
    },
    "subprotocol": {
        "type": "apiKey",
        "in": "header",
        "name": "Sec-WebSocket-Protocol",
        "description": "For browsers, both offered: `streamhub.v1, bearer.<the same in base64url without padding>`.",
    },
}
#: Any one of them, or none where the server asks for none.
SECURITY: Final[list[dict[str, list[str]]]] = [{}, {"bearer": []}, {"cookie": []}]


def asyncapi_schemes() -> dict[str, Any]:
    """The schemes as AsyncAPI writes them, which has another name for keys that travel by HTTP."""
    return {name: {**said, "type": said["type"].replace("apiKey", "httpApiKey")} for name, said in SCHEMES.items()}
