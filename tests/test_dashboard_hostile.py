"""What missions write, in the dashboard: it is text, whatever it is."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.pages import Dashboard, token

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


#: Characters that cannot be seen, and pictures whose parts they are.
UNSEEN = {
    "a\u115fb\u1160": "a\\u115fb\\u1160",
    "a\u3164b\uffa0": "a\\u3164b\\uffa0",
    "a\u180e\u034f": "a\\u180e\\u034f",
    "a\ufe0f\ufe00": "a\\ufe0f\\ufe00",
    "\u2764\ufe0f 1\ufe0f\u20e3": "\u2764\ufe0f 1\ufe0f\u20e3",
    "\u2764\ufe0f\ufe0f": "\u2764\ufe0f\\ufe0f",
    "tag\U000e0041\U000e007f": "tag\\u{e0041}\\u{e007f}",
    "variant\U000e0100": "variant\\u{e0100}",
    "\u845b\U000e0100": "\u845b\U000e0100",
    "\U0001f600 \u0e01\u0e33 \u0645\u06cc\u200c\u062e": "\U0001f600 \u0e01\u0e33 \u0645\u06cc\u200c\u062e",
}


async def test_what_cannot_be_seen_is_escaped(dashboard: Dashboard) -> None:
    """Fillers, tags and lone selectors of variants are shown as their escapes; pictures and scripts stay whole."""
    await dashboard.open()
    script = "texts => import('/static/text.js').then(({ visible }) => texts.map(visible))"
    assert await dashboard.run(script, list(UNSEEN)) == list(UNSEEN.values())


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
