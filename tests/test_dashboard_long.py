"""The dashboard on streams that are long, or fast."""

from __future__ import annotations

import asyncio
import contextlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
import pytest_asyncio
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import expect

from tests.pages import Dashboard, line, visiting
from tests.servers import ServerProcess, Stream

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser, Route

pytestmark = [pytest.mark.asyncio(loop_scope="session"), pytest.mark.slow]

MILLION = 1_000_000
NEEDLES = {123_456, 876_543}
#: Rows that may be elements at once, rows that the page may hold, and its heap in bytes, whatever the stream's length.
MOST_NODES = 200
MOST_ROWS = 4500
MOST_HEAP = 120_000_000


@pytest_asyncio.fixture(scope="module", loop_scope="session")
async def million(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[ServerProcess]:
    """A server of a stream of a million events, ten a second: ``event-<number>``, two of them of the type needle."""
    directory = tmp_path_factory.mktemp("million")
    with (directory / "s.jsonl").open("wb") as file:
        for start in range(0, MILLION, 10_000):
            file.write(b"".join(map(numbered, range(start, start + 10_000))))
    async with ServerProcess(directory) as process:
        yield process


def numbered(number: int) -> bytes:
    """The line of an event of the million."""
    seconds, tenth = divmod(number, 10)
    return (
        b'{"timestamp":"2026-01-%02dT%02d:%02d:%02d.%d00000Z","mission_id":"m","event_type":"%s",'
        b'"payload":{"name":"event-%d"}}\n'
    ) % (
        seconds // 86400 + 1,
        seconds // 3600 % 24,
        seconds // 60 % 60,
        seconds % 60,
        tenth,
        b"needle" if number in NEEDLES else b"signal",
        number,
    )


async def held_numbers(dashboard: Dashboard) -> list[int]:
    """The numbers of the events that the list holds: a run without a hole, and not too long."""
    names = await dashboard.run(
        "document.querySelector('event-rows').source.rows.filter((row) => !row.isNote)"
        ".map((row) => Number(/event-(\\d+)/.exec(row.parts.map((part) => part.text).join(' '))[1]))"
    )
    numbers: list[int] = names
    assert numbers == list(range(numbers[0], numbers[-1] + 1))
    assert len(numbers) <= MOST_ROWS
    assert await dashboard.page.locator(".row").count() <= MOST_NODES
    assert await dashboard.run("performance.memory.usedJSHeapSize") < MOST_HEAP
    return numbers


async def test_a_million_events_are_a_window_and_an_honest_scrollbar(browser: Browser, million: ServerProcess) -> None:
    """Wherever one goes, the rows are the right ones, few of them are there, and the scrollbar tells where one is."""
    async with visiting(browser, million.url) as dashboard:
        bar = dashboard.page.locator("stream-ruler")
        await dashboard.open("s")
        await expect(dashboard.row("event-999999")).to_be_in_viewport()
        await held_numbers(dashboard)
        await dashboard.press("g")
        await expect(dashboard.row("event-0")).to_be_in_viewport()
        await expect(bar).to_have_attribute("aria-valuenow", "0")
        for share in (0.5, 0.12, 0.9):
            box = await bar.bounding_box()
            assert box is not None
            await dashboard.page.mouse.click(box["x"] + 5, box["y"] + box["height"] * share)
            await expect(bar).to_have_attribute("aria-valuenow", str(round(share * 100)))
            numbers = await held_numbers(dashboard)
            assert numbers[0] - MILLION / 100 < share * MILLION < numbers[-1] + MILLION / 100
        await dashboard.press("G")
        await expect(dashboard.row("event-999999")).to_be_in_viewport()
        assert (await held_numbers(dashboard))[-1] == MILLION - 1


async def test_a_million_events_can_be_scrolled_through(browser: Browser, million: ServerProcess) -> None:
    """Rows are read on at both ends as one scrolls, without a hole, and given up behind."""
    async with visiting(browser, million.url) as dashboard:
        await dashboard.open("s")
        await dashboard.run("location.hash")
        field = dashboard.page.get_by_label("Go to time")
        await expect(dashboard.page.locator(".facts")).to_contain_text("1,000,000 events")
        await field.fill("2026-01-01T12:00:00Z")
        await field.press("Enter")
        await expect(dashboard.row("event-432000")).to_be_in_viewport()
        await dashboard.page.locator("event-rows").hover()
        for direction, goal in ((-1, 425_000), (1, 440_000)):
            numbers = await held_numbers(dashboard)
            while goal not in numbers:
                await dashboard.page.mouse.wheel(0, direction * 12_000)
                await dashboard.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
                numbers = await held_numbers(dashboard)


async def test_a_million_events_can_be_searched(browser: Browser, million: ServerProcess) -> None:
    """Text and types are found wherever they are, and shown among their neighbours."""
    async with visiting(browser, million.url) as dashboard:
        await dashboard.open("s")
        await dashboard.search("EVENT-777777")
        await expect(dashboard.row("event-777777")).to_be_visible()  # rows are drawn a frame after the count
        assert await dashboard.texts() == ["event-777777"]
        await dashboard.rows.click()
        await dashboard.page.get_by_role("button", name="View in context").click()
        await expect(dashboard.row("event-777776")).to_be_visible()
        await expect(dashboard.row("event-777778")).to_be_visible()
        await dashboard.page.get_by_role("button", name="needle").click()
        await expect(dashboard.row("event-876543")).to_be_visible()
        await expect(dashboard.row("event-123456")).to_be_visible()
        await expect(dashboard.rows).to_have_count(len(NEEDLES))


async def test_a_search_can_be_cancelled(browser: Browser, million: ServerProcess) -> None:
    """A search that is broken off keeps what it found, says how far it was, and goes on when asked to."""
    asked, released = 0, asyncio.Event()

    async def hold(route: Route) -> None:
        """Let the search come so far and no further, or a fast machine would be done before it can be cancelled."""
        nonlocal asked
        asked += 1
        if asked > 2:
            await released.wait()
        with contextlib.suppress(PlaywrightError):  # the page has given up on the answer
            await route.continue_()

    async with visiting(browser, million.url) as dashboard:
        await dashboard.open("s")
        await dashboard.page.route(lambda url: "contains=" in url, hold)
        progress = dashboard.page.locator(".progress")
        await dashboard.page.get_by_label("Find in the whole stream").fill("event-9999")
        await expect(progress).to_contain_text("%")
        await expect(dashboard.row("event-99995")).to_be_visible()  # what it has found so far
        await progress.get_by_role("button", name="Cancel").click()
        await expect(progress.get_by_role("button", name="Go on")).to_be_visible()
        await expect(progress).to_contain_text("searched")
        stopped = await progress.inner_text()
        released.set()
        await dashboard.run("new Promise((done) => setTimeout(done, 500))")
        assert await progress.inner_text() == stopped
        await progress.get_by_role("button", name="Go on").click()
        await expect(progress).to_contain_text("111 matches in all")


async def test_five_thousand_events_a_second(browser: Browser, tmp_path: Path) -> None:
    """While they come, the page follows and answers; none is missing of those that it still holds at the end."""
    batch, least = 25, 20_000
    async with ServerProcess(tmp_path) as process, visiting(browser, process.url) as dashboard:
        with Stream(tmp_path) as stream:
            stream.write(line(0))
            await dashboard.open("s")
            await expect(dashboard.row("event-0")).to_be_visible()
            enough = asyncio.Event()

            async def emit() -> int:
                """So many, and as long as it is looked at: a slow machine must not find the stream at rest."""
                number = 0
                while number < least or not enough.is_set():
                    numbers = range(number + 1, number + 1 + batch)
                    stream.write(b"".join(line(number, second=number // 5000) for number in numbers))
                    number += batch
                    await asyncio.sleep(batch / 5000)
                return number

            emitting = asyncio.create_task(emit())
            await dashboard.press("f")
            await expect(dashboard.page.locator(".pill")).to_contain_text("new")
            await dashboard.rows.first.click()
            await expect(dashboard.detail.locator(".json")).to_contain_text("event-")
            await dashboard.press("Escape", "f")
            await expect(dashboard.page.locator(".follow")).to_have_text("Following")
            enough.set()
            last = await emitting
            await expect(dashboard.row(f"event-{last}")).to_be_in_viewport()
            numbers = await held_numbers(dashboard)
            assert numbers[-1] == last
            await expect(dashboard.page.locator(".facts")).to_contain_text(f"{last + 1:,} events")
