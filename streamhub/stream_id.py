"""The stream id: what names a stream in addresses and, with a suffix, its file in the folder."""

from __future__ import annotations

import os
import re
import time
from typing import Final

from streamhub.errors import InvalidStreamIdError

#: What an id must match, the whole of it: no path separator, no leading dot or dash, ASCII only.
STREAM_ID_PATTERN: Final = "[A-Za-z0-9][A-Za-z0-9._-]{0,127}"
#: What a stream's file name has after the id.
SUFFIX: Final = ".jsonl"

_STREAM_ID: Final = re.compile(STREAM_ID_PATTERN, re.ASCII)


def check_stream_id(stream_id: str) -> str:
    """Give the id back, if it is one.

    Raises:
        InvalidStreamIdError: it does not match ``STREAM_ID_PATTERN`` as a whole.
    """
    if not isinstance(stream_id, str) or _STREAM_ID.fullmatch(stream_id) is None:
        raise InvalidStreamIdError(
            f"stream id {ascii(stream_id)[:140]} is malformed: use 1 to 128 of A-Z, a-z, 0-9, '.', '_', '-', "
            "beginning with a letter or a digit"
        )
    return stream_id


def new_stream_id() -> str:
    """Make an id that nobody else has, such as ``20260101T120000.000000Z-1f0c9a3b5d7e``; ids sort by time."""
    seconds, nanoseconds = divmod(time.time_ns(), 1_000_000_000)
    clock = time.strftime("%Y%m%dT%H%M%S", time.gmtime(seconds))
    return f"{clock}.{nanoseconds // 1000:06d}Z-{os.urandom(6).hex()}"


def file_name(stream_id: str) -> str:
    """The name of the stream's file in the folder.

    Raises:
        InvalidStreamIdError: ``stream_id`` is none, and so might name a file elsewhere.
    """
    return check_stream_id(stream_id) + SUFFIX


def id_of(name: str) -> str | None:
    """The id of the stream that a file of this name holds, or None if the name is no stream's."""
    stream_id = name.removesuffix(SUFFIX)
    if stream_id == name or _STREAM_ID.fullmatch(stream_id) is None:
        return None
    return stream_id
