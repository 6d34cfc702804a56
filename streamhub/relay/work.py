"""Work that goes on until it is done, or cannot."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Coroutine


async def work_unless(work: Coroutine[Any, Any, None], *failures: asyncio.Future[None]) -> None:
    """Do it to its end, unless something else fails first: then that is raised, and the work cancelled."""
    working = asyncio.ensure_future(work)
    ends: set[asyncio.Future[None]] = {working, *failures}
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    finally:
        if not working.done():
            working.cancel()
            await asyncio.wait({working})
    for end in (*failures, working):
        if end.done() and not end.cancelled():
            await end
