"""EventSource: a browser's own, and the npm package's."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from playwright.async_api import Browser, Page, async_playwright

from tests.clients.conftest import Mission
from tests.clients.programs import Program
from tests.servers import Server, ServerProcess

#: What the page keeps of an EventSource: every event, and whether it has given up.
_FOLLOW = """
(url) => {
  window.events = [];
  window.opened = 0;
  const source = new EventSource(url);
  for (const type of ["message", "closed", "reset"])
    source.addEventListener(type, (event) => events.push({ type, data: event.data, id: event.lastEventId }));
  source.addEventListener("open", () => (window.opened += 1));
  source.addEventListener("error", () => {
    if (source.readyState === EventSource.CLOSED) events.push({ type: "stopped" });
  });
}
"""


@pytest.fixture
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """A browser."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=chromium_path, args=["--no-sandbox"])
        yield browser
        await browser.close()


async def events_of(page: Page) -> list[dict[str, str]]:
    """What the page's EventSource was given."""
    events: list[dict[str, str]] = await page.evaluate("events")
    return events


async def has(page: Page, expression: str) -> None:
    """Wait until something holds in the page."""
    await page.wait_for_function(expression, polling=20, timeout=30_000)


def check(events: list[dict[str, Any]], lines: list[bytes]) -> None:
    """Each line once, in order; told the end; then told to stop."""
    *messages, closed, stopped = events
    assert [event["type"] for event in messages] == ["message"] * len(lines)
    assert [event["data"].encode() for event in messages] == lines
    assert len({event["id"] for event in messages}) == len(lines)
    assert (closed["type"], json.loads(closed["data"])) == ("closed", {"next": messages[-1]["id"]})
    assert stopped["type"] == "stopped"


async def test_a_browser_follows(mission: Mission, browser: Browser, paged: Server) -> None:
    """From the start and from a saved offset to the end; there it stops, and does not come back every two seconds."""
    page, other = await browser.new_page(), await browser.new_page()
    for tab in (page, other):
        await tab.goto(f"{paged.url}/healthz")
    await page.evaluate(_FOLLOW, f"{mission.url}/sse")
    await has(page, "events.length > 50")
    saved = (await events_of(page))[29]["id"]
    await other.evaluate(_FOLLOW, f"{mission.url}/sse?offset={saved}")
    await has(other, "events.length > 30")
    await mission.finish()
    for tab, lines in ((page, mission.lines), (other, mission.lines[30:])):
        await has(tab, "events.at(-1).type == 'stopped'")
        check(await events_of(tab), lines)
        assert await tab.evaluate("opened") == 1


@pytest.mark.slow
async def test_a_browser_comes_back_by_itself(tmp_path: Path, browser: Browser) -> None:
    """When the server dies and another takes its place, it goes on after the last event that it has."""
    async with ServerProcess(tmp_path) as server:
        mission = Mission(tmp_path, server.url)
        page = await browser.new_page()
        await page.goto(f"{server.url}/healthz")
        await page.evaluate(_FOLLOW, f"{mission.url}/sse")
        await has(page, "events.length > 50")
        await server.stop(signal.SIGKILL)
        mission.emit(20)
        await server.start()
        await has(page, "opened == 2 && events.length > 80")
        await mission.finish()
        await has(page, "events.at(-1).type == 'stopped'")
        check(await events_of(page), mission.lines)


@pytest.mark.slow
async def test_node_follows(mission: Mission, node_modules: Path) -> None:
    """The npm package, from the start and from a saved offset to the end, where it stops."""
    script = ["node", str(node_modules.parent / "event-source.mjs"), f"{mission.url}/sse"]
    async with Program(*script) as whole:
        await whole.printed(50)
        saved = json.loads(whole.lines[29])["id"]
        async with Program(*script, saved) as rest:
            await rest.printed(30)
            await mission.finish()
            assert [await whole.ended(), await rest.ended()] == [0, 0]
    check([json.loads(line) for line in whole.lines], mission.lines)
    check([json.loads(line) for line in rest.lines], mission.lines[30:])
    assert json.loads(whole.lines[-1])["code"] == 204
