"""One stream in the dashboard, in a browser: its rows, and one of them in detail."""

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

TAIL_NOTE = "The stream is closed: this is the end of the mission"


@pytest.mark.quick
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


SENTENCES: list[tuple[str, dict[str, Any], str]] = [
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
]  # fmt: skip


async def test_events_are_told_in_words(dashboard: Dashboard, tmp_path: Path) -> None:
    """Each payload of the schema makes a sentence; what is not of the schema is shown as it is."""
    events = [line(number, kind, **payload) for number, (kind, payload, _) in enumerate(SENTENCES)]
    (tmp_path / "s.jsonl").write_bytes(b"".join(events))
    await dashboard.open("s")
    await expect(dashboard.rows).to_have_count(len(SENTENCES))
    assert [" ".join(text.split()) for text in await dashboard.texts()] == [sentence for _, _, sentence in SENTENCES]


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


@pytest.mark.quick
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
        await dashboard.rest()
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


@pytest.mark.quick
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


async def test_size_is_that_in_the_file(dashboard: Dashboard, tmp_path: Path) -> None:
    """Bytes, not characters; of a line that is no event its own, not those of what stands for it."""
    lines = [line(1, name="\u00e9\u20ac\U0001f600"), b"{torn\n"]
    (tmp_path / "s.jsonl").write_bytes(b"".join(lines))
    await dashboard.open("s")
    await expect(dashboard.rows).to_have_count(2)
    for index, data in enumerate(lines):
        await dashboard.rows.nth(index).click()
        await expect(dashboard.detail.locator("dd").last).to_have_text(f"{len(data) - 1} B")


async def test_long_event_is_cut_until_asked_for(dashboard: Dashboard, tmp_path: Path) -> None:
    """A huge payload is shown in part, and all of it on demand."""
    (tmp_path / "s.jsonl").write_bytes(line(1, "signal", name="n", value="y" * 300_000 + "end"))
    await dashboard.open("s")
    await dashboard.rows.click()
    block = dashboard.detail.locator(".json")
    await expect(block).to_contain_text("yyy…")
    await dashboard.page.get_by_role("button", name="Show all of it").click()
    await expect(block).to_contain_text('yend"')


async def test_gaps_are_rows_of_their_own(dashboard: Dashboard, tmp_path: Path) -> None:
    """Where the emitter says that events are missing, or may be, a row says it in words: in the history, and live."""
    with Stream(tmp_path) as stream:
        stream.write(line(1) + line(2, name="events_dropped", value=1200, detail="No space left on device") + line(3))
        await dashboard.open("s")
        gaps = dashboard.page.locator(".row.gap .words")
        await expect(gaps).to_have_text(["A gap: 1,200 events could not be written No space left on device "])
        stream.write(line(4, name="stream_recovered") + line(5))
        await expect(gaps).to_have_count(2)
        await expect(gaps.last).to_contain_text("A gap may be here")
        await expect(dashboard.rows).to_have_count(5)


async def test_silence_is_seen(dashboard: Dashboard, tmp_path: Path) -> None:
    """A minute or more without an event is drawn between the rows."""
    (tmp_path / "s.jsonl").write_bytes(line(1) + line(30) + line(95) + line(96))
    await dashboard.open("s")
    await expect(dashboard.rows).to_have_count(4)
    await expect(dashboard.page.locator(".row.after-silence")).to_contain_text(["event-95"])


async def test_frozen_is_the_view_alone(dashboard: Dashboard, tmp_path: Path) -> None:
    """What is frozen is called the view; no button of the page is called as if it reached a mission."""
    with Stream(tmp_path) as stream:
        for number in range(100):
            stream.write(line(number))
        await dashboard.open("s")
        await expect(dashboard.row("event-99")).to_be_in_viewport()
        await dashboard.press("f")
        follow = dashboard.page.locator(".follow")
        await expect(follow).to_have_text("View frozen")
        stream.write(line(100))
        await expect(follow).to_have_text("View frozen · 1 new")
        buttons = await dashboard.page.get_by_role("button").all_inner_texts()
        assert not re.search(r"pause|stop|resume|retry|restart|cancel|kill|abort", " ".join(buttons), re.IGNORECASE)


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
