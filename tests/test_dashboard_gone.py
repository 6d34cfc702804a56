"""A stream in the dashboard that cannot be read any more, in a browser: its rows stay, and nothing is asked again."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.pages import REFUSED, Dashboard, line, visiting
from tests.servers import served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Page

pytestmark = pytest.mark.asyncio(loop_scope="session")

COUNT = 8000
SECRET = "a-token-of-some-length"
REST = "the rest cannot be read any more"
#: What makes the page read elsewhere, and the most questions that each may cost: one for the act, one to find out why.
ACTS = ("scroll", "g", "search", "chip")
MOST = 2


def write(path: Path) -> None:
    """A stream that is longer than what the page holds of it, of two types."""
    lines = (line(number, "mixed" if number % 2 else "signal", name=f"event-{number}") for number in range(COUNT))
    path.write_bytes(b"".join(lines))


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
    (tmp_path / "other").write_bytes(line(9) + line(10))
    (tmp_path / "other").rename(tmp_path / "s.jsonl")
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
