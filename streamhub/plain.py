"""The common events, made into lines quickly: where the types alone tell that a line can be read back, nobody tries."""

from __future__ import annotations

from typing import Final

import msgspec

from streamhub.events import Extraction, Navigation, Payload, Signal, line_middle

# Larger ones are left to line_rest(), which tells where JSON's numbers end.
_LARGEST_COUNT: Final = 2**53
_VALUES: Final = frozenset({str, bool, int, float, type(None)})
_encode: Final = msgspec.json.Encoder().encode


class PlainLines:
    """The lines of one mission's plain events."""

    def __init__(self, mission_id: str) -> None:
        """Raises InvalidEventError when ``mission_id`` can be none."""
        self._middles = {kind: line_middle(mission_id, kind) for kind in (Navigation, Extraction, Signal)}

    def rest(self, payload: Payload) -> bytes | None:
        """What line_rest() makes of it, or None: whatever is unusual or wrong, and every status, is left to that."""
        # The very types, not what is derived from them: that could be anything.
        if type(payload) is Navigation:
            plain = type(payload.url) is str and type(payload.action) is str
        elif type(payload) is Signal:
            plain = type(payload.name) is str and type(payload.value) in _VALUES
        elif type(payload) is Extraction:
            plain = type(payload.target) is str and type(payload.count) is int and 0 <= payload.count <= _LARGEST_COUNT
            plain = plain and (payload.url is None or type(payload.url) is str)
        else:
            return None
        if not plain or not (payload.detail is None or type(payload.detail) is str):
            return None
        try:
            return self._middles[type(payload)] + _encode(payload) + b"}"
        except (ValueError, OverflowError):  # half a surrogate pair, a number out of range
            return None
