"""A stream in the dashboard that cannot be read any more, in a browser: its rows stay, and nothing is asked again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.pages import REFUSED, Dashboard, line, signals, visiting
from tests.servers import served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page, Route

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 8000
SECRET = "a-token-of-some-length"
REST = "the rest is gone"
#: What makes the page read elsewhere, and the most questions that each may cost: one for the act, one to find out why.
ACTS = ("scroll", "g", "search", "chip")
MOST = 2


def write(path: Path) -> None:
    """A stream that is longer than what the page holds of it, of two types."""
    lines = (line(number, "mixed" if number % 2 else "signal", name=f"event-{number}") for number in range(COUNT))
    path.write_bytes(b"".join(lines))


def replace(directory: Path, data: bytes) -> None:
    """Put another file in the stream's place, at once."""
    (directory / "other").write_bytes(data)
    (directory / "other").rename(directory / "s.jsonl")


async def asked_by(dashboard: Dashboard, act: str) -> list[str]:
    """What the page asks the server for because of an act, in some dozens of frames."""
    page, asked = dashboard.page, []
    page.on("request", lambda request: asked.append(request.url))
    if act == "scroll":
        await page.locator("event-rows").hover()
        await page.mouse.wheel(0, -30_000)
    elif act == "search":
        await page.get_by_label("Find in the whole stream").fill("event-7")
        await page.get_by_label("Find in the whole stream").press("Enter")
    elif act == "chip":
        await page.get_by_role("button", name="mixed").click()
    else:
        await dashboard.press(act)
    await frames(page)
    return [url for url in asked if "/v1/stream/" in url]


async def frames(page: Page) -> None:
    """Let the page draw often: what asks at each drawing has asked by then."""
    await page.evaluate(
        """() => new Promise((done) => {
            let left = 60;
            const draw = () => (left-- ? requestAnimationFrame(draw) : done());
            draw();
        })"""
    )


async def assert_kept(dashboard: Dashboard, before: list[str]) -> None:
    """The rows that were there are there, and nothing is said to be on its way."""
    assert await dashboard.held() == before
    await expect(dashboard.rows.first).to_be_visible()
    await expect(dashboard.page.locator("stream-pane .empty")).to_be_hidden()
    await expect(dashboard.page.locator(".progress")).to_be_hidden()
    await expect(dashboard.page.locator(".chip[aria-pressed=true]")).to_have_count(0)


@pytest.mark.parametrize("act", ACTS)
async def test_deleted_stream_is_not_asked_for_on_and_on(dashboard: Dashboard, tmp_path: Path, act: str) -> None:
    """Whatever one does then, the rows stay, and it is said that there are no others."""
    write(tmp_path / "s.jsonl")
    dashboard.allowed += [REFUSED]
    await dashboard.open("s")
    await expect(dashboard.row("event-7999")).to_be_in_viewport()
    await expect(dashboard.page.locator(".facts")).to_contain_text("8,000 events")
    (tmp_path / "s.jsonl").unlink()
    await expect(dashboard.notes).to_contain_text("The file was deleted")
    before = await dashboard.held()
    assert len(await asked_by(dashboard, act)) <= MOST
    await assert_kept(dashboard, before)
    await expect(dashboard.connection).to_have_text(f"File deleted · {REST}")


@pytest.mark.parametrize("act", ACTS)
async def test_replaced_stream_is_not_asked_for_on_and_on(dashboard: Dashboard, tmp_path: Path, act: str) -> None:
    """The same where another file stands in its place."""
    write(tmp_path / "s.jsonl")
    dashboard.allowed += [REFUSED]
    await dashboard.open("s")
    await expect(dashboard.row("event-7999")).to_be_in_viewport()
    await expect(dashboard.page.locator(".facts")).to_contain_text("8,000 events")
    replace(tmp_path, line(9) + line(10))
    await expect(dashboard.notes).to_contain_text("The file was cut or replaced")
    before = await dashboard.held()
    assert len(await asked_by(dashboard, act)) <= MOST
    await assert_kept(dashboard, before)
    await expect(dashboard.connection).to_have_text(f"File replaced · {REST}")


@pytest.mark.parametrize("act", ACTS)
async def test_end_of_a_token_is_found_out_once(browser: Browser, tmp_path: Path, act: str) -> None:
    """Where an act finds out that the token is good no longer, the rows stay, and it is asked no more."""
    write(tmp_path / "s.jsonl")
    async with served(tmp_path, tokens=(SECRET,)) as server, visiting(browser, server.url) as dashboard:
        dashboard.allowed += [REFUSED]
        await dashboard.page.goto(f"{server.url}/?token={SECRET}")
        await expect(dashboard.page.locator(".streams li")).to_have_count(1)
        await dashboard.open("s")
        await expect(dashboard.row("event-7999")).to_be_in_viewport()
        await expect(dashboard.page.locator(".facts")).to_contain_text("8,000 events")
        before = await dashboard.held()
        await dashboard.page.context.clear_cookies()
        assert len(await asked_by(dashboard, act)) <= MOST
        await expect(dashboard.connection).to_have_text("Signed out · the token is good no longer")
        await assert_kept(dashboard, before)
        assert len(await asked_by(dashboard, "g")) <= MOST
        await assert_kept(dashboard, before)


@pytest.mark.parametrize("act", ACTS)
async def test_end_of_a_closed_stream_is_found_out_once(dashboard: Dashboard, tmp_path: Path, act: str) -> None:
    """A mission that is over is not followed: that its file is gone, an act finds out."""
    write(tmp_path / "s.jsonl")
    with (tmp_path / "s.jsonl").open("ab") as file:
        file.write(line(COUNT, "status", state="completed", final=True))
    dashboard.allowed += [REFUSED]
    await dashboard.open("s")
    await expect(dashboard.connection).to_have_text("Ended")
    await expect(dashboard.page.locator(".facts")).to_contain_text("8,001 events")
    before = await dashboard.held()
    (tmp_path / "s.jsonl").unlink()
    assert len(await asked_by(dashboard, act)) <= MOST + 1  # and one to see whether it comes again
    await expect(dashboard.connection).to_have_text(f"File deleted · {REST}")
    await assert_kept(dashboard, before)


async def test_what_a_server_cannot_answer_is_asked_once(dashboard: Dashboard, tmp_path: Path) -> None:
    """A refusal that is nobody's end, 400 of something between, is said, and not asked for with each drawing."""
    write(tmp_path / "s.jsonl")
    dashboard.allowed += [REFUSED]
    await dashboard.open("s")
    await expect(dashboard.row("event-7999")).to_be_in_viewport()
    await expect(dashboard.connection).to_have_text("Live")
    before = await dashboard.held()
    await dashboard.page.route("**/v1/stream/s?*", lambda route: route.fulfill(status=400, body="no"))
    assert len(await asked_by(dashboard, "scroll")) <= MOST
    await expect(dashboard.connection).to_have_text("Live · the server answered 400")
    assert await dashboard.held() == before
    await dashboard.page.unroute("**/v1/stream/s?*")
    await dashboard.press("g")
    await expect(dashboard.row("event-0")).to_be_in_viewport()
    await expect(dashboard.connection).to_have_text("Live")


NEW = b"".join(line(number, mission="new") for number in range(10, 15))


async def test_head_stays_with_the_rows(dashboard: Dashboard, tmp_path: Path) -> None:
    """The mission, its sums and its timeline are those of the file that the rows are of, until the new one is read."""
    page = dashboard.page
    (tmp_path / "s.jsonl").write_bytes(line(1, mission="old") + line(2, mission="old"))
    await page.clock.install()
    await dashboard.open("s")
    await expect(dashboard.connection).to_have_text("Live")
    await expect(page.locator(".facts")).to_contain_text("2 events")
    await dashboard.press("f")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    replace(tmp_path, NEW)
    await expect(dashboard.connection).to_have_text("File replaced")
    await page.clock.fast_forward(30_000)
    await frames(page)
    assert not [url for url in asked if "/summary" in url]
    await expect(page.locator("stream-head h1")).to_have_text("old")
    await expect(page.locator("stream-head .badge")).to_contain_text("last heard")
    await page.locator("connection-state").get_by_role("button", name="Read the new one").click()
    await expect(dashboard.rows).to_have_count(5)
    await expect(page.locator("stream-head h1")).to_have_text("new")
    await expect(page.locator(".facts")).to_contain_text("5 events")
    await expect(dashboard.connection).to_have_text("Live")


async def test_sums_of_another_file_are_not_taken(dashboard: Dashboard, tmp_path: Path) -> None:
    """Those that were asked for of the one and answered of the other are left out."""
    page, released = dashboard.page, asyncio.Event()

    async def hold(route: Route) -> None:
        await released.wait()
        await route.continue_()

    (tmp_path / "s.jsonl").write_bytes(line(1, mission="old") + line(2, mission="old"))
    await page.route("**/summary?*", hold)
    async with page.expect_request("**/summary?*"):
        await dashboard.open("s")
    await expect(dashboard.connection).to_have_text("Live")
    replace(tmp_path, NEW)
    await expect(dashboard.connection).to_have_text("File replaced")
    async with page.expect_event("requestfinished", lambda request: "/summary" in request.url):
        released.set()
    await frames(page)
    await expect(page.locator("stream-head h1")).to_have_text("s")
    await expect(page.locator(".facts")).not_to_contain_text("events")


async def test_stream_that_comes_again_can_be_read(dashboard: Dashboard, tmp_path: Path) -> None:
    """A file that is deleted and made anew is offered, in the head as at the end of the list."""
    dashboard.allowed += [REFUSED]
    (tmp_path / "s.jsonl").write_bytes(line(1, mission="old") + line(2, mission="old"))
    await dashboard.open("s")
    await expect(dashboard.connection).to_have_text("Live")
    (tmp_path / "s.jsonl").unlink()
    await expect(dashboard.connection).to_have_text("File deleted")
    await expect(dashboard.page.locator("connection-state button")).to_be_hidden()
    replace(tmp_path, NEW)
    await expect(dashboard.connection).to_have_text("File replaced")
    assert await dashboard.held() == signals(1, 2)
    await expect(dashboard.notes.get_by_role("button", name="Read the new one")).to_be_visible()
    await dashboard.page.locator("connection-state").get_by_role("button", name="Read the new one").click()
    await expect(dashboard.connection).to_have_text("Live")
    assert await dashboard.held() == signals(*range(10, 15))
