"""The dashboard for everybody, in a browser: what axe-core finds in each view, in both themes; what is said aloud."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import pytest
from playwright.async_api import expect

from tests.pages import BROKEN, REFUSED, Dashboard, line, visiting
from tests.servers import ServerProcess, Stream, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")

#: What axe-core finds grave, with the elements; all its rules, or those alone that depend on the theme.
FINDINGS = """async (rules) => (await axe.run(document, {
        resultTypes: ["violations"], ...(rules ? { runOnly: { type: "rule", values: rules } } : {}),
    })).violations
    .filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ html, failureSummary }) => `${id}: ${html}\\n${failureSummary}`))"""


@pytest.fixture
def axe(node_modules: Path) -> str:
    """The source of axe-core."""
    return (node_modules / "axe-core" / "axe.min.js").read_text()


def fill(directory: Path) -> None:
    """Streams with all that may be in one: each type, gaps, malformed lines, text of others; states of all kinds."""
    odd = [
        line(1, "status", state="started"),
        line(2, "navigation", url="https://example.com/a", action="click", detail="a detail"),
        line(3, "extraction", target="prices", count=12, url="https://example.com/b"),
        line(4, "signal", name="load", value=0.5),
        line(5, "signal", name="events_dropped", value=1200),
        b'{"torn": \n',
        line(6, "of-others", anything=[1, 2]),
        line(90, "status", state="running", detail="after a silence"),
    ]
    (directory / "odd.jsonl").write_bytes(b"".join(odd))
    for name in ("completed", "failed", "cancelled"):
        (directory / f"{name}.jsonl").write_bytes(line(1) + line(2, "status", state=name, final=True))


async def look(dashboard: Dashboard, axe: str, view: str) -> None:
    """Nothing grave is found as the page stands, in either theme."""
    if not await dashboard.run("'axe' in window"):
        await dashboard.run(axe)
    themes: list[tuple[Literal["light", "dark"], list[str] | None]] = [("light", None), ("dark", ["color-contrast"])]
    for theme, rules in themes:
        await dashboard.page.emulate_media(color_scheme=theme, reduced_motion="reduce")
        findings = await dashboard.run(FINDINGS, rules)
        assert not findings, f"{view}, {theme}:\n" + "\n".join(findings)


async def views(dashboard: Dashboard) -> AsyncIterator[str]:
    """The page in each of its views, one after the other."""
    page = dashboard.page
    await dashboard.open()
    await expect(page.locator(".streams .spark")).to_have_count(4)
    await page.locator(".streams input").first.check()
    await page.locator(".streams input").last.check()
    yield "the list"
    await page.get_by_label("Filter by mission or stream").fill("no such")
    yield "the list, filtered"
    await dashboard.open("odd")
    await expect(page.locator(".chip.malformed .number")).to_have_text("1")
    yield "a stream"
    await dashboard.row("Extracted").locator(".time").click()
    await expect(dashboard.detail.locator(".json")).to_be_visible()
    yield "a stream and an event"
    await dashboard.press("?")
    yield "the keys"
    await dashboard.press("Escape", "Escape")
    await dashboard.search("example")
    await page.locator(".chip.navigation").click()
    yield "a search"
    await dashboard.open("completed")
    await expect(dashboard.notes).to_have_count(1)
    yield "a stream that is closed"
    await dashboard.open("nowhere")
    await expect(dashboard.notes).to_have_count(1)
    yield "a stream that is missing"
    for query in ("", "?view=merged"):
        await dashboard.open(path=f"/m/odd,completed{query}")
        await expect(page.locator(".facts", has_text="event")).to_have_count(2)
        yield f"several streams {query}"


async def test_axe_finds_nothing_grave(browser: Browser, axe: str, tmp_path: Path) -> None:
    """No view has a serious or critical finding, in light or dark colours."""
    fill(tmp_path)
    async with served(tmp_path) as server, visiting(browser, server.url) as dashboard:
        dashboard.allowed += [REFUSED, BROKEN]
        async for view in views(dashboard):
            await look(dashboard, axe, view)


async def test_axe_finds_nothing_grave_at_400_pixels(browser: Browser, axe: str, tmp_path: Path) -> None:
    """On a telephone neither."""
    fill(tmp_path)
    narrow = {"viewport": {"width": 400, "height": 800}}
    async with served(tmp_path) as server, visiting(browser, server.url, **narrow) as dashboard:
        await dashboard.open()
        await expect(dashboard.page.locator(".streams .spark")).to_have_count(4)
        await look(dashboard, axe, "the list")
        await dashboard.open("odd")
        await expect(dashboard.page.locator(".chip.malformed .number")).to_have_text("1")
        await look(dashboard, axe, "a stream")
        await dashboard.rows.last.click()
        await expect(dashboard.detail.locator(".json")).to_be_visible()
        await look(dashboard, axe, "an event")


async def test_axe_finds_nothing_grave_without_the_server(
    browser: Browser, process: ServerProcess, axe: str, tmp_path: Path
) -> None:
    """An empty folder, and an outage, in the list and in a stream."""
    async with visiting(browser, process.url) as dashboard:
        dashboard.allowed += [REFUSED, BROKEN]
        await dashboard.open()
        await expect(dashboard.page.locator(".empty")).to_contain_text("No stream yet")
        await look(dashboard, axe, "an empty folder")
        fill(tmp_path)
        await expect(dashboard.page.locator(".streams .spark")).to_have_count(4)
        async with visiting(browser, process.url) as other:
            other.allowed += dashboard.allowed
            await other.open("odd")
            await expect(other.connection).to_have_text("Live")
            await process.stop()
            await expect(dashboard.page.locator(".connection")).to_contain_text("Reconnecting")
            await look(dashboard, axe, "the list, in an outage")
            await expect(other.connection).to_contain_text("Reconnecting")
            await look(other, axe, "a stream, in an outage")


async def test_forced_colours_leave_nothing_unseen(browser: Browser, tmp_path: Path) -> None:
    """With the system's few colours: what is chosen, the place in the stream and the types are still told apart."""
    (tmp_path / "s.jsonl").write_bytes(
        b"".join(line(n, "navigation", url="https://example.com", action="click") + line(n) for n in range(200))
    )
    style = "(element, [name, part]) => getComputedStyle(element, part)[name]"
    async with served(tmp_path) as server, visiting(browser, server.url, forced_colors="active") as dashboard:
        page = dashboard.page
        await dashboard.open("s")
        canvas = await page.locator("body").evaluate(style, ["backgroundColor", None])
        await expect(page.locator(".chip.signal .number")).to_have_text("200")
        await page.locator(".chip.signal").click()
        await expect(page.locator(".chip.signal")).to_have_attribute("aria-pressed", "true")
        backgrounds = [
            await page.locator(f".chip.{kind}").evaluate(style, ["backgroundColor", None])
            for kind in ("signal", "navigation")
        ]
        assert backgrounds[0] != backgrounds[1]
        for seen in ("stream-ruler .thumb", "connection-state .dot", ".chip.status .dot"):
            assert await page.locator(seen).evaluate(style, ["backgroundColor", None]) != canvas, seen
        await dashboard.rows.last.click()
        chosen = page.locator(".row[aria-selected=true]")
        assert await chosen.evaluate(style, ["outlineStyle", None]) == "solid"
        colours = """canvas => {
            const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
            const seen = new Map();
            for (let at = 0; at < data.length; at += 4) {
                if (data[at + 3] < 255) continue;
                const colour = data.slice(at, at + 3).join();
                seen.set(colour, (seen.get(colour) ?? 0) + 1);
            }
            return [...seen.values()].filter((count) => count > 200).length;
        }"""
        assert await page.locator("stream-timeline canvas").evaluate(colours) >= 2


async def test_another_view_begins_at_its_heading(dashboard: Dashboard, tmp_path: Path) -> None:
    """Who goes to another view is told which it is, and is at its heading; who opens the page is left at its top."""
    for name in ("a", "b"):
        (tmp_path / f"{name}.jsonl").write_bytes(line(1, mission=f"m{name}"))
    page = dashboard.page
    dashboard.allowed += [BROKEN]
    await dashboard.open()
    await page.get_by_role("link", name="ma").focus()
    assert await dashboard.run("document.activeElement.matches('a.open')")
    await dashboard.press("Enter")
    told = page.locator("#announcer")
    await expect(page.locator("stream-head h1")).to_be_focused()
    await expect(told).to_have_text("a")
    await page.get_by_role("link", name="Streams", exact=True).click()
    await expect(page.get_by_role("heading", name="Streams")).to_be_focused()
    await expect(told).to_have_text("Streams")
    await dashboard.run("location.hash = '#/m/a,b'")
    await expect(page.get_by_role("heading", name="2 streams")).to_be_focused()
    await expect(told).to_have_text("2 streams")


async def test_bar_goes_by_keys(dashboard: Dashboard, tmp_path: Path) -> None:
    """The bar of the whole stream can be reached, and takes the keys of a scrollbar."""
    (tmp_path / "s.jsonl").write_bytes(b"".join(line(number) for number in range(6000)))
    await dashboard.open("s")
    await expect(dashboard.row("event-5999")).to_be_in_viewport()
    bar = dashboard.page.get_by_role("scrollbar", name="Place in the stream")
    await dashboard.page.locator("event-rows .view").focus()
    await dashboard.press("Tab")
    await expect(bar).to_be_focused()
    await dashboard.press("Home")
    await expect(dashboard.row("event-0")).to_be_in_viewport()
    moves = [("PageDown", "10"), ("PageDown", "20"), ("ArrowDown", "21"), ("ArrowUp", "20"), ("PageUp", "10")]
    for key, place in moves:
        await dashboard.press(key)
        await expect(bar).to_have_attribute("aria-valuenow", place)
    await dashboard.press("End")
    await expect(dashboard.row("event-5999")).to_be_in_viewport()
    await expect(dashboard.page.locator(".follow")).to_have_attribute("aria-pressed", "true")


async def test_news_are_told_now_and_then(dashboard: Dashboard, tmp_path: Path) -> None:
    """However many events come, they are told politely, at most every eight seconds, and the last of them in words."""
    page = dashboard.page
    await page.clock.install()
    with Stream(tmp_path) as stream:
        stream.write(line(0))
        await dashboard.open("s")
        await expect(dashboard.row("event-0")).to_be_visible()
        await expect(dashboard.connection).to_have_text("Live")
        await dashboard.run(
            """() => {
                window.told = [];
                const region = document.getElementById("announcer");
                const note = () => told.push([performance.now(), region.textContent]);
                new MutationObserver(note).observe(region, { childList: true });
            }"""
        )
        region = page.locator("#announcer")
        for turn in range(1, 4):
            for number in range(turn * 100, turn * 100 + 40):
                stream.write(line(number))
            last = f"event-{turn * 100 + 39}"
            await expect(dashboard.row(last)).to_be_visible()
            await page.clock.fast_forward(8100)
            await expect(region).to_contain_text(last)
        told = await dashboard.run("told")
        assert len(told) <= 6
        assert all(later[0] - earlier[0] >= 7900 for earlier, later in pairwise(told))
        await expect(region).to_have_attribute("aria-live", "polite")
