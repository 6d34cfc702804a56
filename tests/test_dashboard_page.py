"""The dashboard's page, in a browser: keys, themes, sizes, what it saves and prints."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.pages import BROKEN, Dashboard, line, visiting
from tests.servers import Stream, served

if TYPE_CHECKING:
    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_keys(dashboard: Dashboard, tmp_path: Path) -> None:
    """The keys of the help do what it says."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(500)))
    await dashboard.open("s")
    chosen = dashboard.page.locator(".row[aria-selected=true]")
    await expect(dashboard.row("event-499")).to_be_in_viewport()
    await dashboard.press("g")
    await expect(dashboard.row("event-0")).to_be_in_viewport()
    await dashboard.press("j")
    await expect(chosen).to_contain_text("event-0")
    await dashboard.press("j", "j", "k")
    await expect(chosen).to_contain_text("event-1")
    await dashboard.press("Escape", "G")
    await expect(dashboard.row("event-499")).to_be_in_viewport()
    await dashboard.press("f")
    await expect(dashboard.page.locator(".follow")).to_have_attribute("aria-pressed", "false")
    await dashboard.press("f")
    await expect(dashboard.page.locator(".follow")).to_have_attribute("aria-pressed", "true")
    await dashboard.press("/")
    await expect(dashboard.page.get_by_label("Find in the whole stream")).to_be_focused()
    await dashboard.page.keyboard.type("jkgGfn?")
    await expect(dashboard.page.get_by_label("Find in the whole stream")).to_have_value("jkgGfn?")
    await dashboard.press("Escape", "Escape")
    await expect(dashboard.row("event-499")).to_be_in_viewport()
    await dashboard.press("?")
    await expect(dashboard.page.get_by_role("dialog")).to_contain_text("Follow, or freeze the view")
    await dashboard.press("Escape")
    await expect(dashboard.page.get_by_role("dialog")).to_be_hidden()


async def test_times_and_theme_are_chosen_and_kept(dashboard: Dashboard, tmp_path: Path) -> None:
    """Local, UTC or into the mission; the system's theme, light or dark; both are remembered."""
    (tmp_path / "s.jsonl").write_bytes(line(0) + line(61))
    page = dashboard.page
    await dashboard.open("s")
    times = page.locator(".row .time")
    await expect(times).to_have_text(["05:30:00.000", "05:31:01.000"])
    await page.locator("#times").click()
    await expect(times).to_have_text(["00:00:00.000", "00:01:01.000"])
    await page.locator("#times").click()
    await expect(times).to_have_text(["+0:00.000", "+1:01.000"])
    background = "getComputedStyle(document.body).backgroundColor"
    await page.emulate_media(color_scheme="light")
    light = await dashboard.run(background)
    await page.emulate_media(color_scheme="dark")
    dark = await dashboard.run(background)
    assert light != dark
    await page.locator("#theme").click()
    assert await dashboard.run(background) == light
    await page.reload()
    await expect(times).to_have_text(["+0:00.000", "+1:01.000"])
    assert await dashboard.run(background) == light
    await page.locator("#theme").click()
    assert await dashboard.run(background) == dark


async def test_fits_400_pixels(browser: Browser, tmp_path: Path) -> None:
    """On a telephone nothing runs out of the page, and every event can be read and opened."""
    long: dict[str, Any] = {"url": "https://example.com/" + "a" * 300, "action": "click", "detail": "x" * 200}
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number, "navigation", **long) for number in range(80)))
    async with (
        served(tmp_path) as server,
        visiting(browser, server.url, viewport={"width": 400, "height": 800}, has_touch=True) as dashboard,
    ):
        wider = "document.documentElement.scrollWidth > 400 || document.body.scrollWidth > 400"
        (tmp_path / "t.jsonl").write_bytes(line(1))
        dashboard.allowed += [BROKEN]
        for place in ("/", "/s/s", "/m/s,t", "/m/s,t?view=merged"):
            await dashboard.open(path=place)
            await expect(dashboard.page.locator(".row.navigation, .streams li").first).to_be_visible()
            assert not await dashboard.run(wider), place
        await dashboard.open("s")
        await dashboard.rows.last.tap()
        await expect(dashboard.detail.locator(".json")).to_be_visible()
        box = await dashboard.detail.bounding_box()
        assert box is not None
        assert box["width"] == 400


async def test_head_stands_on_one_line_at_375_pixels(browser: Browser, tmp_path: Path) -> None:
    """A long name gives way, so that what can be pressed stands beside it and not on a line of its own."""
    for name in ("s", "t"):
        (tmp_path / f"{name}.jsonl").write_bytes(line(1, mission="prices of example.com, once more"))
    size = {"viewport": {"width": 375, "height": 800}}
    async with served(tmp_path) as server, visiting(browser, server.url, **size) as dashboard:
        dashboard.allowed += [BROKEN]
        for place, name in (("/s/s", "Download"), ("/m/s,t", "Alone"), ("/m/s,t?view=merged", "Alone")):
            await dashboard.open(path=place)
            head = dashboard.page.locator("stream-head").first
            await expect(head.locator("h1")).to_have_text("prices of example.com, once more")
            await expect(head.locator("connection-state")).to_have_text("Live")
            title = await head.locator("h1").bounding_box()
            button = await head.get_by_text(name).bounding_box()
            assert title is not None
            assert button is not None
            assert button["y"] < title["y"] + title["height"], place
            assert title["width"] > 60, place


async def test_screen_readers_find_their_way(dashboard: Dashboard, tmp_path: Path) -> None:
    """Rows are a grid whose chosen row is named, the scrollbar tells the place, and news are told politely."""
    with Stream(tmp_path) as stream:
        for number in range(300):
            stream.write(line(number))
        await dashboard.open("s")
        grid = dashboard.page.get_by_role("grid", name="Events of s")
        await expect(grid.get_by_role("row").last).to_contain_text("event-299")
        await grid.focus()
        await dashboard.press("k")
        chosen = dashboard.page.locator("[role=row][aria-selected=true]")
        identifier = await chosen.get_attribute("id")
        assert identifier is not None
        await expect(grid).to_have_attribute("aria-activedescendant", identifier)
        bar = dashboard.page.get_by_role("scrollbar", name="Place in the stream")
        assert int(await bar.get_attribute("aria-valuenow") or "") > 80
        stream.write(line(300))
        await expect(dashboard.page.get_by_role("status").filter(has_text="event-300")).to_have_count(1)
        await expect(dashboard.page.locator("#announcer")).to_have_attribute("aria-live", "polite")


async def test_download_is_the_stream(dashboard: Dashboard, tmp_path: Path) -> None:
    """What is saved are the stream's lines, all of them, byte for byte."""
    data = b"".join(line(number, name="long", value="é" * 2000) for number in range(600))
    (tmp_path / "s.jsonl").write_bytes(data)
    await dashboard.open("s")
    async with dashboard.page.expect_download() as download:
        await dashboard.page.get_by_role("button", name="Download").click()
    saved = await (await download.value).path()
    assert (await download.value).suggested_filename == "s.jsonl"
    assert Path(saved).read_bytes() == data


async def test_print_lays_all_rows_out(dashboard: Dashboard, tmp_path: Path) -> None:
    """Paper does not scroll: every row that is held is laid out, and nothing else of the page."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(150)))
    await dashboard.open("s")
    await expect(dashboard.row("event-149")).to_be_visible()
    await dashboard.page.emulate_media(media="print")
    await dashboard.run("dispatchEvent(new Event('beforeprint'))")
    await expect(dashboard.page.locator(".paper tbody tr")).to_have_count(150)
    await expect(dashboard.page.locator(".paper")).to_be_visible()
    await expect(dashboard.page.locator("stream-view")).to_be_hidden()
    await dashboard.run("dispatchEvent(new Event('afterprint'))")
    await expect(dashboard.page.locator(".paper tbody tr")).to_have_count(0)


async def test_list_of_streams_is_printed(dashboard: Dashboard, tmp_path: Path) -> None:
    """Every stream that the list holds is laid out, those alone that a filter keeps, with how it stands."""
    for number in range(5):
        (tmp_path / f"s-{number}.jsonl").write_bytes(line(number, mission=f"mission {number}"))
    page = dashboard.page
    await dashboard.open()
    await expect(page.locator(".streams li")).to_have_count(5)
    await page.emulate_media(media="print")
    await dashboard.run("dispatchEvent(new Event('beforeprint'))")
    printed = page.locator(".paper tbody tr")
    await expect(printed).to_have_count(5)
    await expect(printed.first).to_be_visible()
    await expect(printed.first).to_contain_text("mission 4")
    await expect(printed.first).to_contain_text("quiet for")
    await expect(page.locator("stream-list")).to_be_hidden()
    await dashboard.run("dispatchEvent(new Event('afterprint'))")
    await page.emulate_media(media="screen")
    await page.get_by_label("Filter by mission or stream").fill("mission 3")
    await dashboard.run("dispatchEvent(new Event('beforeprint'))")
    await expect(printed).to_have_count(1)


async def test_client_splits_frames_as_they_are_written(dashboard: Dashboard) -> None:
    """Lines are cut out of a frame by their own bytes, whatever their strings hold."""
    await dashboard.open()
    lines = [
        r'{"a":"]}"}',
        r'{"a":"\"]"}',
        r'{"a":"\\"}',
        '{ "a" : [1, [2, {"b": "},{"}]] }',
        "{}",
        '{"a":"é😀"}\r',
        r'{"\\\"":"["}',
    ]
    script = "text => import('/static/lines.js').then((lines) => lines.splitElements(text, 1))"
    for count in range(len(lines) + 1):
        assert await dashboard.run(script, f"[{','.join(lines[:count])}]}}") == lines[:count]
    assert await dashboard.run(script, '[{"a":"') is None


@pytest.mark.parametrize(("width", "height"), [(320, 256), (740, 360)])
async def test_low_windows_scroll(browser: Browser, tmp_path: Path, width: int, height: int) -> None:
    """Enlarged to 400 %, or on a telephone's side: nothing runs out sideways, and the events keep their room."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(300)))
    (tmp_path / "t.jsonl").write_bytes(line(1))
    size = {"viewport": {"width": width, "height": height}}
    wider = "document.documentElement.scrollWidth > innerWidth || document.body.scrollWidth > innerWidth"
    async with served(tmp_path) as server, visiting(browser, server.url, **size) as dashboard:
        dashboard.allowed += [BROKEN]
        page = dashboard.page
        await dashboard.open()
        await dashboard.run("localStorage.setItem('streamhub.times', 'relative')")  # the longest name of a choice
        for place in ("/", "/s/s", "/m/s,t", "/m/s,t?view=merged"):
            await dashboard.open(path=place)
            await expect(page.locator(".row.signal, .streams li").first).to_be_visible()
            assert not await dashboard.run(wider), place
            box = await page.locator("stream-pane, .streams").first.bounding_box()
            assert box is not None
            assert box["height"] >= min(160, 2 * 46), place
            await page.get_by_role("button", name="? Keys").click()
            await page.keyboard.press("Escape")
        await dashboard.open("s")
        await expect(dashboard.row("event-299")).to_be_attached()
        view = page.locator("event-rows .view")
        await view.scroll_into_view_if_needed()
        assert await view.evaluate("view => view.clientHeight") >= 160
        await expect(dashboard.row("event-299")).to_be_in_viewport()
        await dashboard.press("g")
        await expect(dashboard.row("event-0")).to_be_visible()
        await dashboard.row("event-0").click()
        await expect(dashboard.detail.locator(".json")).to_be_visible()
        assert await dashboard.detail.evaluate("detail => detail.clientHeight") >= 160
