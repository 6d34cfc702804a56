"""The dashboard: a page of static files, shipped with the package."""

from __future__ import annotations

import hashlib
from importlib import resources
from typing import TYPE_CHECKING, Final

from aiohttp import web

from streamhub.web.access import preflight
from streamhub.web.credentials import LOGIN_PATH, log_in

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.resources.abc import Traversable

    from aiohttp.typedefs import Handler

_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
_PAGE: Final = "index.html"
#: Nothing but what this server serves; no inline script, nowhere to post, in nobody's frame.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_ASK_AGAIN: Final = "no-cache"
#: What stands below an address that names its content never changes there.
_KEEP: Final = "private, max-age=31536000, immutable"


def add_dashboard(app: web.Application) -> None:
    """Serve the page at ``/``, and its files below ``/static/``.

    The page takes them from below ``/static/<version>/``, where browsers keep them until there is another version.
    """
    files = dict(_read(resources.files("streamhub.web") / "static", ""))
    versioned = f"/static/{_version_of(files)}/"
    for name, body in files.items():
        _add(app, f"/static/{name}", _serving(name, body, _ASK_AGAIN))
        _add(app, f"{versioned}{name}", _serving(name, body, _KEEP))
    _add(app, LOGIN_PATH, _welcoming(_serving(_PAGE, _page(files, versioned), _ASK_AGAIN)))


def _read(directory: Traversable, prefix: str) -> Iterator[tuple[str, bytes]]:
    for file in directory.iterdir():
        if file.is_dir():
            yield from _read(file, f"{prefix}{file.name}/")
        else:
            yield prefix + file.name, file.read_bytes()


def _version_of(files: dict[str, bytes]) -> str:
    digest = hashlib.sha256()
    for name, body in sorted(files.items()):
        digest.update(b"%s %d " % (name.encode(), len(body)) + body)
    return digest.hexdigest()[:16]


def _page(files: dict[str, bytes], versioned: str) -> bytes:
    """The page, with its modules named: else a browser learns of each only from one that it has read."""
    modules = sorted(name for name in files if name.endswith(".js"))
    links = "".join(f'  <link rel="modulepreload" href="/static/{name}">\n  ' for name in modules)
    text = files[_PAGE].decode().replace("</head>", f"{links}</head>")
    return text.replace('"/static/', f'"{versioned}').encode()


def _serving(name: str, body: bytes, caching: str) -> Handler:
    content_type = next((kind for suffix, kind in _TYPES.items() if name.endswith(suffix)), "text/plain")
    headers = {"Cache-Control": caching, "Content-Security-Policy": _POLICY}

    async def serve(_request: web.Request) -> web.Response:
        """The dashboard."""
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    return serve


def _welcoming(serve: Handler) -> Handler:
    async def welcome(request: web.Request) -> web.StreamResponse:
        """The dashboard, which keeps a token that its address carries."""
        return log_in(request) or await serve(request)

    return welcome


def _add(app: web.Application, path: str, serve: Handler) -> None:
    resource = app.router.add_resource(path)
    resource.add_route("GET", serve)
    resource.add_route("HEAD", serve)
    resource.add_route("OPTIONS", preflight)
