"""wscat and curl, as a person at a terminal would use them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import Mission
from tests.clients.programs import Program
from tests.servers import Server
from tests.wires import Events

Require = Callable[[str, str], str]


async def offset_after(server: Server, mission: Mission, count: int) -> str:
    """Where the first so many lines end, as a client that polls would save it."""
    lines: list[bytes] = []
    offset = "-1"
    while len(lines) < count:
        path = f"/v1/stream/{mission.live_stream_id}?offset={offset}&limit={count - len(lines)}"
        _, headers, body = await server.get(path, headers={"Accept": "application/x-ndjson"})
        lines += body.split(b"\n")[:-1]
        offset = headers["Stream-Next-Offset"]
    assert lines == mission.lines[:count]
    return offset


@pytest.mark.parametrize("paged", [{"compress": False}, {"compress": True}], indirect=True)
async def test_wscat_reads_a_live_stream(mission: Mission, paged: Server, node_modules: Path) -> None:
    """History, then live, each line as it stands in the file, from the start and from a saved offset; then it exits.

    It offers compression, which changes nothing of that.
    """
    wscat = ["node", str(node_modules / "wscat" / "bin" / "wscat"), "--connect"]
    url = mission.url.replace("http:", "ws:") + "/ws"
    saved = await offset_after(paged, mission, 30)
    async with Program(*wscat, url) as first, Program(*wscat, f"{url}?offset={saved}") as second:
        await first.printed(60)
        await second.printed(30)
        await mission.finish()
        assert [await first.ended(), await second.ended()] == [0, 0]
    assert first.lines == mission.lines
    assert second.lines == mission.lines[30:]


async def test_curl_reads_a_live_stream(mission: Mission, paged: Server, require_tool: Require) -> None:
    """Server-sent events as they come, from the start and from a saved offset; then it exits."""
    curl = [require_tool("curl", "reads server-sent events"), "--no-buffer", "--silent", "--show-error", "--fail"]
    saved = await offset_after(paged, mission, 30)
    url = f"{mission.url}/sse"
    async with (
        Program(*curl, url) as first,
        Program(*curl, f"{url}?offset={saved}") as second,
        Program(*curl, url, "--header", f"Last-Event-ID: {saved}") as third,
    ):
        await first.printed(60 * 3)
        await second.printed(30 * 3)
        await mission.finish()
        assert [await one.ended() for one in (first, second, third)] == [0, 0, 0]
    for program, start in ((first, 0), (second, 30), (third, 30)):
        *events, closed = Events().feed(b"".join(line + b"\n" for line in program.lines))
        assert [event.data for event in events if event.data] == mission.lines[start:]
        assert (closed.name, closed.id) == ("closed", events[-1].id)


async def test_curl_reads_the_lines_themselves(mission: Mission, require_tool: Require) -> None:
    """A closed stream's lines, page by page, are the file, byte for byte."""
    await mission.finish()
    curl = [require_tool("curl", "reads pages"), "--silent", "--show-error", "--fail", "--no-buffer"]
    asked = [*curl, "--dump-header", "/dev/stderr", "--header", "Accept: application/x-ndjson"]
    lines: list[bytes] = []
    offset, closed = "-1", False
    while not closed:
        async with Program(*asked, f"{mission.url}?offset={offset}") as page:
            assert await page.ended() == 0
        lines += page.lines
        fields = dict(row.split(": ", 1) for row in page.errors.decode().split("\r\n")[1:] if row)
        offset, closed = fields["Stream-Next-Offset"], "Stream-Closed" in fields
    assert lines == mission.lines
