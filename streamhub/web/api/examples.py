"""One short mission as every way to read it shows it: made by the code that serves, so that no example can be wrong."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from streamhub.batch import make_batch
from streamhub.events import Extraction, ExtractionEvent, Navigation, NavigationEvent, Status, StatusEvent, encode
from streamhub.offset import Offset, generation_of
from streamhub.wire import compact, durable_events, json_lines, sse_event, sse_lines

STREAM: Final = "20260101T120000.000000Z-1f0c9a3b5d7e"
MISSION: Final = "m-42"
_BEGIN: Final = datetime(2026, 1, 1, 12, tzinfo=UTC)

LINES: Final = (
    encode(NavigationEvent(_BEGIN, MISSION, Navigation("https://example.com", "open"))),
    encode(ExtractionEvent(_BEGIN + timedelta(seconds=2), MISSION, Extraction("prices", 12))),
    encode(StatusEvent(_BEGIN + timedelta(seconds=3), MISSION, Status("completed", final=True))),
)
#: The same lines as JSON values.
EVENTS: Final[list[Any]] = [json.loads(line) for line in LINES]

_FILE: Final = json_lines(LINES)
_BATCH: Final = make_batch(STREAM, generation_of(LINES[0]), 0, _FILE, len(_FILE))

BYTES: Final = len(_FILE)
BEGINNING: Final = str(Offset(_BATCH.generation, 0))
SECOND: Final = str(Offset(_BATCH.generation, _BATCH.ends[0]))
TAIL: Final = str(_BATCH.next)

NDJSON: Final = _FILE.decode()
SSE_DURABLE: Final = durable_events(LINES, {"streamNextOffset": TAIL, "upToDate": True, "streamClosed": True}).decode()
SSE_PLAIN: Final = (
    "retry: 2000\n\n"
    + sse_lines(_BATCH, True).decode()  # noqa: FBT003 - an encoder's flag
    + sse_event(data=compact({"next": TAIL}), event="closed", id=TAIL).decode()
)

ENTRY: Final = {
    "id": STREAM,
    "mission_id": MISSION,
    "tail": TAIL,
    "bytes": BYTES,
    "first": EVENTS[0]["timestamp"],
    "last": EVENTS[-1]["timestamp"],
    "closed": True,
}
SUMMARY: Final = {
    "id": STREAM,
    "mission_id": MISSION,
    "events": 3,
    "malformed": 0,
    "bytes": BYTES,
    "tail": TAIL,
    "closed": True,
    "first": EVENTS[0]["timestamp"],
    "last": EVENTS[-1]["timestamp"],
    "by_type": {"navigation": 1, "extraction": 1, "status": 1},
    "buckets": [
        {"from": EVENTS[0]["timestamp"], "offset": BEGINNING, "by_type": {"navigation": 1}},
        {"from": EVENTS[1]["timestamp"], "offset": SECOND, "by_type": {"extraction": 1, "status": 1}},
    ],
}
