"""A piece of a stream's file, as a message carries it: its headers say which, its payload is the bytes."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from streamhub.errors import InvalidOffsetError
from streamhub.offset import HEAD_BYTES, Offset, generation_of, parse_offset
from streamhub.relay.subject import stream_of

if TYPE_CHECKING:
    from collections.abc import Mapping

#: Where the piece starts, as the token that clients use.
OFFSET: Final = "Streamhub-Offset"
#: The digest of the payload, so that it can be compared where only headers are sent.
DIGEST: Final = "Streamhub-Digest"
MESSAGE_ID: Final = "Nats-Msg-Id"
EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
#: How large the payload is, where only headers are sent.
_SIZE: Final = "Nats-Msg-Size"
#: What the headers of a piece take at most, with the longest id: the server counts them as payload.
HEADERS_ROOM: Final = 1024


@dataclass(frozen=True, slots=True)
class Piece:
    """A piece that JetStream holds.

    Attributes:
        stream: the stream's id.
        offset: where it starts in the file.
        size: how many bytes it has.
        digest: their digest.
        sequence: the message's sequence in JetStream.
        time: when JetStream got it, in seconds since 1970.
        data: the bytes; empty where only the headers were asked for.
    """

    stream: str
    offset: Offset
    size: int
    digest: str
    sequence: int
    time: float
    data: bytes = b""

    @property
    def start(self) -> int:
        """The byte that it starts at."""
        return self.offset.byte

    @property
    def end(self) -> int:
        """The byte after it."""
        return self.offset.byte + self.size

    @property
    def is_sound(self) -> bool:
        """Whether the bytes are those that the headers speak of, as far as that can be seen."""
        return bool(self.data) and self.digest == digest_of(self.data) and self._names_its_generation

    @property
    def _names_its_generation(self) -> bool:
        if self.start:
            return True
        head, newline, _ = self.data[: HEAD_BYTES + 1].partition(b"\n")
        return (not newline and len(head) <= HEAD_BYTES) or generation_of(head) == self.offset.generation


def headers_of(stream: str, offset: Offset, data: bytes, expected: int) -> dict[str, str]:
    """What is said of a piece.

    Args:
        stream: the stream's id.
        offset: where the piece starts.
        data: its bytes.
        expected: the sequence that the last message on the subject has; 0: there is none.
    """
    return {
        MESSAGE_ID: f"{stream}/{offset}",
        OFFSET: str(offset),
        DIGEST: digest_of(data),
        EXPECTED: str(expected),
    }


def piece_of(
    subject: str, headers: Mapping[str, str] | None, data: bytes, *, sequence: int, time: float
) -> Piece | None:
    """The piece that a message carries; None when it is none of ours."""
    stream = stream_of(subject)
    if stream is None or headers is None or OFFSET not in headers:
        return None
    try:
        offset = parse_offset(headers[OFFSET])
        size = len(data) or int(headers.get(_SIZE, "0"))
    except (InvalidOffsetError, ValueError):
        return None
    return Piece(stream, offset, size, headers.get(DIGEST, ""), sequence, time, data)


def digest_of(data: bytes) -> str:
    """The digest of a piece's bytes: 16 hex digits of their SHA-256."""
    return hashlib.sha256(data).hexdigest()[:16]
