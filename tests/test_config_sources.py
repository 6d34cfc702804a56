from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

import click
import pytest
from click.testing import CliRunner

from streamhub.cli.app import cli
from streamhub.config import SETTINGS, Config
from tests.commands import command

if TYPE_CHECKING:
    from pathlib import Path

#: Every setting of a server: its flag, what is said, and what it comes to.
EVERY: list[tuple[str, str | bool | list[str], dict[str, Any]]] = [
    ("dir", "some/where", {"directory": "some/where"}),
    ("host", "::1", {"host": "::1"}),
    ("port", "1234", {"port": 1234}),
    ("inbound", "close", {"inbound": "close"}),
    ("stall-timeout", "2m", {"stall_timeout": 120.0}),
    ("max-line", "64KiB", {"max_line": 65536}),
    ("read-chunk", "4MiB", {"read_chunk": 4 * 1024 * 1024}),
    ("poll-floor", "5ms", {"poll_floor": 0.005}),
    ("poll-ceiling", "0.5", {"poll_ceiling": 0.5}),
    ("allow-host", ["a.example", "b.example"], {"allow_hosts": ("a.example", "b.example")}),
    ("allow-origin", ["https://a.example"], {"allow_origins": ("https://a.example",)}),
    ("token-file", "some/tokens", {"token_file": "some/tokens"}),
    ("jwt-key", "some/key.pem", {"jwt_key": "some/key.pem"}),
    ("tls-cert", "some/cert.pem", {"tls_cert": "some/cert.pem"}),
    ("tls-key", "some/key.pem", {"tls_key": "some/key.pem"}),
    ("max-connections", "100", {"max_connections": 100}),
    ("max-connections-per-address", "10", {"max_connections_per_address": 10}),
    ("max-buffered", "64MiB", {"max_buffered": 64 * 1024 * 1024}),
    ("header-timeout", "3s", {"header_timeout": 3.0}),
    ("max-streams", "50", {"max_streams": 50}),
    ("workers", "2", {"workers": 2}),
    ("log-format", "json", {"log_format": "json"}),
    ("access-log", True, {"access_log": True}),
    ("compress", True, {"compress": True}),
    ("no-auth", True, {"no_auth": True}),
]


def variable(name: str) -> str:
    """What a setting is called in the environment."""
    return f"STREAMHUB_{name.replace('-', '_').upper()}"


@pytest.fixture(autouse=True)
def _no_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever runs the tests may have settings of their own."""
    for name in list(os.environ):
        if name.startswith("STREAMHUB_"):
            monkeypatch.delenv(name)


def settings_of(*arguments: str, name: str = "serve", **env: str) -> dict[str, Any]:
    """What a command would be called with."""
    with CliRunner().isolation(env=env), cli.make_context("streamhub", [name]) as root:
        found = cli.get_command(root, name)
        assert isinstance(found, click.Command)
        with found.make_context(name, list(arguments), parent=root) as ctx:
            return ctx.params


def toml(value: str | bool | list[str]) -> str:
    """A value as a TOML file writes it."""
    return str(value).lower() if isinstance(value, bool) else repr(value)


def test_the_table_is_whole() -> None:
    """The list above holds every setting, and the configuration file knows no other."""
    assert {name for name, _value, _params in EVERY} == SETTINGS
    params = {field for _name, _value, params in EVERY for field in params}
    # A token stands in a file, or in the environment: other users of the machine see what a command line says.
    assert set(settings_of()) == params == set(Config.__dataclass_fields__) - {"tokens"} | {"no_auth"}


def test_defaults() -> None:
    """Without any word the command line gives a server the defaults of its settings."""
    params = settings_of()
    assert not params.pop("no_auth")
    assert Config(**params) == Config()


@pytest.mark.parametrize(("name", "value", "params"), EVERY)
def test_flag(name: str, value: str | bool | list[str], params: dict[str, Any]) -> None:
    """Every setting is a flag; what may be said several times is."""
    match value:
        case list():
            flags = [word for item in value for word in (f"--{name}", item)]
        case str():
            flags = [f"--{name}", value]
        case _:
            flags = [f"--{name}"]
    assert settings_of(*flags) == settings_of() | params


@pytest.mark.parametrize(("name", "value", "params"), EVERY)
def test_environment(name: str, value: str | bool | list[str], params: dict[str, Any]) -> None:
    """Every setting can stand in the environment; what may be said several times is separated by spaces."""
    text = " ".join(value) if isinstance(value, list) else "1" if value is True else str(value)
    assert settings_of(**{variable(name): text}) == settings_of() | params


@pytest.mark.parametrize(("name", "value", "params"), EVERY)
@pytest.mark.parametrize("table", ["", "[serve]\n"])
def test_file(tmp_path: Path, name: str, value: str | bool | list[str], params: dict[str, Any], table: str) -> None:
    """Every setting can stand in a file, at its top or in the command's table, once the file is named."""
    path = tmp_path / "streamhub.toml"
    path.write_text(f"{table}{name} = {toml(value)}\n")
    assert settings_of("--config", str(path)) == settings_of() | params
    assert settings_of(STREAMHUB_CONFIG=str(path)) == settings_of() | params


def test_file_with_numbers(tmp_path: Path) -> None:
    """In a file, ports, bytes and seconds may be numbers."""
    path = tmp_path / "streamhub.toml"
    path.write_text("port = 1\nmax-line = 4096\nstall-timeout = 2\npoll-floor = 0.25\n")
    params = settings_of("--config", str(path))
    assert (params["port"], params["max_line"], params["stall_timeout"], params["poll_floor"]) == (1, 4096, 2.0, 0.25)


def test_who_comes_first(tmp_path: Path) -> None:
    """A flag comes before the environment, that before the file's table, that before its top, that before the rest."""
    path = tmp_path / "streamhub.toml"
    file = ("--config", str(path))
    path.write_text("port = 1\ninbound = 'close'\n[serve]\nport = 2\n")
    assert settings_of(*file, "--port", "4", STREAMHUB_PORT="3")["port"] == 4
    assert settings_of("--port", "4", *file, STREAMHUB_PORT="3")["port"] == 4
    assert settings_of(*file, STREAMHUB_PORT="3")["port"] == 3
    assert settings_of(*file)["port"] == 2
    assert settings_of(*file)["inbound"] == "close"
    assert settings_of(*file)["host"] == Config.host
    assert settings_of(STREAMHUB_PORT="")["port"] == Config.port


def test_no_file_unless_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A file that happens to lie in the working directory changes nothing."""
    (tmp_path / "streamhub.toml").write_text("port = 1\n")
    monkeypatch.chdir(tmp_path)
    assert settings_of()["port"] == Config.port


def test_other_commands(tmp_path: Path) -> None:
    """Every command has the folder from the file's top, and its own flags from its own table and the environment."""
    path = tmp_path / "streamhub.toml"
    path.write_text("dir = 'a'\nport = 1\n[tail]\nfollow = true\nlines = '3'\n")
    params = settings_of("s", "--config", str(path), name="tail", STREAMHUB_TAIL_OUTPUT="pretty")
    assert (params["directory"], params["follow"], params["lines"], params["output"]) == ("a", True, "3", "pretty")
    assert settings_of("--config", str(path), name="ls")["directory"] == "a"
    assert settings_of(name="ls", STREAMHUB_DIR="b", STREAMHUB_URL="c")["url"] == "c"


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("prot = 1\n", "no setting 'prot'"),
        ("[sevre]\nport = 1\n", "no command 'sevre'"),
        ("[serve]\nprot = 1\n", "serve has no setting 'prot'"),
        ("[serve]\nstall_timeout = 1\n", "serve has no setting 'stall_timeout'"),
        ("port = 'x'\n", "streamhub.toml': Invalid value for '--port'"),
        ("max-line = '3x'\n", "size '3x' is none"),
        ("stall-timeout = []\n", "duration '[]' is none"),
        ("port = 70000\n", "port 70000 is out of range"),
        ("port == 1\n", "is no TOML"),
    ],
)
def test_bad_file(tmp_path: Path, content: str, said: str) -> None:
    """What is wrong in a file is said in one line, with exit code 2, before anything is served."""
    path = tmp_path / "streamhub.toml"
    path.write_text(content)
    outcome = command("serve", "--config", path)
    assert outcome.code == 2
    assert said in outcome.complaint


def test_missing_file(tmp_path: Path) -> None:
    """A file that was named has to be there."""
    outcome = command("ls", env={"STREAMHUB_CONFIG": str(tmp_path / "missing.toml")})
    assert outcome.code == 2
    assert "missing.toml' cannot be read" in outcome.complaint


def test_bad_environment() -> None:
    """What is wrong in the environment is said to be there."""
    outcome = command("serve", env={"STREAMHUB_PORT": "x"})
    assert outcome.code == 2
    assert outcome.complaint.startswith("in the environment: ")
    assert "STREAMHUB_PORT" in outcome.complaint
