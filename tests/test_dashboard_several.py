"""Several streams in the dashboard, in a browser: side by side, and merged by time."""

from __future__ import annotations

import asyncio
import contextlib
import re
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import expect

from tests.pages import BROKEN, Dashboard, line, linked, signals, token
from tests.servers import Stream

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Route

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 6000


async def test_streams_side_by_side_and_merged(dashboard: Dashboard, tmp_path: Path) -> None:
    """Chosen in the list, several streams are shown side by side, or as one by time; both are live on one socket."""
    dashboard.allowed += [BROKEN]  # a socket for the stream that is there first, given up for one that carries both
    with Stream(tmp_path, "a") as first, Stream(tmp_path, "b") as second:
        for number in range(0, 40, 2):
            first.write(line(number, mission="ma"))
            second.write(line(number + 1, mission="mb"))
        await dashboard.open()
        for stream in ("a", "b"):
            await dashboard.page.get_by_label(f"Choose {stream}, ").check()
        sockets: list[str] = []
        dashboard.page.on("websocket", lambda socket: sockets.append(socket.url))
        await dashboard.page.get_by_role("link", name="Side by side").click()
        await expect(dashboard.page.locator("stream-pane")).to_have_count(2)
        await expect(dashboard.row("event-39")).to_have_count(1)
        assert await dashboard.held(0) == signals(*range(0, 40, 2))
        assert await dashboard.held(1) == signals(*range(1, 40, 2))
        second.write(line(41, mission="mb"))
        await expect(dashboard.row("event-41")).to_have_count(1)
        await dashboard.page.get_by_role("link", name="Merged by time").click()
        await expect(dashboard.page.locator("stream-pane")).to_have_count(1)
        await expect(dashboard.row("event-41")).to_have_count(1)
        assert await dashboard.held() == signals(*range(40), 41)
        first.write(line(42, mission="ma"))
        second.write(line(43, mission="mb"))
        for number in (42, 43):  # each comes with its own stream's next look, in either order
            await expect(dashboard.row(f"event-{number}")).to_be_in_viewport()
        assert await dashboard.held() == signals(*range(40), 41, 42, 43)
        await expect(dashboard.page.locator(".row .tag").last).to_have_text("mb")
        assert sockets[-1].count("stream=") == 2


async def test_a_seventh_stream_is_refused_in_words(dashboard: Dashboard, tmp_path: Path) -> None:
    """Six streams at most are shown together: a seventh that is ticked is not chosen, and it is said why."""
    for number in range(7):
        (tmp_path / f"s-{number}.jsonl").write_bytes(line(number))
    page = dashboard.page
    await dashboard.open()
    boxes = page.locator(".streams input")
    await expect(boxes).to_have_count(7)
    for index in range(6):
        await boxes.nth(index).check()
    choice = page.locator(".choice")
    await expect(choice).to_contain_text("6 chosen")
    await boxes.nth(6).click()
    await expect(choice).to_contain_text("6 at most")
    await expect(page.locator("#announcer")).to_contain_text("Not chosen")
    await expect(boxes.nth(6)).not_to_be_checked()
    await boxes.nth(0).uncheck()
    await boxes.nth(6).check()
    await expect(choice).to_contain_text("6 chosen")


async def test_merged_rows_name_their_missions(dashboard: Dashboard, tmp_path: Path) -> None:
    """Each row names the mission, as soon as it is known, and so do the rows that were there before."""
    dashboard.allowed += [BROKEN]
    for stream, number in (("a", 1), ("b", 2)):
        (tmp_path / f"{stream}.jsonl").write_bytes(line(number, mission=f"m{stream}"))
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    await dashboard.page.route(re.compile(r"/stream/b/summary"), hold)
    await dashboard.open(path="/m/a,b?view=merged")
    tags = dashboard.page.locator(".row .tag")
    await expect(tags).to_have_text(["ma", "b"])
    released.set()
    await expect(tags).to_have_text(["ma", "mb"])


def written(directory: Path) -> dict[str, list[bytes]]:
    """Two long streams whose events come by turns, some of each of them needles; a gives the even ones."""
    lines: dict[str, list[bytes]] = {"a": [], "b": []}
    for number in range(COUNT):
        stream = "ab"[number % 2]
        name = f"needle-{number}" if number % 1000 in {10, 501} else f"event-{number}"
        lines[stream].append(line(number, mission=f"m{stream}", name=name))
    for stream, parts in lines.items():
        (directory / f"{stream}.jsonl").write_bytes(b"".join(parts))
    return lines


async def test_merged_streams_can_be_searched(dashboard: Dashboard, tmp_path: Path) -> None:
    """All of them at once, the finds by time; in context each stands among the events of all; `n` goes to the next."""
    lines = written(tmp_path)
    dashboard.allowed += [BROKEN]
    needles = [f"needle-{number}" for number in range(COUNT) if number % 1000 in {10, 501}]
    await dashboard.open(path="/m/a,b?view=merged")
    await expect(dashboard.row(f"event-{COUNT - 1}")).to_be_in_viewport()
    await dashboard.search("NEEDLE")
    await expect(dashboard.page.locator(".progress")).to_have_text(
        f"{len(needles)} matches in all", use_inner_text=True
    )
    assert await dashboard.held() == needles
    await dashboard.row("needle-2501").click()
    await expect(dashboard.detail.locator("dl")).to_contain_text(token(lines["b"], 1250))
    await dashboard.page.get_by_role("button", name="View in context").click()
    chosen = dashboard.page.locator(".row[aria-selected=true]")
    await expect(chosen).to_contain_text("needle-2501")
    for neighbour in ("event-2499", "event-2500", "event-2502", "event-2503"):
        await expect(dashboard.row(neighbour)).to_be_visible()
    await dashboard.page.locator("event-rows .view").focus()
    await dashboard.press("n")
    await expect(chosen).to_contain_text("needle-3010")
    await expect(dashboard.row("event-3011")).to_be_visible()


async def test_merged_search_can_be_cancelled(dashboard: Dashboard, tmp_path: Path) -> None:
    """It shows its progress over all streams, keeps what it found when it is broken off, and goes on when asked to."""
    written(tmp_path)
    dashboard.allowed += [BROKEN]
    released = asyncio.Event()

    async def hold(route: Route) -> None:
        """One of the two streams is not searched before it is said."""
        if "/stream/b" in route.request.url:
            await released.wait()
        with contextlib.suppress(PlaywrightError):  # the page has given up on the answer
            await route.continue_()

    await dashboard.open(path="/m/a,b?view=merged")
    await expect(dashboard.row(f"event-{COUNT - 1}")).to_be_in_viewport()
    await dashboard.page.route(lambda url: "contains=" in url, hold)
    progress = dashboard.page.locator(".progress")
    await dashboard.page.get_by_label("Find in the whole stream").fill("needle")
    await expect(progress).to_contain_text("% searched")
    await progress.get_by_role("button", name="Cancel").click()
    await expect(progress.get_by_role("button", name="Go on")).to_be_visible()
    released.set()
    await progress.get_by_role("button", name="Go on").click()
    await expect(progress).to_contain_text("12 matches in all")


async def test_merged_streams_keep_to_types_and_times(dashboard: Dashboard, tmp_path: Path) -> None:
    """Chips and ranges hold for all of them; first, last and a time lead there in all."""
    written(tmp_path)
    dashboard.allowed += [BROKEN]
    with Stream(tmp_path, "b") as stream:
        stream.write(line(COUNT, "status", state="running"))
    page = dashboard.page
    await dashboard.open(path="/m/a,b?view=merged")
    await expect(page.locator(".chip.signal .number")).to_have_text(f"{COUNT:,}")
    await page.locator(".chip.status").click()
    await expect(dashboard.rows).to_have_count(1)
    await page.locator(".chip.status").click()
    await expect(dashboard.row(f"event-{COUNT - 1}")).to_be_visible()
    await page.locator("event-rows .view").focus()
    await dashboard.press("g")
    await expect(dashboard.row("event-0")).to_be_in_viewport()
    await page.locator("#times").click()
    field = page.get_by_label("Go to time")
    await field.fill("00:30:00")
    await field.press("Enter")
    await expect(dashboard.row("event-1800")).to_be_in_viewport()
    await field.fill("00:10:00..00:10:05")
    await field.press("Enter")
    await expect(dashboard.rows).to_have_count(5)
    assert await dashboard.held() == signals(*range(600, 605))
    await page.locator(".chip.range").click()
    await expect(dashboard.row(f"event-{COUNT - 1}")).to_be_in_viewport()


async def test_side_by_side_one_event_is_opened(dashboard: Dashboard, tmp_path: Path) -> None:
    """An event of any column opens beside them; alone, its stream is one step away."""
    lines = written(tmp_path)
    dashboard.allowed += [BROKEN]
    await dashboard.open(path="/m/a,b")
    await dashboard.row(f"event-{COUNT - 1}").click()
    await expect(dashboard.detail.locator("dl")).to_contain_text(token(lines["b"], COUNT // 2 - 1))
    await dashboard.page.get_by_role("link", name="Alone").last.click()
    await expect(dashboard.page.locator("stream-view")).to_be_visible()
    await dashboard.row(f"event-{COUNT - 3}").click()
    assert await linked(dashboard) == token(lines["b"], COUNT // 2 - 2)
