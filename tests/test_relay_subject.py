"""Subjects of streams: one to one, and safe as a NATS subject whatever the id."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.errors import InvalidStreamIdError
from streamhub.relay.subject import stream_of, subject_of
from streamhub.stream_id import STREAM_ID_PATTERN, new_stream_id


@given(st.from_regex(f"\\A{STREAM_ID_PATTERN}\\Z"))
def test_an_id_comes_back(stream: str) -> None:
    """Whatever the id, its subject has two tokens, none of them empty, and leads back to it."""
    subject = subject_of(stream)
    first, token = subject.split(".")
    assert first == "streamhub"
    assert token
    assert not set(token) & set(" *>\t\r\n")
    assert stream_of(subject) == stream


def test_ids_that_dots_would_break() -> None:
    """Dots side by side or at the end make no empty token; ids of the usual form stay readable."""
    assert subject_of("a..b") == "streamhub.a==b"
    assert subject_of("a.") == "streamhub.a="
    assert subject_of("20260101T120000.000000Z-1f0c") == "streamhub.20260101T120000=000000Z-1f0c"
    assert stream_of(subject_of(new_stream_id()))


@pytest.mark.parametrize("stream", ["", ".a", "a b", "a=b", "a/b", "a*", "ü", "a" * 129])
def test_no_id_no_subject(stream: str) -> None:
    """What is no id gets no subject, so that two ids cannot share one."""
    with pytest.raises(InvalidStreamIdError):
        subject_of(stream)


@pytest.mark.parametrize(
    "subject",
    ["", "streamhub", "streamhub.", "streamhub.a.b", "other.a", "streamhub.=a", "streamhub.a/b", "streamhub.-a"],
)
def test_foreign_subjects(subject: str) -> None:
    """A subject that no id has leads to none."""
    assert stream_of(subject) is None
