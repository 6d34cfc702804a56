"""What is said of a stream that is not there: which one may have been meant."""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, Final

from streamhub.errors import StreamNotFoundError
from streamhub.stream_id import id_of

if TYPE_CHECKING:
    from collections.abc import Collection

_MOST: Final = 3


def no_such_stream(stream: str, where: str, known: Collection[str]) -> StreamNotFoundError:
    """The error of a stream that is not there.

    Args:
        stream: the id that was given.
        where: the folder or the server.
        known: the ids there are.
    """
    meant = _meant(stream, known)
    hint = f"did you mean {' or '.join(map(repr, meant))}?" if meant else "see streamhub ls"
    return StreamNotFoundError(f"there is no stream {stream!r} in {where!r}: {hint}")


def _meant(stream: str, known: Collection[str]) -> list[str]:
    """The id of the file it names; else ids that begin with it, as nobody types a long one out, or look like it."""
    of_file = id_of(stream)
    if of_file is not None and of_file in known:
        return [of_file]
    begun = sorted(name for name in known if name.startswith(stream))
    return begun[:_MOST] or get_close_matches(stream, known, _MOST)
