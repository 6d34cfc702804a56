"""The examples of docs/examples, run as they stand."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path

import msgspec
import pytest
from aiohttp import web
from playwright.async_api import async_playwright, expect

from streamhub import ResponseEnvelope
from streamhub.events import Extraction, Navigation, Payload, Signal, Status, decode
from tests.clients.programs import Program
from tests.conftest import ROOT
from tests.servers import Stream, free_port, served

EXAMPLES = ROOT / "docs" / "examples"


def payloads(path: Path) -> list[Payload]:
    """What a stream tells."""
    return [decode(line).payload for line in path.read_bytes().splitlines()]


@contextlib.contextmanager
def environment(**variables: str) -> Iterator[None]:
    """Set variables for the programs that are started within."""
    before = dict(os.environ)
    os.environ.update(variables)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# --- a browser ---


@contextlib.asynccontextmanager
async def shop(pages: int) -> AsyncIterator[str]:
    """A site of some pages, each with as many prices as its number says; the last one complains."""

    async def page(request: web.Request) -> web.Response:
        number = int(request.query.get("page", "1"))
        prices = f'<span class="price">{number}.99</span>' * number
        link = f'<a href="?page={number + 1}">next</a>' if number < pages else "<script>console.error('odd')</script>"
        return web.Response(text=f"<title>{number}</title>{prices}{link}", content_type="text/html")

    app = web.Application()

    async def icon(_request: web.Request) -> web.Response:
        return web.Response(status=204)  # else the browser complains, on some page or other

    app.router.add_get("/", page)
    app.router.add_get("/favicon.ico", icon)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


@pytest.mark.slow
async def test_a_browser_mission(tmp_path: Path, chromium_path: str) -> None:
    """It walks through a real site with a real browser: each page, click and price is told, and what the page logs."""
    with environment(STREAMHUB_DIR=str(tmp_path), CHROMIUM=chromium_path):
        async with shop(3) as url, Program(sys.executable, str(EXAMPLES / "browser_mission.py"), url) as mission:
            assert await mission.ended() == 0, mission
    (stream,) = mission.lines
    told = payloads(tmp_path / f"{stream.decode()}.jsonl")
    said = Signal("shop", "WARNING", "the page says: odd")
    assert said in told
    told.remove(said)
    assert told == [
        Status("running"),
        Navigation(url, "open"),
        Extraction("prices", 1, url=url),
        Navigation(url, "click", detail="next"),
        Extraction("prices", 2, url=f"{url}?page=2"),
        Navigation(f"{url}?page=2", "click", detail="next"),
        Extraction("prices", 3, url=f"{url}?page=3"),
        Signal("prices_found", 6),
        Status("completed", final=True),
    ]


# --- an API ---


@pytest.mark.slow
async def test_an_api_and_a_page_that_follows(tmp_path: Path, chromium_path: str) -> None:
    """The API answers with an envelope before the mission is over; the page, of another origin, shows it to the end."""
    port = free_port()
    origin = f"http://127.0.0.1:{port}"
    async with contextlib.AsyncExitStack() as stack:
        server = await stack.enter_async_context(served(tmp_path, allow_origins=(origin,)))
        stack.enter_context(environment(STREAMHUB_DIR=str(tmp_path), STREAMHUB_URL=server.url))
        command = ("-m", "uvicorn", "--app-dir", str(EXAMPLES), "mission_api:app", "--port", str(port))
        api = await stack.enter_async_context(Program(sys.executable, *command))
        await api.has(lambda: b"Uvicorn running" in api.errors)
        async with server.session.post(f"{origin}/missions?seconds=0") as refused:
            assert refused.status == 422
            assert msgspec.json.decode(await refused.read(), type=ResponseEnvelope[None]).live_stream_id is None
        async with server.session.post(f"{origin}/missions?seconds=1") as answer:
            assert answer.status == 202
            envelope = msgspec.json.decode(await answer.read(), type=ResponseEnvelope[dict[str, int]])
        assert (envelope.ok, envelope.data) == (True, {"seconds": 1})
        assert (await server.get(f"/v1/stream/{envelope.live_stream_id}", method="HEAD"))[0] == 200
        playwright = await stack.enter_async_context(async_playwright())
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        page = await browser.new_page()
        await page.goto(origin)
        await page.get_by_role("button").click()
        await expect(page.get_by_role("listitem")).to_have_count(3, timeout=20_000)
        await expect(page.get_by_role("status")).to_have_text("ended")
        assert await page.get_by_role("listitem").all_inner_texts() == [
            'signal: {"name":"seconds_left","value":2}',
            'signal: {"name":"seconds_left","value":1}',
            'status: {"state":"completed","final":true}',
        ]
        await browser.close()


# --- recipes ---

RECIPES = EXAMPLES / "recipes.md"


def recipes() -> dict[str, str]:
    """Each heading's commands."""
    sections = re.split(r"^## ", RECIPES.read_text(), flags=re.MULTILINE)[1:]
    return {section.partition("\n")[0]: re.findall(r"```sh\n(.*?)```", section, re.DOTALL)[0] for section in sections}


def lines_of(directory: Path) -> list[bytes]:
    """The lines of the stream."""
    return (directory / "s.jsonl").read_bytes().splitlines()


Check = Callable[[bytes, list[bytes]], bool]

#: What each recipe prints, given the stream's lines.
PRINTS: dict[str, Check] = {
    "Which streams there are": lambda out, lines: {entry["id"] for entry in json.loads(out)["streams"]} == {"s", "t"},
    "A stream so far": lambda out, lines: out.splitlines() == lines,
    "The last ten events": lambda out, lines: out.splitlines() == lines[-10:],
    "Only some events": lambda out, lines: json.loads(out) == [json.loads(lines[-2])],
    "Where a stream stands": lambda out, lines: b"\nstream-closed: true" in out.lower(),
    "Follow with server-sent events": lambda out, lines: (
        [line.removeprefix(b"data: ") for line in out.splitlines() if line.startswith(b"data: {")][:-1] == lines
    ),
    "Go on where one left off": lambda out, lines: out.startswith(b"HTTP/1.1 204 ") and b"Stream-Closed: true" in out,
    "All of a long stream": lambda out, lines: out.splitlines() == lines,
    "Follow with a WebSocket": lambda out, lines: out.splitlines() == lines,
    "Follow several streams at once": lambda out, lines: (
        {json.loads(line)["stream"] for line in out.splitlines() if json.loads(line)["type"] == "end"} == {"s", "t"}
    ),
}


def test_each_recipe_is_run() -> None:
    """None is written that is not run below."""
    assert recipes().keys() == PRINTS.keys()


async def test_recipes(tmp_path: Path, node_modules: Path, require_tool: Callable[[str, str], str]) -> None:
    """Each command exits as it should, and prints what it is for."""
    require_tool("curl", "is what the recipes are for")
    with Stream(tmp_path) as stream:
        for number in range(30):
            stream.line(number)
        stream.write(
            b'{"timestamp":"2026-01-01T12:00:00.000000Z","mission_id":"m","event_type":"navigation",'
            b'"payload":{"url":"https://example.com","action":"open"}}\n'
        )
        stream.final()
    with Stream(tmp_path, "t") as other:
        other.final()
    async with served(tmp_path, read_chunk=4096) as server:
        path = f"{node_modules / '.bin'}:{os.environ['PATH']}"
        with environment(PATH=path, URL=server.url, ID="s", OTHER="t", HOME=str(tmp_path)):
            answers = await asyncio.gather(*(run(text, tmp_path / f"{n}") for n, text in enumerate(recipes().values())))
    for (name, check), out in zip(PRINTS.items(), answers, strict=True):
        assert check(out, lines_of(tmp_path)), (name, out)


async def test_all_of_a_long_stream_again(tmp_path: Path, require_tool: Callable[[str, str], str]) -> None:
    """The loop leaves nothing behind, so that it prints the same again in the same folder; an unknown id ends it."""
    require_tool("curl", "is what the recipes are for")
    with Stream(tmp_path) as stream:
        for number in range(100):
            stream.line(number)
    recipe = recipes()["All of a long stream"]
    here = tmp_path / "here"
    async with served(tmp_path, read_chunk=4096) as server:
        with environment(URL=server.url, ID="s", TMPDIR=str(tmp_path)):
            for _ in range(2):
                assert (await run(recipe, here)).splitlines() == lines_of(tmp_path)
        with environment(URL=server.url, ID="missing", TMPDIR=str(tmp_path)):
            assert await run(recipe, here, code=22) == b""  # curl's, for a status of 400 or more
    assert not list(here.iterdir())
    assert {path.name for path in tmp_path.iterdir()} == {"here", "s.jsonl"}


async def run(text: str, directory: Path, *, code: int = 0) -> bytes:
    """What a recipe prints, in a terminal's stead with its input left open."""
    directory.mkdir(exist_ok=True)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-euo", "pipefail", "-c", text),
        cwd=directory,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    async with asyncio.timeout(60):
        out, errors, ended = await asyncio.gather(process.stdout.read(), process.stderr.read(), process.wait())
    assert process.stdin is not None
    process.stdin.close()
    assert ended == code, (text, out, errors)
    return out
