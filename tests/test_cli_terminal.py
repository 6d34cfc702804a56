"""On a real terminal: what is shown there, and how it ends."""

from __future__ import annotations

import shlex
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from tests.servers import Stream
from tests.terminals import CONTROLS, on_terminal

if TYPE_CHECKING:
    from pathlib import Path

#: What would clear the screen, set the title, write the clipboard, turn text round, or run past the line.
HOSTILE = rb"""
{"timestamp":"2026-01-01T00:00:00Z","mission_id":"%b[2J","event_type":"%b]0;t%b","payload":{"name":"%b31m"}}
{"timestamp":"%b[2J","mission_id":"\u001b[2J","event_type":"signal","payload":{"name":"\u001b]52;c;eA==\u0007"}}
{"timestamp":"2026-01-01","mission_id":"m","event_type":"signal","payload":{"name":"%b\u202e","value":"a\rb\b\u0085\u2028"}}
{"event_type":"status","payload":{"state":"\u001b[31m","detail":"\u009b2J"}}
%b[2Jnonsense%b
%b
""" % (b"\x1b", b"\x1b", b"\x07", b"\xc2\x9b", b"\x1b", b"\xe2\x80\xae", b"\x1b", b"\x07", b"\xff\x1b\xfe")


@pytest.fixture
def hostile(tmp_path: Path) -> Path:
    """A folder with a stream that holds all of it."""
    with Stream(tmp_path) as stream:
        stream.write(HOSTILE)
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["tail", "s"],
        ["tail", "s", "-o", "json"],
        ["cat", "s", "--prefix"],
        ["grep", "", "-o", "pretty"],
        ["ls"],
        ["stats", "s"],
        ["check", "--strict"],
    ],
    ids=" ".join,
)
def test_nothing_steers_it(hostile: Path, arguments: list[str]) -> None:
    """Whatever a stream holds, a terminal gets nothing of it that it would obey, nor what would mislead the eye."""
    shown = on_terminal(*arguments, "--color", "never", "--dir", str(hostile))
    assert shown.code in {0, 4}
    assert shown.screen
    assert not CONTROLS & set(shown.screen)
    assert not {"\u202e", "\u2028", "\x85"} & set(shown.screen)


@pytest.mark.slow
def test_colors(tmp_path: Path) -> None:
    """A terminal gets colours, unless somebody said not to; a flag decides before NO_COLOR, in a pipe as well."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    place = ("tail", "s", "--dir", str(tmp_path))
    plain = "2026-01-01 00:00:00.000  signal      n = 0\r\n"
    assert on_terminal(*place).screen == ("\x1b[2m2026-01-01 00:00:00.000\x1b[0m  \x1b[33msignal    \x1b[0m  n = 0\r\n")
    for flags, env, colored in (
        ([], {"NO_COLOR": "1"}, False),
        (["--color", "always"], {"NO_COLOR": "1"}, True),
        ([], {"STREAMHUB_COLOR": "never"}, False),
    ):
        screen = on_terminal(*place, *flags, env=env).screen
        assert ("\x1b[" in screen) == colored
        assert colored or screen == plain
    piped = [sys.executable, "-m", "streamhub", *place, "-o", "pretty"]
    ended = subprocess.run([*piped, "--color", "always"], capture_output=True, check=True, timeout=60)
    assert b"\x1b[" in ended.stdout


@pytest.mark.parametrize("arguments", [["tail", "-f", "s"], ["tail", "-f", "s", "t"], ["tail", "-f", "--match", "*"]])
def test_interrupted(tmp_path: Path, arguments: list[str]) -> None:
    """Ctrl-C ends what is followed: no traceback, where it stood if that was asked for, and the code for it."""
    for name in ("s", "t"):
        with Stream(tmp_path, name) as stream:
            stream.line(0)
    shown = on_terminal(*arguments, "--show-cursor", "--color", "never", "--dir", str(tmp_path), at="n = 0")
    assert shown.code == 130
    lines = [line for line in shown.screen.splitlines() if line]
    assert all("signal" in line or line.startswith("-- cursor: ") for line in lines), shown.screen
    assert any(line.startswith("-- cursor: ") for line in lines)


def test_cut_while_followed(tmp_path: Path) -> None:
    """When the file is cut while somebody watches, one line says so, and the code that it is not what it was."""
    with Stream(tmp_path) as stream:
        stream.line(0)
    place = ("--color", "never", "--dir", str(tmp_path))
    shown = on_terminal("tail", "-f", "s", *place, at="n = 0", act=lambda _process: stream.path.write_bytes(b""))
    event, complaint = shown.screen.splitlines()
    assert event.endswith("n = 0")
    assert complaint.startswith("streamhub: stream 's' was cut or replaced: start again from ")
    assert shown.code == 4


@pytest.mark.parametrize(
    "arguments",
    [["cat", "s"], ["check", "-n", "all"], ["stats", "--match", "*"]],
    ids=" ".join,
)
def test_quiet_on_a_closed_pipe(tmp_path: Path, arguments: list[str]) -> None:
    """``streamhub … | head -1`` prints a line, and nobody complains."""
    with Stream(tmp_path) as stream:
        stream.write(b"nonsense\n" * 100)
        for number in range(3000):
            stream.line(number)
    for number in range(200):
        (tmp_path / f"t{number}.jsonl").touch()
    words = shlex.join([sys.executable, "-m", "streamhub", *arguments])
    ended = subprocess.run(
        ["bash", "-c", f"{words} | head -1; exit ${{PIPESTATUS[0]}}"],
        env={"PATH": "/usr/bin:/bin", "STREAMHUB_DIR": str(tmp_path)},
        capture_output=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.stderr == b""
    assert ended.stdout.count(b"\n") == 1
    assert ended.returncode in {0, 4}
