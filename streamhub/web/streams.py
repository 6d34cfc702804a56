"""What streams there are, the shape of one, and the schema of what is in them."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from aiohttp import web

from streamhub.catalog import DEFAULT_LIMIT, Catalog
from streamhub.events import json_schema
from streamhub.filters import parse_time
from streamhub.seek import parse_count
from streamhub.summary import DEFAULT_BUCKETS, SummaryStore, check_buckets
from streamhub.web.answers import answer_json
from streamhub.web.query import limit_of, once
from streamhub.web.view import view_of
from streamhub.wire import compact

if TYPE_CHECKING:
    from collections.abc import Callable

    from streamhub.config import Config
    from streamhub.folder import Folder

#: Long passes over files run beside each other, so many at once, and hold up no read.
_SURVEYORS: Final = 2


class Surveys:
    """The list and the summaries, each made in threads of its own."""

    def __init__(self, folder: Folder, config: Config) -> None:
        self.catalog = Catalog(folder, config.max_line)
        self.summaries = SummaryStore(folder, config.max_line)
        self._threads = ThreadPoolExecutor(_SURVEYORS, thread_name_prefix="streamhub-survey")
        self._lister = ThreadPoolExecutor(1, thread_name_prefix="streamhub-list")

    async def list(self, make: Callable[[int], Any]) -> Any:  # noqa: ANN401 - what the function gives
        """Ask the catalog. The function is told how many of its passes had begun by now: before it had its turn."""
        return await asyncio.get_running_loop().run_in_executor(self._lister, make, self.catalog.begun)

    async def sum_up(self, make: Callable[[], Any]) -> Any:  # noqa: ANN401 - what the function gives
        """Ask for a summary."""
        return await asyncio.get_running_loop().run_in_executor(self._threads, make)

    def close(self) -> None:
        """Break off what is being counted."""
        self.summaries.close()
        for threads in (self._threads, self._lister):
            threads.shutdown(wait=False, cancel_futures=True)


SURVEYS: web.AppKey[Surveys] = web.AppKey("surveys", Surveys)
_SCHEMA: Final = compact(json_schema())


async def list_streams(request: web.Request) -> web.Response:
    """The streams, newest activity first, in pages."""
    surveys, limit = request.app[SURVEYS], limit_of(request) or DEFAULT_LIMIT
    after, prefix, mission = (once(request.query, name) for name in ("after", "prefix", "mission_id"))
    visible = view_of(request).allows
    page = await surveys.list(lambda asked: surveys.catalog.page(limit, after, prefix or "", mission, visible, asked))
    return answer_json(request, page.body, page.etag)


async def summarise(request: web.Request) -> web.Response:
    """The shape of one stream over time."""
    surveys, stream = request.app[SURVEYS], request.match_info["id"]
    buckets = once(request.query, "buckets")
    count = DEFAULT_BUCKETS if buckets is None else parse_count("buckets", buckets)
    since, until = (once(request.query, name) for name in ("since", "until"))
    span = [None if time is None else parse_time(time) for time in (since, until)]
    check_buckets(count)
    view_of(request).check(stream)
    summary = await surveys.sum_up(partial(surveys.summaries.answer, stream, count, *span))
    return answer_json(request, compact(summary))


async def show_schema(request: web.Request) -> web.Response:
    """JSON Schema of the events."""
    return answer_json(request, _SCHEMA, content_type="application/schema+json")
