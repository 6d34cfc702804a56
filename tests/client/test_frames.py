from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.batch import Batch
from streamhub.client.frames import Ended, Lines, Opened, Refused, Replaced, read_frame
from streamhub.errors import StreamhubError
from streamhub.offset import Offset
from streamhub.wire import compact, events_messages

NEXT = "0123abcd_0000000000000100"


def message(**fields: Any) -> bytes:
    """As the server writes it."""
    return compact(fields)


def test_what_may_be_said() -> None:
    """Each kind of message, and nothing for a sign of life."""
    opened = {"stream": "s", "offset": NEXT, "tail": NEXT, "closed": False}
    assert read_frame(message(type="open", streams=[opened, {**opened, "stream": "t"}])) == [
        Opened("s", NEXT, NEXT),
        Opened("t", NEXT, NEXT),
    ]
    assert read_frame(message(type="heartbeat", next={"s": NEXT}, time="2026-01-01T00:00:00.000000Z")) == ()
    assert read_frame(message(type="end", stream="s", next=NEXT)) == (Ended("s"),)
    assert read_frame(message(type="reset", stream="s", earliest=None)) == (Replaced("s", None),)
    assert read_frame(message(type="reset", stream="s", earliest=NEXT)) == (Replaced("s", NEXT),)
    assert read_frame(message(type="error", code=1013, message="too many")) == (Refused(1013, "too many"),)


@pytest.mark.parametrize("strange", [b"", b"{}", b"[]", b'{"type":"news"}', b"\xff", b'{"type":"end"}', b"[" * 100_000])
def test_what_is_not_understood(strange: bytes) -> None:
    """It is said in one line that this is no streamhub server's."""
    with pytest.raises(StreamhubError, match="is not understood") as caught:
        read_frame(strange)
    assert "\n" not in str(caught.value)


CUT = b'{"event_type":"navigation","payload":{"url":"cut \\ud83d","action":"go"}}'


@pytest.mark.parametrize(
    "texts",
    [
        [CUT],
        ['{"é":"€, ]}"}'.encode(), b'\t {"a":[{}]}\r', b" " + CUT + b" \r", b'{"events":[1,2]}'],
        [CUT, b'{"n":' + b"7" * 5000 + b"}"],
    ],
    ids=["alone", "beside others", "beside a long number"],
)
def test_half_a_surrogate_pair(texts: list[bytes]) -> None:
    """A text that was cut in the middle of a character is JSON: its line, and those beside it, come byte for byte."""
    batch = Batch("s", "0123abcd", 0, 100, texts)
    (said,) = events_messages(batch, True)
    assert read_frame(said) == (Lines("s", texts, NEXT),)


@pytest.mark.parametrize(
    "end", [b"", b"]", b"]}]", b",]}", b",x]}", b"x]}", b" ]}" * 2, b',"\xff"]}', b"," + b"[" * 100_000]
)
def test_half_a_surrogate_pair_in_what_is_not_understood(end: bytes) -> None:
    """Such a line makes nothing understood that is no message of events."""
    for head in (f'{{"type":"events","stream":"s","next":"{NEXT}","events":[', '{"type":"news","events":[', "["):
        with pytest.raises(StreamhubError, match="is not understood"):
            read_frame(head.encode() + CUT + end)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)
SPACE = st.text(" \t\r", max_size=2)


@st.composite
def lines(draw: st.DrawFn) -> bytes:
    """A JSON object on a line, as any program might write it: with white space, escapes or raw characters."""
    value = draw(st.dictionaries(st.text(), JSON, max_size=3))
    if draw(st.booleans()):
        return f"{draw(SPACE)}{json.dumps({**value, 'cut': chr(0xD83D)})}{draw(SPACE)}".encode()
    text = json.dumps(
        value, ensure_ascii=draw(st.booleans()), separators=draw(st.sampled_from([(",", ":"), (", ", ": ")]))
    )
    return f"{draw(SPACE)}{text}{draw(SPACE)}".encode("utf-8", "replace")


@pytest.mark.slow
@given(st.lists(lines(), max_size=5), st.booleans())
def test_lines_keep_their_bytes(texts: list[bytes], at_tail: bool) -> None:
    """Whatever white space stands in or around a line, and whatever it says: it comes byte for byte."""
    batch = Batch("s", "0123abcd", 0, sum(len(text) + 1 for text in texts), texts)
    (said,) = events_messages(batch, at_tail)
    assert read_frame(said) == (Lines("s", texts, str(Offset("0123abcd", batch.end))),)
