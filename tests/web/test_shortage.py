"""A server that cannot accept a connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from streamhub.web.shortage import said_once
from tests.scarcity import few_descriptors
from tests.servers import served, until

if TYPE_CHECKING:
    from pathlib import Path

    import pytest


async def test_a_flood_does_not_fill_the_log(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Without a descriptor to accept with, one line says so, however often it is tried."""
    async with served(tmp_path) as server:
        parts = urlsplit(server.url)
        with contextlib.ExitStack() as crowd:
            for _ in range(64):
                crowd.enter_context(socket.create_connection((parts.hostname, parts.port)))
            with few_descriptors(3):
                await until(lambda: "Too many open files" in caplog.text)
                await asyncio.sleep(0)
    said = [record for record in caplog.records if "Too many open files" in record.getMessage() or record.exc_info]
    assert [record.exc_info for record in said] == [None]


async def test_other_faults_are_told_in_full(caplog: pytest.LogCaptureFixture) -> None:
    """What else fails in the event loop is logged as ever, and so is everything after the server."""
    loop = asyncio.get_running_loop()
    before = loop.get_exception_handler()
    with said_once(loop):
        for context in ({"socket": None}, {"exception": OSError(24, "not of a socket")}):
            loop.call_exception_handler({"message": "something else", **context})
        assert [record.getMessage().split("\n")[0] for record in caplog.records] == ["something else"] * 2
    assert loop.get_exception_handler() is before
