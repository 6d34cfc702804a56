from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, NoReturn

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import streamhub
from streamhub import Emitter, ResponseEnvelope
from streamhub.errors import (
    ConfigError,
    EmitError,
    InvalidEventError,
    InvalidStreamIdError,
    StreamClosedError,
)
from streamhub.events import Extraction, Navigation, Signal, Status, decode, encode
from streamhub.stream_id import check_stream_id
from tests.missions import run


class Missed(Exception):  # noqa: N818
    """What goes wrong in a mission."""


def lines(path: Path) -> list[bytes]:
    """The complete lines of a file, which must end with one."""
    *whole, rest = path.read_bytes().split(b"\n")
    assert rest == b""
    return whole


def is_json(line: bytes) -> bool:
    """Whether a line can be read at all."""
    try:
        json.loads(line)
    except ValueError:
        return False
    return True


def payloads(path: Path) -> list[Any]:
    """The payloads of the events; what cannot be read is left out."""
    return [decode(line).payload for line in lines(path) if is_json(line)]


def names(path: Path) -> list[str]:
    """The name of each signal, the state of each status."""
    return [getattr(payload, "name", None) or payload.state for payload in payloads(path)]


def assert_times_in_order(path: Path) -> None:
    """No line's time is before that of the line above it."""
    stamps = [decode(line).timestamp for line in lines(path) if is_json(line)]
    assert stamps == sorted(stamps)


# --- the mission's way ------------------------------------------------------------------------------------------------


def test_a_mission(tmp_path: Path) -> None:
    """What the README shows: each call is a line, the end writes the final status, the reply carries the id."""
    with Emitter(mission_id="m-42", live_stream_id=None, directory=tmp_path) as stream:
        stream.navigation(url="https://example.com", action="click", detail="next page")
        stream.extraction(target="prices", count=12)
        stream.signal(name="captcha", value=True)
        stream.status(state="running")
    reply = ResponseEnvelope[Any](ok=True, live_stream_id=stream.live_stream_id)
    assert stream.path == tmp_path / f"{reply.live_stream_id}.jsonl"
    assert payloads(stream.path) == [
        Navigation("https://example.com", "click", "next page"),
        Extraction("prices", 12),
        Signal("captcha", True),
        Status("running"),
        Status("completed", final=True),
    ]
    assert {decode(line).mission_id for line in lines(stream.path)} == {"m-42"}
    assert all(encode(decode(line)) == line for line in lines(stream.path))
    assert stream.dropped == 0
    assert_times_in_order(stream.path)


def test_line_form(tmp_path: Path) -> None:
    """A line has its four fields in order, its time in microseconds and Z, and no field that is empty."""
    stream = Emitter("m-42", directory=tmp_path)
    before = datetime.now(UTC)
    stream.navigation("https://example.com", "open", detail="")
    (line,) = lines(stream.path)
    form = (
        rb'\{"timestamp":"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z)","mission_id":"m-42","event_type":"navigation",'
        rb'"payload":\{"url":"https://example.com","action":"open"\}\}'
    )
    match = re.fullmatch(form, line)
    assert match
    assert before <= datetime.fromisoformat(match[1].decode()) <= datetime.now(UTC)


def test_every_field(tmp_path: Path) -> None:
    """Each method takes all that its payload has; emit() takes the payload itself."""
    stream = Emitter("m", directory=tmp_path)
    stream.extraction("prices", 0, url="https://example.com", detail="none")
    stream.signal("depth", 1.5, detail="deep")
    stream.signal("idle")
    stream.status("failed", detail="no network")
    stream.emit(Signal("last", "word"))
    assert payloads(stream.path) == [
        Extraction("prices", 0, "https://example.com", "none"),
        Signal("depth", 1.5, "deep"),
        Signal("idle"),
        Status("failed", detail="no network"),
        Signal("last", "word"),
    ]


def test_id_can_be_opened_at_once(tmp_path: Path) -> None:
    """From the construction on there is a file, and an id that can be used in an address."""
    stream = Emitter("m", directory=tmp_path)
    assert check_stream_id(stream.live_stream_id)
    assert lines(stream.path) == []


def test_directory_is_made(tmp_path: Path) -> None:
    """A folder that is missing is made, with those above it; texts and paths will do."""
    stream = Emitter("m", "a", str(tmp_path / "not" / "there"))
    assert stream.path == tmp_path / "not" / "there" / "a.jsonl"
    assert stream.path.exists()


@pytest.mark.parametrize(
    ("value", "folder"), [(None, "outputs/execution_streams"), ("", "outputs/execution_streams"), ("else", "else")]
)
def test_default_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: str | None, folder: str) -> None:
    """STREAMHUB_DIR says where streams are kept; else it is a folder below where the process runs, then and later."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("STREAMHUB_DIR", raising=False)
    if value is not None:
        monkeypatch.setenv("STREAMHUB_DIR", value)
    stream = Emitter("m", "a")
    assert stream.path == tmp_path / folder / "a.jsonl"
    monkeypatch.chdir("/")
    stream.signal("one")
    assert names(tmp_path / folder / "a.jsonl") == ["one"]


# --- the end ----------------------------------------------------------------------------------------------------------


def test_failed_mission(tmp_path: Path) -> None:
    """A mission that ends with an exception: the final status is failed and names its type, nothing of its text."""
    with pytest.raises(Missed, match="secret"), Emitter("m", "a", tmp_path) as stream:
        raise Missed("secret")
    assert payloads(stream.path) == [Status("failed", True, "Missed")]


@pytest.mark.parametrize(
    ("error", "end"),
    [
        (KeyboardInterrupt(), Status("cancelled", True, "KeyboardInterrupt")),
        (asyncio.CancelledError(), Status("cancelled", True, "CancelledError")),
        (GeneratorExit(), Status("cancelled", True, "GeneratorExit")),
        (SystemExit(), Status("completed", True)),
        (SystemExit(0), Status("completed", True)),
        (SystemExit(3), Status("failed", True, "SystemExit")),
        (SystemExit("no"), Status("failed", True, "SystemExit")),
        (SystemExit([0]), Status("failed", True, "SystemExit")),
    ],
)
def test_mission_that_is_broken_off(tmp_path: Path, error: BaseException, end: Status) -> None:
    """Who is told to stop is cancelled, who leaves in peace is done; either way the exception goes on its way."""
    with pytest.raises(type(error)), Emitter("m", "a", tmp_path) as stream:
        raise error
    assert payloads(stream.path) == [end]


def test_closing_by_hand(tmp_path: Path) -> None:
    """close() writes the final status that it is told; a second close, and the end of the with, add nothing."""
    with Emitter("m", "a", tmp_path) as stream:
        stream.close(state="cancelled", detail="by the user")
        stream.close()
    assert payloads(stream.path) == [Status("cancelled", True, "by the user")]
    assert stream.dropped == 0


def test_closing_without_a_word(tmp_path: Path) -> None:
    """close() alone means completed."""
    Emitter("m", "a", tmp_path).close()
    assert payloads(tmp_path / "a.jsonl") == [Status("completed", True)]


def test_emitting_after_the_end(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """After close() events are refused: counted, logged once, and nothing is raised."""
    stream = Emitter("m", "a", tmp_path)
    stream.close()
    for number in range(3):
        stream.signal("late")
        assert stream.dropped == number + 1
    assert names(stream.path) == ["completed"]
    assert len(caplog.records) == 1
    assert caplog.records[0].name == "streamhub.emitter"


def test_final_status_by_hand(tmp_path: Path) -> None:
    """A status that says it is the final one ends the stream; close() then has nothing to add."""
    with Emitter("m", "a", tmp_path) as stream:
        stream.status("cancelled", final=True)
        stream.signal("late")
    assert names(stream.path) == ["cancelled"]
    assert stream.dropped == 1


def test_helper_leaves_the_stream_open(tmp_path: Path) -> None:
    """With closes_stream=False neither the end of the with, nor an exception, nor close() ends the stream."""
    with Emitter("m", "a", tmp_path) as mission:
        with Emitter("m", "a", tmp_path, closes_stream=False) as helper:
            helper.signal("one")
        with pytest.raises(Missed), Emitter("m", "a", tmp_path, closes_stream=False) as helper:
            raise Missed
        helper = Emitter("m", "a", tmp_path, closes_stream=False)
        helper.close("failed", "helper gave up")
        helper.signal("late")
        mission.signal("two")
    assert payloads(mission.path) == [
        Signal("one"),
        Status("failed", detail="helper gave up"),
        Signal("two"),
        Status("completed", True),
    ]
    assert helper.dropped == 1


def test_going_on(tmp_path: Path) -> None:
    """An id whose stream exists goes on with it, be its last writer alive or not."""
    first = Emitter("m", "a", tmp_path)
    first.signal("one")
    second = Emitter("m", "a", tmp_path)
    second.signal("two")
    first.signal("three")
    del first
    second.close()
    assert names(tmp_path / "a.jsonl") == ["one", "two", "three", "completed"]


def test_opening_a_closed_stream(tmp_path: Path) -> None:
    """A stream that has its end is an error at construction, empty lines after it or not; its file is not touched."""
    Emitter("m", "a", tmp_path).close()
    path = tmp_path / "a.jsonl"
    with path.open("ab") as foreign:
        foreign.write(b"\n\n")
    content = path.read_bytes()
    with pytest.raises(StreamClosedError, match=re.escape(str(path))):
        Emitter("m", "a", tmp_path)
    assert path.read_bytes() == content


def test_closed_by_another(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A stream that another emitter ended is not written past its end: the events are counted, and logged once."""
    with Emitter("m", "a", tmp_path) as stream:
        Emitter("m", "a", tmp_path).close("cancelled")
        stream.signal("late")
    assert names(stream.path) == ["cancelled"]
    assert stream.dropped == 2
    assert len(caplog.records) == 1


# --- torn streams -----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def three_events(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of three events."""
    stream = Emitter("m", "a", tmp_path_factory.mktemp("streams"))
    stream.navigation("https://example.com/é", "open")
    stream.extraction("prices", 3)
    stream.signal("three")
    return stream.path.read_bytes()


def test_cut_at_every_byte(tmp_path: Path, three_events: bytes) -> None:
    """Three events cut at every byte, reopened, appended to: only the torn event is lost, and the cut is told."""
    path = tmp_path / "a.jsonl"
    ends = [at + 1 for at, byte in enumerate(three_events) if byte == 10]
    for cut in range(len(three_events) + 1):
        path.write_bytes(three_events[:cut])
        with Emitter("m", "a", tmp_path) as stream:
            stream.signal("four")
        content = path.read_bytes()
        assert content.startswith(three_events[:cut])
        whole = sum(end <= cut for end in ends)
        torn = cut not in {0, *ends}
        unended = cut + 1 in ends  # all there but the newline: healed, and nothing is lost
        old = [decode(line) for line in three_events.split(b"\n")[: whole + unended]]
        new = [decode(line) for line in lines(path) if is_json(line)]
        assert new[: len(old)] == old
        expected = [*[Signal("stream_recovered", None, "a torn line was ended")] * torn, Signal("four")]
        assert [event.payload for event in new[len(old) :]] == [*expected, Status("completed", True)]
        assert len(lines(path)) == len(new) + (torn and not unended)


@given(st.binary(max_size=200), st.integers(1, 3))
def test_any_garbage(tmp_path_factory: pytest.TempPathFactory, garbage: bytes, count: int) -> None:
    """Whatever stands in the file, it stays, and the events after it are whole lines."""
    directory = tmp_path_factory.mktemp("streams")
    path = directory / "a.jsonl"
    path.write_bytes(garbage)
    with Emitter("m", "a", directory) as stream:
        for number in range(count):
            stream.signal("ours", number)
    assert path.read_bytes().startswith(garbage)
    ours = [decode(line).payload for line in lines(path)[-count - 1 :]]
    assert ours == [*[Signal("ours", number) for number in range(count)], Status("completed", True)]


# --- bad arguments ----------------------------------------------------------------------------------------------------


class Odd:
    """What no payload holds, and what cannot even be compared."""

    def __eq__(self, other: object) -> bool:
        raise Missed

    __hash__ = None  # type: ignore[assignment]


BAD: list[tuple[str, tuple[Any, ...], str]] = [
    ("navigation", (None, "open"), "url"),
    ("navigation", ("https://example.com", 7), "action"),
    ("navigation", (Odd(), "open"), "navigation"),
    ("navigation", ("https://example.com", "open", Odd()), "navigation"),
    ("extraction", ("prices", "12"), "count"),
    ("extraction", ("prices", -1), "count"),
    ("extraction", ("prices", True), "count"),
    ("extraction", ("prices", 1.5), "count"),
    ("signal", (None,), "name"),
    ("signal", ("n", [1]), "value"),
    ("signal", ("n", {"a": 1}), "value"),
    ("signal", ("n", object()), "signal"),
    ("signal", ("n", 10**5000), "signal"),
    ("signal", ("lone \ud800",), "signal"),
    ("status", ("done",), "state"),
    ("status", (["running"],), "state"),
    ("status", ("running", "yes"), "final"),
    ("emit", ({"name": "n"},), "payload"),
    ("emit", (None,), "payload"),
]


@pytest.mark.parametrize(("method", "arguments", "field"), BAD)
def test_bad_argument(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, method: str, arguments: tuple[Any, ...], field: str
) -> None:
    """A wrong argument does not hurt the mission: the event is counted, logged with the field, told to the viewers."""
    stream = Emitter("m", "a", tmp_path)
    for _ in range(2):
        getattr(stream, method)(*arguments)
    stream.signal("good")
    assert stream.dropped == 2
    assert payloads(stream.path) == [Signal("events_dropped", 2), Signal("good")]
    (record,) = caplog.records
    assert field in record.getMessage()
    assert record.getMessage().isprintable()


@pytest.mark.parametrize(("method", "arguments", "field"), BAD)
def test_bad_argument_of_a_strict_emitter(tmp_path: Path, method: str, arguments: tuple[Any, ...], field: str) -> None:
    """A strict emitter raises what another one logs."""
    stream = Emitter("m", "a", tmp_path, strict=True)
    with pytest.raises(InvalidEventError, match=field):
        getattr(stream, method)(*arguments)


@pytest.mark.parametrize(("value", "told"), [(float("nan"), "NaN"), (float("inf"), "Infinity"), (-0.0, -0.0)])
def test_value_that_is_not_finite(tmp_path: Path, value: float, told: Any) -> None:
    """A value that JSON has no number for is told as a word, and nothing is dropped."""
    stream = Emitter("m", "a", tmp_path)
    stream.signal("x", value)
    assert payloads(stream.path) == [Signal("x", told)]
    assert stream.dropped == 0


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\r", "\u2028", "\x00", "\x1b[2J", "é😀", '"}\n{"', "x" * 100_000])
def test_one_line_whatever_the_text(tmp_path: Path, text: str) -> None:
    """No text breaks a line."""
    stream = Emitter(text, "a", tmp_path)
    stream.signal(text, text, text)
    (line,) = lines(stream.path)
    assert min(line) >= 0x20
    assert decode(line).payload == Signal(text, text, text)


@pytest.mark.parametrize(
    ("state", "detail", "told"),
    [
        ("done", None, "failed"),
        (None, "lone \ud800", "completed"),
        ("cancelled", 7, "cancelled"),
        (["x"], Odd(), "failed"),
    ],
)
def test_bad_end(tmp_path: Path, caplog: pytest.LogCaptureFixture, state: Any, detail: Any, told: str) -> None:
    """A close() that is told nonsense ends the stream nevertheless, so that nobody waits; the nonsense is shown."""
    stream = Emitter("m", "a", tmp_path)
    stream.close(state, detail)
    (payload,) = payloads(stream.path)
    assert (payload.state, payload.final) == (told, True)
    assert "close()" in payload.detail
    strict = Emitter("m", "b", tmp_path, strict=True)
    with pytest.raises(InvalidEventError):
        strict.close(state, detail)
    strict.close()
    assert names(strict.path) == ["completed"]


def test_each_reason_is_logged_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """One wrong field must not hide another, nor a mission that gets everything wrong fill the log."""
    stream = Emitter("m", "a", tmp_path)
    for _ in range(3):
        stream.extraction("prices", "12")  # type: ignore[arg-type]
        stream.extraction("prices", -1)
    assert len(caplog.records) == 2
    for number in range(100):
        stream.status(f"state-{number}")  # type: ignore[arg-type]
        stream.emit(type(f"Payload{number}", (), {})())
    assert stream.dropped == 206
    assert len(caplog.records) < 50


def test_line_that_is_too_long(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """What readers would be shown a stand-in for is dropped, counted and told; a line at the limit is written."""
    stream = Emitter("m", "a", tmp_path, max_line=200)
    stream.signal("n", "x" * 150)
    stream.signal("n")
    size = len(lines(stream.path)[-1])
    stream.signal("n" * (1 + 200 - size))
    stream.signal("n" * (2 + 200 - size))
    assert stream.dropped == 2
    assert max(len(line) for line in lines(stream.path)) == 200
    assert "201 bytes" in caplog.text
    with pytest.raises(InvalidEventError, match="200 at most"):
        Emitter("m", "b", tmp_path, max_line=200, strict=True).signal("x" * 200)


@pytest.mark.parametrize(
    "end",
    [
        lambda stream: stream.close("failed", "x" * 2_000_000),
        lambda stream: stream.status("failed", True, "x" * 2_000_000),
    ],
)
def test_end_that_is_too_long(tmp_path: Path, end: Callable[[Emitter], None]) -> None:
    """The stream ends nevertheless: an end that nobody takes for one would be waited for for ever."""
    stream = Emitter("m", "a", tmp_path)
    end(stream)
    (payload,) = payloads(stream.path)
    assert (payload.state, payload.final) == ("failed", True)
    with pytest.raises(StreamClosedError):
        Emitter("m", "a", tmp_path)


def proxy() -> Any:
    """What only says what it is while there is something behind it."""

    class Proxy:
        __class__: Any = property(lambda _self: _raise(Missed()))

    return Proxy()


class Text(str):
    """A text that cannot be asked whether it is empty."""

    __slots__ = ()

    def __bool__(self) -> bool:
        raise Missed

    __len__ = __bool__


class Number(float):
    """A number that cannot be looked up."""

    def __hash__(self) -> int:
        raise Missed

    __eq__ = __ne__ = __bool__ = __hash__  # type: ignore[assignment]


def _raise(error: Exception) -> NoReturn:
    raise error


@pytest.mark.parametrize("make", [proxy, Text, lambda: Text("x"), *(partial(Number, n) for n in ("nan", "inf", 1))])
def test_objects_that_raise(tmp_path: Path, make: Callable[[], Any]) -> None:
    """Whatever an argument does when it is asked, the mission does not meet it; the event is told or counted."""
    odd = make()
    stream = Emitter("m", "a", tmp_path)
    stream.navigation(odd, odd, odd)
    stream.extraction(odd, odd, odd, odd)
    stream.signal(odd, odd, odd)
    stream.signal("n", odd)
    stream.status(odd, odd, odd)
    stream.emit(odd)
    assert stream.dropped + sum(b"events_dropped" not in line for line in lines(stream.path)) == 6
    stream.close(odd, odd)
    assert payloads(stream.path)[-1].final


@pytest.mark.parametrize("error", [MemoryError, RecursionError, OverflowError, ZeroDivisionError])
def test_what_nobody_foresaw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[Exception]) -> None:
    """Memory or stack that has run out, a clock beyond all years, a fault of our own: counted, not raised."""
    stream = Emitter("m", "a", tmp_path)
    strict = Emitter("m", "b", tmp_path, strict=True)
    with monkeypatch.context() as patch:
        patch.setattr("streamhub.writer.StreamWriter._submit", lambda *_: _raise(error()))
        stream.signal("one")
        with pytest.raises(EmitError, match=error.__name__):
            strict.signal("one")
    assert stream.dropped == 1
    with monkeypatch.context() as patch:
        patch.setattr("streamhub.writer.StreamWriter.close", lambda *_, **__: _raise(error()))
        stream.close()
    stream.signal("two")
    assert payloads(stream.path) == [Signal("events_dropped", 2), Signal("two")]


def test_stack_that_has_run_out(tmp_path: Path) -> None:
    """However deep a mission is when it emits: the stream goes on, and is as it should be."""
    stream = Emitter("m", "a", tmp_path)
    stream.signal("first")

    def dive() -> None:
        with suppress(RecursionError):
            dive()
        stream.signal("deep")  # on the way up: from the very last frame on

    with suppress(RecursionError):
        dive()
    stream.signal("last")
    assert names(stream.path)[-1] == "last"
    assert_times_in_order(stream.path)


def test_log_handler_that_raises(tmp_path: Path) -> None:
    """A mission's log handler or filter that fails is no trouble of whoever emits."""
    logger = logging.getLogger("streamhub.emitter")
    refuse = lambda _record: _raise(Missed())  # noqa: E731
    logger.addFilter(refuse)
    try:
        with Emitter("m", "a", tmp_path) as stream:
            stream.signal(None)  # type: ignore[arg-type]
            stream.signal("good")
    finally:
        logger.removeFilter(refuse)
    assert names(stream.path) == ["events_dropped", "good", "completed"]


def test_encoded_already(tmp_path: Path) -> None:
    """What is JSON already may not break the line."""
    stream = Emitter("m", "a", tmp_path)
    stream.signal(msgspec.Raw(b'"a",\n"value":1'))  # type: ignore[arg-type]
    stream.signal(msgspec.Raw(b'"b"'))  # type: ignore[arg-type]
    assert payloads(stream.path) == [Signal("events_dropped", 1), Signal("b")]


@pytest.mark.parametrize("mission_id", ["", None, 42, "\ud800", ["m"]])
def test_bad_mission_id(tmp_path: Path, mission_id: Any) -> None:
    """A mission id that cannot be one is an error at construction, before a file is made."""
    with pytest.raises(InvalidEventError, match="mission_id"):
        Emitter(mission_id, "a", tmp_path)
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize("stream_id", ["", "../a", "a/b", "a\n", ".a", 7])
def test_bad_stream_id(tmp_path: Path, stream_id: Any) -> None:
    """A stream id that cannot be one is an error at construction, and no file is made anywhere."""
    with pytest.raises(InvalidStreamIdError):
        Emitter("m", stream_id, tmp_path / "in")
    assert not any(tmp_path.iterdir())


def test_bad_fsync(tmp_path: Path) -> None:
    """A policy that there is not is an error at construction."""
    with pytest.raises(ConfigError, match="never, interval or always"):
        Emitter("m", "a", tmp_path, fsync="sometimes")  # type: ignore[arg-type]


@pytest.mark.parametrize("fsync", ["never", "interval", "always"])
def test_fsync(tmp_path: Path, fsync: Any) -> None:
    """Whatever the policy, the lines are the same."""
    with Emitter("m", "a", tmp_path, fsync=fsync) as stream:
        stream.signal("one")
    assert names(stream.path) == ["one", "completed"]


# --- what stands in the way at construction ---------------------------------------------------------------------------


def fifo(path: Path) -> None:
    """A pipe that nobody reads, in the file's place."""
    os.mkfifo(path)


def link(path: Path) -> None:
    """A link in the file's place."""
    path.symlink_to("target")


def folder(path: Path) -> None:
    """A folder in the file's place."""
    path.mkdir()


@pytest.mark.parametrize("plant", [fifo, link, folder])
@pytest.mark.parametrize("strict", [False, True])
def test_no_regular_file(tmp_path: Path, plant: Any, strict: bool) -> None:
    """What is no regular file is refused at construction, at once, in one line that names it."""
    plant(tmp_path / "a.jsonl")
    with pytest.raises(ConfigError, match=re.escape(str(tmp_path / "a.jsonl"))) as caught:
        Emitter("m", "a", tmp_path, strict=strict)
    assert "regular file" in str(caught.value)
    assert str(caught.value).isprintable()
    assert not (tmp_path / "target").exists()


@pytest.mark.parametrize("directory", ["file", "file/below", "x" * 300, "nul\0", "/proc/streams"])
def test_no_directory(tmp_path: Path, directory: str) -> None:
    """A folder that can be none is refused at construction in one line."""
    (tmp_path / "file").write_bytes(b"precious")
    with pytest.raises(ConfigError) as caught:
        Emitter("m", "a", tmp_path / directory)
    assert str(caught.value).isprintable()
    assert (tmp_path / "file").read_bytes() == b"precious"


def test_no_permission(tmp_path: Path) -> None:
    """A folder that may not be written is refused at construction."""
    if os.getuid():
        pytest.skip("only root can become somebody who may not")
    for parent in (tmp_path, *tmp_path.parents[:2]):
        parent.chmod(0o755)
    assert "Permission denied" in run("unwritable", tmp_path)


def test_nothing_left_to_open_it_with(tmp_path: Path) -> None:
    """No descriptor is free at construction: that may pass, so the mission starts, unless it is strict."""
    said = run("starved", tmp_path)
    assert "Too many open files" in said["refused"]
    assert said["dropped"] == 1
    assert payloads(tmp_path / "starved.jsonl") == [
        Signal("events_dropped", 1),
        Signal("kept"),
        Status("completed", True),
    ]


# --- outages ----------------------------------------------------------------------------------------------------------


def until_refused(stream: Emitter) -> None:
    """Emit until the emitter has seen that its file is not what it was: it looks once a second."""
    while not stream.dropped:
        stream.signal("x")


def block(path: Path) -> None:
    """Put a folder in the place of the file."""
    path.unlink()
    path.mkdir()


def test_mission_does_not_notice(tmp_path: Path) -> None:
    """A file that cannot be opened any more drops events, and raises nothing; then all goes on."""
    stream = Emitter("m", "a", tmp_path)
    block(stream.path)
    until_refused(stream)
    stream.signal("lost")
    stream.path.rmdir()
    stream.signal("kept")
    assert names(stream.path) == ["stream_recovered", "events_dropped", "kept"]
    assert payloads(stream.path)[1].value == stream.dropped == 2


@pytest.mark.slow
def test_strict_emitter_raises(tmp_path: Path) -> None:
    """A strict emitter raises instead: EmitError for the file, StreamClosedError after the end."""
    stream = Emitter("m", "a", tmp_path, strict=True)
    block(stream.path)
    with pytest.raises(EmitError, match=re.escape(str(stream.path))):
        until_refused(stream)
    stream.path.rmdir()
    stream.close()
    with pytest.raises(StreamClosedError):
        stream.signal("late")


def test_the_missions_exception_comes_first(tmp_path: Path) -> None:
    """When a strict emitter cannot end its stream either, the mission's own exception is the one to be seen."""

    def mission(stream_id: str, error: Exception | None = None) -> None:
        with Emitter("m", stream_id, tmp_path, strict=True):
            Emitter("m", stream_id, tmp_path).close()
            if error is not None:
                raise error

    with pytest.raises(Missed):
        mission("a", Missed())
    with pytest.raises(StreamClosedError):
        mission("b")
    assert names(tmp_path / "a.jsonl") == names(tmp_path / "b.jsonl") == ["completed"]


def test_file_may_grow_no_more(tmp_path: Path) -> None:
    """The kernel cuts a write short at every byte of an event: that event alone is lost, and is told."""
    size = run("limited", tmp_path)
    assert size > 100
    for byte in range(size + 1):
        found = payloads(tmp_path / f"byte-{byte}.jsonl")
        lost = byte < size - 1
        expected = [
            Signal("before"),
            *[Signal("limited")] * (not lost),
            *[Signal("stream_recovered", None, "a torn line was ended")] * (0 < byte < size),
            *[Signal("events_dropped", 1)] * lost,
            Signal("after", int(lost)),
            Status("completed", True),
        ]
        assert found == expected, byte
        assert len(lines(tmp_path / f"byte-{byte}.jsonl")) == len(found) + (0 < byte < size - 1)


# --- many writers, forks, signals, kills ------------------------------------------------------------------------------


def assert_all_there(path: Path, writers: dict[str, int]) -> None:
    """Each writer's events are there, once, in order; and all lines are whole."""
    found: dict[str, list[Any]] = {}
    for line in lines(path):
        payload = decode(line).payload
        if isinstance(payload, Signal):
            found.setdefault(payload.name, []).append(payload.value)
    assert {name: values == list(range(len(values))) for name, values in found.items()} == dict.fromkeys(found, True)
    assert {name: len(values) for name, values in found.items()} == writers


def test_many_writers(tmp_path: Path) -> None:
    """Threads of several processes write one stream: lines are whole, times in order, and nothing is lost."""
    with Emitter("m", "many", tmp_path):
        arguments = [sys.executable, "-m", "tests.missions", "writes", str(tmp_path), "many"]
        processes = [
            subprocess.Popen([*arguments, f"process-{number}", "3", "400"], stdout=subprocess.PIPE)
            for number in range(3)
        ]
        assert [process.communicate(timeout=120)[0] for process in processes] == [b"0\n"] * 3
    path = tmp_path / "many.jsonl"
    assert_all_there(path, {f"process-{number}-{thread}": 400 for number in range(3) for thread in range(3)})
    assert_times_in_order(path)
    assert names(path)[-1] == "completed"


def test_fork(tmp_path: Path) -> None:
    """A mission forks while a thread of it emits: nobody hangs, nothing is lost, and no child ends the stream."""
    said = run("forked", tmp_path, 20, 20)
    path = tmp_path / "forked.jsonl"
    children = {f"child-{number}": 20 for number in range(20)}
    *before, parent, end = lines(path)
    path.write_bytes(b"".join(line + b"\n" for line in before))
    assert_all_there(path, {**children, "thread": said["thread"]})
    assert_times_in_order(path)
    assert decode(parent).payload == Signal("parent")
    assert decode(end).payload == Status("completed", True)
    assert said["dropped"] == 0


def test_signal_handler_that_emits(tmp_path: Path) -> None:
    """A signal handler may emit, close and leave in the middle of an emit: nobody waits for himself."""
    said = run("struck", tmp_path, 5_000)
    found = Counter(names(tmp_path / "struck.jsonl"))
    assert said["dropped"] == 0
    assert found["strike"] == said["strikes"] > 0
    assert said["main"] <= found["main"] <= said["main"] + 1
    assert names(tmp_path / "struck.jsonl")[-1] == "cancelled"
    assert_times_in_order(tmp_path / "struck.jsonl")


def assert_survived(path: Path, counts: list[int]) -> Iterator[int]:
    """No two lines are fused, and each event that its child knew to be written is there. Gives the torn lines."""
    found: dict[str, list[Any]] = {}
    for line in lines(path):
        assert line.count(b'{"timestamp"') == 1
        assert line.startswith(b'{"timestamp"'[: len(line)])
        if not is_json(line):
            yield 1
            continue
        payload = decode(line).payload
        assert isinstance(payload, Signal)
        if payload.name.startswith("child"):
            found.setdefault(payload.name, []).append(payload.value)
    for number, count in enumerate(counts):
        values = found[f"child-{number}"]
        assert values == list(range(len(values)))
        assert count <= len(values) <= count + 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("streams", "kills"), [pytest.param(1, 40, id="40"), pytest.param(20, 50, id="1000", marks=pytest.mark.slow)]
)
def test_kills(tmp_path: Path, streams: int, kills: int) -> None:
    """Missions that are killed in the middle of emitting: no two lines are fused, no complete event is lost."""
    torn = 0
    for number in range(streams):
        counts = run("killed", tmp_path, "a", kills, number)
        Emitter("m", "a", tmp_path, closes_stream=False).signal("after")  # heals what the last kill tore
        path = tmp_path / "a.jsonl"
        torn += sum(assert_survived(path, counts))
        path.unlink()
    assert torn, "no kill struck in the middle of a line: the test proved nothing"


def test_times_of_two_emitters(tmp_path: Path) -> None:
    """Emitters that take turns see each other's times: the order of lines is the order of time."""
    one, other = Emitter("m", "a", tmp_path), Emitter("m", "a", tmp_path)
    for _ in range(200):
        one.signal("one")
        other.signal("other")
    assert_times_in_order(one.path)


def test_clock_that_was_set_back(tmp_path: Path) -> None:
    """A stream whose last line was written a day ahead of the clock goes on at that time."""
    ahead = b'{"timestamp":"2999-12-31T12:00:00.000001Z"'
    (tmp_path / "a.jsonl").write_bytes(ahead + b',"mission_id":"m","event_type":"signal","payload":{"name":"old"}}\n')
    with Emitter("m", "a", tmp_path) as stream:
        stream.signal("one")
    assert [line[: len(ahead)] for line in lines(stream.path)] == [ahead] * 3


# --- its weight -------------------------------------------------------------------------------------------------------


def test_public_names() -> None:
    """The package offers what a mission needs, fifteen names at most, and each is there."""
    assert len(streamhub.__all__) <= 15
    assert all(hasattr(streamhub, name) for name in streamhub.__all__)


def test_descriptors(tmp_path: Path) -> None:
    """An emitter holds one descriptor, which no program that the mission starts inherits, and lets go of it."""
    before = len(os.listdir("/proc/self/fd"))
    stream = Emitter("m", "a", tmp_path)
    assert len(os.listdir("/proc/self/fd")) == before + 1
    stream.signal("one")
    script = f"test -z \"$(find /proc/self/fd -lname '{stream.path}')\""
    subprocess.run(["sh", "-c", script], close_fds=False, check=True)
    stream.close()
    assert len(os.listdir("/proc/self/fd")) == before
    Emitter("m", "b", tmp_path).signal("one")  # let go of without a close
    assert len(os.listdir("/proc/self/fd")) == before
