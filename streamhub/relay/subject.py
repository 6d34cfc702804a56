"""The subject that a stream has in NATS, and the way back."""

from __future__ import annotations

from typing import Final

from streamhub.stream_id import SUFFIX, check_stream_id, id_of

#: All streams' subjects begin so.
PREFIX: Final = "streamhub."
#: All streams.
EVERY: Final = "streamhub.*"
#: Stands for a dot, which would part the id into several tokens, some of them perhaps empty. No id holds it.
_DOT: Final = "="


def subject_of(stream: str) -> str:
    """The subject of a stream: ``streamhub.`` and the id as one token.

    Raises:
        InvalidStreamIdError: it is no id.
    """
    return PREFIX + check_stream_id(stream).replace(".", _DOT)


def stream_of(subject: str) -> str | None:
    """The id of the stream that has this subject; None when none can."""
    token = subject.removeprefix(PREFIX)
    if token == subject or "." in token:
        return None
    return id_of(token.replace(_DOT, ".") + SUFFIX)
