"""streamhub: watch long-running missions live, and do nothing else to them."""

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

__all__ = [
    "Emitter",
    "ExecutionStreamEvent",
    "ExtractionEvent",
    "InvalidEventError",
    "NavigationEvent",
    "ResponseEnvelope",
    "SignalEvent",
    "StatusEvent",
    "StreamClosedError",
    "StreamhubError",
    "decode",
    "encode",
]
