from __future__ import annotations

import contextlib
import os
import pty
from typing import TYPE_CHECKING

import pytest

from streamhub.cli.progress import progress

if TYPE_CHECKING:
    from collections.abc import Iterator


@contextlib.contextmanager
def stderr_on_terminal() -> Iterator[int]:
    """Within the block stderr is a terminal; gives the end that shows what is written."""
    ours, theirs = pty.openpty()
    with open(theirs, "w", encoding="utf-8") as stderr, contextlib.redirect_stderr(stderr):
        yield ours
    os.close(ours)


def shown(terminal: int) -> str:
    """What a terminal shows by now."""
    os.set_blocking(terminal, False)
    data = b""
    with contextlib.suppress(BlockingIOError):
        while True:
            data += os.read(terminal, 65536)
    return data.decode()


@pytest.fixture(autouse=True)
def _terminal_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TERM", "xterm")


def test_bar() -> None:
    """Long work shows on a terminal how far it is over all of its streams, and leaves nothing of it behind."""
    with stderr_on_terminal() as terminal:
        with progress(10_000_000, beside=False, patience=0) as bar:
            bar.next(6_000_000)
            bar.at(1_500_000)
        screen = shown(terminal)
    assert "7.5/10.0 MB" in screen
    assert screen.endswith("\x1b[1A\x1b[2K")


def test_hidden_while_others_print() -> None:
    """The bar goes away before something else is printed, and comes back where it was when the work goes on."""
    with stderr_on_terminal() as terminal:
        with progress(10_000_000, beside=False, patience=0) as bar:
            bar.at(1_500_000)
            bar.hide()
            assert shown(terminal).endswith("\x1b[1A\x1b[2K")
            bar.at(2_500_000)
        screen = shown(terminal)
    assert "2.5/10.0 MB" in screen
    assert "1.5/10.0 MB" not in screen


@pytest.mark.parametrize(("total", "patience", "kind"), [(100, 3600.0, "xterm"), (0, 0.0, "xterm"), (100, 0.0, "dumb")])
def test_no_bar(total: int, patience: float, kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Work that is soon done shows nothing, nor does that on nothing, or a terminal that can show no bar."""
    monkeypatch.setenv("TERM", kind)
    with stderr_on_terminal() as terminal:
        with progress(total, beside=False, patience=patience) as bar:
            bar.at(total)
        assert shown(terminal) == ""


def test_no_terminal(capfd: pytest.CaptureFixture[str]) -> None:
    """In a pipe there is no bar, nor where the terminal is already used for what is printed."""
    with progress(100, beside=False, patience=0) as bar:
        bar.at(50)
    assert capfd.readouterr().err == ""
    with stderr_on_terminal() as terminal:
        stdout, theirs = pty.openpty()
        with (
            open(theirs, "w", encoding="utf-8") as also,
            contextlib.redirect_stdout(also),
            progress(100, beside=True, patience=0) as bar,
        ):
            bar.at(50)
        os.close(stdout)
        assert shown(terminal) == ""
