"""The HTTP of the API is what /openapi.json says: no less, no more."""

from __future__ import annotations

import contextlib
import json
import os
import re
import subprocess
import sys
from typing import TYPE_CHECKING, Any, NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st
from multidict import MultiDict
from openapi_spec_validator import OpenAPIV31SpecValidator

from streamhub.config import Config
from streamhub.errors import InvalidOffsetError
from streamhub.offset import NO_GENERATION
from streamhub.seek import parse_start
from streamhub.web.api.parameters import OFFSET_PATTERN
from streamhub.web.app import make_app
from tests.servers import Server, Stream, served
from tests.web.described import Described, openapi

if TYPE_CHECKING:
    from pathlib import Path

    from aiohttp import web
    from aiohttp.typedefs import Handler
    from pytest_aiohttp import AiohttpClient

_STREAM = "/v1/stream/{id}"
_SOCKETS = (f"{_STREAM}/ws", "/v1/ws")
_DOCUMENTS = ("/v1/schema", "/openapi.json", "/asyncapi.json")
_HANDSHAKE = {
    "Upgrade": "websocket",
    "Connection": "Upgrade",
    "Sec-WebSocket-Version": "13",
    "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    "Sec-WebSocket-Protocol": "streamhub.v1",
}
_PREFLIGHT = {"Access-Control-Request-Method": "GET", "Access-Control-Request-Headers": "if-none-match"}
_ELSEWHERE = {"Origin": "https://elsewhere.example"}
_GONE = "0badcafe_0000000000000000"
#: Described, and not to be had at will: it takes a fault, full descriptor tables, a race, or a shutdown.
_OUT_OF_REACH = {
    *((path, 503) for path in ("/v1/streams", f"{_STREAM}/summary", "/readyz")),
    (f"{_STREAM}/summary", 410),
}


class Ask(NamedTuple):
    """A request, and the status that it gets.

    Attributes:
        query: with ``{tail}`` for the closed stream's end, ``{beyond}`` for a place past it.
        stream: what stands for ``{id}``.
        times: how often it is asked.
        server: ``open``; ``locked``, which asks for a token; ``full``, which has all connections that it may have.
    """

    status: int
    method: str
    path: str
    query: str = ""
    headers: dict[str, str] = {}  # noqa: RUF012 - never changed
    stream: str = "closed"
    times: int = 1
    server: str = "open"


def _asks() -> list[Ask]:
    """Requests that get every answer there is."""
    paths = openapi().document["paths"]
    guarded = [path for path in paths if path not in {"/healthz", "/readyz"}]
    asks = [Ask(405, "POST", path) for path in paths]
    asks += [Ask(204, "OPTIONS", path, headers=_PREFLIGHT) for path in paths]
    asks += [Ask(401, method, path, server="locked") for path in guarded for method in ("GET", "HEAD", "OPTIONS")]
    asks += [Ask(303, method, "/", "token=s3cret", server="locked") for method in ("GET", "HEAD")]
    asks += [Ask(400, method, "/", "token=a&token=b") for method in ("GET", "HEAD")]
    asks += [
        Ask(429, "GET", f"{_STREAM}/ws", "", _HANDSHAKE, server="full"),
        Ask(429, "GET", "/v1/ws", "stream=closed", _HANDSHAKE, server="full"),
        Ask(429, "GET", f"{_STREAM}/sse", server="full"),
    ]
    asks += [Ask(403, method, path, headers=_ELSEWHERE) for path in guarded for method in ("GET", "HEAD", "OPTIONS")]
    for method in ("GET", "HEAD"):
        asks += [Ask(200, method, path) for path in paths if path not in _SOCKETS]
        asks += [Ask(304, method, path, "", {"If-None-Match": "*"}) for path in ("/v1/streams", *_DOCUMENTS)]
        asks += [Ask(304, method, f"{_STREAM}/summary", "", {"If-None-Match": "*"})]
        asks += [Ask(426, method, path) for path in _SOCKETS]
        asks += [Ask(400, method, "/v1/streams", "limit=0"), Ask(400, method, f"{_STREAM}/summary", "buckets=0")]
        asks += [Ask(404, method, f"{_STREAM}/summary", stream="missing")]
        for path in (_STREAM, f"{_STREAM}/sse"):
            asks += _misplaced(method, path)
    for query in ("stream=closed&offset", "stream=closed@"):
        asks += [
            Ask(status, "GET", "/v1/ws", f"{query}{'=' if query.endswith('t') else ''}{offset}", _HANDSHAKE)
            for status, offset in ((101, "-1"), (400, "x"), (410, _GONE), (503, "{beyond}"))
        ]
    asks += [Ask(404, "GET", "/v1/ws", "stream=missing", _HANDSHAKE), Ask(101, "GET", "/v1/ws", "match=*", _HANDSHAKE)]
    asks += [Ask(101, "GET", f"{_STREAM}/ws", "", _HANDSHAKE), *_misplaced("GET", f"{_STREAM}/ws", _HANDSHAKE)]
    asks += [Ask(426, "GET", path, "", {**_HANDSHAKE, "Sec-WebSocket-Version": "8"}) for path in _SOCKETS]
    asks += [
        Ask(200, "GET", _STREAM, "live=sse&offset=-1"),
        Ask(200, "GET", _STREAM, "offset=now"),
        Ask(200, "GET", _STREAM, "wait=1", stream="missing"),
        Ask(200, "GET", _STREAM, headers={"Accept": "application/x-ndjson"}),
        Ask(200, "GET", _STREAM, stream="odd"),
        Ask(200, "GET", f"{_STREAM}/summary", stream="odd"),
        Ask(304, "GET", _STREAM, headers={"If-None-Match": "*"}),
        Ask(204, "GET", _STREAM, "live=long-poll&offset={tail}"),
        Ask(429, "GET", _STREAM, "live=long-poll&offset=now", times=30),
        Ask(200, "HEAD", _STREAM, "live=sse&offset=-1"),
        Ask(204, "GET", f"{_STREAM}/sse", headers={"Last-Event-ID": "{tail}"}),
    ]
    return asks


def _misplaced(method: str, path: str, headers: dict[str, str] | None = None) -> list[Ask]:
    headers = headers or {}
    return [
        Ask(404, method, path, "", headers, "missing"),
        Ask(400, method, path, "offset=x", headers),
        Ask(410, method, path, f"offset={_GONE}", headers),
        Ask(503, method, path, "offset={beyond}", headers),
    ]


def _write_streams(directory: Path) -> dict[str, str]:
    """A closed stream, and one with what is no event and what is no event of ours; gives places in the first."""
    with Stream(directory, "closed") as closed, Stream(directory, "odd") as odd:
        closed.line(1)
        closed.final()
        odd.line(1)
        odd.write(b'not json\n{"event_type":"weather","sky":"blue"}\n{"n":1}\n')
    size = closed.path.stat().st_size
    return {"tail": f"{size:016d}", "beyond": f"{size + 9:016d}"}


async def _ask(server: Server, ask: Ask, places: dict[str, str]) -> tuple[int, Any, bytes]:
    path = ask.path.format(id=ask.stream)
    headers = {name: value.format(**places) for name, value in ask.headers.items()}
    options: dict[str, Any] = {"headers": headers, "allow_redirects": False}
    url = f"{server.url}{path}?{ask.query.format(**places)}"
    async with server.session.request(ask.method, url, **options) as response:
        return response.status, response.headers, b"" if response.status == 101 else await response.read()


async def test_each_answer_is_described_and_each_described_answer_can_be_had(server: Server) -> None:
    """Status, headers and body of every answer are as described, and nothing is described that is not so."""
    described = openapi()
    numbers = _write_streams(server.directory)
    _, headers, _ = await server.get("/v1/stream/closed", method="HEAD")
    generation = headers["Stream-Next-Offset"].partition("_")[0]
    places = {name: f"{generation}_{number}" for name, number in numbers.items()}

    async with contextlib.AsyncExitStack() as stack:
        locked = await stack.enter_async_context(served(server.directory, tokens=("s3cret",)))
        full = await stack.enter_async_context(served(server.directory, max_connections_per_address=1))
        await stack.enter_async_context(full.session.ws_connect(f"{full.url}/v1/stream/odd/ws"))
        await _compare(described, {"open": server, "locked": locked, "full": full}, places)


async def _compare(described: Described, servers: dict[str, Server], places: dict[str, str]) -> None:
    answered: set[tuple[str, str, int]] = set()
    seen: dict[object, set[str]] = {}  # headers; of a refusal that routes share, over all of them
    for ask in _asks():
        for _ in range(ask.times):
            status, headers, body = await _ask(servers[ask.server], ask, places)
        assert status == ask.status, f"{ask}: {body[:200]!r}"
        method = "GET" if status == 405 else ask.method
        found = described.check_answer(method, ask.path, status, headers, body)
        answered.add((method, ask.path, status))
        shared = "$ref" in described.operations()[method, ask.path]["responses"][str(status)]
        seen.setdefault(status if shared else (method, ask.path, status), set()).update(found)

    for (method, path), operation in described.operations().items():
        for status, answer in operation["responses"].items():
            asked = method, path, int(status)
            if status == "500" or (path, int(status)) in _OUT_OF_REACH:
                continue
            assert asked in answered, f"{method} {path} never answers {status}"
            idle = {name.title() for name in described.resolve(answer).get("headers", {})}
            idle -= seen[int(status) if "$ref" in answer else asked]
            assert not idle, f"{method} {path} {status} never has {idle}"


async def test_each_line_is_of_its_schema(server: Server) -> None:
    """An event is an ExecutionStreamEvent, a malformed line's stand-in is Malformed, both are a Line."""
    described = openapi()
    _write_streams(server.directory)
    _, _, body = await server.get("/v1/stream/odd")
    event, malformed, *foreign = json.loads(body)
    described.check(event, {"$ref": "#/components/schemas/ExecutionStreamEvent"})
    described.check(malformed, {"$ref": "#/components/schemas/Malformed"})
    assert len(foreign) == 2
    for line in (event, malformed, *foreign):
        described.check(line, {"$ref": "#/components/schemas/Line"})


def test_the_description_is_valid() -> None:
    """It is OpenAPI 3.1, as openapi-spec-validator reads it."""
    assert [error.message for error in OpenAPIV31SpecValidator(openapi().document).iter_errors()] == []


def test_every_route_is_described_and_nothing_else() -> None:
    """The application's router and the description have the same paths and methods; the dashboard's files aside."""
    served = {
        (route.method, route.resource.canonical)
        for route in make_app(Config()).router.routes()
        if route.resource is not None and not route.resource.canonical.startswith("/static/")
    }
    assert served == openapi().operations().keys()


def test_every_operation_says_what_it_is_for() -> None:
    """Each has a summary: a handler without a docstring is not described."""
    nameless = [operation for operation, said in openapi().operations().items() if not said["summary"]]
    assert not nameless


def test_every_example_is_of_its_schema() -> None:
    """Parameters, headers and bodies: none is shown with what the schema refuses."""
    described = openapi()
    examples = 0
    nodes: list[Any] = [described.document]
    while nodes:
        node = nodes.pop()
        if isinstance(node, dict) and "example" in node and "schema" in node:
            described.check(node["example"], node["schema"])
            examples += 1
        nodes += node.values() if isinstance(node, dict) else node if isinstance(node, list) else []
    assert examples > 30


@pytest.mark.slow
def test_every_server_describes_itself_alike() -> None:
    """Two processes, which order their sets differently, give the same bytes, and so the same entity tags."""
    script = (
        "from streamhub.config import Config; from streamhub.web.app import make_app;"
        "from streamhub.web.api.description import DESCRIPTION; said = make_app(Config())[DESCRIPTION];"
        "print(said.openapi, said.asyncapi)"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, env={**os.environ, "PYTHONHASHSEED": seed}
        ).stdout
        for seed in ("1", "2")
    }
    assert len(answers) == 1
    assert b'"openapi"' in answers.pop()


@pytest.mark.slow
async def test_parameters_are_those_that_handlers_look_at(aiohttp_client: AiohttpClient, tmp_path: Path) -> None:
    """For each operation, the query parameters that are described are those that the code asks for."""
    looked: set[str] = set()

    class Query(MultiDict[str]):
        def getall(self, key: str, *args: Any) -> Any:
            looked.add(key)
            return super().getall(key, *args)

        def get(self, key: str, *args: Any) -> Any:
            looked.add(key)
            return super().get(key, *args)

        def __contains__(self, key: object) -> bool:
            looked.add(str(key))
            return super().__contains__(key)

    async def watch(request: web.Request, handler: Handler) -> web.StreamResponse:
        request._cache["query"] = Query(request.query)
        return await handler(request)

    watch.__middleware_version__ = 1  # type: ignore[attr-defined]
    app = make_app(Config(directory=str(tmp_path)))
    app.middlewares.append(watch)
    client = await aiohttp_client(app)
    _write_streams(tmp_path)
    queries = ("", "live=long-poll&offset=now", "live=sse&offset=-1", "stream=closed", "wait=1")
    for method, path in openapi().operations():
        looked.clear()
        for query in queries:
            for stream in ("closed", "missing") if query in {"", "wait=1"} and "sse" not in path else ("closed",):
                headers = _HANDSHAKE if path in _SOCKETS and method == "GET" else {}
                url = f"{path.format(id=stream)}?{query}"
                async with client.request(method, url, headers=headers) as response:
                    if response.status != 101:
                        await response.read()
        described = {parameter["name"] for parameter in openapi().parameters(method, path, "query")}
        assert looked == described, f"{method} {path}"


async def test_numbers_are_bounded_as_described(server: Server) -> None:
    """The least and the most of a number are taken, what is next to them is refused."""
    described = openapi()
    _write_streams(server.directory)
    tried = 0
    for method, path in described.operations():
        for parameter in described.parameters(method, path, "query"):
            schema = parameter["schema"]
            if schema.get("type") != "integer":
                continue
            least, most = schema["minimum"], schema["maximum"]
            headers = _HANDSHAKE if path in _SOCKETS else {}
            for value, refused in ((least, False), (most, False), (least - 1, True), (most + 1, True)):
                query = f"{parameter['name']}={value}" + ("&stream=closed" if path == "/v1/ws" else "")
                ask = Ask(0, method, path, query, headers)
                status, _, body = await _ask(server, ask, {})
                assert (status == 400) is refused, f"{method} {path}?{query}: {status} {body!r}"
                tried += 1
    assert tried > 20


@given(st.from_regex(f"^{OFFSET_PATTERN}$", fullmatch=True))
def test_offsets_that_fit_their_pattern_are_taken(token: str) -> None:
    """Whatever the description's pattern lets through is an offset; the token of an empty stream has no byte."""
    if token.startswith(NO_GENERATION) and token.strip("0_"):
        return
    parse_start(token)


@given(st.text() | st.from_regex(OFFSET_PATTERN))
def test_offsets_that_do_not_fit_their_pattern_are_refused(token: str) -> None:
    """What the description's pattern refuses is no offset."""
    if re.fullmatch(OFFSET_PATTERN, token) is None:
        with pytest.raises(InvalidOffsetError):
            parse_start(token)
