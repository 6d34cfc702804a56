from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.raw import HANDSHAKE, Head, Raw
from tests.servers import Server, Stream, served

#: One address for every route, and those that are open to all.
ROUTES = [
    *("/", "/v1/streams", "/v1/stream/s", "/v1/stream/s?live=long-poll&offset=-1", "/v1/stream/s/sse"),
    *("/v1/stream/s/ws", "/v1/stream/s/summary", "/v1/ws?stream=s", "/v1/schema", "/openapi.json", "/asyncapi.json"),
    *("/metrics", "/nowhere", "/v1/stream/absent", "/v1/stream/.bad"),
]
OPEN = ["/healthz", "/readyz"]


@pytest.fixture
async def guarded(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that others may reach by a name, whose pages on another origin may read."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with served(
            tmp_path, allow_hosts=("hub.example", "fe80::1"), allow_origins=("https://ui.example",)
        ) as server:
            yield server


async def ask(server: Server, target: str, headers: dict[str, str] | None = None, *, method: str = "GET") -> Head:
    """Ask on a connection of its own; WebSockets get their handshake."""
    shake = HANDSHAKE if "/ws" in target else {}
    async with Raw(server.url) as raw:
        return await raw.request(target, {**shake, **(headers or {})}, method=method)


# --- Host -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        *("localhost", "LocalHost:1", "127.0.0.1", "127.0.0.1:65535", "[::1]", "[::1]:80", "hub.example"),
        *("HUB.example:443", "[fe80::1]", "[fe80::1]:8765"),
    ],
)
async def test_hosts_that_are_served(guarded: Server, host: str) -> None:
    """This machine's names and those that were allowed, with any port, in any case."""
    assert (await ask(guarded, "/v1/stream/s", {"Host": host})).status == 200


@pytest.mark.parametrize(
    "host",
    [
        *("evil.example", "evil.example:8765", "localhost.evil.example", "evil.localhost", "127.0.0.2", "0.0.0.0"),
        *("::1", "[::1", "localhost:", "localhost:x", "localhost:80:80", "hub.example.", "user@localhost", "*", "null"),
        *("localhost\u0661:80", "localhost, evil.example"),
    ],
)
async def test_hosts_that_are_not(guarded: Server, host: str) -> None:
    """Any other name is 403: a page whose name was rebound to this address reads nothing."""
    head = await ask(guarded, "/v1/stream/s", {"Host": host.encode().decode("latin-1")})
    assert head.status in {400, 403}
    if head.status == 403:
        assert head.fields["content-type"] == "application/problem+json"


@pytest.mark.parametrize("version", ["1.0", "1.1"])
async def test_no_host_at_all(guarded: Server, version: str) -> None:
    """A request that does not say whom it asks is refused."""
    async with Raw(guarded.url) as raw:
        assert (await raw.request("/v1/stream/s", {"Host": ""}, version=version)).status in {400, 403}


async def test_two_hosts(guarded: Server) -> None:
    """A request that says two things is refused, whichever is the good one."""
    for hosts in (("localhost", "evil.example"), ("evil.example", "localhost"), ("localhost", "localhost")):
        async with Raw(guarded.url) as raw:
            lines = ["GET /v1/stream/s HTTP/1.1", *(f"Host: {host}" for host in hosts), "", ""]
            await raw.send("\r\n".join(lines).encode())
            assert (await raw.head()).status in {400, 403}


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://{host}/healthz", 200),
        ("http://{host}/v1/streams", 200),
        ("http://evil.example/v1/streams", 403),
        ("http://{host}@evil.example/v1/streams", 403),
        ("http://evil.example?/v1/streams", 403),
        ("/v1/streams?next=http://evil.example/", 200),
    ],
)
async def test_a_target_that_names_a_host(guarded: Server, target: str, status: int) -> None:
    """A target may be a whole address; then its host must be the one that is named beside it."""
    async with Raw(guarded.url) as raw:
        assert (await raw.request(target.format(host=raw.host))).status == status


@pytest.mark.parametrize("target", ROUTES)
async def test_every_route_asks_for_the_host(guarded: Server, target: str) -> None:
    """Whatever is asked for, and in whichever way; what is not there is not told either."""
    for method in ("GET", "HEAD", "OPTIONS", "POST"):
        assert (await ask(guarded, target, {"Host": "evil.example"}, method=method)).status == 403


@pytest.mark.parametrize("target", OPEN)
async def test_what_is_open_to_all(guarded: Server, target: str) -> None:
    """Only health and readiness skip every check, and they say ok and no more."""
    headers = {"Host": "evil.example", "Origin": "https://evil.example"}
    async with Raw(guarded.url) as raw:
        head = await raw.request(target, headers)
        assert head.status == 200
        assert await raw.exactly(int(head.fields["content-length"])) == b"ok\n"


# --- Origin ---------------------------------------------------------------------------------------------------


async def test_the_servers_own_origin(guarded: Server) -> None:
    """A page of this very host and port may read, whatever name it was opened by."""
    for host in ("localhost:8765", "hub.example", "[::1]:80", "127.0.0.1:443"):
        origin = f"http://{host}" if host != "127.0.0.1:443" else "https://127.0.0.1"
        head = await ask(guarded, "/v1/stream/s", {"Host": host, "Origin": origin})
        assert (head.status, head.fields.get("access-control-allow-origin")) == (200, origin)


@pytest.mark.parametrize("origin", ["https://ui.example", "HTTPS://UI.example"])
@pytest.mark.parametrize("target", ["/v1/stream/s", "/v1/stream/s/sse", "/v1/ws?stream=s", "/v1/stream/absent"])
async def test_an_allowed_origin(guarded: Server, target: str, origin: str) -> None:
    """A page that may read sees the answer, errors too, and the fields that it needs."""
    head = await ask(guarded, target, {"Origin": origin})
    assert head.status in {200, 101, 404}
    assert head.fields["access-control-allow-origin"] == origin
    assert {"Stream-Next-Offset", "ETag", "Retry-After"} <= set(
        head.fields["access-control-expose-headers"].split(", ")
    )
    assert head.fields["cross-origin-resource-policy"] == "cross-origin"
    assert "Origin" in head.fields["vary"]
    assert "access-control-allow-credentials" not in head.fields


@pytest.mark.slow
@pytest.mark.parametrize(
    "origin",
    [
        *(
            "null",
            "https://evil.example",
            "http://ui.example",
            "https://ui.example:8443",
            "https://ui.example.evil.example",
        ),
        *("https://sub.ui.example", "http://localhost", "https://localhost:{port}1", "ftp://localhost:{port}"),
        *("http://localhost:{port}/", "http://localhost:{port}?x", "http://localhost:{port}#x", "localhost:{port}"),
        *("http://user@localhost:{port}", "http://evil.example:{port}", "http://localhost:{port}.evil.example"),
        *("http://localhost:99999999", "http://[::1", "file://", "https://ui.example, https://ui.example", "*"),
    ],
)
async def test_origins_that_may_not_read(guarded: Server, origin: str) -> None:
    """Any other page is refused, on sockets too, which browsers open to anywhere; nor is it told that it may read."""
    port = guarded.url.rpartition(":")[2]
    headers = {"Host": f"localhost:{port}", "Origin": origin.format(port=port)}
    for target in ("/v1/stream/s", "/v1/ws?stream=s", "/v1/stream/s/sse"):
        head = await ask(guarded, target, headers)
        assert head.status == 403
        assert "access-control-allow-origin" not in head.fields


@pytest.mark.parametrize("target", ROUTES)
async def test_every_route_asks_for_the_origin(guarded: Server, target: str) -> None:
    """The same for all of them."""
    for method in ("GET", "HEAD", "OPTIONS"):
        assert (await ask(guarded, target, {"Origin": "https://evil.example"}, method=method)).status == 403


async def test_two_origins(guarded: Server) -> None:
    """A request of two origins is of none."""
    async with Raw(guarded.url) as raw:
        origins = [f"Origin: https://{name}.example" for name in ("ui", "evil")]
        lines = ["GET /v1/stream/s HTTP/1.1", f"Host: {raw.host}", *origins, "", ""]
        await raw.send("\r\n".join(lines).encode())
        assert (await raw.head()).status in {400, 403}


async def test_no_origin(guarded: Server) -> None:
    """Programs send none, and are told nothing of origins."""
    head = await ask(guarded, "/v1/stream/s")
    assert head.status == 200
    assert "access-control-allow-origin" not in head.fields
    assert head.fields["cross-origin-resource-policy"] == "same-origin"
    assert "Origin" in head.fields["vary"]


# --- OPTIONS --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [*ROUTES[:12], *OPEN])
async def test_options(guarded: Server, target: str) -> None:
    """What may be done is said on every route."""
    head = await ask(guarded, target, method="OPTIONS")
    assert (head.status, head.fields["allow"]) == (204, "GET, HEAD, OPTIONS")
    assert "access-control-allow-methods" not in head.fields


async def test_preflight(guarded: Server) -> None:
    """A page that may read may ask with fields of its own; one that may not is refused."""
    asked = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "last-event-id, authorization"}
    head = await ask(guarded, "/v1/stream/s", {**asked, "Origin": "https://ui.example"}, method="OPTIONS")
    assert head.status == 204
    assert head.fields["access-control-allow-origin"] == "https://ui.example"
    assert head.fields["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert head.fields["access-control-allow-headers"] == "last-event-id, authorization"
    assert int(head.fields["access-control-max-age"]) > 0
    head = await ask(guarded, "/v1/stream/s", {**asked, "Origin": "https://evil.example"}, method="OPTIONS")
    assert head.status == 403
    assert "access-control-allow-methods" not in head.fields


# --- tokens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("target", ROUTES)
async def test_every_route_asks_for_the_token(tmp_path: Path, target: str) -> None:
    """After host and origin, on every route alike; what is not there is not told to who has none."""
    with Stream(tmp_path) as stream:
        stream.line(1)
    async with served(tmp_path, tokens=("letmein",)) as server:
        assert (await ask(server, target, {"Host": "evil.example"})).status == 403
        assert (await ask(server, target, {"Origin": "https://evil.example"})).status == 403
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Basic bGV0bWVpbg=="}):
            for method in ("GET", "HEAD", "OPTIONS"):
                head = await ask(server, target, headers, method=method)
                assert (head.status, head.fields["content-type"]) == (401, "application/problem+json")
                assert head.fields["www-authenticate"].startswith("Bearer")
        assert (await ask(server, target, {"Authorization": "Bearer letmein"})).status not in {401, 403}


async def test_where_a_token_may_stand(tmp_path: Path) -> None:
    """In ``Authorization``, among the subprotocols of a socket, in the cookie that the page's address left."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with served(tmp_path, tokens=("letmein",)) as server:
            encoded = base64.urlsafe_b64encode(b"letmein").decode().rstrip("=")
            offered = {"Sec-WebSocket-Protocol": f"streamhub.v1, bearer.{encoded}"}
            head = await ask(server, "/v1/stream/s/ws", offered)
            assert (head.status, head.fields["sec-websocket-protocol"]) == (101, "streamhub.v1")
            assert (await ask(server, "/v1/stream/s/ws", {"Sec-WebSocket-Protocol": f"bearer.{encoded}"})).status == 401
            head = await ask(server, "/?token=letmein")
            assert (head.status, head.fields["location"]) == (303, "/")
            cookie = head.fields["set-cookie"]
            assert {"HttpOnly", "SameSite=Strict", "Path=/"} <= {part.strip() for part in cookie.split(";")}
            assert "letmein" not in cookie
            kept = {"Cookie": cookie.partition(";")[0]}
            assert (await ask(server, "/v1/stream/s", kept)).status == 200
            assert (await ask(server, "/v1/stream/s?token=letmein")).status == 401


async def test_two_tokens(tmp_path: Path) -> None:
    """A request of two tokens is of none, whichever is the good one."""
    async with served(tmp_path, tokens=("good",)) as server:
        for first, second in (("good", "bad"), ("bad", "good"), ("good", "good")):
            async with Raw(server.url) as raw:
                fields = f"Authorization: Bearer {first}\r\nAuthorization: Bearer {second}\r\n"
                await raw.send(f"GET /v1/streams HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n".encode())
                assert (await raw.head()).status == 401


async def test_a_token_that_is_limited(tmp_path: Path) -> None:
    """What its glob does not take in is not there: on no way, in no list, and not for who waits."""
    for name in ("team-1", "other-1"):
        with Stream(tmp_path, name) as stream:
            stream.line(1)
    async with served(tmp_path, tokens=("letmein team-*",)) as server:
        token = {"Authorization": "Bearer letmein"}
        for way in ("", "/ws", "/sse", "/summary"):
            assert (await ask(server, f"/v1/stream/team-1{way}", token)).status in {200, 101}
            assert (await ask(server, f"/v1/stream/other-1{way}", token)).status == 404
        assert (await ask(server, "/v1/ws?stream=team-1&stream=other-1", token)).status == 404
        listed = json.loads((await server.get("/v1/streams", headers=token))[2])
        assert [entry["id"] for entry in listed["streams"]] == ["team-1"]
        async with Raw(server.url) as raw:
            await raw.upgrade("/v1/ws?match=*", token)
            opened = json.loads((await raw.frame()).payload)
            assert [one["stream"] for one in opened["streams"]] == ["team-1"]


# --- what every answer carries ---------------------------------------------------------------------------------


@pytest.mark.parametrize("target", [*ROUTES, *OPEN])
async def test_what_every_answer_carries(guarded: Server, target: str) -> None:
    """No sniffing, no referrer, and what it depends on, whoever sends the head."""
    for headers in ({}, {"Host": "evil.example"}):
        fields = (await ask(guarded, target, headers)).fields
        assert fields["x-content-type-options"] == "nosniff"
        assert fields["referrer-policy"] == "no-referrer"
        assert {"Accept", "Origin"} <= set(fields["vary"].split(", "))
