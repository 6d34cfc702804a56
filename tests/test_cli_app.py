from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.commands import command
from tests.servers import Stream

COMMANDS = (
    *("serve", "emit", "ls", "tail", "cat", "grep", "stats", "check", "schema", "demo", "relay"),
    *("config", "healthcheck", "completion"),
)


def python(script: str, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run a script in a fresh interpreter."""
    return subprocess.run(
        [sys.executable, "-c", script, *arguments],
        capture_output=True, text=True, check=False, timeout=60, env={**os.environ, **env},
    )  # fmt: skip


MAIN = "import sys; from streamhub.__main__ import main; sys.argv[0] = 'streamhub'; sys.exit(main())"


def test_help() -> None:
    """Every command is listed, with what it does, and explains its flags."""
    outcome = command("--help")
    assert outcome.code == 0
    for name in COMMANDS:
        assert f"  {name} ".encode() in outcome.out
        assert b"Usage: streamhub " + name.encode() in command(name, "--help").out
        assert command(name, "-h").code == 0


def test_no_command() -> None:
    """Who says nothing gets the help, as talk, and the exit code of wrong usage."""
    outcome = command()
    assert outcome.code == 2
    assert outcome.out == b""
    assert "Commands:" in outcome.err


def test_version() -> None:
    """The version is the package's; a variable of that name in the environment is somebody else's."""
    assert command("--version").out == f"streamhub {version('streamhub')}\n".encode()
    assert command("ls", env={"STREAMHUB_VERSION": "1.2.3", "STREAMHUB_DIR": "."}).code == 0


@pytest.mark.parametrize("arguments", [["nope"], ["ls", "--nope"], ["ls", "nope"], ["tail"], ["ls", "-o", "nope"]])
def test_wrong_usage(arguments: list[str]) -> None:
    """What the command line cannot make sense of is one line and exit code 2."""
    outcome = command(*arguments)
    assert outcome.code == 2
    assert "--help" in outcome.complaint


def test_a_command_that_is_nearly_one() -> None:
    """A mistyped command is answered with what may have been meant."""
    assert "there is no command 'tial': did you mean 'tail'?" in command("tial").complaint
    assert "there is no command 'x'" in command("x").complaint


def test_complaints_are_printable(tmp_path: Path) -> None:
    """What a message quotes cannot steer the terminal."""
    outcome = command("tail", "a\x1b[2J\n\u202eb", "--dir", tmp_path)
    assert outcome.code == 2
    assert "is malformed" in outcome.complaint
    outcome = command("ls", "--dir", tmp_path / "a\x1b[2Jb\nc")
    assert outcome.code == 2
    assert r"a\x1b[2Jb\nc" in outcome.complaint


@pytest.mark.parametrize(("package", "arguments"), [("click", ["ls"]), ("rich", ["ls"]), ("aiohttp", ["serve"])])
def test_missing_packages(package: str, arguments: list[str]) -> None:
    """Where the server's packages are not installed, one line says how to install them."""
    ended = python(f"import sys; sys.modules[{package!r}] = None; {MAIN}", *arguments)
    assert ended.returncode == 1
    assert ended.stdout == ""
    assert ended.stderr.startswith(f"streamhub: {package} is not installed: ")
    assert ended.stderr.endswith("pip install '.[server]'\n")


def test_help_without_the_server_s_packages() -> None:
    """Who installed the relay alone can read what commands there are, and which of them need more."""
    ended = python(f"import sys; sys.modules['aiohttp'] = None; {MAIN}", "--help")
    assert ended.returncode == 0, ended.stderr
    (serve,) = [line for line in ended.stdout.splitlines() if line.split()[:1] == ["serve"]]
    assert serve.endswith("(Not installed: it needs aiohttp.)")
    assert python(f"import sys; sys.modules['aiohttp'] = None; {MAIN}", "serve", "--help").returncode == 1


def test_tail_of_a_folder_is_light(tmp_path: Path) -> None:
    """Following a file loads neither a web framework, nor an event loop, nor an HTTP client."""
    with Stream(tmp_path) as stream:
        line = stream.line(1)
    script = "import sys; from streamhub.cli.app import run; run(sys.argv[1:]); print(*sys.modules)"
    ended = python(script, "tail", "s", "--dir", str(tmp_path))
    assert ended.returncode == 0, ended.stderr
    event, modules = ended.stdout.splitlines()
    assert event == line.decode()
    assert not set(modules.split()) & {"aiohttp", "aiofiles", "asyncio", "http.client", "rich", "streamhub.hub"}


@pytest.mark.slow
def test_shell_completion() -> None:
    """The shell learns the commands and the flags from the program itself."""
    completing = {"_STREAMHUB_COMPLETE": "bash_complete"}
    assert "_STREAMHUB_COMPLETE" in python(MAIN, _STREAMHUB_COMPLETE="bash_source").stdout
    names = python(MAIN, **completing, COMP_WORDS="streamhub ", COMP_CWORD="1").stdout
    assert {line.partition(",")[2] for line in names.splitlines()} == set(COMMANDS)
    flags = python(MAIN, **completing, COMP_WORDS="streamhub tail --fol", COMP_CWORD="2").stdout
    assert flags == "plain,--follow\n"
    file = {"STREAMHUB_CONFIG": "/missing.toml"}
    assert "--follow" in python(MAIN, **completing, **file, COMP_WORDS="streamhub tail --f", COMP_CWORD="2").stdout


@pytest.mark.parametrize("arguments", [["stats", "s"], ["tail", "s", "-o", "pretty"]])
def test_a_terminal_that_knows_ascii_alone(tmp_path: Path, arguments: list[str]) -> None:
    """Where the output's encoding lacks a letter, it is escaped, or comes as UTF-8; nothing fails."""
    with Stream(tmp_path) as stream:
        stream.write('{"timestamp":"2026-01-01","mission_id":"é","event_type":"é","payload":{}}\n'.encode())
    ended = python(MAIN, *arguments, "--dir", str(tmp_path), PYTHONIOENCODING="ascii")
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\\xe9" in ended.stdout or "é" in ended.stdout


@pytest.mark.parametrize(("arguments", "code"), [("cat s", 1), ("stats s", 0), ("check", 0)])
def test_without_stdout(tmp_path: Path, arguments: str, code: int) -> None:
    """A command that was started without a stdout does not break: what cannot be printed is at most one complaint."""
    with Stream(tmp_path) as stream:
        stream.line(1)
    ended = subprocess.run(
        ["bash", "-c", f"{sys.executable} -m streamhub {arguments} --dir {tmp_path} >&-"],
        capture_output=True, text=True, check=False, timeout=60,
    )  # fmt: skip
    assert ended.returncode == code, ended.stderr
    assert "Traceback" not in ended.stderr
    assert ended.stderr.count("\n") <= 1


def test_a_closed_pipe_is_no_failure(tmp_path: Path) -> None:
    """``streamhub … | head`` is quiet, and no failure, however much was left to print."""
    with Stream(tmp_path) as stream:
        for number in range(5000):
            stream.line(number)
    script = f"{sys.executable} -m streamhub tail s -n all --dir {tmp_path} | head -1; exit ${{PIPESTATUS[0]}}"
    ended = subprocess.run(["bash", "-c", script], capture_output=True, check=False, timeout=60)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert len(ended.stdout.splitlines()) == 1
