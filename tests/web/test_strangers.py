"""Who may read: hosts and origins, on every way there is; what a stranger can name; what every answer carries."""

from __future__ import annotations

import itertools
import json
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import pytest

from streamhub.config import Config
from streamhub.stream_id import STREAM_ID_PATTERN
from streamhub.web.app import make_app
from tests.raw import HANDSHAKE, Head, Raw
from tests.servers import Server, Stream, served

if TYPE_CHECKING:
    from collections.abc import Iterator

#: Every way to read: path, and the fields that it takes. All answer at once.
WAYS: dict[str, tuple[str, dict[str, str]]] = {
    "page": ("/", {}),
    "script": ("/static/main.js", {}),
    "list": ("/v1/streams", {}),
    "catch-up": ("/v1/stream/s", {}),
    "long-poll": ("/v1/stream/s?live=long-poll&offset=-1", {}),
    "durable-sse": ("/v1/stream/s?live=sse&offset=-1", {}),
    "sse": ("/v1/stream/s/sse", {}),
    "websocket": ("/v1/stream/s/ws", HANDSHAKE),
    "multiplex": ("/v1/ws?match=*", HANDSHAKE),
    "summary": ("/v1/stream/s/summary", {}),
    "metrics": ("/metrics", {}),
    "openapi": ("/openapi.json", {}),
    "nothing": ("/v1/nothing", {}),
}
OPEN = ("/healthz", "/readyz")

#: Twelve hosts, with P for the server's port, and whether they are served.
HOSTS = {
    "127.0.0.1:P": True,
    "localhost:P": True,
    "LocalHost": True,
    "[::1]:P": True,
    "127.0.0.1:1": True,
    "streams.example:P": True,
    "evil.example": False,
    "127.0.0.1.evil.example:P": False,
    "evil.example:P@127.0.0.1": False,
    "localhost.:P": False,
    "0.0.0.0:P": False,
    "localhost:P, evil.example": False,
}
#: Twelve origins, with H for the host as it is asked for, and whether they may read.
ORIGINS = {
    None: True,
    "http://H": True,
    "https://ui.example": True,
    "HTTPS://UI.example": True,
    "null": False,
    "http://evil.example": False,
    "http://H.evil.example": False,
    "http://evil.example/H": False,
    "http://user@H": False,
    "http://127.0.0.1:2": False,
    "https://ui.example:444": False,
    "file://H": False,
}


def _asked(way: str, **fields: str | None) -> tuple[str, dict[str, str]]:
    path, own = WAYS[way]
    return path, {**own, **{name: value for name, value in fields.items() if value is not None}}


async def _head(url: str, path: str, fields: dict[str, str], method: str = "GET") -> Head:
    """Ask on a connection of its own; gives the head."""
    async with Raw(url) as raw:
        return await raw.request(path, fields, method=method)


async def _answer(url: str, path: str, fields: dict[str, str], method: str = "GET") -> tuple[Head, bytes]:
    """Ask on a connection of its own; gives an answer that has a length."""
    async with Raw(url) as raw:
        head = await raw.request(path, fields, method=method)
        length = 0 if method == "HEAD" else int(head.fields.get("content-length", "0"))
        return head, await raw.exactly(length)


def _is_refused(head: Head) -> bool:
    return head.status in {401, 403}


@pytest.mark.parametrize("way", WAYS)
async def test_hosts_and_origins(tmp_path: Path, way: str) -> None:
    """Twelve hosts times twelve origins: only an expected host is served, and only to an origin that may read."""
    tried = 0
    with Stream(tmp_path) as stream:
        stream.line(1)
    async with served(tmp_path, allow_hosts=("streams.example",), allow_origins=("https://ui.example",)) as server:
        port = server.url.rpartition(":")[2]
        for (host, serves), (origin, reads) in itertools.product(HOSTS.items(), ORIGINS.items()):
            named = host.replace("P", port)
            told = origin and origin.replace("H", named or "x") if origin != "HTTPS://UI.example" else origin
            path, fields = _asked(way, Origin=told)
            head = await _head(server.url, path, {**fields, "Host": named})
            assert _is_refused(head) == (not (serves and reads)), f"{named!r} {told!r}: {head}"
            shown = head.fields.get("access-control-allow-origin")
            assert shown == (told if reads and origin else None) or not serves
            tried += 1
    assert tried == 144


async def test_no_host(server: Server) -> None:
    """A request that names no host is none of HTTP/1.1, and is refused of HTTP/1.0 too."""
    for version, status in (("1.1", 400), ("1.0", 403)):
        async with Raw(server.url) as raw:
            assert (await raw.request("/v1/streams", {"Host": ""}, version=version)).status == status


async def test_refused_twice(server: Server) -> None:
    """Two hosts, or two origins, are one too many, however good the first is."""
    for fields in (
        "Host: localhost\r\nHost: evil.example\r\n",
        "Host: localhost\r\nOrigin: http://localhost\r\nOrigin: x\r\n",
    ):
        async with Raw(server.url) as raw:
            await raw.send(f"GET /v1/streams HTTP/1.1\r\n{fields}\r\n".encode())
            assert (await raw.head()).status in {400, 403}


async def test_order(tmp_path: Path) -> None:
    """Host comes first, then origin, then the token, then what is there at all: each is told before the next."""
    async with served(tmp_path, tokens=("s3cret",)) as server:
        for path, method in itertools.product(
            ("/v1/streams", "/v1/stream/missing", "/nothing"), ("GET", "HEAD", "POST")
        ):
            for host, origin, token, status, said in (
                ("evil.example", "http://evil.example", "wrong", 403, "host"),
                ("localhost", "http://evil.example", "wrong", 403, "origin"),
                ("localhost", "http://localhost", "wrong", 401, "token"),
            ):
                fields = {"Host": host, "Origin": origin, "Authorization": f"Bearer {token}"}
                head, body = await _answer(server.url, path, fields, method)
                assert head.status == status
                assert method == "HEAD" or json.loads(body)["detail"].split()[1 if said == "token" else 0] == said


async def test_health_is_told_to_everybody(tmp_path: Path) -> None:
    """The two paths that say "ok" skip all three; nothing that merely looks like them does."""
    evil = {"Host": "evil.example", "Origin": "http://evil.example"}
    async with served(tmp_path, tokens=("s3cret",)) as server:
        for path in OPEN:
            head, body = await _answer(server.url, path, evil)
            assert (head.status, body) == (200, b"ok\n")
        for path in (
            "/healthz/",
            "//healthz",
            "/HEALTHZ",
            "/healthz/../v1/streams",
            "/v1/streams?/healthz",
            "/x/../healthz/x",
        ):
            assert (await _head(server.url, path, evil)).status == 403, path


async def test_preflight(tmp_path: Path) -> None:
    """A browser asks without a token whether it may ask with one; other questions of this kind need theirs."""
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "authorization"}
    async with served(tmp_path, tokens=("s3cret",), allow_origins=("https://ui.example",)) as server:
        for origin, fields, status in (
            ("https://ui.example", asked, 204),
            ("https://evil.example", asked, 403),
            ("https://ui.example", {}, 401),
            ("", asked, 401),
        ):
            head = await _head(server.url, "/v1/stream/s", {"Origin": origin, **fields}, "OPTIONS")
            assert head.status == status
            if status == 204:
                assert head.fields["access-control-allow-headers"] == "authorization"
                assert "access-control-allow-credentials" not in head.fields


@pytest.mark.parametrize("way", WAYS)
async def test_headers(server: Server, way: str) -> None:
    """Every answer, of whatever kind, is not sniffed, not embedded elsewhere, sends no referrer and needs no device."""
    with Stream(server.directory) as stream:
        stream.line(1)
    for more in ({}, {"Host": "evil.example"}, {"Origin": "http://evil.example"}):
        path, fields = _asked(way)
        head = await _head(server.url, path, {**fields, **more})
        assert head.fields["x-content-type-options"] == "nosniff"
        assert head.fields["cross-origin-resource-policy"] == "same-origin"
        assert head.fields["referrer-policy"] == "no-referrer"
        assert "camera=()" in head.fields["permissions-policy"]
        assert "origin" in head.fields["vary"].lower()


async def test_the_page_runs_no_script_but_its_own(server: Server) -> None:
    """The policy lets in nothing inline and nothing from elsewhere, and the page holds nothing that it would stop."""
    head, body = await _answer(server.url, "/", {})
    policy = dict(part.strip().split(" ", 1) for part in head.fields["content-security-policy"].split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["script-src"] == policy["connect-src"] == "'self'"
    assert policy["frame-ancestors"] == policy["base-uri"] == policy["form-action"] == "'none'"
    assert "unsafe" not in head.fields["content-security-policy"]
    page = body.decode()
    assert not re.search(r"<script(?![^>]*\bsrc=)", page)
    assert not re.search(r"\son\w+\s*=|\bstyle\s*=|javascript:|<style|https?://", page, re.IGNORECASE)


def test_the_route_table_only_reads() -> None:
    """Every path takes GET, HEAD and OPTIONS, and there is no other method anywhere."""
    table: dict[str, set[str]] = {}
    for route in make_app(Config()).router.routes():
        assert route.resource is not None
        table.setdefault(route.resource.canonical, set()).add(route.method)
    assert len(table) > 20
    assert {frozenset(methods) for methods in table.values()} == {frozenset({"GET", "HEAD", "OPTIONS"})}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT", "PROPFIND", "QUERY", "get"])
async def test_other_methods(server: Server, method: str) -> None:
    """Whatever is not a question is refused, with what is allowed, and changes nothing."""
    with Stream(server.directory) as stream:
        stream.line(1)
    before = (stream.path.read_bytes(), sorted(server.directory.iterdir()))
    for path in ("/v1/stream/s", "/v1/streams", "/", "/healthz", "/v1/stream/s/ws"):
        async with Raw(server.url) as raw:
            head = await raw.request(path, method=method)
            assert head.status in {400, 404, 405}
            if head.status == 405:
                assert head.fields["allow"].replace(" ", "") == "GET,HEAD,OPTIONS"
    assert (stream.path.read_bytes(), sorted(server.directory.iterdir())) == before


# --- ids ---------------------------------------------------------------------------------------------------------

_UPWARDS = (
    *("../", "..%2f", "%2e%2e/", "%2e%2e%2f", "..\\", "..%5c", "....//", "..;/", "..%00/", "%252e%252e%252f"),
    *("..%c0%af", "..%ef%bc%8f", "%c0%ae%c0%ae/", "..%u2215", "/", "//", "%2f", "%2f%2f", "./../", "s/../../"),
    *("s%2f..%2f..%2f", "~/", "file://", "file:%2f%2f", "%5c%5c", "C:%5c", "\\\\?\\", "..%0d%0a/", "%00../", "..%09/"),
)
_TARGETS = ("canary", "canary.jsonl", "outside%2fcanary", "etc%2fpasswd%00", "proc%2fself%2fenviron", "link")
_ODD = (
    *(
        "",
        ".",
        "..",
        "...",
        ".s",
        "-s",
        "_s",
        "s%00",
        "s%0a",
        "s%0d%0aX-Evil:%20yes",
        "s%20",
        "%20s",
        "s.jsonl%00",
        "s%2f",
    ),
    *(
        "%ff",
        "%f0%9f%92%a9",
        "%c3%a9",
        "%ef%bd%93",
        "%d1%95",
        "s%cc%81",
        "%e2%80%ae",
        "%7f",
        "s:stream",
        "s|ls",
        "$(id)",
    ),
    *(
        "`id`",
        "%25",
        "%",
        "%zz",
        "*",
        "s*",
        "[s]",
        "{id}",
        "a" * 129,
        "a" * 5000,
        "s%3fx",
        "s%23x",
        "s&x",
        "s'or'1",
        '"',
    ),
)


def _hostile() -> list[str]:
    found = [upward + target for upward in _UPWARDS for target in _TARGETS]
    return [*found, *_ODD]


@pytest.fixture
def opened() -> Iterator[list[str]]:
    """The paths of what this process opens meanwhile."""
    paths: list[str] = []
    watching = True

    def watch(event: str, arguments: tuple[Any, ...]) -> None:
        if watching and event == "open" and isinstance(arguments[0], str):
            paths.append(arguments[0])

    sys.addaudithook(watch)  # for good: it can only be told to look away
    yield paths
    watching = False


@pytest.mark.slow
async def test_hostile_ids(tmp_path: Path, opened: list[str]) -> None:
    """Two hundred ids, on every way that takes one: each is refused or not found, and none reaches another file."""
    outside, streams = tmp_path / "outside", tmp_path / "streams"
    outside.mkdir()
    streams.mkdir()
    for canary in (outside / "canary.jsonl", tmp_path / "canary.jsonl", tmp_path / "canary"):
        canary.write_text('{"canary":"sings"}\n')
    (streams / "link.jsonl").symlink_to(outside / "canary.jsonl")
    (streams / "folder.jsonl").mkdir()
    before = {path: path.stat() for path in tmp_path.rglob("*")}
    ids = _hostile()
    assert len(ids) >= 200
    async with served(streams) as server:
        opened.clear()
        for name, suffix in itertools.product(ids, ("", "/ws", "/sse", "/summary")):
            fields = HANDSHAKE if suffix == "/ws" else {}
            head, body = await _answer(server.url, f"/v1/stream/{name}{suffix}", fields)
            assert head.status in {400, 404, 410}, f"{name} {head}"
            assert b"sings" not in body
            assert "x-evil" not in head.fields
        for name in ids:
            for query in (f"stream={name}", f"stream={quote(name)}", f"stream={name}@-1&wait=1"):
                if "&" in name or not name:
                    continue
                head, body = await _answer(server.url, f"/v1/ws?{query}", HANDSHAKE)
                assert head.status in {400, 404}, f"{name} {head}"
            head, body = await _answer(server.url, f"/v1/streams?prefix={quote(name)}&after={quote(name)}", {})
            assert head.status in {200, 400}
            assert b"sings" not in body
        touched = [path for path in opened if re.search("canary|passwd|environ|jsonl", path)]
    assert not [path for path in touched if not re.fullmatch(STREAM_ID_PATTERN + "[.]jsonl", path)]
    after = {path: path.stat() for path in tmp_path.rglob("*")}
    assert [(path, s.st_mtime_ns, s.st_size, s.st_ino) for path, s in before.items()] == [
        (path, s.st_mtime_ns, s.st_size, s.st_ino) for path, s in after.items()
    ]
