"""The dashboard: a page of static files, shipped with the package."""

from __future__ import annotations

from importlib import resources
from typing import TYPE_CHECKING, Final

from aiohttp import web

from streamhub.web.access import preflight
from streamhub.web.credentials import LOGIN_PATH, log_in

if TYPE_CHECKING:
    from importlib.resources.abc import Traversable

_TYPES: Final = {
    ".html": "text/html",
    ".js": "text/javascript",
    ".css": "text/css",
    ".svg": "image/svg+xml",
    ".json": "application/json",
}
#: Nothing but what this server serves; no inline script, nowhere to post, in nobody's frame.
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def add_dashboard(app: web.Application) -> None:
    """Serve the page at ``/``, and its files below ``/static/``."""
    static = resources.files("streamhub.web") / "static"
    files = {f"/static/{name}": file for name, file in _walk(static, "")}
    files[LOGIN_PATH] = static / "index.html"
    for path, file in files.items():
        _add_file(app, path, file)


def _walk(directory: Traversable, prefix: str) -> list[tuple[str, Traversable]]:
    found: list[tuple[str, Traversable]] = []
    for file in directory.iterdir():
        if file.is_dir():
            found += _walk(file, f"{prefix}{file.name}/")
        else:
            found.append((prefix + file.name, file))
    return found


def _add_file(app: web.Application, path: str, file: Traversable) -> None:
    body = file.read_bytes()
    content_type = next((kind for suffix, kind in _TYPES.items() if file.name.endswith(suffix)), "text/plain")

    async def serve(request: web.Request) -> web.Response:
        """The dashboard."""
        welcome = log_in(request) if path == LOGIN_PATH else None
        if welcome is not None:
            return welcome
        headers = {"Cache-Control": "no-cache", "Content-Security-Policy": _POLICY}
        return web.Response(body=body, content_type=content_type, charset="utf-8", headers=headers)

    resource = app.router.add_resource(path)
    resource.add_route("GET", serve)
    resource.add_route("HEAD", serve)
    resource.add_route("OPTIONS", preflight)
