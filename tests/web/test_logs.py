"""The log: text and JSON, requests and their ids, and that nothing secret gets there."""

from __future__ import annotations

import json
import logging
import re
import signal
from typing import TYPE_CHECKING, Any

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from streamhub.config import Config
from streamhub.web import logs
from streamhub.web.app import make_app
from tests.commands import end_of, line_of, started
from tests.raw import HANDSHAKE, Raw
from tests.servers import Server, Stream, served, until

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ACCESS = "streamhub.access"


class Kept(logging.Handler):
    """Keeps what it is given, as it would be written."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.setFormatter(formatter)
        self.addFilter(logs._add_request_id)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep a record."""
        self.lines.append(self.format(record))

    @property
    def objects(self) -> list[dict[str, Any]]:
        """What was written, as JSON."""
        return [json.loads(line) for line in self.lines]


@pytest.fixture
def text() -> Iterator[Kept]:
    """What is logged meanwhile, as text."""
    yield from _kept(Kept(logs.TextFormatter()))


@pytest.fixture
def written() -> Iterator[Kept]:
    """What is logged meanwhile, as JSON."""
    yield from _kept(Kept(logs.JsonFormatter()))


def _kept(handler: Kept) -> Iterator[Kept]:
    logger = logging.getLogger("streamhub")
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield handler
    logger.removeHandler(handler)
    logger.setLevel(level)


# --- ids ------------------------------------------------------------------------------------------------------------


async def test_every_answer_has_an_id(server: Server) -> None:
    """Made for each request anew, and given with every kind of answer: pages, refusals, what is not there, sockets."""
    seen = []
    for path, fields in (
        ("/", {}),
        ("/v1/streams", {}),
        ("/v1/stream/missing", {}),
        ("/nowhere", {}),
        ("/static/main.js", {}),
        ("/v1/streams", {"Host": "evil.example"}),
        ("/v1/ws?match=*", HANDSHAKE),
        ("/v1/stream/missing/sse?wait=1", {}),
    ):
        async with Raw(server.url) as raw:
            seen.append((await raw.request(path, fields)).fields["x-request-id"])
    assert len(set(seen)) == len(seen)
    assert all(re.fullmatch("[0-9a-f]{16}", name) for name in seen)


async def test_a_given_id_is_kept(server: Server) -> None:
    """One that a proxy gave comes back as it is; a page of another origin may read it too."""
    for name in ("abc-123", "Root=1-67891233-abcdef012345678912345678", "a" * 128, "0f/9+b=@host"):
        _, headers, _ = await server.get("/v1/streams", headers={"X-Request-Id": name})
        assert headers["X-Request-Id"] == name
    _, headers, _ = await server.get("/v1/streams", headers={"Origin": server.url})
    assert "X-Request-Id" in headers["Access-Control-Expose-Headers"]


@pytest.mark.parametrize("name", ["", "a" * 129, "two words", "<script>", 'quo"te', "é", "a\tb", "%0d%0a", "{}"])
async def test_an_odd_id_is_replaced(server: Server, name: str) -> None:
    """What is too long, or could mean something to whoever reads a log, is not kept."""
    _, headers, _ = await server.get("/v1/streams", headers={"X-Request-Id": name})
    assert re.fullmatch("[0-9a-f]{16}", headers["X-Request-Id"])


async def test_an_unforeseen_failure(written: Kept) -> None:
    """A failure is logged with its traceback and the request's id, which the answer has too."""

    async def fail(_request: web.Request) -> web.Response:
        raise ZeroDivisionError("nobody foresaw this")

    app = make_app(Config())
    app.router.add_get("/fail", fail)
    async with TestClient(TestServer(app)) as client:
        response = await client.get("/fail", headers={"X-Request-Id": "find-me"})
        assert (response.status, response.headers["X-Request-Id"]) == (500, "find-me")
        assert "nobody" not in await response.text()
    (entry,) = written.objects
    assert (entry["level"], entry["logger"], entry["request_id"]) == ("error", "streamhub.web", "find-me")
    assert "ZeroDivisionError: nobody foresaw this" in entry["exception"]


# --- the access log ---------------------------------------------------------------------------------------------------


async def test_requests(tmp_path: Path, written: Kept) -> None:
    """Each answer has its line: who asked, what for, what they got, how long it took."""
    async with served(tmp_path, access_log=True) as server:
        await server.get("/v1/streams?limit=1", headers={"X-Request-Id": "one"})
        await server.get("/v1/stream/missing", method="HEAD", headers={"X-Request-Id": "two"})
        await server.get("/v1/streams", headers={"Host": "evil.example", "X-Request-Id": "three"})
    shown = [
        {name: entry[name] for name in ("request_id", "remote", "method", "path", "status")}
        for entry in written.objects
    ]
    assert shown == [
        {"request_id": "one", "remote": "127.0.0.1", "method": "GET", "path": "/v1/streams", "status": 200},
        {"request_id": "two", "remote": "127.0.0.1", "method": "HEAD", "path": "/v1/stream/missing", "status": 404},
        {"request_id": "three", "remote": "127.0.0.1", "method": "GET", "path": "/v1/streams", "status": 403},
    ]
    assert all(0 <= entry["seconds"] < 60 and entry["logger"] == ACCESS for entry in written.objects)
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}\+00:00", e["time"]) for e in written.objects)


async def test_live_connections(tmp_path: Path, written: Kept) -> None:
    """A socket has two lines, when it opens and when it ends, with one id: the second says how."""
    async with served(tmp_path, access_log=True) as server:
        with Stream(tmp_path) as stream:
            stream.final()
        async with server.session.ws_connect(f"{server.url}/v1/stream/s/ws", headers={"X-Request-Id": "ws"}) as socket:
            async for _message in socket:
                pass
        await until(lambda: len(written.lines) == 2)
    opened, ended = written.objects
    assert (opened["status"], opened["request_id"]) == (101, "ws")
    assert (ended["ended"], ended["request_id"], ended["path"]) == ("closed", "ws", "/v1/stream/s/ws")
    assert "status" not in ended


async def test_who_gives_up(tmp_path: Path, written: Kept) -> None:
    """A long-poll whose client has gone is logged as 499, like nginx does."""
    async with served(tmp_path, access_log=True) as server:
        with Stream(tmp_path) as stream:
            stream.line(1)
        with pytest.raises(TimeoutError):
            await server.get("/v1/stream/s?live=long-poll&offset=now", timeout=aiohttp.ClientTimeout(total=0.2))
        await until(lambda: bool(written.lines))
    assert written.objects[0]["status"] == 499


async def test_nothing_unless_asked(server: Server, text: Kept) -> None:
    """Without --access-log requests leave no line."""
    await server.get("/v1/streams")
    async with server.session.ws_connect(f"{server.url}/v1/ws?match=*"):
        pass
    assert text.lines == []


@pytest.mark.slow
async def test_as_text(tmp_path: Path, text: Kept) -> None:
    """For people: one line, the id at its end; a path cannot break the line, nor fill the log."""
    async with served(tmp_path, access_log=True) as server:
        await server.get("/v1/streams", headers={"X-Request-Id": "one"})
        async with Raw(server.url) as raw:
            await raw.request("/x%0a2026%1b[31m" + "a" * 1000, {"X-Request-Id": "two"})
    first, second = text.lines
    assert re.fullmatch(r'\S+ \S+ INFO streamhub\.access: 127\.0\.0\.1 "GET /v1/streams" 200 \d\.\d{3}s \[one\]', first)
    assert second.isprintable()
    assert len(second) < 400


async def test_no_token_is_logged(tmp_path: Path, written: Kept) -> None:
    """Wherever a client puts its token, the log does not have it."""
    token = "s3cret-token"
    async with served(tmp_path, access_log=True, tokens=(token,)) as server:
        await server.get(f"/?token={token}", allow_redirects=False)
        await server.get("/v1/streams", headers={"Authorization": f"Bearer {token}"})
        await server.get(f"/v1/streams?token={token}", headers={"Authorization": f"Basic {token}"})
        await server.get("/v1/streams", headers={"Cookie": f"streamhub={token}"})
        async with Raw(server.url) as raw:
            await raw.send(f"{token} nonsense\r\n\r\n".encode())
            await raw.head()
    assert len(written.lines) >= 4
    assert token not in "".join(written.lines)


# --- the program ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [1, pytest.param(2, marks=pytest.mark.slow)])
async def test_json_log_of_a_server(tmp_path: Path, workers: int) -> None:
    """With --log-format json every line on stderr is an object, from the workers too; stdout has the URL alone."""
    flags = ("--log-format", "json", "--access-log", "--workers", str(workers))
    async with started("serve", "--dir", tmp_path, "--port", "0", *flags) as process:
        url = (await line_of(process.stdout)).decode()
        async with aiohttp.ClientSession() as session, session.get(f"{url}/v1/streams") as response:
            name = response.headers["X-Request-Id"]
        process.send_signal(signal.SIGTERM)
        outcome = await end_of(process)
    entries = [json.loads(line) for line in outcome.err.splitlines()]
    assert (outcome.code, outcome.out) == (0, b"")
    assert entries[0]["message"].startswith("serving ")
    assert [entry["request_id"] for entry in entries if entry["logger"] == ACCESS] == [name]


def test_a_message_of_any_kind() -> None:
    """What a message holds, newlines or half a surrogate pair, stays within its line of JSON."""
    record = logging.LogRecord("a", logging.WARNING, "", 0, "two\nlines %s \udc80", ("\x1b[31m",), None)
    line = logs.JsonFormatter().format(record)
    assert "\n" not in line
    assert json.loads(line)["message"] == "two\nlines \x1b[31m \udc80"
