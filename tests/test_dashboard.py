"""The dashboard, in a browser: what a viewer sees of a real server."""

from __future__ import annotations

import hashlib
import json
import re
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import pytest
import pytest_asyncio
from playwright.async_api import expect

from tests.pages import BROKEN, REFUSED, Dashboard, chromium, line, visiting
from tests.servers import ServerProcess, Stream, served

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAIL_NOTE = "The stream is closed: this is the end of the mission"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def browser(chromium_path: str) -> AsyncIterator[Browser]:
    """One browser for all tests here."""
    async with chromium(chromium_path) as browser:
        yield browser


@pytest_asyncio.fixture(loop_scope="module")
async def dashboard(browser: Browser, tmp_path: Path) -> AsyncIterator[Dashboard]:
    """The dashboard of a server of the test's own folder."""
    async with served(tmp_path) as server, visiting(browser, server.url) as dashboard:
        yield dashboard


@pytest_asyncio.fixture(loop_scope="module")
async def process(tmp_path: Path) -> AsyncIterator[ServerProcess]:
    """A server of the test's own folder that can be killed."""
    async with ServerProcess(tmp_path) as process:
        yield process


def signals(*numbers: int) -> list[str]:
    """The sentences of the lines that ``pages.line`` makes."""
    return [f"event-{number}" for number in numbers]


# --- the list of streams ----------------------------------------------------------------------------------------------


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


# --- one stream -------------------------------------------------------------------------------------------------------


async def test_history_and_live_rows_appear(dashboard: Dashboard, tmp_path: Path) -> None:
    """Who opens late sees the whole mission, then each new event, each once and in order, at the end of the list."""
    with Stream(tmp_path) as stream:
        for number in range(10):
            stream.write(line(number))
        await dashboard.open("s")
        await expect(dashboard.rows).to_have_count(10)
        for number in range(10, 200):
            stream.write(line(number))
        await expect(dashboard.row("event-199")).to_be_in_viewport()
        assert await dashboard.held() == signals(*range(200))
        await expect(dashboard.connection).to_have_text("Live")


@pytest.mark.parametrize(
    ("kind", "payload", "sentence"),
    [
        ("navigation", {"url": "https://a.example/x", "action": "click"}, "Clicked https://a.example/x"),
        ("navigation", {"url": "https://a.example/", "action": "goto", "detail": "d"}, "Went to https://a.example/ d"),
        ("navigation", {"url": "https://a.example/", "action": "tap"}, "Tap https://a.example/"),
        ("extraction", {"target": "prices", "count": 3}, "Extracted 3 prices"),
        ("extraction", {"target": "jobs", "count": 0, "url": "https://b.example/"}, "Extracted 0 jobs from https://b.example/"),
        ("signal", {"name": "captcha", "value": True}, "captcha true"),
        ("signal", {"name": "events_dropped", "value": 1200}, "A gap: 1,200 events could not be written"),
        ("status", {"state": "running", "detail": "page 2"}, "Running page 2"),
        ("status", {"state": "failed", "final": True, "detail": "TimeoutError"}, "Failed final TimeoutError"),
        ("navigation", {"url": 7}, 'navigation {"url":7}'),
        ("constructor", {"name": "x"}, 'constructor {"name":"x"}'),
    ],
)  # fmt: skip
async def test_events_are_told_in_words(
    dashboard: Dashboard, tmp_path: Path, kind: str, payload: dict[str, Any], sentence: str
) -> None:
    """Each payload of the schema makes a sentence; what is not of the schema is shown as it is."""
    (tmp_path / "s.jsonl").write_bytes(line(1, kind, **payload))
    await dashboard.open("s")
    await expect(dashboard.rows).to_have_count(1)
    assert " ".join((await dashboard.texts())[0].split()) == sentence


async def test_closed_stream_says_so(dashboard: Dashboard, tmp_path: Path) -> None:
    """The end of the mission is told at the end of the list, by the state and by the connection; nothing is awaited."""
    with Stream(tmp_path) as stream:
        stream.write(line(1))
        await dashboard.open("s")
        await expect(dashboard.connection).to_have_text("Live")
        await expect(dashboard.notes).to_have_count(0)
        stream.final()
        await expect(dashboard.notes).to_have_text(TAIL_NOTE)
        await expect(dashboard.connection).to_have_text("Ended")
        await expect(dashboard.page.locator("stream-head .badge")).to_have_text("completed")
    await dashboard.open("s")
    await expect(dashboard.notes).to_have_text(TAIL_NOTE)
    await expect(dashboard.connection).to_have_text("Ended")


async def test_malformed_lines_are_rows(dashboard: Dashboard, tmp_path: Path) -> None:
    """A line that is no event has its row, which says why; the stream goes on after it."""
    lines = [line(1), b'{"torn": \n', b"\xff\xfe\n", b"[1]\n", line(2)]
    (tmp_path / "s.jsonl").write_bytes(b"".join(lines))
    await dashboard.open("s")
    await expect(dashboard.page.locator(".row.malformed")).to_have_count(3)
    assert [" ".join(text.split()) for text in await dashboard.texts()] == [
        "event-1",
        "A line that is no JSON 9 bytes",
        "A line that is no UTF-8 2 bytes",
        "A line that is no JSON object 3 bytes",
        "event-2",
    ]
    await dashboard.row("is no UTF-8").click()
    await expect(dashboard.detail.locator(".json")).to_contain_text('"reason": "utf-8"')
    assert await linked(dashboard) == token(lines, 2)


async def linked(dashboard: Dashboard) -> str:
    """The offset in the page's address, once it is there."""
    await expect(dashboard.page).to_have_url(re.compile(r"[?&]o="))
    return parse_qs(dashboard.page.url.partition("?")[2])["o"][0]


def token(lines: list[bytes], index: int) -> str:
    """The offset of the line at an index."""
    generation = hashlib.sha256(lines[0].rstrip(b"\n")[:4096]).hexdigest()[:8]
    return f"{generation}_{sum(map(len, lines[:index])):016}"


HOSTILE = [
    "<script>window.hit = 1</script>",
    "<img src=x onerror='window.hit = 1'>",
    "<svg onload='window.hit = 1'><style>*{display:none}</style>",
    "\"><iframe srcdoc='<script>parent.hit = 1</script>'>",
    "javascript:window.hit=1",
    "\u202etxt.exe\u202c \u2066isolate\u2069 \ufeffmark",
    "line\nbreak\ttab \x1b[31mred\x07 \x00nul \x7fdel \x85",
    "</div></span><b>bold</b>",
    "{{7*7}} ${7*7} %s",
    "\ud800 lone",
    "x" * 250_000,
    "\U0001f600" * 2000,
]


async def test_hostile_payloads_are_text(dashboard: Dashboard, tmp_path: Path) -> None:
    """Whatever a mission writes, wherever it writes it, is shown as text: in the rows, the detail and the list."""
    lines = [hostile_line(text, event) for text in HOSTILE for event in hostile_events(text)]
    (tmp_path / "s.jsonl").write_bytes(b"".join(lines))
    for number, text in enumerate(HOSTILE):
        (tmp_path / f"s-{number}.jsonl").write_bytes(hostile_line(text, hostile_events(text)[2]))
    page = dashboard.page
    await dashboard.open("s")
    await expect(page.locator(".facts")).to_contain_text(f"{len(lines)} events")
    await dashboard.press("g")
    for index in range(len(lines)):
        await dashboard.press("j")
        await expect(dashboard.detail.locator("dl")).to_contain_text(token(lines, index))
        assert await dashboard.run(FOREIGN) == 0
    await dashboard.open()
    await expect(page.locator(".streams li")).to_have_count(len(HOSTILE) + 1)
    await expect(page.locator(".streams .size", has_text="1 event")).to_have_count(len(HOSTILE))
    assert await dashboard.run(FOREIGN) == 0
    assert await dashboard.run("window.hit") is None


#: Elements that only a payload can have made, and characters that cannot be seen or that turn what follows.
FOREIGN = r"""
    document.querySelectorAll("#page :is(script, img, iframe, style, b:not(.readout b))").length
    + [...document.querySelectorAll("#page a")].filter((link) => !/^(https?:|#)/.test(link.getAttribute("href"))).length
    + (document.getElementById("page").innerText.match(
        /[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ufeff]/g) ?? []).length
"""


def hostile_events(text: str) -> list[dict[str, object]]:
    """A text in every field of every type, and as a type."""
    return [
        {"event_type": "navigation", "payload": {"url": text, "action": text, "detail": text}},
        {"event_type": "extraction", "payload": {"target": text, "count": 1, "url": text}},
        {"event_type": "signal", "payload": {"name": text, "value": text}},
        {"event_type": "status", "payload": {"state": text, "detail": text}},
        {"event_type": text[:1000], "payload": {text[:1000]: text}},
    ]


def hostile_line(text: str, event: dict[str, object]) -> bytes:
    """A line of a mission that is called like that."""
    event = {"timestamp": "2026-01-01T00:00:00.000000Z", "mission_id": text[:2000], **event}
    return json.dumps(event).encode() + b"\n"


async def test_unsafe_links_are_no_links(dashboard: Dashboard, tmp_path: Path) -> None:
    """Only http and https addresses can be followed, without telling the site where from."""
    urls = [
        "https://ok.example/",
        "javascript:alert(1)",
        "data:text/html,<script>",
        "file:///etc/passwd",
        "//x.example",
    ]
    (tmp_path / "s.jsonl").write_bytes(
        b"".join(line(number, "navigation", url=url, action="click") for number, url in enumerate(urls))
    )
    await dashboard.open("s")
    await expect(dashboard.rows).to_have_count(5)
    links = dashboard.rows.locator("a")
    await expect(links).to_have_count(1)
    await expect(links).to_have_attribute("href", "https://ok.example/")
    await expect(links).to_have_attribute("rel", "noopener noreferrer")


# --- following and freezing -------------------------------------------------------------------------------------------


async def test_scrolling_up_freezes_the_view(dashboard: Dashboard, tmp_path: Path) -> None:
    """Scrolled up, the rows stand still and new events are counted; "N new" leads back to the end."""
    with Stream(tmp_path) as stream:
        for number in range(300):
            stream.write(line(number))
        await dashboard.open("s")
        await expect(dashboard.row("event-299")).to_be_in_viewport()
        await dashboard.page.locator("event-rows").hover()
        await dashboard.page.mouse.wheel(0, -1500)
        await expect(dashboard.page.locator(".follow")).to_have_text("View frozen")
        await expect(dashboard.row("event-299")).to_have_count(0)
        await dashboard.run("new Promise(done => setTimeout(done, 200))")  # the wheel runs out
        before = await dashboard.texts()
        for number in range(300, 325):
            stream.write(line(number))
        pill = dashboard.page.locator(".pill")
        await expect(pill).to_have_text("25 new ↓")
        assert await dashboard.texts() == before
        await pill.click()
        await expect(dashboard.row("event-324")).to_be_in_viewport()
        await expect(dashboard.page.locator(".follow")).to_have_text("Following")
        assert await dashboard.held() == signals(*range(325))


async def test_scrolling_to_the_end_follows_again(dashboard: Dashboard, tmp_path: Path) -> None:
    """Who scrolls down to the last row follows again."""
    with Stream(tmp_path) as stream:
        for number in range(100):
            stream.write(line(number))
        await dashboard.open("s")
        await dashboard.page.locator("event-rows").hover()
        await dashboard.page.mouse.wheel(0, -600)
        await expect(dashboard.page.locator(".follow")).to_have_text("View frozen")
        await dashboard.page.mouse.wheel(0, 3000)
        await expect(dashboard.page.locator(".follow")).to_have_text("Following")
        stream.write(line(100))
        await expect(dashboard.row("event-100")).to_be_in_viewport()


# --- one event --------------------------------------------------------------------------------------------------------


async def test_detail_and_link_to_an_event(dashboard: Dashboard, tmp_path: Path) -> None:
    """A row that is picked shows all of its event; its address opens there, also once the stream is much longer."""
    with Stream(tmp_path) as stream:
        for number in range(50):
            stream.write(line(number))
        await dashboard.open("s")
        await dashboard.row("event-40").click()
        await expect(dashboard.detail.locator(".json")).to_contain_text('"name": "event-40"')
        await expect(dashboard.detail).to_contain_text("2026-01-01T00:00:40.000040Z")
        assert await linked(dashboard) == token([line(number) for number in range(41)], 40)
        link = dashboard.page.url
        for number in range(50, 5000):
            stream.write(line(number))
        await dashboard.page.goto("about:blank")
        await dashboard.page.goto(link)
        await expect(dashboard.page.locator(".row[aria-selected=true]")).to_contain_text("event-40")
        await expect(dashboard.detail.locator(".json")).to_contain_text('"name": "event-40"')
        await dashboard.press("Escape")
        await expect(dashboard.detail).to_be_hidden()
        await expect(dashboard.page).to_have_url(f"{dashboard.url}/#/s/s")


async def test_json_is_shown_as_it_is_written(dashboard: Dashboard, tmp_path: Path) -> None:
    """Numbers keep their digits, doubled keys stay, nothing is added; Copy JSON gives the line's own bytes."""
    text = (
        '{"event_type":"signal","payload":{"name":"n","value":1234567890123456789.10,"a":[],"a":{"b":[1,{"c":null}]}}}'
    )
    (tmp_path / "s.jsonl").write_text(text + "\n")
    await dashboard.page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    await dashboard.open("s")
    await dashboard.rows.click()
    shown = await dashboard.detail.locator(".json").inner_text()
    assert '"value": 1234567890123456789.10,' in shown
    assert "".join(shown.split()) == text
    assert '    "a": [],\n    "a": {\n      "b": [\n        1,\n        {\n          "c": null' in shown
    await dashboard.page.get_by_role("button", name="Copy JSON").click()
    await expect(dashboard.page.get_by_role("button", name="Copied")).to_be_visible()
    assert await dashboard.run("navigator.clipboard.readText()") == text


async def test_long_event_is_cut_until_asked_for(dashboard: Dashboard, tmp_path: Path) -> None:
    """A huge payload is shown in part, and all of it on demand."""
    (tmp_path / "s.jsonl").write_bytes(line(1, "signal", name="n", value="y" * 300_000 + "end"))
    await dashboard.open("s")
    await dashboard.rows.click()
    block = dashboard.detail.locator(".json")
    await expect(block).to_contain_text("yyy…")
    await dashboard.page.get_by_role("button", name="Show all of it").click()
    await expect(block).to_contain_text('yend"')


# --- find -------------------------------------------------------------------------------------------------------------


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


# --- the connection ---------------------------------------------------------------------------------------------------


async def test_restart_of_the_server_shows_each_event_once(
    browser: Browser, process: ServerProcess, tmp_path: Path
) -> None:
    """While the server is away the page says since when; then it goes on where it stopped, and says that too."""
    async with visiting(browser, process.url) as dashboard:
        dashboard.allowed += [REFUSED, BROKEN]
        with Stream(tmp_path) as stream:
            for number in range(20):
                stream.write(line(number))
            await dashboard.open("s")
            state = dashboard.connection
            await expect(state).to_have_text("Live")
            await process.stop(signal.SIGKILL)
            await expect(state).to_contain_text("Reconnecting · since")
            for number in range(20, 40):
                stream.write(line(number))
            await expect(dashboard.connection).to_contain_text("next try")
            await dashboard.run("new Promise(done => setTimeout(done, 600))")  # long enough for a note
            await process.start()
            await expect(dashboard.row("event-39")).to_be_visible()
            await expect(state).to_have_text("Live")
            await expect(dashboard.notes).to_contain_text("Connected again after")
            assert await dashboard.held() == signals(*range(40))


@pytest.mark.slow
async def test_outage_is_no_storm(browser: Browser, process: ServerProcess, tmp_path: Path) -> None:
    """While the server is away the page asks now and then, not on and on; what it wanted to read comes with it."""
    (tmp_path / "s.jsonl").write_bytes(
        b"".join(line(number, name=f"event-{number}", value="x" * 500) for number in range(5000))
    )
    async with visiting(browser, process.url) as dashboard:
        dashboard.allowed += [REFUSED, BROKEN]
        await dashboard.open("s")
        await expect(dashboard.row("event-4999")).to_be_in_viewport()
        await process.stop(signal.SIGKILL)
        asked: list[str] = []
        dashboard.page.on("request", lambda request: asked.append(request.url))
        await dashboard.press("g")
        await expect(dashboard.connection).to_contain_text("Reconnecting")
        await dashboard.run("new Promise((done) => setTimeout(done, 2000))")
        assert 0 < len(asked) < 30
        await process.start()
        await expect(dashboard.row("event-0")).to_be_in_viewport()


async def test_no_stream_can_be_called_that(dashboard: Dashboard) -> None:
    """An id that no stream can have is refused, and the page says why."""
    dashboard.allowed += [REFUSED]
    await dashboard.open(path="/s/..%2Fetc")
    await expect(dashboard.connection).to_contain_text("Refused · ")
    await expect(dashboard.notes).to_contain_text("stream id")


async def test_catching_up_is_told(browser: Browser, process: ServerProcess, tmp_path: Path) -> None:
    """What came in a long outage is caught up with, which the page says meanwhile, and then it follows again."""
    async with visiting(browser, process.url) as dashboard:
        dashboard.allowed += [REFUSED, BROKEN]
        with Stream(tmp_path) as stream:
            stream.write(line(0))
            await dashboard.open("s")
            await expect(dashboard.connection).to_have_text("Live")
            await dashboard.run(
                """() => {
                    window.states = [];
                    const element = document.querySelector("connection-state");
                    new MutationObserver(() => window.states.push(element.dataset.state)).observe(
                        element, { attributes: true, attributeFilter: ["data-state"] });
                }"""
            )
            await process.stop(signal.SIGKILL)
            await expect(dashboard.connection).to_contain_text("Reconnecting")
            long = "x" * 2000
            stream.write(b"".join(line(number, name=f"event-{number}", value=long) for number in range(1, 5000)))
            await process.start()
            await expect(dashboard.row("event-4999")).to_be_in_viewport()
            await expect(dashboard.connection).to_have_text("Live")
            assert await dashboard.run("window.states") == ["reconnecting", "catching-up", "live"]
            held = [text.split()[0] for text in await dashboard.held()]
            assert held == signals(*range(5000 - len(held), 5000))


@pytest.mark.slow
async def test_twenty_restarts_show_each_event_once(browser: Browser, process: ServerProcess, tmp_path: Path) -> None:
    """Killed and started again twenty times while events come: each is there once, in order."""
    async with visiting(browser, process.url) as dashboard:
        dashboard.allowed += [REFUSED, BROKEN]
        number = 0
        with Stream(tmp_path) as stream:
            stream.write(line(number))
            await dashboard.open("s")
            await expect(dashboard.row("event-0")).to_be_visible()
            for cycle in range(20):
                await process.stop(signal.SIGKILL if cycle % 2 else signal.SIGTERM)
                for _ in range(25):
                    number += 1
                    stream.write(line(number))
                await process.start()
                await dashboard.run("document.querySelector('connection-state button').click()")  # try now
                await expect(dashboard.row(f"event-{number}")).to_be_visible()
                number += 1
                stream.write(line(number))
            await expect(dashboard.row(f"event-{number}")).to_be_visible()
            assert await dashboard.held() == signals(*range(number + 1))


async def test_replaced_file_is_never_mixed_with_the_old(dashboard: Dashboard, tmp_path: Path) -> None:
    """A file that is replaced ends the list with a row that says so; the new one is read when the viewer wants it."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(line(1) + line(2))
    dashboard.allowed += [REFUSED]
    await dashboard.open("s")
    await expect(dashboard.rows).to_have_count(2)
    await expect(dashboard.connection).to_have_text("Live")
    other = tmp_path / "other"
    other.write_bytes(line(7) + line(8) + line(9))
    other.rename(path)
    await expect(dashboard.notes).to_contain_text("The file was cut or replaced")
    assert await dashboard.held() == signals(1, 2)
    await expect(dashboard.connection).to_have_text("File replaced")
    await dashboard.page.get_by_role("button", name="Read the new one").click()
    await expect(dashboard.rows).to_have_count(3)
    assert await dashboard.held() == signals(7, 8, 9)
    await expect(dashboard.connection).to_have_text("Live")


async def test_deleted_file_is_told(dashboard: Dashboard, tmp_path: Path) -> None:
    """What was read stays to be seen, with a row that says that the file is gone."""
    path = tmp_path / "s.jsonl"
    path.write_bytes(line(1))
    dashboard.allowed += [REFUSED]
    await dashboard.open("s")
    await expect(dashboard.connection).to_have_text("Live")
    path.unlink()
    await expect(dashboard.notes).to_contain_text("The file was deleted")
    assert await dashboard.held() == signals(1)


async def test_missing_stream_is_waited_for(dashboard: Dashboard, tmp_path: Path) -> None:
    """A stream that is not there yet is said to be missing, and shown from its first event once it begins."""
    dashboard.allowed += [REFUSED]
    await dashboard.open("s")
    await expect(dashboard.notes).to_contain_text("There is no such stream yet")
    await expect(dashboard.connection).to_have_text("Waiting for the stream")
    with Stream(tmp_path) as stream:
        stream.write(line(1))
        stream.write(line(2))
        await expect(dashboard.rows).to_have_count(2)
        await expect(dashboard.notes).to_have_count(0)
        await expect(dashboard.connection).to_have_text("Live")


async def test_link_into_a_replaced_file_says_so(dashboard: Dashboard, tmp_path: Path) -> None:
    """A link to an event of another generation, or to no start of a line, shows the stream and says what is wrong."""
    (tmp_path / "s.jsonl").write_bytes(line(1) + line(2))
    dashboard.allowed += [REFUSED]
    await dashboard.open("s", "?o=deadbeef_0000000000000005")
    await expect(dashboard.rows).to_have_count(2)
    await expect(dashboard.connection).to_contain_text("cut or replaced")
    await dashboard.open("s", "?o=nonsense")
    await expect(dashboard.rows).to_have_count(2)
    await expect(dashboard.connection).to_contain_text("leads nowhere")


async def test_empty_lines_do_not_shift_offsets(dashboard: Dashboard, tmp_path: Path) -> None:
    """In a foreign file with empty lines, each event is shown once, and its link leads to it."""
    lines = [line(number) + b"\n" * (number % 3) for number in range(400)]
    with Stream(tmp_path) as stream:
        stream.write(b"".join(lines[:300]))
        await dashboard.open("s")
        await expect(dashboard.row("event-299")).to_be_visible()
        stream.write(b"".join(lines[300:]))
        await expect(dashboard.row("event-399")).to_be_visible()
        await dashboard.press("g")
        await expect(dashboard.row("event-0")).to_be_visible()
        assert await dashboard.held() == signals(*range(400))
        await dashboard.row("event-11").click()
        assert await linked(dashboard) in {
            token(lines, 11),
            token(lines, 10)[:9] + f"{sum(map(len, lines[:10])) + len(line(10)):016}",
        }


# --- the page itself --------------------------------------------------------------------------------------------------


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


# --- several streams --------------------------------------------------------------------------------------------------


async def test_streams_side_by_side_and_merged(dashboard: Dashboard, tmp_path: Path) -> None:
    """Chosen in the list, several streams are shown side by side, or as one by time; both are live on one socket."""
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
        assert all(url.count("stream=") == 2 for url in sockets if "%40" in url or "@" in url)


@pytest.mark.slow
async def test_missing_list_is_no_end(browser: Browser, tmp_path: Path) -> None:
    """A server that cannot be reached is said to be away, and the list comes back with it."""
    (tmp_path / "s.jsonl").write_bytes(line(1))
    async with ServerProcess(tmp_path) as process, visiting(browser, process.url) as dashboard:
        dashboard.allowed += [REFUSED]
        await dashboard.open()
        await expect(dashboard.page.locator(".streams li")).to_have_count(1)
        await process.stop()
        await expect(dashboard.page.locator(".connection")).to_contain_text("Not connected · since")
        await expect(dashboard.page.locator(".streams li")).to_have_count(1)
        await process.start()
        await expect(dashboard.page.locator(".connection")).to_have_text("Live")
