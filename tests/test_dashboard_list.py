"""The dashboard's list of streams, in a browser."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.async_api import expect

from tests.pages import REFUSED, Dashboard, line, visiting
from tests.servers import ServerProcess, Stream, until

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Route

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_streams_appear_by_themselves(dashboard: Dashboard, tmp_path: Path) -> None:
    """An empty folder says so; a stream that begins is listed with its mission and its last event in words."""
    await dashboard.open()
    await expect(dashboard.page.locator(".empty")).to_contain_text("No stream yet")
    with Stream(tmp_path, "s-1") as stream:
        stream.write(line(1, "extraction", "prices", target="offers", count=12))
        item = dashboard.page.locator(".streams li")
        await expect(item).to_have_count(1)
        await expect(item).to_contain_text("prices")
        await expect(item).to_contain_text("Extracted 12 offers")
        await expect(item).to_contain_text("1 event")
        stream.write(line(2, "navigation", "prices", url="https://example.com/a", action="click"))
        await expect(item).to_contain_text("Clicked https://example.com/a")


async def test_list_says_how_streams_stand(dashboard: Dashboard, tmp_path: Path) -> None:
    """Completed, failed, quiet, and how many lines are malformed."""
    for stream, state in (("a", "completed"), ("b", "failed")):
        (tmp_path / f"{stream}.jsonl").write_bytes(line(1) + line(2, "status", state=state, final=True))
    (tmp_path / "c.jsonl").write_bytes(line(1) + b"{torn\n")
    await dashboard.open()
    items = dashboard.page.locator(".streams li")
    await expect(items.filter(has_text="completed")).to_have_count(1)
    await expect(items.filter(has_text="failed")).to_have_count(1)
    await expect(items.filter(has_text="quiet for")).to_have_count(1)
    await expect(items.filter(has_text="1 malformed")).to_have_count(1)


async def test_an_active_stream_grows_quiet(dashboard: Dashboard, tmp_path: Path) -> None:
    """What was heard of just now is active; later it is quiet, and for how long; the list says so by itself."""
    (tmp_path / "s.jsonl").write_bytes(line(0) + line(50))
    clock = dashboard.page.clock
    await clock.install(time=datetime(2026, 1, 1, 0, 1, tzinfo=UTC))
    await clock.pause_at(datetime(2026, 1, 1, 0, 1, 1, tzinfo=UTC))
    await dashboard.open()
    badge = dashboard.page.locator(".streams .badge")
    await expect(badge).to_have_text("active")
    await clock.fast_forward(60_000)
    await expect(badge).to_have_text("quiet for 1 min")
    await expect(dashboard.page.locator(".streams .when")).to_have_text("1 min ago")


async def test_list_says_what_times_do_not(dashboard: Dashboard, tmp_path: Path) -> None:
    """Streams whose events have no times, or times that are yet to come, are not said to be empty, or active."""
    (tmp_path / "timeless.jsonl").write_bytes(b'{"event_type":"signal","payload":{"name":"a"}}\n' * 100)
    ahead = datetime.now(tz=UTC) + timedelta(days=10, hours=1)
    event = {"timestamp": ahead.isoformat(), "event_type": "signal", "payload": {"name": "b"}}
    (tmp_path / "ahead.jsonl").write_bytes(json.dumps(event).encode() + b"\n")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    await dashboard.open()
    items = dashboard.page.locator(".streams li")
    await expect(items).to_have_count(3)
    timeless, early, empty = (items.filter(has_text=name) for name in ("timeless", "ahead", "empty"))
    await expect(timeless).to_contain_text("100 events")
    await expect(timeless.locator(".badge")).to_have_text("no times")
    await expect(early.locator(".badge")).to_have_text("times are ahead")
    await expect(early.locator(".when")).to_have_text("10 d ahead")
    await expect(empty.locator(".badge")).to_have_text("no event yet")


async def test_list_draws_activity(dashboard: Dashboard, tmp_path: Path) -> None:
    """Beside each stream stands how much happened when: a bar where there was something, red where it is malformed."""
    lines = [*(line(number) for number in range(10)), b"{torn\n", *(line(number) for number in range(500, 540))]
    (tmp_path / "s.jsonl").write_bytes(b"".join(lines))
    await dashboard.open()
    bars = dashboard.page.locator(".streams .spark rect")
    await expect(bars.first).to_be_visible()
    heights = [float(await bar.get_attribute("height") or 0) for bar in await bars.all()]
    assert 2 <= len(heights) < 10  # what lies between is empty
    assert heights[0] < max(heights) == 22
    await expect(dashboard.page.locator(".streams .spark rect.bad")).to_have_count(1)


async def test_list_goes_by_keys(dashboard: Dashboard, tmp_path: Path) -> None:
    """``/`` filters, ``j`` and ``k`` go through the streams, Enter opens one."""
    for number in range(3):
        (tmp_path / f"s-{number}.jsonl").write_bytes(line(number, mission=f"m-{number}"))
    await dashboard.open()
    names = dashboard.page.locator(".streams a.open")
    await expect(names).to_have_text(["m-2", "m-1", "m-0"])
    await dashboard.press("/")
    await expect(dashboard.page.get_by_label("Filter by mission or stream")).to_be_focused()
    await dashboard.press("Escape", "j", "j", "j", "k")
    await expect(names.nth(1)).to_be_focused()
    await dashboard.press("Enter")
    await expect(dashboard.page.locator("stream-head h1")).to_have_text("m-1")
    await dashboard.page.get_by_role("link", name="Streams", exact=True).click()
    await expect(names).to_have_count(3)


async def test_list_puts_newest_activity_first(dashboard: Dashboard, tmp_path: Path) -> None:
    """A stream that gets an event moves to the top."""
    with Stream(tmp_path, "old") as old, Stream(tmp_path, "new") as new:
        old.write(line(1, mission="old"))
        new.write(line(2, mission="new"))
        await dashboard.open()
        names = dashboard.page.locator(".streams a.open")
        await expect(names).to_have_text(["new", "old"])
        old.write(line(3, mission="old"))
        await expect(names).to_have_text(["old", "new"])


async def test_deleted_streams_leave_the_list(dashboard: Dashboard, tmp_path: Path) -> None:
    """A stream whose file is gone is listed no more, and after the last one the list is empty again."""
    dashboard.allowed += [REFUSED]  # the page may look into a stream before it hears that it is gone
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_bytes(line(1, mission=name))
    await dashboard.open()
    names = dashboard.page.locator(".streams a.open")
    await expect(names).to_have_count(2)
    (tmp_path / "a.jsonl").unlink()
    await expect(names).to_have_text(["b"])
    (tmp_path / "b.jsonl").unlink()
    await expect(names).to_have_count(0)
    await expect(dashboard.page.locator(".empty")).to_contain_text("No stream yet")


async def test_gone_stream_is_looked_into_once(dashboard: Dashboard, tmp_path: Path) -> None:
    """A stream that is gone, though the list has it still, is not asked for again and again: only when it is news."""
    dashboard.allowed += [REFUSED]
    stream = tmp_path / "a.jsonl"
    stream.write_bytes(line(1))
    looks, lists = [], []

    async def gone(route: Route) -> None:
        looks.append(route.request.url)
        await route.fulfill(status=404)

    await dashboard.page.route(re.compile(r"/v1/stream/a\b"), gone)
    dashboard.page.on("response", lambda response: lists.append(response) if "/v1/streams" in response.url else None)
    await dashboard.open()
    await until(lambda: len(lists) >= 4)
    assert len(looks) == 1
    with stream.open("ab") as file:
        file.write(line(2))
    await until(lambda: len(looks) == 2)
    await until(lambda: len(lists) >= 8)
    assert len(looks) == 2


async def test_list_can_be_filtered(dashboard: Dashboard, tmp_path: Path) -> None:
    """The filter box keeps what has the text in its id or mission, also of streams past the first page."""
    for number in range(80):
        (tmp_path / f"run-{number}.jsonl").write_bytes(line(number, mission=f"mission-{number}"))
    await dashboard.open()
    names = dashboard.page.locator(".streams a.open")
    await expect(names).to_have_count(60)
    await dashboard.page.get_by_label("Filter by mission or stream").fill("run-3")
    await expect(names).to_have_count(11)
    await expect(dashboard.page.locator(".streams li")).to_have_count(11)


def fill(directory: Path, numbers: range, mission: str = "mission") -> None:
    """A stream for each number, the highest one newest."""
    for number in numbers:
        (directory / f"s-{number:04}.jsonl").write_bytes(line(number, mission=f"{mission} {number}"))


async def test_streams_that_come_at_once_can_be_reached(dashboard: Dashboard, tmp_path: Path) -> None:
    """However many begin while the list is open: there is a way to all of them, and each is found by its mission."""
    fill(tmp_path, range(5))
    page = dashboard.page
    await dashboard.open()
    names = page.locator(".streams a.open")
    await expect(names).to_have_count(5)
    await expect(page.get_by_role("button", name="More streams")).to_be_hidden()
    fill(tmp_path, range(5, 155))
    await expect(names.first).to_have_text("mission 154")
    for count in (60, 120, 155):
        await expect(names).to_have_count(count)
        if count < 155:
            await page.get_by_role("button", name="More streams").click()
    await expect(page.get_by_role("button", name="More streams")).to_be_hidden()
    await expect(names.last).to_have_text("mission 0")


async def test_filter_searches_all_streams(dashboard: Dashboard, tmp_path: Path) -> None:
    """A part of a mission's name is found wherever its stream stands in the list, and what begins meanwhile too."""
    dashboard.allowed += [REFUSED]  # the page may look into a stream before it hears that it is gone
    fill(tmp_path, range(1100), "crawl")
    page = dashboard.page
    await dashboard.open()
    names = page.locator(".streams a.open")
    await expect(names).to_have_count(60)
    field = page.get_by_label("Filter by mission or stream")
    await field.fill("AWL 15")
    await expect(names).to_have_text(["crawl 159", *(f"crawl {number}" for number in range(158, 149, -1)), "crawl 15"])
    (tmp_path / "new.jsonl").write_bytes(line(2000, mission="crawl 15 again"))
    await expect(names).to_have_count(12)
    (tmp_path / "s-0155.jsonl").unlink()
    await expect(names).to_have_count(11)
    await field.fill("crawl 15000")
    await expect(page.locator(".empty")).to_have_text("No stream is called like that.")
    await field.fill("")
    await expect(names).to_have_count(60)


async def test_list_is_found_as_it_was_left(dashboard: Dashboard, tmp_path: Path) -> None:
    """Whoever comes back from a stream finds the filter, the streams that were asked for and the place in the list."""
    fill(tmp_path, range(200))
    page = dashboard.page
    await dashboard.open()
    names = page.locator(".streams a.open")
    await page.get_by_label("Filter by mission or stream").fill("mission 1")
    await page.get_by_role("button", name="More streams").click()
    await expect(names).to_have_count(111)
    stream = page.get_by_role("link", name="mission 110", exact=True)
    await stream.scroll_into_view_if_needed()
    place = await dashboard.run("document.querySelector('.scroll').scrollTop")
    assert place > 1000
    await stream.click()
    await expect(page.locator("stream-head h1")).to_have_text("mission 110")
    await page.get_by_role("link", name="Streams", exact=True).click()
    await expect(page.get_by_label("Filter by mission or stream")).to_have_value("mission 1")
    await expect(names).to_have_count(111)
    await expect(stream).to_be_in_viewport()
    assert await dashboard.run("document.querySelector('.scroll').scrollTop") == place


async def test_filter_says_how_much_it_searched(dashboard: Dashboard) -> None:
    """A search of very many streams stops, says so instead of that there is none, and goes on when it is asked to."""
    asked: list[str] = []
    entry = {"tail": "00000000_0000000000000000", "bytes": 0, "first": None, "last": None, "closed": False}

    async def give(route: Route) -> None:
        query = parse_qs(urlsplit(route.request.url).query)
        if "prefix" in query or "mission_id" in query:
            await route.fulfill(json={"streams": [], "next": None})
            return
        begin = int(query.get("after", ["0"])[0])
        asked.append(route.request.url)
        names = range(begin, begin + int(query["limit"][0]))
        streams = [{"id": f"s-{name}-", "mission_id": None, **entry} for name in names]
        await route.fulfill(json={"streams": streams, "next": str(names.stop) if names.stop < 15_000 else None})

    page = dashboard.page
    await page.route(re.compile(r"/v1/streams\b"), give)
    await page.route(re.compile(r"/v1/stream/"), lambda route: route.fulfill(status=404))
    dashboard.allowed += [REFUSED]
    await dashboard.open()
    names = page.locator(".streams a.open")
    await expect(names).to_have_count(60)
    await page.get_by_label("Filter by mission or stream").fill("s-12345-")
    note = page.locator(".empty")
    await expect(note).to_have_text("No stream is called like that among the 10,000 newest.")
    await page.get_by_role("button", name="Search on").click()
    await expect(names).to_have_text(["s-12345-"])
    await expect(note).to_be_hidden()


async def test_deleted_streams_leave_a_long_list(dashboard: Dashboard, tmp_path: Path) -> None:
    """A stream that is gone is listed no more, also where the list has more than it shows."""
    dashboard.allowed += [REFUSED]  # the page may look into a stream before it hears that it is gone
    fill(tmp_path, range(80))
    await dashboard.open()
    names = dashboard.page.locator(".streams a.open")
    await expect(names).to_have_count(60)
    (tmp_path / "s-0079.jsonl").unlink()
    await expect(names.first).to_have_text("mission 78")
    await expect(names).to_have_count(60)
    await dashboard.page.get_by_role("button", name="More streams").click()
    await expect(names).to_have_count(79)
    (tmp_path / "s-0003.jsonl").unlink()
    await expect(names).to_have_count(78)


@pytest.mark.slow
async def test_missing_list_is_no_end(browser: Browser, tmp_path: Path) -> None:
    """A server that cannot be reached is said to be away, and the list comes back with it."""
    (tmp_path / "s.jsonl").write_bytes(line(1))
    async with ServerProcess(tmp_path) as process, visiting(browser, process.url) as dashboard:
        dashboard.allowed += [REFUSED]
        await dashboard.open()
        await expect(dashboard.page.locator(".streams li")).to_have_count(1)
        await process.stop()
        connection = dashboard.page.locator(".connection > span")
        await expect(connection).to_contain_text(re.compile(r"Reconnecting · since \d\d:\d\d:\d\d \(.+\) · next try"))
        await expect(dashboard.page.locator(".streams .badge")).to_contain_text("last heard")  # more is not known
        await expect(dashboard.page.locator(".streams li")).to_have_count(1)
        await process.start()
        await dashboard.page.get_by_role("button", name="Try now").click()
        await expect(connection).to_have_text("Live")
        await expect(dashboard.page.locator(".streams .badge")).to_contain_text("quiet for")
