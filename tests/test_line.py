from __future__ import annotations

import json
import sys
from typing import Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from streamhub.line import fault_of, is_final, stand_in
from tests import naive
from tests.naive import ODD_LINES

MIB: Final = 1024 * 1024
GENERATION: Final = "0123abcd"

# --- Lines that are no events -----------------------------------------------------------------------------------


@pytest.mark.parametrize("line", ODD_LINES, ids=range(len(ODD_LINES)))
def test_fault_of(line: bytes) -> None:
    """A line is what Python's own parsers, used strictly, make of it."""
    if line:  # an empty one is passed over before it is judged
        assert fault_of(line, MIB) == naive.fault(line, MIB)


@pytest.mark.parametrize(
    ("line", "fault"),
    [
        (b'{"a":"\x00"}', "nul"),
        (b'\x00{"a":"\xff"}', "nul"),
        (b'{"a":"\xff"}', "utf-8"),
        (b'{"a":"\xed\xa0\x80"}', "utf-8"),
        (b"\xff\xfe{}", "utf-8"),
        (b"[\xff", "utf-8"),
        (b"{", "json"),
        (b"\xef\xbb\xbf{}", "json"),
        (b'\xef\xbb\xbf{"a":"\\u0041"}', "json"),
        (b'{"a":NaN}', "json"),
        (b'{"a":[Infinity,"\\ud800"]}', "json"),
        (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "json"),
        (b'{"a":' * 100_000 + b'"\\ud800"' + b"}" * 100_000, "json"),
        (b" ", "json"),
        (b"\r", "json"),
        (b"{}{}", "json"),
        (b"[{}]", "object"),
        (b"null", "object"),
        (b' "{}" ', "object"),
        (b"{}", None),
        (b"\r {}\t\r", None),
        (b'{"a":"\\ud800"}', None),
        (b'{"a":1e999,"b":' + b"9" * 10_000 + b"}", None),
        (b'{"a":"\xe2\x80\xa8\xe2\x80\xa9\xc2\x85\x7f"}', None),
    ],
    ids=lambda value: ascii(value)[:24],
)
def test_reasons(line: bytes, fault: str | None) -> None:
    """Each reason stands for its kind of line; length comes before NUL, NUL before UTF-8, UTF-8 before JSON."""
    assert fault_of(line, MIB) == fault
    assert fault_of(line, len(line) - 1) == "too-long"
    assert fault_of(line, len(line)) == fault


json_texts = st.recursive(
    st.one_of(
        st.sampled_from(
            ["null", "true", "false", "NaN", "-Infinity", "-", "0", "-0", "01", "1.", "1.5e+3", "1e", ".5"]
        ),
        st.text(max_size=6).map(json.dumps),
        st.sampled_from(
            ['"\\ud83d\\ude00"', '"\\ud800"', '"\\x"', '"\\u12g4"', '"', '"\t"', '"\\/\\b"', "'a'", '"\x7f"']
        ),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=4).map(lambda items: "[" + ",".join(items) + "]"),
        st.lists(inner, max_size=4).map(lambda items: "{" + ",".join(f'"k":{item}' for item in items) + "}"),
        st.tuples(st.sampled_from([" ", "\r", "\t", "\x0b", "\xa0", "\ufeff", ",", "", "}"]), inner).map("".join),
    ),
    max_leaves=8,
)


@settings(max_examples=250, deadline=None)
@given(text=json_texts, cut=st.one_of(st.none(), st.integers(0, 40)), wrap=st.booleans())
@example(text='"\\ud800"', cut=None, wrap=True)
def test_fault_of_near_json(text: str, cut: int | None, wrap: bool) -> None:
    """What is nearly JSON is judged by the grammar, to the letter."""
    line = (f'{{"a":{text}}}' if wrap else text).encode("utf-8", "surrogatepass")[:cut].replace(b"\n", b"")
    assert fault_of(line, MIB) == naive.fault(line, MIB)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60).map(lambda noise: noise.replace(b"\n", b"")))
def test_fault_of_noise(line: bytes) -> None:
    """Noise is judged as by Python's own parsers, whatever the bytes."""
    assert fault_of(line, 40) == naive.fault(line, 40)


def test_stand_in() -> None:
    """The stand-in says where the line starts, how long it is, and why; nothing of its text."""
    assert json.loads(stand_in(GENERATION, 42, 7, "utf-8")) == {
        "event_type": "malformed",
        "payload": {"offset": "0123abcd_0000000000000042", "bytes": 7, "reason": "utf-8"},
    }
    assert b"\n" not in stand_in(GENERATION, 2**50, 2**50, "too-long")


# --- The final status ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("line", [line for line in ODD_LINES if line], ids=ascii)
def test_is_final(line: bytes) -> None:
    """A line is final just when it, alone in its file, closes it."""
    assert is_final(line) is naive.closed(line + b"\n", MIB)


@pytest.mark.parametrize(
    "line",
    [
        b'{"event_type":"status","payload":{"state":"completed","final":true}}',
        b'{"event_type":"status","payload":{"final":true,"more":[1,2]},"more":null}',
        b'\t{ "payload" : { "final" : true } , "event_type" : "status" }\r',
        b'{"event_type":"\\u0073tatus","payload":{"\\u0066inal":true}}',
        b'{"event_type":"status","payload":{"final":true,"detail":"\\ud800"}}',
        b'{"event_type":"status","payload":{"final":true,"n":' + b"9" * 9999 + b"}}",
    ],
    ids=range(6),
)
def test_final(line: bytes) -> None:
    """However it is written, a status whose payload says ``"final": true`` is final."""
    assert is_final(line)


def test_stand_in_is_never_final() -> None:
    """A stand-in closes nothing, whatever the line was that it stands for."""
    assert not is_final(stand_in(GENERATION, 0, 9, "json"))


def test_deep_nesting_at_every_depth() -> None:
    """At no depth does judging a line fail: it is an event, or too deep to parse."""
    for depth in (*range(1, 200, 40), *range(800, sys.getrecursionlimit() + 100, 7), 50_000):
        for line in (
            b'{"a":' + b"[" * depth + b"]" * depth + b"}",
            b'{"event_type":"status","payload":{"final":true,"a":' + b"[" * depth + b'"\\ud800"' + b"]" * depth + b"}}",
        ):
            assert fault_of(line, MIB) in {None, "json"}
            assert isinstance(is_final(line), bool)
            assert depth > 200 or fault_of(line, MIB) is None
