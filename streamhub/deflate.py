"""permessage-deflate (RFC 7692), from the server only, without context takeover.

Since no message leans on the one before it, what is deflated once serves every client that negotiated it.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamhub.wire import TEXT, frame_header

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from streamhub.batch import Batch

#: A message shorter than this is sent as it is: the few bytes saved are not worth a client's work.
SHORTEST: Final = 64
_COMPRESSED: Final = 0x40  # RSV1, section 7.2.3.1
_LEVEL: Final = 6
_TRAILER: Final = b"\0\0\xff\xff"
_EXTENSION: Final = "permessage-deflate"
#: What a parameter may say of a window: without leading zeros, sections 7.1.2.1 and 7.1.2.2.
_WINDOW_BITS: Final = {str(bits): bits for bits in range(8, 16)}


@dataclass(frozen=True)
class Deflated:
    """An encoder that deflates each message. Equal ones, and so all clients of a form and window, share their bytes.

    Attributes:
        messages: what the messages of a batch are.
        window_bits: the size of the window, as a power of two, that the client can hold.
    """

    messages: Callable[[Batch, bool], Sequence[bytes]]
    window_bits: int = 15

    def __call__(self, batch: Batch, at_tail: bool) -> bytes:  # noqa: FBT001
        """The batch's messages as frames."""
        return b"".join([deflated_frame(message, self.window_bits) for message in self.messages(batch, at_tail)])


def deflated_frame(message: bytes, window_bits: int) -> bytes:
    """One whole text message, deflated where that makes it shorter."""
    if len(message) >= SHORTEST:
        deflate = zlib.compressobj(_LEVEL, zlib.DEFLATED, -window_bits)
        short = deflate.compress(message) + deflate.flush(zlib.Z_SYNC_FLUSH)
        short = short.removesuffix(_TRAILER)
        if len(short) < len(message):
            return frame_header(TEXT | _COMPRESSED, len(short)) + short
    return frame_header(TEXT, len(message)) + message


def negotiate(offers: str) -> tuple[int, str] | None:
    """Choose of what a client offers in ``Sec-WebSocket-Extensions``; the window's bits and the answer, or None."""
    for offer in offers.split(","):
        name, *parameters = (part.strip() for part in offer.split(";"))
        if name == _EXTENSION:
            bits = _window_bits(parameters)
            if bits is not None:
                answer = f"{_EXTENSION}; server_no_context_takeover; client_no_context_takeover"
                return bits, answer if bits == 15 else f"{answer}; server_max_window_bits={bits}"
    return None


def _window_bits(parameters: list[str]) -> int | None:
    """The window that an offer allows; None when it asks for what is not known or cannot be done."""
    bits = 15
    seen: set[str] = set()
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        name, value = name.strip(), value.strip().strip('"')
        wanted = _WINDOW_BITS.get(value)
        if name in seen:
            return None
        seen.add(name)
        match name:
            case "server_no_context_takeover" | "client_no_context_takeover" if not value:
                pass
            case "client_max_window_bits" if not value or wanted:
                pass
            case "server_max_window_bits" if wanted and wanted > 8:  # zlib has no raw window of 256 bytes
                bits = wanted
            case _:
                return None
    return bits
