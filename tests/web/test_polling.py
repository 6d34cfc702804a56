from __future__ import annotations

import asyncio
import gzip
import json
import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests import naive
from tests.naive import padded
from tests.raw import Raw
from tests.servers import Server, Stream, served, until
from tests.web.inside import SILENT, Inside, inside

S = "/v1/stream/s"
ZERO = "00000000_0000000000000000"
NDJSON = {"Accept": "application/x-ndjson"}
CACHEABLE = "private, max-age=60, stale-while-revalidate=300"
KIB = 1024
#: A long-poll that is over soon.
SOON = replace(SILENT, long_poll=0.2)


@pytest.fixture
def stream(tmp_path: Path) -> Iterator[Stream]:
    """An empty stream."""
    with Stream(tmp_path) as file:
        yield file


def token(data: bytes, byte: int | None = None) -> str:
    """The offset of a byte of a stream with these bytes, or of its tail."""
    return f"{naive.generation(data)}_{naive.tail(data) if byte is None else byte:016d}"


def array(lines: list[bytes]) -> bytes:
    """The events as JSON mode has them."""
    return b"[" + b",".join(lines) + b"]"


# --- catch-up -------------------------------------------------------------------------------------------------


async def test_the_events(server: Server, stream: Stream) -> None:
    """A JSON array of the lines, each in its own bytes, and where to go on."""
    lines = [stream.line(i) for i in range(3)]
    status, headers, body = await server.get(S)
    assert (status, body) == (200, array(lines))
    assert headers["Content-Type"] == "application/json"
    assert headers["Stream-Next-Offset"] == token(stream.path.read_bytes())
    assert headers["Stream-Up-To-Date"] == "true"
    assert headers["Cache-Control"] == "no-cache"
    assert headers["Vary"] == "Accept, Origin"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Stream-Cursor"].isdigit()
    assert "Stream-Closed" not in headers


@pytest.mark.parametrize(
    "accept",
    [
        "application/x-ndjson",
        "text/html, application/x-ndjson;q=0.9",
        "APPLICATION/X-NDJSON",
        "*/*,application/x-ndjson",
    ],
)
async def test_the_raw_lines(server: Server, stream: Stream, accept: str) -> None:
    """Who accepts NDJSON by name gets the file's own lines."""
    stream.write(b' {"a":1}\r\n\n{"b":2}\n')
    status, headers, body = await server.get(S, headers={"Accept": accept})
    assert (status, headers["Content-Type"], body) == (200, "application/x-ndjson", b' {"a":1}\r\n{"b":2}\n')


@pytest.mark.parametrize("accept", ["*/*", "application/json", "text/plain", "application/*"])
async def test_json_is_the_form_of_all_others(server: Server, stream: Stream, accept: str) -> None:
    """Any other client gets JSON."""
    stream.write(b"{}\n")
    _, headers, body = await server.get(S, headers={"Accept": accept})
    assert (headers["Content-Type"], body) == ("application/json", b"[{}]")


async def test_who_has_just_written_reads_it(server: Server, stream: Stream) -> None:
    """A GET looks at the file itself: no waiting for a tick."""
    async with Raw(server.url) as raw:
        for i in range(200):
            line = stream.line(i)
            head = await raw.request(f"{S}?tail=1")
            assert await raw.exactly(int(head.fields["content-length"])) == array([line])


async def test_read_on_to_the_end(tmp_path: Path, stream: Stream) -> None:
    """One response carries at most the read chunk; next offsets lead through, and only the last is up to date."""
    for i in range(400):
        stream.line(i)
    stream.final()
    async with served(tmp_path, read_chunk=4 * KIB) as server:
        found, place, count = b"", "-1", 0
        while True:
            _, headers, body = await server.get(f"{S}?offset={place}", headers=NDJSON)
            assert len(body) <= 4 * KIB
            found += body
            count += 1
            place = headers["Stream-Next-Offset"]
            if "Stream-Up-To-Date" in headers:
                break
            assert headers["Cache-Control"] == CACHEABLE
            assert "Stream-Closed" not in headers
        assert found == stream.path.read_bytes()
        assert count > 10
        assert (headers["Stream-Closed"], headers["Cache-Control"]) == ("true", "no-cache")
        assert place == token(found)


async def test_an_empty_stream(server: Server, stream: Stream) -> None:
    """A stream without a complete line is empty, and stands at the zero offset."""
    for data in (b"", b'{"torn":'):
        stream.write(data)
        status, headers, body = await server.get(S)
        assert (status, headers["Stream-Next-Offset"], headers["Stream-Up-To-Date"], body) == (200, ZERO, "true", b"[]")
    stream.write(b"1}\n")
    assert (await server.get(f"{S}?offset={ZERO}"))[2] == b'[{"torn":1}]'


async def test_lines_that_are_no_events(server: Server, stream: Stream) -> None:
    """Stand-ins keep the array valid JSON, whatever is in the file; they come as raw lines too."""
    data = b"".join(line + b"\n" for line in naive.ODD_LINES)
    stream.write(data)
    delivered = [line.delivered for line in naive.lines(data, KIB * KIB)]
    _, _, body = await server.get(S)
    assert body == array(delivered)
    assert len(naive.strict_json(body.decode())) == len(delivered)
    assert (await server.get(S, headers=NDJSON))[2] == b"".join(line + b"\n" for line in delivered)


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("", slice(0, 10)),
        ("offset=-1", slice(0, 10)),
        (f"offset={ZERO}", slice(0, 10)),
        ("offset={third}", slice(3, 10)),
        ("offset={tail}", slice(10, 10)),
        ("offset=now", slice(10, 10)),
        ("tail=3", slice(7, 10)),
        ("tail=0", slice(10, 10)),
        ("since=2026-01-01T00:00:04Z", slice(4, 10)),
        ("since=2026-01-01T01:00:04 01:00", slice(4, 10)),
        ("until=2026-01-01T00:00:04Z", slice(0, 5)),
        ("since=2026-01-01T00:00:02&until=2026-01-01T00:00:04", slice(2, 5)),
        ("limit=4", slice(0, 4)),
        ("tail=5&limit=2", slice(5, 7)),
        ("contains=VALUE%22:7", slice(7, 8)),
        ("event_type=status", slice(0, 0)),
        ("unknown=1&live2=x", slice(0, 10)),
    ],
)
async def test_where_it_starts_and_what_it_leaves_out(server: Server, stream: Stream, query: str, kept: slice) -> None:
    """Seeks, filters and limits; parameters that it does not know it ignores."""
    lines = [stream.line(i) for i in range(10)]
    data = stream.path.read_bytes()
    places = {"third": token(data, sum(len(line) + 1 for line in lines[:3])), "tail": token(data)}
    status, headers, body = await server.get(f"{S}?{query.format(**places)}")
    assert (status, body) == (200, array(lines[kept]))
    if "limit" not in query:
        assert headers["Stream-Next-Offset"] == token(data)
    else:
        assert "Stream-Up-To-Date" not in headers
        assert headers["Stream-Next-Offset"] == token(data, sum(len(line) + 1 for line in lines[: kept.stop]))


async def test_a_limit_counts_delivered_events(server: Server, stream: Stream) -> None:
    """Lines that a filter leaves out do not count, and offsets advance past them."""
    stream.write(b'{"drop":1}\n{"keep":1}\n' * 5)
    _, headers, body = await server.get(f"{S}?contains=keep&limit=2")
    assert body == b'[{"keep":1},{"keep":1}]'
    assert headers["Stream-Next-Offset"] == token(stream.path.read_bytes(), 44)


async def test_a_search_for_something_rare(tmp_path: Path, stream: Stream) -> None:
    """It may answer with nothing and a next offset, from which it goes on."""
    stream.write((padded(999) + b"\n") * 500 + b'{"rare":1}\n')
    async with served(tmp_path, read_chunk=4 * KIB) as server:
        place = "-1"
        answers: list[str] = []
        while "rare" not in "".join(answers):
            _, headers, body = await server.get(f"{S}?contains=rare&offset={place}")
            answers.append(body.decode())
            assert headers["Stream-Next-Offset"] != place
            place = headers["Stream-Next-Offset"]
        assert answers[:-1] == ["[]"] * (len(answers) - 1)
        assert len(answers) == 500 * 1000 // (16 * 4 * KIB) + 1


async def test_a_line_longer_than_a_response(tmp_path: Path, stream: Stream) -> None:
    """A response carries one line at least."""
    stream.write(padded(50 * KIB) + b"\n{}\n")
    async with served(tmp_path, read_chunk=4 * KIB) as server:
        _, headers, body = await server.get(S)
        assert body == array([padded(50 * KIB)])
        assert (await server.get(f"{S}?offset={headers['Stream-Next-Offset']}"))[2] == b"[{}]"


@pytest.mark.parametrize(
    ("query", "status"),
    [
        ("offset=", 400),
        ("offset=x", 400),
        ("offset=0", 400),
        ("offset=NOW", 400),
        ("offset=-1&offset=-1", 400),
        ("offset=-1&tail=1", 400),
        ("tail=1&since=2026-01-01", 400),
        ("tail=-1", 400),
        ("tail=1.5", 400),
        ("tail=", 400),
        ("tail=%D9%A3", 400),
        ("since=", 400),
        ("since=now", 400),
        ("until=soon", 400),
        ("limit=0", 400),
        ("limit=x", 400),
        ("limit=1&limit=1", 400),
        ("contains=a&contains=b", 400),
        ("live=websocket&offset=-1", 400),
        ("live=", 400),
        ("live=long-poll", 400),
        ("live=sse", 400),
        ("live=long-poll&offset=", 400),
        ("live=long-poll&live=sse&offset=-1", 400),
        ("offset={middle}", 400),
        ("offset=00000000_0000000000000001", 400),
        ("offset=ffffffff_0000000000000000", 410),
        ("offset={gone}", 410),
        ("live=long-poll&offset={gone}", 410),
        ("live=sse&offset={gone}", 410),
    ],
)
async def test_refusals(server: Server, stream: Stream, query: str, status: int) -> None:
    """What is malformed is 400, what is no more 410 with the earliest offset; HEAD answers the same about places."""
    data = b"".join(stream.line(i) + b"\n" for i in range(4))
    await server.get(S)
    os.truncate(stream.path, len(data) // 2)
    target = f"{S}?{query}".format(middle=token(data, 3), gone=token(data))
    filters = any(word in query for word in ("until", "limit", "contains"))
    for method in ["GET"] if filters else ["GET", "HEAD"]:  # HEAD carries no events to filter
        got, headers, _ = await server.get(target, method=method)
        assert got == status
        assert headers["Content-Type"] == "application/problem+json"
        assert headers["Cache-Control"] == "no-store"
        assert headers.get("Stream-Earliest-Offset") == (token(data, 0) if status == 410 else None)
    problem = json.loads((await server.get(target))[2])
    assert (problem["status"], problem["type"]) == (status, "about:blank")
    assert problem["title"]
    assert "\n" not in problem["detail"]


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(
    ("stream_id", "status"),
    [
        ("absent", 404),
        (".x", 400),
        ("-x", 400),
        ("a b", 400),
        ("a%2Fb", 400),
        ("x" * 129, 400),
        ("a%00", 400),
        ("é", 400),
    ],
)
async def test_ids(server: Server, method: str, stream_id: str, status: int) -> None:
    """A stream that is not there is 404; an id that no stream can have is 400."""
    assert (await server.get(f"/v1/stream/{stream_id}", method=method))[0] == status


@pytest.mark.parametrize("method", ["GET", "HEAD"])
async def test_a_copy_that_lags(server: Server, stream: Stream, method: str) -> None:
    """Past the tail of the right generation, on a host that has never seen more: 503, to be tried again in a second."""
    data = stream.line(1) + b"\n"
    status, headers, _ = await server.get(f"{S}?offset={token(data, 2 * len(data))}", method=method)
    assert (status, headers["Retry-After"]) == (503, "1")
    stream.write(data)
    assert (await server.get(f"{S}?offset={token(data, 2 * len(data))}", method=method))[0] == 200


async def test_an_offset_means_the_same_on_a_copy(tmp_path: Path, stream: Stream) -> None:
    """Byte-identical files agree about offsets, whatever they are called and wherever they are."""
    lines = [stream.line(i) for i in range(4)]
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "copy.jsonl").write_bytes(stream.path.read_bytes())
    async with served(tmp_path) as one, served(tmp_path / "elsewhere") as other:
        place = (await one.get(f"{S}?limit=2"))[1]["Stream-Next-Offset"]
        assert (await other.get(f"/v1/stream/copy?offset={place}"))[2] == array(lines[2:])


# --- HEAD -----------------------------------------------------------------------------------------------------


async def test_head(server: Server, stream: Stream) -> None:
    """HEAD tells where the stream stands, and whether it is closed; it is not to be stored."""
    stream.line(1)
    for query in ("", "?offset=-1", "?offset=now", "?tail=1", "?live=long-poll&offset=-1"):
        status, headers, body = await server.get(S + query, method="HEAD")
        assert (status, body) == (200, b"")
        assert headers["Stream-Next-Offset"] == token(stream.path.read_bytes())
        assert headers["Cache-Control"] == "no-store"
        assert headers["Content-Type"] == "application/json"
        assert "Stream-Closed" not in headers
    stream.final()
    headers = (await server.get(S, method="HEAD"))[1]
    assert (headers["Stream-Closed"], headers["Stream-Next-Offset"]) == ("true", token(stream.path.read_bytes()))


# --- caching --------------------------------------------------------------------------------------------------


async def test_etags(server: Server, stream: Stream) -> None:
    """An answer that the client has already is 304, with the same fields; it differs by form, place, filter and end."""
    for i in range(5):
        stream.line(i)
    asked = [
        (f"{S}", {}),
        (f"{S}", NDJSON),
        (f"{S}?limit=2", {}),
        (f"{S}?tail=2", {}),
        (f"{S}?contains=value", {}),
        (f"{S}?event_type=signal", {}),
        (f"{S}?event_type=status", {}),
        (f"{S}?until=2026-01-01T00:00:02Z", {}),
        (f"{S}?until=2026-01-01T00:00:09Z", {}),
    ]
    tags: dict[str, tuple[str, bytes]] = {}
    for target, headers in asked:
        _, fields, body = await server.get(target, headers=headers)
        tag = fields["ETag"]
        assert tag[0] == tag[-1] == '"'
        assert tag not in tags, f"{target} and {tags[tag][0]} have one tag"
        tags[tag] = (target, body)
        for match in (tag, f"W/{tag}", f'"other", {tag}', "*"):
            status, again, nothing = await server.get(target, headers={**headers, "If-None-Match": match})
            assert (status, nothing) == (304, b"")
            for name in ("ETag", "Cache-Control", "Stream-Next-Offset", "Stream-Up-To-Date", "Vary"):
                assert again.get(name) == fields.get(name)
        assert (await server.get(target, headers={**headers, "If-None-Match": '"other"'}))[0] == 200


async def test_an_etag_changes_with_the_end(server: Server, stream: Stream) -> None:
    """What was the tail is not the end: a client is told when the stream closes with no new line for it."""
    stream.line(1)
    query = f"{S}?contains=value"
    before = (await server.get(query))[1]["ETag"]
    stream.final()
    status, headers, _ = await server.get(query, headers={"If-None-Match": before})
    assert (status, headers["Stream-Closed"]) == (200, "true")


async def test_an_etag_changes_when_the_end_is_taken_back(server: Server, stream: Stream) -> None:
    """The same lines, no longer the last ones: a client that has them is told that the stream goes on."""
    stream.line(1)
    stream.final()
    _, headers, body = await server.get(f"{S}?limit=2")
    assert headers["Stream-Closed"] == "true"
    stream.line(2)
    status, again, same = await server.get(f"{S}?limit=2", headers={"If-None-Match": headers["ETag"]})
    assert (status, same) == (200, body)
    assert "Stream-Closed" not in again


@pytest.mark.slow
async def test_cache_control(tmp_path: Path, stream: Stream) -> None:
    """Stored only where it stopped short of the tail; asked about again at the tail; never for ``now`` and errors."""
    for i in range(100):
        stream.line(i)
    async with inside(tmp_path, SOON, read_chunk=4 * KIB) as it, Raw(it.url) as raw:
        place = token(stream.path.read_bytes())
        for query, expected in (
            ("", CACHEABLE),
            ("?offset=-1", CACHEABLE),
            ("?since=2026-01-01", CACHEABLE),
            ("?limit=1", CACHEABLE),
            ("?tail=99", "no-cache"),
            ("?tail=1", "no-cache"),
            (f"?offset={place}", "no-cache"),
            ("?offset=now", "no-store"),
            ("?live=long-poll&offset=-1", CACHEABLE),
            ("?live=long-poll&tail=1", "no-cache"),
            ("?live=long-poll&tail=99", "no-cache"),
            ("?live=long-poll&offset=now", "no-store"),
            (f"?live=long-poll&offset={place}", "no-store"),
            ("?offset=x", "no-store"),
        ):
            head = await raw.request(S + query)
            await raw.exactly(int(head.fields.get("content-length", 0)))
            assert (query, head.fields["cache-control"]) == (query, expected)


async def test_a_long_poll_from_now_is_not_stored(tmp_path: Path, stream: Stream) -> None:
    """What came after ``now`` is another thing each time: neither its first answer nor its long one may be kept."""
    async with inside(tmp_path, read_chunk=4 * KIB) as it, Raw(it.url) as raw:
        for count in (1, 100):
            stream.line(0)
            await raw.ask(f"{S}?live=long-poll&offset=now")
            await until(lambda: it.readers() == 1)
            stream.write((padded(99) + b"\n") * count)
            head = await raw.head()
            assert head.status == 200
            await raw.exactly(int(head.fields["content-length"]))
            assert head.fields["cache-control"] == "no-store"
            assert "etag" not in head.fields


# --- the end --------------------------------------------------------------------------------------------------


async def test_the_end(server: Server, stream: Stream) -> None:
    """``Stream-Closed`` comes with the last lines, and after them; not before, and not when the stream was reopened."""
    stream.line(1)
    stream.final()
    end = token(stream.path.read_bytes())
    for query, closed in (("", True), ("?limit=1", False), (f"?offset={end}", True), ("?offset=now", True)):
        headers = (await server.get(S + query))[1]
        assert headers.get("Stream-Closed") == ("true" if closed else None)
    stream.line(2)
    _, headers, body = await server.get(f"{S}?offset={end}")
    assert "Stream-Closed" not in headers
    assert len(json.loads(body)) == 1


_AT_THE_END = ["offset={end}", "live=long-poll&offset={end}", "offset={end}&contains=x", "offset=now", "tail=0"]


@pytest.mark.parametrize("query", [*_AT_THE_END, "since=2999-01-01T00:00:00Z", "live=long-poll&tail=0"])
async def test_a_client_that_spins_at_the_end_is_refused(server: Server, stream: Stream, query: str) -> None:
    """Asked again and again where nothing will ever come: 429 with ``Retry-After``; other places are answered."""
    stream.line(1)
    stream.final()
    target = f"{S}?{query.format(end=token(stream.path.read_bytes()))}"
    statuses = [(await server.get(target))[0] for _ in range(40)]
    assert statuses[0] in {200, 204}
    assert statuses[-1] == 429
    assert statuses.index(429) >= 10
    status, headers, body = await server.get(target)
    assert (status, headers["Content-Type"]) == (429, "application/problem+json")
    assert int(headers["Retry-After"]) >= 1
    assert json.loads(body)["status"] == 429
    for elsewhere in ("", "?tail=1", "?since=2001-01-01T00:00:00Z", "?offset=-1"):
        assert (await server.get(S + elsewhere))[0] == 200
    assert (await server.get(target, method="HEAD"))[0] == 200


@pytest.mark.parametrize(("query", "status"), [("", 200), ("live=long-poll&offset=-1", 204), ("tail=2", 200)])
async def test_a_search_without_a_hit_is_no_spinning(server: Server, stream: Stream, query: str, status: int) -> None:
    """However often a closed stream is searched in vain, neither the next search nor a plain read is refused."""
    stream.line(1)
    stream.final()
    for number in range(40):
        assert (await server.get(f"{S}?{query}&contains=nowhere{number}"))[0] == status
    assert (await server.get(f"{S}?{query}&event_type=extraction"))[0] == status
    for plain in (S, f"{S}?{query}", f"{S}?tail=1"):
        assert (await server.get(plain))[0] == 200


# --- long-poll ------------------------------------------------------------------------------------------------


async def polling(it: Inside, raw: Raw, query: str) -> None:
    """Ask, and wait until the request waits."""
    await raw.ask(f"{S}?live=long-poll&{query}")
    await until(lambda: it.readers() == 1)


@pytest.mark.slow
async def test_a_long_poll_with_news_is_answered_at_once(server: Server, stream: Stream) -> None:
    """What is there already need not be waited for."""
    lines = [stream.line(i) for i in range(3)]
    status, headers, body = await server.get(f"{S}?live=long-poll&offset=-1")
    assert (status, body) == (200, array(lines))
    assert headers["Stream-Next-Offset"] == token(stream.path.read_bytes())
    assert headers["Stream-Cursor"].isdigit()


@pytest.mark.parametrize("place", ["offset={tail}", "offset=now", "tail=0", "since=2030-01-01"])
async def test_a_long_poll_waits_for_news(tmp_path: Path, stream: Stream, place: str) -> None:
    """At the tail it waits, and is answered with what comes."""
    stream.line(1)
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        await polling(it, raw, place.format(tail=token(stream.path.read_bytes())))
        line = stream.line(2)
        head = await raw.head()
        assert await raw.exactly(int(head.fields["content-length"])) == array([line])
        assert head.fields["stream-next-offset"] == token(stream.path.read_bytes())


async def test_a_long_poll_without_news(tmp_path: Path, stream: Stream) -> None:
    """When its time is up: 204, still at the same place, not to be stored; torn lines are no news."""
    stream.line(1)
    place = token(stream.path.read_bytes())
    async with inside(tmp_path, SOON) as it, Raw(it.url) as raw:
        await polling(it, raw, f"offset={place}")
        stream.write(b'{"torn":')
        head = await raw.head()
        assert (head.status, head.fields["stream-next-offset"]) == (204, place)
        assert (head.fields["stream-up-to-date"], head.fields["cache-control"]) == ("true", "no-store")
        assert head.fields["stream-cursor"].isdigit()
        assert not head.fields.keys() & {"content-length", "stream-closed", "content-type"}
        assert (await raw.request("/healthz")).status == 200


async def test_a_long_poll_is_told_the_end(tmp_path: Path, stream: Stream) -> None:
    """The end comes with the last line; who waits past it is told at once that there is no more."""
    stream.line(1)
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        await polling(it, raw, "offset=now")
        line = stream.final()
        head = await raw.head()
        assert await raw.exactly(int(head.fields["content-length"])) == array([line])
        assert head.fields["stream-closed"] == "true"
        head = await raw.request(f"{S}?live=long-poll&offset={head.fields['stream-next-offset']}")
        assert (head.status, head.fields["stream-closed"]) == (204, "true")


async def test_a_long_poll_is_told_the_end_though_the_line_is_filtered_out(tmp_path: Path, stream: Stream) -> None:
    """The end is no event: filters do not hide it."""
    stream.line(1)
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        await polling(it, raw, "offset=now&contains=nowhere")
        stream.final()
        head = await raw.head()
        assert (head.status, head.fields["stream-closed"]) == (204, "true")
        assert head.fields["stream-next-offset"] == token(stream.path.read_bytes())


async def test_a_filtered_long_poll(tmp_path: Path, stream: Stream) -> None:
    """What does not pass is no news, but moves the offset on; what passes is."""
    stream.line(1)
    async with inside(tmp_path, SOON) as it, Raw(it.url) as raw:
        await polling(it, raw, "offset=now&contains=keep")
        stream.write(b'{"drop":1}\n')
        head = await raw.head()
        assert (head.status, head.fields["stream-next-offset"]) == (204, token(stream.path.read_bytes()))
        await polling(it, raw, f"offset={head.fields['stream-next-offset']}&contains=keep")
        stream.write(b'{"drop":2}\n{"keep":1}\n')
        head = await raw.head()
        assert await raw.exactly(int(head.fields["content-length"])) == b'[{"keep":1}]'


@pytest.mark.parametrize("act", ["cut", "replaced"])
async def test_a_long_poll_whose_file_is_replaced(tmp_path: Path, stream: Stream, act: str) -> None:
    """It is refused as soon as that is seen: 410 with the earliest offset there is now."""
    stream.write(b'{"n":1}\n{"n":2}\n')
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        await polling(it, raw, "offset=now")
        if act == "cut":
            os.truncate(stream.path, 8)
        else:
            (tmp_path / "new").write_bytes(b'{"new":1}\n{"new":1}\n')
            (tmp_path / "new").rename(stream.path)
        head = await raw.head()
        assert (head.status, head.fields["stream-earliest-offset"]) == (410, token(stream.path.read_bytes(), 0))


async def test_a_long_poll_whose_file_is_deleted(tmp_path: Path, stream: Stream) -> None:
    """It is not found any more."""
    stream.line(1)
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        await polling(it, raw, "offset=now")
        stream.path.unlink()
        assert (await raw.head()).status == 404


async def test_a_long_poll_whose_client_leaves(tmp_path: Path, stream: Stream) -> None:
    """Nothing waits on for somebody who has gone."""
    stream.line(1)
    async with inside(tmp_path) as it:
        async with Raw(it.url) as raw:
            await polling(it, raw, "offset=now")
        await until(lambda: it.deserted)


async def test_a_long_poll_when_the_server_shuts_down(tmp_path: Path, stream: Stream) -> None:
    """It is answered with 204 at once, so that the client comes back elsewhere."""
    stream.line(1)
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        await polling(it, raw, "offset=now")
        it.hub.drain()
        assert (await raw.head()).status == 204


async def test_many_long_polls_share_a_stream(tmp_path: Path, stream: Stream) -> None:
    """A hundred who wait are all answered with the same line."""
    stream.line(1)
    async with inside(tmp_path) as it:
        async with asyncio.timeout(30):
            clients = [Raw(it.url) for _ in range(100)]
            for raw in clients:
                await raw.__aenter__()
                await raw.ask(f"{S}?live=long-poll&offset=now")
            await until(lambda: it.readers() == 100)
            line = stream.line(2)
            for raw in clients:
                head = await raw.head()
                assert await raw.exactly(int(head.fields["content-length"])) == array([line])
                raw.socket.close()


async def test_cursors(server: Server, stream: Stream) -> None:
    """The cursor is past the one that the client echoes; nonsense is no cursor."""
    stream.line(1)
    for cursor in ("9999999999", "x", "-1", "1" * 40, ""):
        headers = (await server.get(f"{S}?live=long-poll&offset=-1&cursor={cursor}"))[1]
        assert int(headers["Stream-Cursor"]) > (9999999999 if cursor == "9999999999" else 0)


# --- streams that are not there yet ---------------------------------------------------------------------------


@pytest.mark.parametrize("start", ["", "&offset=-1", "&offset=now", "&tail=3", "&since=2026-01-01", f"&offset={ZERO}"])
async def test_wait(server: Server, tmp_path: Path, start: str) -> None:
    """With ``wait=1`` catch-up answers with nothing, at the zero offset; HEAD stays 404; without it GET is 404 too."""
    status, headers, body = await server.get(f"{S}?wait=1{start}")
    assert (status, headers["Stream-Next-Offset"], headers["Stream-Up-To-Date"], body) == (200, ZERO, "true", b"[]")
    assert headers["Cache-Control"] == "no-store"
    assert (await server.get(f"{S}?wait=1{start}", headers=NDJSON))[2] == b""
    assert (await server.get(f"{S}?wait=1{start}", method="HEAD"))[0] == 404
    assert (await server.get(f"{S}?x=1{start}"))[0] == 404
    assert (await server.get(f"{S}?wait=0{start}"))[0] == 404


@pytest.mark.parametrize("start", ["offset=-1", "offset=now", "tail=3"])
async def test_a_long_poll_waits_for_a_stream(tmp_path: Path, start: str) -> None:
    """It is answered with the first lines of the stream when it comes."""
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        assert (await raw.request(f"{S}?live=long-poll&{start}")).status == 404
    async with inside(tmp_path) as it, Raw(it.url) as raw:
        await polling(it, raw, f"wait=1&{start}")
        with Stream(tmp_path) as stream:
            line = stream.line(1)
            head = await raw.head()
            assert await raw.exactly(int(head.fields["content-length"])) == array([line])


async def test_a_long_poll_that_waits_in_vain(tmp_path: Path) -> None:
    """204, at the beginning of what may come."""
    async with inside(tmp_path, SOON) as it, Raw(it.url) as raw:
        head = await raw.request(f"{S}?live=long-poll&offset=-1&wait=1")
        assert (head.status, head.fields["stream-next-offset"]) == (204, ZERO)


@pytest.mark.slow
async def test_a_long_poll_on_a_copy_that_lags(tmp_path: Path, stream: Stream) -> None:
    """With ``wait=1`` it waits for its offset to be reached, and is never sent back before it."""
    data = [b'{"n":%d}\n' % i for i in range(4)]
    stream.write(data[0])
    place = token(data[0], 16)
    async with inside(tmp_path, SOON) as it, Raw(it.url) as raw:
        assert (await raw.request(f"{S}?live=long-poll&offset={place}")).status == 503
    async with inside(tmp_path, SOON) as it, Raw(it.url) as raw:
        head = await raw.request(f"{S}?live=long-poll&offset={place}&wait=1")
        assert (head.status, head.fields["stream-next-offset"]) == (204, place)
        await polling(it, raw, f"offset={place}&wait=1")
        stream.write(data[1])
        assert (await raw.head()).status == 204
        await polling(it, raw, f"offset={place}&wait=1")
        stream.write(data[2])
        head = await raw.head()
        assert await raw.exactly(int(head.fields["content-length"])) == b'[{"n":2}]'


async def test_an_offset_of_a_stream_that_is_not_here_yet(server: Server) -> None:
    """On a host that has not got the stream's copy yet, an offset of it is to be tried again."""
    status, headers, _ = await server.get(f"{S}?wait=1&offset=aaaaaaaa_0000000000000010")
    assert (status, headers["Retry-After"]) == (503, "1")


# --- compression ----------------------------------------------------------------------------------------------


async def test_compression(tmp_path: Path, stream: Stream) -> None:
    """Off unless asked for on both sides; the tags differ, and caches are told why."""
    lines = [stream.line(i) for i in range(50)]
    for compress, accepted, encoded in ((False, "gzip", False), (True, "identity", False), (True, "gzip", True)):
        async with served(tmp_path, compress=compress) as server, Raw(server.url) as raw:
            head = await raw.request(S, {"Accept-Encoding": accepted})
            body = await raw.exactly(int(head.fields["content-length"]))
            assert (head.fields.get("content-encoding") == "gzip") == encoded
            assert (gzip.decompress(body) if encoded else body) == array(lines)
            assert ("Accept-Encoding" in head.fields["vary"]) == compress
