"""ResponseEnvelope: what a mission's API answers, with the id of the stream to watch.

The answer to a mission that was started::

    {"ok":true,"data":{"mission_id":"m-42"},"live_stream_id":"20260101T120000.000000Z-1f0c9a3b5d7e"}

The answer to one that could not be::

    {"ok":false,"error":"the mission names no start page"}

Encode with ``msgspec.json.encode(envelope)``; decode with
``msgspec.json.decode(body, type=ResponseEnvelope[YourData])``, or ``ResponseEnvelope[Any]`` for whatever comes.
"""

from __future__ import annotations

from typing import Annotated, Generic, TypeVar

import msgspec

from streamhub.stream_id import STREAM_ID_PATTERN, check_stream_id

T = TypeVar("T")


class ResponseEnvelope(msgspec.Struct, Generic[T], frozen=True, omit_defaults=True):
    """One reply. Optional fields are left out when they are empty.

    Attributes:
        ok: whether the request was served.
        data: what was asked for.
        error: why it was not served, for a person to read.
        live_stream_id: the stream on which to watch what the request set going: ``GET /v1/stream/{live_stream_id}``.

    Raises:
        InvalidStreamIdError: ``live_stream_id`` is no stream id; at decoding too, since it goes into a URL.
    """

    ok: bool
    data: T | None = None
    error: str | None = None
    live_stream_id: Annotated[str | None, msgspec.Meta(extra_json_schema={"pattern": f"^{STREAM_ID_PATTERN}$"})] = None

    def __post_init__(self) -> None:
        if self.live_stream_id is not None:
            check_stream_id(self.live_stream_id)
