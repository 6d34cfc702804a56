"""The official Durable Streams clients."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import durable_streams
import pytest

from tests.clients.conftest import Mission
from tests.clients.programs import Program


async def catch_up(url: str, offset: str | None, least: int) -> tuple[list[Any], str]:
    """Ask again and again until so many items are there and it is up to date; gives them, and where they end."""
    items: list[Any] = []
    while True:
        async with durable_streams.astream(url, offset=offset, live=False) as answer:
            items += await answer.read_json()
            offset = answer.offset
            if answer.up_to_date and len(items) >= least:
                return items, offset


@pytest.mark.slow
async def test_the_python_client_catches_up(mission: Mission) -> None:
    """The async client, from the start and from where it stopped, gets every event once."""
    first, saved = await catch_up(mission.url, None, 60)
    second, end = await catch_up(mission.url, saved, 20)
    await mission.finish()
    third, _ = await catch_up(mission.url, end, 1)
    assert first + second + third == mission.events
    again, _ = await catch_up(mission.url, saved, 1)
    assert again == second + third


async def test_the_blocking_python_client_catches_up(mission: Mission) -> None:
    """The other of its two faces."""
    await mission.finish()

    def read() -> list[Any]:
        items: list[Any] = []
        offset: str | None = None
        while len(items) < len(mission.events):
            with durable_streams.stream(mission.url, offset=offset, live=False) as answer:
                items += answer.read_json()
                offset = answer.offset
        return items

    assert await asyncio.to_thread(read) == mission.events


@pytest.mark.slow
@pytest.mark.parametrize("mode", ["long-poll", "sse"])
async def test_the_javascript_client_follows(mission: Mission, node_modules: Path, mode: str) -> None:
    """From the start and from where another stopped, it gets every event once, is told the end, and stops."""
    script = ["node", str(node_modules.parent / "durable-stream.mjs"), mission.url, mode]
    async with Program(*script, "-1", "50") as partial:
        assert await partial.ended() == 0, partial
    before, saved, closed = read(partial)
    assert len(before) >= 50
    assert not closed
    async with Program(*script, "-1") as whole, Program(*script, saved) as rest:
        await rest.printed(5)
        await whole.printed(5)
        await mission.finish()
        assert [await whole.ended(), await rest.ended()] == [0, 0]
    events = mission.events
    assert [read(whole)[0], before + read(rest)[0]] == [events, events]
    assert [read(whole)[2], read(rest)[2]] == [True, True]


def read(program: Program) -> tuple[list[Any], str, bool]:
    """What the script printed: all items, the last offset, whether it was told the end."""
    batches = [json.loads(line) for line in program.lines]
    items = [item for batch in batches for item in batch["items"]]
    return items, batches[-1]["offset"], batches[-1]["streamClosed"]
