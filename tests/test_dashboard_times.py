"""Times in the dashboard, in a browser: what may be typed for one, and where a date stands before it."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.pages import BROKEN, Dashboard, visiting
from tests.servers import served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser

pytestmark = pytest.mark.asyncio(loop_scope="session")


def at(time: str, name: str) -> bytes:
    """A signal at a time."""
    event = {"timestamp": time, "mission_id": "m", "event_type": "signal", "payload": {"name": name}}
    return json.dumps(event).encode() + b"\n"


def night(directory: Path, stream: str = "s") -> None:
    """A signal every three minutes, from nine in the evening to nine minutes past midnight, UTC."""
    begin = datetime(2026, 1, 1, 21, tzinfo=UTC)
    times = [begin + timedelta(minutes=3 * number) for number in range(64)]
    (directory / f"{stream}.jsonl").write_bytes(b"".join(at(time.isoformat(), f"at-{time:%d-%H-%M}") for time in times))


async def test_range_goes_past_midnight(browser: Browser, tmp_path: Path) -> None:
    """A range of times of day ends after it begins, on the next day if need be."""
    night(tmp_path)
    async with served(tmp_path) as server, visiting(browser, server.url, timezone_id="UTC") as dashboard:
        await dashboard.open("s")
        await expect(dashboard.row("at-02-00-09")).to_be_visible()
        await expect(dashboard.page.locator(".facts")).to_contain_text("64 events")
        field = dashboard.page.get_by_label("Go to time")
        await field.fill("23:30..00:30")
        await field.press("Enter")
        await expect(dashboard.rows).to_have_count(14)
        assert (await dashboard.held())[0] == "at-01-23-30"


#: What is typed, and what it comes to in a mission from the 1st, 21:00 to the 3rd, 11:00, in a zone 5:30 ahead of UTC.
MOMENTS = {
    "10:30": "2026-01-03T10:30",
    "11:30": "2026-01-02T11:30",
    "9:05:07.5": "2026-01-03T09:05:07.500",
    "+1:00:00": "2026-01-01T22:00",
    "24:00": None,
    "99:99": None,
    "12:60": None,
    "12:03:99": None,
    "+1:99": None,
    "2026-01-02T99:99": None,
    "teatime": None,
}
RANGES = {
    "10:00..10:30": ("2026-01-03T10:00", "2026-01-03T10:30"),
    "10:00..12:00": ("2026-01-03T10:00", "2026-01-03T12:00"),  # past the end, and of the same day
    "10:30..10:00": ("2026-01-03T10:00", "2026-01-03T10:30"),  # no midnight is left in the mission
    "23:30..00:30": ("2026-01-02T23:30", "2026-01-03T00:30"),
    "-2h..-1h": ("2026-01-03T09:00", "2026-01-03T10:00"),
    "2026-01-01T18:00Z..01:00": ("2026-01-01T23:30", "2026-01-02T01:00"),
    "10:00..99:99": None,
    "10:00..11:00..12:00": None,
}


@pytest.mark.parametrize("mode", ["local", "utc"])
async def test_times_that_are_typed(dashboard: Dashboard, mode: str) -> None:
    """A time of day is the last one within the mission; a range's end is after its beginning; nonsense is none."""
    await dashboard.open()
    script = """async ([texts, name, mode]) => {
        const clock = await import("/static/clock.js");
        const { parseTime } = await import("/static/event.js");
        const zone = mode === "local" ? "+05:30" : "Z";
        const [first, last] = ["2026-01-01T21:00", "2026-01-03T11:00"].map((text) => parseTime(text + zone));
        const shift = mode === "local" ? 330 * 60_000 : 0;
        const read = (ms) => new Date(ms + shift).toISOString().replace(/(:00)?\\.000Z$/, "").replace("Z", "");
        return texts.map((text) => {
            const found = clock[name](text, { mode, first, last, parseTime });
            if (found === null) return null;
            return name === "parseRange" ? [read(found.since), read(found.until)] : read(found);
        });
    }"""
    moments = await dashboard.run(script, [list(MOMENTS), "parseMoment", mode])
    assert dict(zip(MOMENTS, moments, strict=True)) == MOMENTS
    ranges = await dashboard.run(script, [list(RANGES), "parseRange", mode])
    expected = {text: found and list(found) for text, found in RANGES.items()}
    if mode == "utc":
        expected["2026-01-01T18:00Z..01:00"] = ["2026-01-01T18:00", "2026-01-02T01:00"]
    assert dict(zip(RANGES, ranges, strict=True)) == expected


async def test_dates_stand_where_a_board_is_of_several_days(dashboard: Dashboard, tmp_path: Path) -> None:
    """Side by side and merged, a time has its day before it where the streams together are of more than one."""
    (tmp_path / "a.jsonl").write_bytes(at("2026-01-01T10:00:00Z", "one"))
    (tmp_path / "b.jsonl").write_bytes(at("2026-01-10T10:00:00Z", "ten"))
    (tmp_path / "c.jsonl").write_bytes(at("2026-01-10T11:00:00Z", "late"))
    dashboard.allowed += [BROKEN]
    for place in ("/m/a,b", "/m/a,b?view=merged"):
        await dashboard.open(path=place)
        await expect(dashboard.page.locator(".row .time")).to_have_text(["01-01 15:30:00.000", "01-10 15:30:00.000"])
    await dashboard.open(path="/m/b,c")
    await expect(dashboard.page.locator(".row .time")).to_have_text(["15:30:00.000", "16:30:00.000"])


@pytest.mark.parametrize("place", ["/s/s", "/m/s,t"])
async def test_dates_stand_in_a_range(dashboard: Dashboard, tmp_path: Path, place: str) -> None:
    """The range that is kept to says its days where the mission is of several, also if it is of one of them."""
    for name in ("s", "t"):
        lines = [at(f"2026-01-{day:02}T10:00:00Z", f"day-{day}") for day in range(1, 11)]
        (tmp_path / f"{name}.jsonl").write_bytes(b"".join(lines))
    dashboard.allowed += [BROKEN]
    await dashboard.open(path=place)
    await expect(dashboard.row("day-10").first).to_be_visible()
    await expect(dashboard.page.locator(".facts").first).to_contain_text("10 events")
    field = dashboard.page.get_by_label("Go to time")
    chip = dashboard.page.locator(".chip.range")
    for typed, shown in (
        ("2026-01-02T10:00Z..2026-01-04T10:00Z", ["01-02 15:30:00.000", "01-04 15:30:00.000"]),
        ("2026-01-02T10:00Z..2026-01-02T10:30Z", ["01-02 15:30:00.000", "01-02 16:00:00.000"]),
    ):
        await field.fill(typed)
        await field.press("Enter")
        await expect(chip).to_contain_text(" \N{EN DASH} ".join(shown))
