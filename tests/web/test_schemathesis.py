"""The description of the API, turned against the server: what it allows is asked for, and what it does not."""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import os
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from schemathesis import Case, GenerationMode
from schemathesis.core.result import Ok

from streamhub.config import KIB
from tests.naive import padded
from tests.servers import Stream, served
from tests.web.described import openapi
from tests.web.inside import QUICK

#: Questions of each operation, as it is described and otherwise; more in a long run.
EXAMPLES = int(os.environ.get("STREAMHUB_TEST_EXAMPLES", "6"))


def ask(url: str, case: Case[Any]) -> tuple[int, dict[str, str], bytes]:
    """Ask as a case says, with whatever it says; an event stream is read as far as it goes in a moment."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(str(parts.hostname), parts.port, timeout=20)
    try:
        named = {name: quote(str(value), safe="") for name, value in case.path_parameters.items()}
        query = urlencode({name: value for name, value in case.query.items() if value is not None}, doseq=True)
        fields = {name: str(value) for name, value in case.headers.items()}
        connection.request(case.method, f"{case.path.format(**named)}?{query}", headers=fields)
        answer = connection.getresponse()
        streams = answer.headers.get_content_type() == "text/event-stream" or answer.status == 101
        body = b"" if streams else answer.read()
        return answer.status, dict(answer.headers), body
    finally:
        connection.close()


def put_all(url: str, document: dict[str, Any], mode: GenerationMode) -> Counter[int]:
    """Put every operation to the test; gives how often which status was answered."""
    found: Counter[int] = Counter()
    judge = openapi()
    for result in schemathesis.openapi.from_dict(document).get_all_operations():
        assert isinstance(result, Ok), result
        operation = result.ok()

        @settings(max_examples=EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck), database=None)
        @given(case=operation.as_strategy(generation_mode=mode))
        def put(case: Case[Any]) -> None:
            status, headers, body = ask(url, case)
            found[status] += 1
            described = judge.operations()[case.method.upper(), case.path]["responses"]
            assert str(status) in described, f"{status} is not described: {body!r}"
            assert status < 500 or (status == 503 and headers["Retry-After"]), f"{status}: {body!r}"

        with contextlib.suppress(Unsatisfiable):  # where nothing is asked for, nothing can be asked wrongly
            put()
    return found


@pytest.mark.slow
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE])
async def test_whatever_is_asked_nothing_fails(tmp_path: Path, mode: GenerationMode) -> None:
    """Every operation, six questions each way: no 500, and no answer that is not described."""
    with Stream(tmp_path, "s") as stream, Stream(tmp_path, "m-42") as closed:
        stream.write((padded(99) + b"\n") * KIB)
        closed.line(1)
        closed.final()
    async with served(tmp_path, timing=QUICK) as server:
        document = openapi().document
        found = await asyncio.to_thread(put_all, server.url, document, mode)
    operations = sum(method != "parameters" for item in document["paths"].values() for method in item)
    assert sum(found.values()) >= operations
    assert found[500] == 0
