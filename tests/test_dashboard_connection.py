"""The dashboard's connection, in a browser: what is said of it, and that nothing is lost by it."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from playwright.async_api import expect

from tests.client.between import between, no_sockets
from tests.pages import BROKEN, REFUSED, Dashboard, line, signals, token, visiting
from tests.servers import ServerProcess, Stream, served

if TYPE_CHECKING:
    from pathlib import Path

    from playwright.async_api import Browser, Route, WebSocketRoute

pytestmark = pytest.mark.asyncio(loop_scope="session")


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


async def test_a_proxy_that_lets_no_websocket_through(browser: Browser, tmp_path: Path) -> None:
    """The page asks again and again instead: it shows what was and what comes, and says when it has ended."""
    async with (
        served(tmp_path) as server,
        between(server, no_sockets(400)) as proxy,
        visiting(browser, proxy.url) as dashboard,
    ):
        dashboard.allowed += [REFUSED, BROKEN]
        with Stream(tmp_path) as stream:
            stream.write(line(0) + line(1))
            await dashboard.open("s")
            await expect(dashboard.row("event-1")).to_be_visible()
            await expect(dashboard.connection).to_have_text("Live")
            stream.write(line(2))
            await expect(dashboard.row("event-2")).to_be_visible()
            stream.final()
            await expect(dashboard.connection).to_have_text("Ended")
        assert (await dashboard.held())[:3] == signals(0, 1, 2)


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
    await dashboard.notes.get_by_role("button", name="Read the new one").click()
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
    for offset, told in (
        ("deadbeef_0000000000000005", "Live · the event of the link is gone: its file was cut or replaced"),
        ("deadbeef_0000000000000000", "Live · the event of the link is gone: its file was cut or replaced"),
        ("nonsense", "Live · the link leads to no event: no line begins there"),
        (f"{token([line(1)], 0)[:9]}0000000000000005", "Live · the link leads to no event: no line begins there"),
    ):
        await dashboard.open("s", f"?o={offset}")
        await expect(dashboard.rows).to_have_count(2)
        await expect(dashboard.connection).to_contain_text(told)
        await expect(dashboard.detail).to_be_hidden()
        await expect(dashboard.page.locator(".row[aria-selected=true]")).to_have_count(0)
        assert dashboard.page.url.endswith("#/s/s")


SECRET = "a-token-of-some-length"


async def test_token_that_is_good_no_longer(browser: Browser, tmp_path: Path) -> None:
    """Signed out, the page says so and keeps what it has; with a new token it goes on where it stopped."""
    sockets: list[WebSocketRoute] = []

    def pass_on(socket: WebSocketRoute) -> None:
        socket.connect_to_server()
        sockets.append(socket)

    with Stream(tmp_path) as stream:
        stream.write(line(0) + line(1))
        async with served(tmp_path, tokens=(SECRET,)) as server, visiting(browser, server.url) as dashboard:
            dashboard.allowed += [REFUSED]
            page, context = dashboard.page, dashboard.page.context
            await page.route_web_socket("**/v1/ws?*", pass_on)
            await page.goto(f"{server.url}/?token={SECRET}")
            await expect(page.locator(".streams li")).to_have_count(1)
            await dashboard.open("s")
            await expect(dashboard.connection).to_have_text("Live")
            await context.clear_cookies()
            await sockets[-1].close(code=4401, reason="token expired")
            await expect(dashboard.connection).to_have_text("Signed out · the token is good no longer")
            await expect(dashboard.notes).to_contain_text("open /?token=… with a new one")
            stream.write(line(2) + line(3))
            assert await dashboard.held() == signals(0, 1)
            await dashboard.notes.get_by_role("button", name="Try again").click()
            await expect(dashboard.connection).to_have_text("Signed out · the token is good no longer")
            other = await context.new_page()
            await other.goto(f"{server.url}/?token={SECRET}")
            await page.locator("connection-state button", has_text="Try again").click()
            await expect(dashboard.row("event-3")).to_be_visible()
            await expect(dashboard.connection).to_have_text("Live")
            assert await dashboard.held() == signals(0, 1, 2, 3)
            await expect(dashboard.notes.filter(has_text="token")).to_have_count(0)


async def test_list_without_a_good_token(browser: Browser, tmp_path: Path) -> None:
    """The list, too, says that one is signed out, keeps what it has, and comes back with a new token."""
    (tmp_path / "s.jsonl").write_bytes(line(1))
    async with served(tmp_path, tokens=(SECRET,)) as server, visiting(browser, server.url) as dashboard:
        dashboard.allowed += [REFUSED]
        await dashboard.page.goto(f"{server.url}/?token={SECRET}")
        state = dashboard.page.locator(".connection > span")
        await expect(state).to_have_text("Live")
        await dashboard.page.context.clear_cookies()
        await expect(state).to_contain_text("Signed out · open /?token=…")
        await expect(dashboard.page.locator(".streams li")).to_have_count(1)
        other = await dashboard.page.context.new_page()
        await other.goto(f"{server.url}/?token={SECRET}")
        await dashboard.page.get_by_role("button", name="Try now").click()
        await expect(state).to_have_text("Live")


async def test_refusal_of_a_proxy_is_told(dashboard: Dashboard, tmp_path: Path) -> None:
    """403 from whatever stands before the server, in whatever words, is a refusal; nothing is asked on and on."""
    (tmp_path / "s.jsonl").write_bytes(line(1))
    dashboard.allowed += [REFUSED]
    refused: list[str] = []

    async def refuse(route: Route) -> None:
        refused.append(route.request.url)
        await route.fulfill(status=403, content_type="text/html", body="<h1>Forbidden</h1>")

    await dashboard.page.route("**/v1/stream/**", refuse)
    await dashboard.open("s")
    await expect(dashboard.connection).to_have_text("Refused · the server answered 403")
    await expect(dashboard.notes).to_contain_text("the server answered 403")
    assert len(refused) < 10
    await dashboard.page.unroute("**/v1/stream/**", refuse)
    await dashboard.notes.get_by_role("button", name="Try again").click()
    await expect(dashboard.row("event-1")).to_be_visible()
    await expect(dashboard.connection).to_have_text("Live")


async def test_closed_stream_does_not_wait_for_a_server(
    browser: Browser, process: ServerProcess, tmp_path: Path
) -> None:
    """What has ended stays ended while the server is away: nothing is awaited of it."""
    (tmp_path / "s.jsonl").write_bytes(line(1) + line(2, "status", state="completed", final=True))
    async with visiting(browser, process.url) as dashboard:
        dashboard.allowed += [REFUSED]
        await dashboard.open("s")
        await expect(dashboard.connection).to_have_text("Ended")
        await expect(dashboard.page.locator(".facts")).to_contain_text("2 events")
        asked: list[str] = []
        dashboard.page.on("request", lambda request: asked.append(request.url))
        await process.stop(signal.SIGKILL)
        await dashboard.press("k", "Enter")
        await expect(dashboard.detail.locator(".json")).to_be_visible()
        await expect(dashboard.connection).to_have_text("Ended")
        assert not [url for url in asked if "/v1/" in url]
