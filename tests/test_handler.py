from __future__ import annotations

import contextlib
import logging
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from streamhub.emitter import Emitter
from streamhub.events import Signal, decode
from streamhub.handler import EmitterHandler


@contextlib.contextmanager
def logging_to(handler: logging.Handler, name: str = "crawler") -> Iterator[logging.Logger]:
    """A logger with this handler."""
    logger = logging.getLogger(name)
    level = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.DEBUG)
    logger.propagate = False  # to the handlers of pytest, which raise
    try:
        yield logger
    finally:
        logger.removeHandler(handler)
        logger.setLevel(level)
        logger.propagate = True


def signals(path: Path) -> list[Signal]:
    """The signals of a stream."""
    payloads = [decode(line).payload for line in path.read_bytes().splitlines()]
    return [payload for payload in payloads if isinstance(payload, Signal)]


def test_a_record_is_a_signal(tmp_path: Path) -> None:
    """The logger's name, the level, the message with its arguments in it."""
    with Emitter("m", "s", tmp_path) as stream, logging_to(EmitterHandler(stream)) as log:
        log.warning("the page took %d s", 12)
        log.getChild("queue").info("empty")
    assert signals(stream.path) == [
        Signal("crawler", "WARNING", "the page took 12 s"),
        Signal("crawler.queue", "INFO", "empty"),
    ]


def test_it_goes_to_the_current_stream(tmp_path: Path) -> None:
    """Without a stream of its own it follows the context; outside of any mission nothing is emitted."""
    with logging_to(EmitterHandler()) as log:
        log.info("nowhere")
        with Emitter("m", "a", tmp_path) as first:
            log.info("one")
        with Emitter("m", "b", tmp_path) as second:
            log.info("two")
        log.info("nowhere")
    assert signals(first.path) == [Signal("crawler", "INFO", "one")]
    assert signals(second.path) == [Signal("crawler", "INFO", "two")]


def test_levels_and_formats_are_those_of_logging(tmp_path: Path) -> None:
    """A level, a filter and a formatter do what they do for every handler."""
    handler = EmitterHandler(level="WARNING")
    handler.setFormatter(logging.Formatter("%(funcName)s: %(message)s"))
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    with Emitter("m", "s", tmp_path) as stream, logging_to(handler) as log:
        log.info("too low")
        log.error("a secret")
        log.error("kept")
    (signal,) = signals(stream.path)
    assert signal.detail == "test_levels_and_formats_are_those_of_logging: kept"


def test_an_exception_comes_with_its_traceback(tmp_path: Path) -> None:
    """As on any other handler."""
    with Emitter("m", "s", tmp_path) as stream, logging_to(EmitterHandler()) as log:
        try:
            raise ValueError("no price")  # noqa: TRY301
        except ValueError:
            log.exception("the page is odd")
    (signal,) = signals(stream.path)
    assert signal.value == "ERROR"
    assert signal.detail is not None
    assert signal.detail.startswith("the page is odd\nTraceback (most recent call last):\n")
    assert signal.detail.endswith("\nValueError: no price")


def test_odd_texts(tmp_path: Path) -> None:
    """What is too long is cut, and what UTF-8 cannot say is escaped."""
    with Emitter("m", "s", tmp_path) as stream, logging_to(EmitterHandler()) as log:
        log.info("x" * 1_000_000)
        log.info("half \ud83d of a pair, and a \u2603")
    long, odd = signals(stream.path)
    assert long.detail == "x" * 16_000 + "\u2026"
    assert odd.detail == "half \\ud83d of a pair, and a \u2603"
    assert stream.dropped == 0


def test_what_the_emitter_says_of_itself_does_not_loop(tmp_path: Path) -> None:
    """The stream is gone, every event is dropped and logged: that is not emitted, and nothing goes round in circles."""
    root = logging.getLogger()
    with logging_to(EmitterHandler(), "streamhub"), logging_to(EmitterHandler()) as log:
        handler = EmitterHandler()
        root.addHandler(handler)
        try:
            with Emitter("m", "s", tmp_path) as stream:
                stream.status("completed", final=True)
                log.warning("too late")
        finally:
            root.removeHandler(handler)
    assert signals(stream.path) == []
    assert stream.dropped == 1


def test_what_is_logged_by_a_formatter_does_not_loop(tmp_path: Path) -> None:
    """A formatter that logs, or an argument that does, is listened to once."""

    class Chatty(logging.Formatter):
        def format(self, record: logging.LogRecord) -> str:
            logging.getLogger("crawler").info("formatting")
            return super().format(record)

    handler = EmitterHandler()
    handler.setFormatter(Chatty())
    with Emitter("m", "s", tmp_path) as stream, logging_to(handler) as log:
        log.info("one")
    assert [signal.detail for signal in signals(stream.path)] == ["one"]


def test_it_never_raises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A message that cannot be formatted, or a strict emitter that refuses, is logging's to report."""
    stream = Emitter("m", "s", tmp_path, strict=True, closes_stream=False)
    with logging_to(EmitterHandler(stream)) as log:
        log.info("%d", "no number")
        stream.status("completed", final=True)
        log.info("too late")
    assert capsys.readouterr().err.count("--- Logging error ---") == 2


def test_no_lock_is_held_while_it_emits(tmp_path: Path) -> None:
    """The emitter logs an outage to a handler whose holder, in another thread, logs to this one: nobody waits."""
    inside, go = threading.Event(), threading.Event()

    class Uploader(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            inside.set()
            go.wait(30)
            if record.name != "client":
                logging.getLogger("client").info("connecting")

    uploader = Uploader()
    stream = Emitter("m", "s", tmp_path, closes_stream=False)
    handler = EmitterHandler(stream)
    client, own = logging.getLogger("client"), logging.getLogger("streamhub.emitter")
    with logging_to(handler) as log:
        log.addHandler(uploader)
        client.addHandler(handler)
        client.setLevel(logging.INFO)
        own.addHandler(uploader)
        try:
            holder = threading.Thread(target=uploader.handle, args=(log.makeRecord("x", 20, "", 0, "", (), None),))
            holder.start()
            assert inside.wait(30)
            stream.close()
            other = threading.Thread(target=handler.handle, args=(log.makeRecord("y", 20, "", 0, "late", (), None),))
            other.start()
            while other.is_alive() and not stream.dropped:
                other.join(0.01)
            go.set()
            holder.join(30)
            other.join(30)
            assert not holder.is_alive()
            assert not other.is_alive()
        finally:
            log.removeHandler(uploader)
            client.removeHandler(handler)
            own.removeHandler(uploader)


def test_a_filter_that_raises(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """It is logging's to report, like all that goes wrong here."""
    handler = EmitterHandler()
    handler.addFilter(lambda record: bool(1 / len(record.args or ())))
    with Emitter("m", "s", tmp_path) as stream, logging_to(handler) as log:
        log.info("one")
    assert signals(stream.path) == []
    assert "ZeroDivisionError" in capsys.readouterr().err


def test_filters_are_asked(tmp_path: Path) -> None:
    """As with any handler."""
    handler = EmitterHandler()
    handler.addFilter(lambda record: "secret" not in record.getMessage())
    with Emitter("m", "s", tmp_path) as stream, logging_to(handler) as log:
        log.info("a secret")
        log.info("one")
    assert [signal.detail for signal in signals(stream.path)] == ["one"]


def test_from_many_threads(tmp_path: Path) -> None:
    """Each record of each thread is there, once."""
    with Emitter("m", "s", tmp_path) as stream, logging_to(EmitterHandler(stream)) as log:

        def chat(thread: int) -> None:
            for number in range(100):
                log.info("%d-%d", thread, number)

        threads: list[Any] = [threading.Thread(target=chat, args=(thread,)) for thread in range(4)]
        for each in threads:
            each.start()
        for each in threads:
            each.join()
    assert {signal.detail for signal in signals(stream.path)} == {f"{a}-{b}" for a in range(4) for b in range(100)}
    assert len(signals(stream.path)) == 400
