"""Finding in the dashboard, in a browser: types, text, times, the timeline."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
from playwright.async_api import expect

from tests.pages import Dashboard, line, linked, signals, token
from tests.servers import Stream

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="session")


async def test_chips_show_only_some_types(dashboard: Dashboard, tmp_path: Path) -> None:
    """Chips count each type; pressed ones filter, live events too; the address keeps them."""
    with Stream(tmp_path) as stream:
        for number in range(30):
            stream.write(line(number, "extraction", target=f"t-{number}", count=1) if number % 3 else line(number))
        await dashboard.open("s")
        chip = dashboard.page.get_by_role("button", name="extraction")
        await expect(chip).to_contain_text("20")
        await chip.click()
        await expect(dashboard.rows).to_have_count(20)
        await expect(dashboard.page.locator(".row.signal")).to_have_count(0)
        stream.write(line(31))
        stream.write(line(32, "extraction", target="t-32", count=1))
        await expect(dashboard.rows).to_have_count(21)
        assert dashboard.page.url.endswith("#/s/s?type=extraction")
        await dashboard.page.reload()
        await expect(dashboard.rows).to_have_count(21)
        await dashboard.page.get_by_role("button", name="extraction").click()
        await expect(dashboard.row("event-31")).to_have_count(1)


async def test_types_beyond_those_with_a_name_are_no_filter(dashboard: Dashboard, tmp_path: Path) -> None:
    """The chip that counts all further types is none to press, for no event is of a type called so."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number, f"kind-{number % 50}") for number in range(100)))
    await dashboard.open("s")
    rest = dashboard.page.locator(".chips .badge")
    await expect(rest).to_have_text("other types 36")
    await expect(rest).to_have_attribute("title", re.compile("Types beyond the first 32"))
    await expect(dashboard.page.get_by_role("button", name="other")).to_have_count(0)
    await rest.click()
    await expect(dashboard.row("kind-49")).to_be_in_viewport()
    assert len(await dashboard.held()) == 100
    assert dashboard.page.url.endswith("#/s/s")


async def test_type_called_other_is_a_type(dashboard: Dashboard, tmp_path: Path) -> None:
    """Where no type is without a name, "other" is what a mission calls its events, and filters."""
    (tmp_path / "s.jsonl").write_bytes(line(1) + line(2, "other", name="x"))
    await dashboard.open("s")
    await dashboard.page.get_by_role("button", name="other").click()
    await expect(dashboard.rows).to_have_count(1)


async def test_search_by_link_is_marked_and_gone_on_with(dashboard: Dashboard, tmp_path: Path) -> None:
    """Who comes by an address with a search sees what was found marked, and `n` leads on from one in its context."""
    lines = [line(number) for number in range(300)]
    lines[100], lines[200] = line(100, name="needle", value="a"), line(200, name="needle", value="b")
    (tmp_path / "s.jsonl").write_bytes(b"".join(lines))
    await dashboard.open("s", "?q=needle")
    await expect(dashboard.rows.locator("mark")).to_have_text(["needle", "needle"])
    await dashboard.row("needle a").click()
    await dashboard.page.get_by_role("button", name="View in context").click()
    await expect(dashboard.row("event-101")).to_be_visible()
    await dashboard.page.locator("event-rows .view").focus()
    await dashboard.press("n")
    await expect(dashboard.page.locator(".row[aria-selected=true]")).to_contain_text("needle b")


async def test_event_that_was_left_out_is_closed(dashboard: Dashboard, tmp_path: Path) -> None:
    """What the detail shows is among the rows: a search or a type closes it, all events again leave it."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(10)))
    await dashboard.open("s")
    await dashboard.row("event-3").click()
    await expect(dashboard.detail.locator(".json")).to_contain_text("event-3")
    await dashboard.search("event-5")
    await expect(dashboard.rows).to_have_count(1)
    await expect(dashboard.detail).to_be_hidden()
    assert dashboard.page.url.endswith("#/s/s?q=event-5")
    await dashboard.row("event-5").click()
    await expect(dashboard.detail.locator(".json")).to_contain_text("event-5")
    await dashboard.page.get_by_label("Find in the whole stream").fill("")
    await expect(dashboard.rows).to_have_count(10)
    await expect(dashboard.detail.locator(".json")).to_contain_text("event-5")
    await dashboard.page.get_by_role("button", name="signal").click()
    await expect(dashboard.detail).to_be_hidden()


async def test_search_goes_through_the_whole_stream(dashboard: Dashboard, tmp_path: Path) -> None:
    """What is far from the view is found too; "View in context" leads to it among its neighbours."""
    lines = [line(number) for number in range(8000)]
    lines[3000] = line(3000, name="Needle", value="a")
    lines[6000] = line(6000, name="needle", value="b")
    (tmp_path / "s.jsonl").write_bytes(b"".join(lines))
    await dashboard.open("s")
    await expect(dashboard.row("event-7999")).to_be_in_viewport()
    await dashboard.search("NEEDLE")
    assert await dashboard.held() == ["Needle a", "needle b"]
    await expect(dashboard.rows.locator("mark")).to_have_text(["Needle", "needle"])
    await dashboard.row("needle a").click()
    assert await linked(dashboard) == token(lines, 3000)
    await dashboard.page.get_by_role("button", name="View in context").click()
    await expect(dashboard.row("event-2999")).to_be_visible()
    await expect(dashboard.row("event-3001")).to_be_visible()
    await expect(dashboard.page.locator(".row[aria-selected=true]")).to_contain_text("Needle a")
    await dashboard.page.locator("event-rows .view").focus()
    await dashboard.press("n")
    await expect(dashboard.page.locator(".row[aria-selected=true]")).to_contain_text("needle b")
    await expect(dashboard.row("event-6001")).to_be_visible()


async def test_search_with_no_match_says_so(dashboard: Dashboard, tmp_path: Path) -> None:
    """Nothing found is told, and an event that matches later appears."""
    with Stream(tmp_path) as stream:
        stream.write(line(1))
        await dashboard.open("s")
        await expect(dashboard.rows).to_have_count(1)
        await dashboard.search("needle")
        await expect(dashboard.page.locator("stream-pane .empty")).to_have_text("No event is like that.")
        stream.write(line(2, name="needle"))
        await expect(dashboard.row("needle")).to_have_count(1)
        await dashboard.press("Escape")
        await dashboard.press("Escape")
        await expect(dashboard.row("event-1")).to_have_count(1)


async def test_jumps_in_time(dashboard: Dashboard, tmp_path: Path) -> None:
    """A time of day, a time into the mission, a time before its end; a range keeps to it; nonsense is refused."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(7200)))
    await dashboard.open("s", "")
    await dashboard.page.get_by_role("button", name="Times: local").click()
    await expect(dashboard.page.locator("#times")).to_have_text("Times: UTC")
    field = dashboard.page.get_by_label("Go to time")
    await expect(dashboard.page.locator(".facts")).to_contain_text("7,200 events")
    for typed, first in (("01:00:00", 3600), ("+0:30:00", 1800), ("-10m", 6599), ("2026-01-01T00:05:00Z", 300)):
        await field.fill(typed)
        await field.press("Enter")
        await expect(dashboard.rows.first).to_be_visible()
        await expect(dashboard.row(f"event-{first}")).to_be_visible()
        await expect(dashboard.row(f"event-{first - 20}")).to_have_count(0)
    await field.fill("00:10:00..00:10:10")
    await field.press("Enter")
    await expect(dashboard.rows).to_have_count(10)
    assert await dashboard.held() == signals(*range(600, 610))
    await dashboard.page.locator(".chip.range").click()
    await expect(dashboard.row("event-7199")).to_be_in_viewport()
    await field.fill("teatime")
    await field.press("Enter")
    assert "no time" in await field.evaluate("field => field.validationMessage")


async def test_timeline_keeps_to_a_brushed_range(dashboard: Dashboard, tmp_path: Path) -> None:
    """The histogram is described in words; dragging over it keeps the list to that range, a click goes to a time."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(1000)))
    await dashboard.open("s")
    plot = dashboard.page.locator("stream-timeline .u-over")
    await expect(plot).to_be_visible()
    await expect(dashboard.page.get_by_role("img", name="Timeline of 1,000 events")).to_be_visible()
    box = await plot.bounding_box()
    assert box is not None
    y = box["y"] + box["height"] / 2
    await dashboard.page.mouse.click(box["x"] + box["width"] * 0.5, y)
    await expect(dashboard.row("event-999")).to_have_count(0)
    middle = int((await dashboard.held())[0].removeprefix("event-"))
    await dashboard.page.mouse.move(box["x"] + box["width"] * 0.25, y)
    await dashboard.page.mouse.down()
    await dashboard.page.mouse.move(box["x"] + box["width"] * 0.5, y, steps=5)
    await dashboard.page.mouse.up()
    await expect(dashboard.page.locator(".chip.range")).to_be_visible()
    await expect(dashboard.page.locator("stream-ruler")).to_have_attribute("aria-valuenow", "25")
    await dashboard.press("G")
    await expect(dashboard.page.locator(".pill")).to_be_hidden()
    kept = [int(text.removeprefix("event-")) for text in await dashboard.held()]
    assert kept == list(range(kept[0], kept[-1] + 1))
    assert 230 <= kept[0] <= 270
    assert 480 <= kept[-1] <= 520
    assert middle < kept[-1]


#: Where there is colour in the topmost pixels of the timeline: `[place from 0 to 1, colour within]` of each mark.
MARKS = """() => {
    const canvas = document.querySelector("stream-timeline canvas");
    const { data, width } = canvas.getContext("2d").getImageData(0, 1, canvas.width, 1);
    const marks = [];
    for (let x = 0, inside = false; x < width; x++) {
        const colour = data.slice(4 * x, 4 * x + 4);
        if (colour[3] > 200 && !inside) marks.push([x / width, [...data.slice(4 * x + 12, 4 * x + 15)].join()]);
        inside = colour[3] > 200;
    }
    return marks;
}"""


async def test_timeline_marks_status_changes_and_signals(dashboard: Dashboard, tmp_path: Path) -> None:
    """What is rare is marked where it happened, each kind in its colour: statuses, signals, malformed lines."""
    marked = {100: "status", 300: "signal", 500: "malformed", 800: "status"}
    lines = [line(number, "extraction", target="prices", count=1) for number in range(1001)]
    for number, kind in marked.items():
        payload: dict[str, Any] = {"state": "running"} if kind == "status" else {"name": "captcha"}
        lines[number] = b"{torn\n" if kind == "malformed" else line(number, kind, **payload)
    (tmp_path / "s.jsonl").write_bytes(b"".join(lines))
    await dashboard.open("s")
    await expect(dashboard.page.locator("stream-timeline canvas")).to_be_visible()
    marks = await dashboard.run(MARKS)
    assert [round(place, 1) for place, _ in marks] == [number / 1000 for number in marked]
    colours = [colour for _, colour in marks]
    assert colours[0] == colours[3]
    assert len(set(colours)) == 3


async def test_search_counts_what_it_found(dashboard: Dashboard, tmp_path: Path) -> None:
    """However many are found, moved through or let go: the number is that of all finds so far, "in all" at the end."""
    with Stream(tmp_path) as stream:
        stream.write(b"".join(line(number) for number in range(5000)))
        await dashboard.open("s")
        await expect(dashboard.row("event-4999")).to_be_in_viewport()
        await dashboard.page.get_by_label("Find in the whole stream").fill("event")
        progress = dashboard.page.locator(".found")
        further = dashboard.page.get_by_role("button", name="Go on")
        await expect(further).to_be_visible()
        await expect(progress).to_have_text("2,000 matches · 40 % searched")
        await dashboard.page.locator("event-rows .view").focus()
        await dashboard.press("G")
        await expect(dashboard.row("event-4999")).to_be_in_viewport()
        await expect(progress).to_have_text("2,000 matches · 40 % searched")
        await dashboard.press("g")
        await expect(dashboard.row("event-0")).to_be_in_viewport()
        await expect(progress).to_have_text("2,000 matches · 40 % searched")
        for found in ("3,000 matches · 60 % searched", "4,000 matches · 80 % searched", "5,000 matches in all"):
            await further.click()
            await expect(progress).to_have_text(found)
        await expect(further).to_be_hidden()
        await dashboard.press("g")
        await expect(dashboard.row("event-0")).to_be_in_viewport()
        stream.write(line(5000))
        await expect(progress).to_have_text("5,001 matches in all")


async def test_search_goes_on_where_it_stopped(dashboard: Dashboard, tmp_path: Path) -> None:
    """From whatever place one has moved to meanwhile, "Go on" searches what was not searched yet, and shows it."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(5000)))
    await dashboard.open("s")
    await dashboard.page.get_by_label("Find in the whole stream").fill("event")
    progress = dashboard.page.locator(".found")
    await expect(progress).to_have_text("2,000 matches · 40 % searched")
    await dashboard.page.locator("event-rows .view").focus()
    await dashboard.press("G")
    await expect(dashboard.row("event-4999")).to_be_in_viewport()
    await dashboard.page.get_by_role("button", name="Go on").click()
    await expect(progress).to_have_text("3,000 matches · 60 % searched")
    await expect(dashboard.row("event-2000")).to_be_in_viewport()


async def test_scrolling_on_is_searching_on(dashboard: Dashboard, tmp_path: Path) -> None:
    """Who scrolls through what was found comes to the end of it with the right number."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(5000)))
    await dashboard.open("s")
    await dashboard.page.get_by_label("Find in the whole stream").fill("event")
    progress = dashboard.page.locator(".found")
    await expect(progress).to_have_text("2,000 matches · 40 % searched")
    await dashboard.page.locator("event-rows").hover()
    for _ in range(200):
        if await progress.inner_text() == "5,000 matches in all":
            break
        await dashboard.page.mouse.wheel(0, 6000)
        await dashboard.run("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
    await expect(progress).to_have_text("5,000 matches in all")
