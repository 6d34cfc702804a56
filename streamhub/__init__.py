"""streamhub: watch long-running missions live, and do nothing else to them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from streamhub.current import current_stream
from streamhub.emitter import Emitter
from streamhub.envelope import ResponseEnvelope
from streamhub.errors import InvalidEventError, StreamClosedError, StreamhubError
from streamhub.events import (
    ExecutionStreamEvent,
    ExtractionEvent,
    NavigationEvent,
    SignalEvent,
    StatusEvent,
    decode,
    encode,
)
from streamhub.handler import EmitterHandler

if TYPE_CHECKING:
    from streamhub.async_emitter import AsyncEmitter

__all__ = [
    "AsyncEmitter",
    "Emitter",
    "EmitterHandler",
    "ExecutionStreamEvent",
    "ExtractionEvent",
    "InvalidEventError",
    "NavigationEvent",
    "ResponseEnvelope",
    "SignalEvent",
    "StatusEvent",
    "StreamClosedError",
    "StreamhubError",
    "current_stream",
    "decode",
    "encode",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - whatever it is
    """AsyncEmitter is loaded when somebody asks for it: it brings asyncio, which other missions do not need."""
    if name == "AsyncEmitter":
        return importlib.import_module("streamhub.async_emitter").AsyncEmitter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
