"""Tokens over the wire: where they may stand, and that what they are not good for does not exist."""

from __future__ import annotations

import asyncio
import base64
import json
import logging
import re
import time
from typing import TYPE_CHECKING, Any, NamedTuple

import aiohttp
import pytest

from streamhub.tokens import hashed
from streamhub.web.asker import HTTP_LOG
from streamhub.web.timing import Timing
from tests.jwts import SECRET, part, signed
from tests.raw import CLOSE, HANDSHAKE, PING, Head, Raw
from tests.servers import Server, Stream, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

#: A quick server: those who wait are told so at once.
QUICK = Timing(heartbeat=0.2, sweep=0.05, farewell=1.0, long_poll=0.2, rotation=5.0, drain=2.0)
ALL, TEAM, NONE = "all-s3cret-all", "team-s3cret-team", "none-s3cret-none"
LINES = (f"{ALL}", f"{TEAM} team-*", f"{TEAM} shared", f"{NONE} nothing")
#: As long as each other, so that answers can be compared to the byte.
HIDDEN, MISSING = "hidden-1", "absent-1"
GONE = "0badcafe_0000000000000000"

#: Every way to read one stream, with its fields.
STREAM_WAYS = [
    *(("", query) for query in ("", "offset=-1", "offset=now", "tail=3", "since=2026-01-01", "limit=1", "contains=x")),
    *(("", query) for query in ("offset=x", f"offset={GONE}", "limit=0", "tail=-1", "offset=-1&tail=1", "live=x")),
    *(("", f"{query}&wait=1") for query in ("", "offset=-1", "offset=now", "tail=3", f"offset={GONE}", "limit=0")),
    *(("", f"live=long-poll&{query}") for query in ("", "offset=-1", "offset=-1&wait=1", "offset=now&wait=1")),
    *(("", f"live=sse&{query}") for query in ("", "offset=-1", f"offset={GONE}", "offset=now&wait=1")),
    *(("/sse", query) for query in ("", "offset=now", "offset=x", f"offset={GONE}", "wait=1", "wait=1&tail=1")),
    *(("/ws", query) for query in ("", "offset=now", "offset=x", f"offset={GONE}", "wait=1", "wait=1&offset=now")),
    *(("/summary", query) for query in ("", "buckets=3", "buckets=0", "since=x", "wait=1")),
    *(("/nothing", query) for query in ("",)),
]
MULTIPLEX_WAYS = ["stream={}", "stream={}@-1", "stream={}@x", "stream={}&wait=1", "stream={}@now&wait=1", "match={}"]


def bearer(token: str) -> dict[str, str]:
    """The field for programs."""
    return {"Authorization": f"Bearer {token}"}


def subprotocols(token: str) -> dict[str, str]:
    """The fields for a browser's WebSocket."""
    return {**HANDSHAKE, "Sec-WebSocket-Protocol": f"streamhub.v1, bearer.{part(token.encode())}"}


def cookie(token: str) -> dict[str, str]:
    """The field that a browser sends by itself."""
    return {"Cookie": f"other=1; streamhub={part(token.encode())}"}


def write_streams(directory: Path) -> None:
    """Streams of a team, one that is shared, and one that only ``ALL`` may see."""
    for name in ("team-1", "team-2", "shared", HIDDEN):
        with Stream(directory, name) as stream:
            stream.line(1)
            stream.line(2)


@pytest.fixture
async def locked(tmp_path: Path) -> AsyncIterator[Server]:
    """A server that asks for a token."""
    write_streams(tmp_path)
    async with served(tmp_path, timing=QUICK, tokens=LINES, jwt_key=SECRET) as server:
        yield server


async def status(server: Server, path: str, fields: dict[str, str], method: str = "GET") -> int:
    """What is answered."""
    async with Raw(server.url) as raw:
        return (await raw.request(path, fields, method=method)).status


# --- where a token may stand ------------------------------------------------------------------------------------

_READING = {
    "catch-up": ("/v1/stream/{}", 200),
    "head": ("/v1/stream/{}", 200),
    "long-poll": ("/v1/stream/{}?live=long-poll&offset=-1", 200),
    "durable-sse": ("/v1/stream/{}?live=sse&offset=-1", 200),
    "sse": ("/v1/stream/{}/sse", 200),
    "summary": ("/v1/stream/{}/summary", 200),
    "websocket": ("/v1/stream/{}/ws", 101),
    "multiplex": ("/v1/ws?stream={}", 101),
}
_WAYS = [(way, place) for way in _READING for place in ("bearer", "cookie")]
_WAYS += [(way, "subprotocol") for way in ("websocket", "multiplex")]


@pytest.mark.parametrize(("way", "place"), _WAYS)
async def test_matrix(locked: Server, way: str, place: str) -> None:
    """Each token, in each place, on each way, opens what it is good for; nothing else is there. No token: 401."""
    path, good = _READING[way]
    make = {"bearer": bearer, "cookie": cookie, "subprotocol": subprotocols}[place]
    method = "HEAD" if way == "head" else "GET"
    team_jwt = signed({"exp": time.time() + 60, "streams": ["team-*", "shared"]})
    stale = signed({"exp": time.time() - 60, "streams": "*"})
    forged = signed({"exp": time.time() + 60, "streams": "*"}, SECRET + "x")
    for token, seen in (
        (ALL, {"team-1": good, "shared": good, HIDDEN: good, MISSING: 404}),
        (TEAM, {"team-1": good, "shared": good, HIDDEN: 404, MISSING: 404}),
        (team_jwt, {"team-1": good, "shared": good, HIDDEN: 404, MISSING: 404}),
        (NONE, {"team-1": 404, HIDDEN: 404, MISSING: 404}),
        *((wrong, {"team-1": 401, HIDDEN: 401, MISSING: 401}) for wrong in ("wrong", stale, forged, ALL[:-1], "")),
    ):
        for stream, expected in seen.items():
            own = HANDSHAKE if good == 101 else {}
            assert await status(locked, path.format(stream), {**own, **make(token)}, method) == expected, (
                token,
                stream,
            )
    for stream in ("team-1", MISSING):
        assert await status(locked, path.format(stream), HANDSHAKE if good == 101 else {}, method) == 401


@pytest.mark.parametrize(
    "path", ["/", "/static/main.js", "/v1/streams", "/v1/schema", "/metrics", "/openapi.json", "/x"]
)
async def test_everything_else_takes_any_token(locked: Server, path: str) -> None:
    """What is not of one stream needs a token too, whatever that is good for."""
    for token in (ALL, NONE, signed({"exp": time.time() + 60, "streams": []})):
        assert await status(locked, path, bearer(token)) == (404 if path == "/x" else 200)
    assert await status(locked, path, {}) == 401
    assert await status(locked, path, bearer("wrong")) == 401


async def test_the_answer_without_a_token(locked: Server) -> None:
    """It says how to show one, whether the one that was shown was wrong, and nothing else."""
    for fields, challenge in (({}, "Bearer"), (bearer("wrong"), 'Bearer error="invalid_token"')):
        code, headers, body = await locked.get("/v1/stream/team-1", headers=fields)
        assert (code, headers["WWW-Authenticate"], headers["Cache-Control"]) == (401, challenge, "no-store")
        assert headers["Content-Type"] == "application/problem+json"
        assert json.loads(body)["status"] == 401


@pytest.mark.parametrize(
    "fields",
    [
        {"Authorization": ALL},
        {"Authorization": f"Basic {ALL}"},
        {"Authorization": f"Bearer{ALL}"},
        {"Authorization": f"Bearer {ALL} {ALL}"},
        {"Authorization": f'Bearer "{ALL}"'},
        {"Authorization": "Bearer wrong", **cookie(ALL)},
        {"Cookie": f"streamhub={ALL}"},
        {"Cookie": f"streamhub={base64.urlsafe_b64encode(b'x' + ALL.encode()).decode()}"},
        {"Cookie": f"__Host-streamhub={part(ALL.encode())}"},
        {"Sec-WebSocket-Protocol": f"bearer.{part(ALL.encode())}"},
        {"Sec-WebSocket-Protocol": f"streamhub.v1, bearer.{ALL}"},
        {"Sec-WebSocket-Protocol": f"streamhub.v1, bearer.{part(ALL.encode())}="},
        {"Sec-WebSocket-Protocol": f"streamhub.v1, {part(ALL.encode())}"},
        {"X-Token": ALL},
    ],
)
async def test_what_is_no_credential(locked: Server, fields: dict[str, str]) -> None:
    """A token in another place or form is none, and a bad one is not made good by another elsewhere."""
    for path in ("/v1/ws?match=*", f"/v1/ws?match=*&token={ALL}"):
        assert await status(locked, path, {**HANDSHAKE, **fields}) == 401


async def test_the_scheme_in_any_case(locked: Server) -> None:
    """The scheme's name is the same in any case (RFC 9110 section 11.1)."""
    for scheme in ("bearer", "BEARER", "Bearer "):
        assert await status(locked, "/v1/streams", {"Authorization": f"{scheme} {ALL}"}) == 200


async def test_the_token_is_not_echoed(locked: Server) -> None:
    """Of the subprotocols offered only the one that is spoken comes back, in whatever order they came."""
    token = f"bearer.{part(ALL.encode())}"
    for offered in (f"streamhub.v1, {token}", f"{token},streamhub.v1", f"x, {token}, streamhub.v1"):
        async with Raw(locked.url) as raw:
            head = await raw.upgrade("/v1/ws?match=*", {"Sec-WebSocket-Protocol": offered})
            assert head.fields["sec-websocket-protocol"] == "streamhub.v1"
            assert part(ALL.encode()) not in str(head)


# --- what a token is not good for is not there --------------------------------------------------------------------


#: What is of the answer alone, and told by its clock or by chance.
OWN = {"date", "x-request-id"}


class Told(NamedTuple):
    """Everything that an answer says, in the terms of a stream ``X``."""

    head: tuple[int, tuple[tuple[str, str], ...]]
    body: bytes


async def told(server: Server, path: str, stream: str, fields: dict[str, str], method: str = "GET") -> Told:
    """An answer; of a live one as much as comes up to the first sign of life."""
    async with Raw(server.url) as raw:
        head = await raw.request(path.format(stream), fields, method=method)
        body = await _body(raw, head, method)
    kept = tuple(sorted((name, _plain(value, stream)) for name, value in head.fields.items() if name not in OWN))
    return Told((head.status, kept), _plain(body.decode(), stream).encode())


async def _body(raw: Raw, head: Head, method: str) -> bytes:
    if method == "HEAD":
        return b""
    if head.status == 101:
        frames = [await raw.frame()]
        while frames[-1].opcode != PING and b'"heartbeat"' not in frames[-1].payload:
            frames.append(await raw.frame())
        return b"\n".join(frame.payload for frame in frames)
    if head.fields.get("content-type") == "text/event-stream":
        return await raw.until(b": keep-alive\n\n")
    return await raw.exactly(int(head.fields.get("content-length", "0")))


def _plain(text: str, stream: str) -> str:
    text = text.replace(stream, "X")
    return re.sub(r'("time":|Stream-Cursor: |"streamCursor":)"[^"]*"|(?<=^)\d{6,}$', r"\1T", text)


@pytest.mark.slow
@pytest.mark.parametrize("token", [TEAM, NONE], ids=["team", "none"])
async def test_hidden_is_missing(locked: Server, token: str) -> None:
    """On every way and with every query, a stream that is hidden gets the very answer of one that is not there."""
    asks = [(f"/v1/stream/{{}}{suffix}?{query}", method) for suffix, query in STREAM_WAYS for method in ("GET", "HEAD")]
    asks += [(f"/v1/ws?{query}", "GET") for query in MULTIPLEX_WAYS]
    asks += [("/v1/stream/{}", "OPTIONS"), ("/v1/stream/{}/ws", "POST"), ("/v1/streams?prefix={}", "GET")]

    async def compare(path: str, method: str) -> None:
        fields = {**bearer(token), **(HANDSHAKE if "ws" in path else {})}
        hidden = await told(locked, path, HIDDEN, fields, method)
        missing = await told(locked, path, MISSING, fields, method)
        assert hidden == missing, (path, method)

    await asyncio.gather(*(compare(path, method) for path, method in asks))
    assert len(asks) > 90


@pytest.mark.slow
async def test_hidden_stays_missing(locked: Server, tmp_path: Path) -> None:
    """Whoever waits for a hidden stream gets nothing when it grows; whoever waits for one of their own gets that."""
    hidden, own = Stream(tmp_path, HIDDEN), Stream(tmp_path, "team-9")
    async with Raw(locked.url) as plain, Raw(locked.url) as many, Raw(locked.url) as events:
        with hidden, own:
            await _grow(plain, many, events, hidden, own)


async def _grow(plain: Raw, many: Raw, events: Raw, hidden: Stream, own: Stream) -> None:
    fields = bearer(TEAM)
    await plain.upgrade(f"/v1/stream/{HIDDEN}/ws?wait=1", fields)
    await many.upgrade(f"/v1/ws?wait=1&stream={HIDDEN}&stream=team-9&match=*", fields)
    assert (await events.request(f"/v1/stream/{HIDDEN}/sse?wait=1", fields)).status == 200
    hidden.line(3)
    own.line(7)
    said = b""
    while b'"value":7' not in said:
        said += (await many.frame()).payload
    hidden.line(4)
    for _ in range(2):
        said += (await many.frame()).payload
    assert HIDDEN not in said.replace(b'"next":{"' + HIDDEN.encode(), b"").decode()
    assert [(await plain.frame()).opcode for _ in range(2)] == [PING, PING]
    text = await events.until(b": keep-alive\n\n") + await events.until(b": keep-alive\n\n")
    assert b"data" not in text


async def test_match_joins_only_what_is_seen(locked: Server, tmp_path: Path) -> None:
    """``match=*`` has the streams of the token at first, and of those that appear later."""
    async with locked.session.ws_connect(f"{locked.url}/v1/ws?match=*", headers=bearer(TEAM)) as socket:
        first = await socket.receive_json()
        assert {stream["stream"] for stream in first["streams"]} == {"team-1", "team-2", "shared"}
        for name in ("hidden-2", "team-3"):
            with Stream(tmp_path, name) as stream:
                stream.line(1)
        names: set[str] = set()
        while "team-3" not in names:
            message = await socket.receive_json()
            names |= {stream["stream"] for stream in message.get("streams", [])} | {message.get("stream", "team-1")}
        async with asyncio.timeout(10):
            while (message := await socket.receive_json())["type"] != "heartbeat":
                names.add(message.get("stream", "team-1"))
        assert set(message["next"]) == {"team-1", "team-2", "team-3", "shared"}
        assert "hidden-2" not in names


async def test_the_list_tells_nothing(locked: Server, tmp_path: Path) -> None:
    """Neither entries nor pages nor tags nor cursors of the list change with what is hidden."""

    async def pages(**query: str) -> list[tuple[list[str], str | None, str]]:
        found, after = [], None
        while True:
            asked = {"limit": "1", **query, **({"after": after} if after else {})}
            _, headers, body = await locked.get("/v1/streams", params=asked, headers=bearer(TEAM))
            page = json.loads(body)
            after = page["next"]
            found.append(([entry["id"] for entry in page["streams"]], after, headers["ETag"]))
            if after is None:
                return found

    before = await pages()
    assert sorted(name for ids, _, _ in before for name in ids) == ["shared", "team-1", "team-2"]
    assert await pages(mission_id="m") == before
    assert [ids for ids, _, _ in await pages(prefix="hid")] == [[]]
    _, headers, _ = await locked.get("/v1/streams", headers=bearer(TEAM))
    with Stream(tmp_path, HIDDEN) as hidden, Stream(tmp_path, "hidden-0") as more:
        hidden.line(100)
        hidden.final()
        more.line(1)
    assert await pages() == before
    code, _, _ = await locked.get("/v1/streams", headers={**bearer(TEAM), "If-None-Match": headers["ETag"]})
    assert code == 304
    _, _, body = await locked.get("/v1/streams", headers=bearer(ALL))
    assert {entry["id"] for entry in json.loads(body)["streams"]} >= {HIDDEN, "hidden-0"}


async def test_somebody_elses_loop_tells_nothing(locked: Server, tmp_path: Path) -> None:
    """That another token is refused at the end of a closed stream (429) is not told to one that may not see it."""
    with Stream(tmp_path, HIDDEN) as hidden:
        hidden.final()
    path = f"/v1/stream/{HIDDEN}?live=long-poll&offset=now"
    codes = [(await locked.get(path, headers=bearer(ALL)))[0] for _ in range(30)]
    assert codes[-1] == 429
    assert (await locked.get(path, headers=bearer(TEAM)))[0] == 404


async def test_metrics_tell_nothing(locked: Server) -> None:
    """To wait for a hidden stream counts like to wait for a missing one, and no token or id is in any label."""

    async def watched() -> str:
        _, _, body = await locked.get("/metrics", headers=bearer(NONE))
        text = body.decode()
        assert not re.search("s3cret|hidden|team", text)
        found = re.search(r"^streamhub_watched_streams .*$", text, re.MULTILINE)
        assert found
        return found[0]

    seen = []
    for stream in (HIDDEN, MISSING):
        before = await watched()
        async with locked.session.ws_connect(f"{locked.url}/v1/stream/{stream}/ws?wait=1", headers=bearer(NONE)):
            seen.append((before, await watched()))
    assert seen[0][0] == "streamhub_watched_streams 0.0"
    assert seen[0][1] == "streamhub_watched_streams 1.0"
    assert seen[1][1] in {"streamhub_watched_streams 1.0", "streamhub_watched_streams 2.0"}


# --- the browser's cookie ---------------------------------------------------------------------------------------------


async def test_cookie(locked: Server) -> None:
    """Opened once with its token, the page leads to its own address, and the browser keeps the token for itself."""
    for method in ("GET", "HEAD"):
        code, headers, _ = await locked.get(f"/?token={TEAM}", method=method, allow_redirects=False)
        assert (code, headers["Location"], headers["Cache-Control"]) == (303, "/", "no-store")
        assert headers["Referrer-Policy"] == "no-referrer"
        value, *attributes = headers["Set-Cookie"].split("; ")
        assert set(attributes) == {"HttpOnly", "Path=/", "SameSite=Strict"}
        assert TEAM not in headers["Set-Cookie"]
    assert await status(locked, "/", {"Cookie": value}) == 200
    assert await status(locked, "/v1/stream/team-1/ws", {**HANDSHAKE, "Cookie": value}) == 101
    assert await status(locked, f"/v1/stream/{HIDDEN}/ws", {**HANDSHAKE, "Cookie": value}) == 404
    origin = {**HANDSHAKE, "Cookie": value, "Origin": "http://evil.example"}
    assert await status(locked, "/v1/stream/team-1/ws", origin) == 403


async def test_cookie_of_a_jwt(locked: Server) -> None:
    """The cookie of a token that ends is kept no longer than that."""
    token = signed({"exp": int(time.time()) + 60, "streams": "*"})
    _, headers, _ = await locked.get(f"/?token={token}", allow_redirects=False)
    age = re.search(r"Max-Age=(\d+)", headers["Set-Cookie"])
    assert age
    assert 50 < int(age[1]) <= 60


@pytest.mark.parametrize("query", ["token=wrong", "token=", f"token={ALL}x", f"token={ALL[:-1]}"])
async def test_no_cookie_for_a_wrong_token(locked: Server, query: str) -> None:
    """A token that is not good is kept nowhere, also if the browser has a good one already."""
    for fields in ({}, cookie(ALL)):
        code, headers, _ = await locked.get(f"/?{query}", headers=fields, allow_redirects=False)
        assert code == 401
        assert "Set-Cookie" not in headers


async def test_the_address_is_for_the_page_alone(locked: Server, tmp_path: Path) -> None:
    """Elsewhere a token in the address is not looked at; and where no tokens are asked for, none is kept."""
    for path in ("/v1/streams", "/v1/stream/team-1", "/static/main.js", "/metrics"):
        assert await status(locked, f"{path}?token={ALL}", {}) == 401
    async with served(tmp_path) as server:
        code, headers, _ = await server.get("/?token=x", allow_redirects=False)
        assert code == 200
        assert "Set-Cookie" not in headers


# --- the end of a token ---------------------------------------------------------------------------------------------


@pytest.mark.slow
async def test_sockets_end_with_their_token(locked: Server, tmp_path: Path) -> None:
    """Both kinds close with 4401 once the token has ended, not before; those of a token without end go on."""
    end = int(time.time()) + 2
    token = signed({"exp": end, "streams": "*"})

    async def socket(path: str) -> tuple[int, bytes, float]:
        async with Raw(locked.url) as raw:
            await raw.upgrade(path, bearer(token))
            *_, last = await raw.frames()
            await raw.say_close(4401)
            assert last.opcode == CLOSE
            at = time.time()
            assert await raw.everything() == b""
            return last.code, last.payload[2:], at

    async with Raw(locked.url) as forever:
        await forever.upgrade("/v1/ws?match=*", bearer(ALL))
        sockets = await asyncio.gather(socket("/v1/stream/team-1/ws"), socket("/v1/ws?match=*"))
        for code, reason, at in sockets:
            assert (code, reason) == (4401, b"token expired")
            assert at >= end
        with Stream(tmp_path, "team-1") as stream:
            stream.line(9)
        while b'"value":9' not in (await forever.frame()).payload:
            pass
    assert await status(locked, "/v1/streams", bearer(signed({"exp": int(time.time()) - 60, "streams": "*"}))) == 401


@pytest.mark.slow
async def test_event_streams_end_with_their_token(locked: Server) -> None:
    """Both kinds end cleanly, after what was written before."""
    token = signed({"exp": int(time.time()) + 2, "streams": "*"})

    async def events(path: str) -> bytes:
        async with Raw(locked.url) as raw:
            assert (await raw.request(path, bearer(token))).status == 200
            return await raw.everything()

    for body in await asyncio.gather(events("/v1/stream/team-1/sse"), events("/v1/stream/team-1?live=sse&offset=-1")):
        assert body.count(b'"value":1') == body.count(b'"value":2') == 1


@pytest.mark.slow
async def test_an_expired_reader_is_counted(locked: Server) -> None:
    """The metrics say how many ended like that, and how many were turned away for their token."""
    token = signed({"exp": int(time.time()) + 1, "streams": "*"})
    async with locked.session.ws_connect(f"{locked.url}/v1/ws?match=*", headers=bearer(token)) as socket:
        async for _message in socket:
            pass
        assert socket.close_code == 4401
    await locked.get("/v1/streams")
    _, _, body = await locked.get("/metrics", headers=bearer(ALL))
    assert b'streamhub_ended_connections_total{cause="expired"} 1.0' in body
    assert b'streamhub_refused_total{cause="token"} 1.0' in body


# --- nothing secret is shown ----------------------------------------------------------------------------------------


async def test_nothing_secret_in_logs_or_answers(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Good and bad tokens, in good and broken requests: none is in any log line, answer or metric."""
    caplog.set_level(logging.DEBUG)
    # Of what is no HTTP little is logged: another test's, a moment ago, is not to be all of it.
    monkeypatch.setattr(HTTP_LOG, "filters", [type(known)() for known in HTTP_LOG.filters])  # type: ignore[misc]
    write_streams(tmp_path)
    jwt = signed({"exp": time.time() + 60, "streams": "*"})
    secrets = [ALL, "wr0ng-s3cret", part(ALL.encode()), jwt, jwt.split(".")[2], SECRET]
    answers: list[str] = []
    async with served(tmp_path, tokens=hashed(ALL), jwt_key=SECRET) as server:
        for secret in secrets[:5]:
            for fields in (bearer(secret), subprotocols(secret), cookie(secret), {"Authorization": secret}):
                for path in ("/v1/streams", "/v1/stream/absent", f"/?token={secret}", "/v1/ws?match=*"):
                    async with Raw(server.url) as raw:
                        head = await raw.request(path, fields)
                        length = int(head.fields.get("content-length", "0"))
                        kept = {name: value for name, value in head.fields.items() if name != "set-cookie"}
                        answers.append(f"{head.status} {kept} {await raw.exactly(length)!r}")
            for broken in (
                f"GET / HTTP/1.1\r\nHost: localhost\r\nAuthorization Bearer {secret}\r\n\r\n",
                f"GET /?token={secret} HTTP/1.1 x\r\n\r\n",
                f"G{secret} / HTTP/1.1\r\n\r\n",
                f"GET / HTTP/1.1\r\nHost: localhost\r\nCookie: streamhub={secret}\0\r\n\r\n",
            ):
                async with Raw(server.url) as raw:
                    await raw.send(broken.encode())
                    assert (await raw.head()).status == 400
        _, _, metrics = await server.get("/metrics", headers=bearer(ALL))
        answers.append(metrics.decode())
    logged = [f"{record.getMessage()} {record.exc_text} {record.exc_info}" for record in caplog.records]
    assert any("no HTTP" in line for line in logged)
    shown = "\n".join(logged + answers) + caplog.text
    assert not [secret for secret in secrets if secret in shown]


async def test_what_a_token_costs_a_stranger(locked: Server) -> None:
    """A browser's page elsewhere can neither send the cookie nor read an answer, whatever it offers."""
    async with aiohttp.ClientSession() as session:
        options: dict[str, Any] = {"headers": {"Origin": "http://evil.example", **cookie(ALL)}}
        async with session.get(f"{locked.url}/v1/streams", **options) as response:
            assert response.status == 403
            assert "Access-Control-Allow-Origin" not in response.headers
