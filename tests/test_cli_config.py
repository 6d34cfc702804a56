from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from streamhub.config import Config
from tests.commands import command
from tests.test_config_sources import EVERY, toml, variable

if TYPE_CHECKING:
    from pathlib import Path


def shown(*arguments: str | Path, **env: str) -> dict[str, dict[str, Any]]:
    """What is shown of each setting."""
    outcome = command("config", "show", "-o", "json", *arguments, env=env)
    assert (outcome.code, outcome.err) == (0, "")
    return {one.pop("setting"): one for one in map(json.loads, outcome.lines)}


def test_defaults() -> None:
    """Every setting of a server is shown, by the name it has in a file, with its default as one writes it."""
    settings = shown()
    assert set(settings) == {name for name, _value, _params in EVERY} | {"token"}
    assert {one["source"] for one in settings.values()} == {"default"}
    assert settings["port"]["value"] == Config.port
    assert settings["poll-floor"]["value"] == "5ms"
    assert settings["token-file"]["value"] == ""


@pytest.mark.parametrize(("name", "value", "params"), EVERY)
def test_where_each_comes_from(
    tmp_path: Path, name: str, value: str | bool | list[str], params: dict[str, Any]
) -> None:
    """A flag comes before the environment, that before the file, that before the default; each is named."""
    path = tmp_path / "streamhub.toml"
    path.write_text(f"{name} = {toml(value)}\n")
    text = " ".join(value) if isinstance(value, list) else "1" if value is True else str(value)
    words = [] if isinstance(value, bool) else [value] if isinstance(value, str) else value
    flags = [part for word in words for part in (f"--{name}", word)] or [f"--{name}"]
    file = ("serve", "--config", str(path))
    cases: list[tuple[tuple[str, ...], dict[str, str], str, str]] = [
        (file, {}, "file", str(path)),
        (file, {variable(name): text}, "environment", variable(name)),
        ((*file, *flags), {variable(name): text}, "flag", f"--{name}"),
        (("serve",), {"STREAMHUB_CONFIG": str(path)}, "file", str(path)),
    ]
    for arguments, env, source, where in cases:
        one = shown(*arguments, **env)[name]
        assert (one["source"], one["where"]) == (source, where)


@pytest.mark.parametrize(
    "name", ["serve", "emit", "ls", "tail", "cat", "grep", "stats", "check", "demo", "healthcheck"]
)
def test_what_the_environment_calls_it(name: str) -> None:
    """A variable is called like the flag, after the command's name unless other commands have the flag too."""
    for setting, one in shown(name).items():
        flag = setting.upper().replace("-", "_")
        assert one["variable"] in {f"STREAMHUB_{flag}", f"STREAMHUB_{name.upper()}_{flag}"}
        given = shown(name, **{one["variable"]: "1"}) if one["value"] is False else {}
        assert not given or given[setting] == {**one, "value": "1", "source": "environment", "where": one["variable"]}


def test_secrets_are_masked(tmp_path: Path) -> None:
    """What opens a server is not shown, in no form and from nowhere; the name of the file that holds it is."""
    key = tmp_path / "key"
    key.write_text("s3cret")
    assert shown("serve", "--jwt-key", str(key))["jwt-key"]["value"] == str(key)
    path = tmp_path / "streamhub.toml"
    path.write_text("jwt-key = 's3cret/abc'\n")
    for arguments, env in (
        (("serve", "--jwt-key", "s3cret"), {}),
        (("serve",), {"STREAMHUB_JWT_KEY": "s3cret", "STREAMHUB_TOKEN": "s3cret *"}),
        (("serve", "--config", path), {"STREAMHUB_TOKEN": "s3cret"}),
        (("tail", "--url", "https://me:s3cret@e.com"), {"STREAMHUB_TOKEN": "s3cret"}),
    ):
        for form in ("json", "table"):
            outcome = command("config", "show", "-o", form, *arguments, env=env)
            assert outcome.code == 0
            assert b"********" in outcome.out
            assert b"s3cret" not in outcome.out
    assert shown(STREAMHUB_TOKEN="s3cret")["token"] == {
        "value": "********",
        "source": "environment",
        "where": "STREAMHUB_TOKEN",
        "variable": "STREAMHUB_TOKEN",
    }


@pytest.mark.parametrize("name", ["serve", "tail", "ls"])
def test_the_token_is_listed_where_it_counts(name: str) -> None:
    """What a token is called in the environment is shown also while there is none, of commands that take one."""
    assert shown(name)["token"] == {"value": "", "source": "default", "where": None, "variable": "STREAMHUB_TOKEN"}
    assert "token" not in shown("emit", STREAMHUB_TOKEN="s3cret")


def test_flags_alone_are_those_of_serve(tmp_path: Path) -> None:
    """The command may be left out before flags too, as the help has it."""
    path = tmp_path / "streamhub.toml"
    path.write_text("port = 9000\n")
    assert shown("--config", path)["port"]["where"] == str(path)
    assert shown("--port", "9001", "--access-log")["port"]["value"] == "9001"


@pytest.mark.parametrize("direction", ["push", "pull"])
def test_relay(tmp_path: Path, direction: str) -> None:
    """Each direction of the relay has its settings, from wherever they come, and no password is shown."""
    path = tmp_path / "streamhub.toml"
    path.write_text('[relay]\nonce = true\nnats = ["nats://me:s3cret@a.example", "nats://s3cret@b.example"]\n')
    in_file = shown("relay", direction, "--config", path, "--match", "m-*", STREAMHUB_RELAY_CREDS="mine.creds")
    assert in_file["nats"]["value"] == ["nats://me:********@a.example", "nats://********@b.example"]
    assert (in_file["once"]["source"], in_file["once"]["where"]) == ("file", str(path))
    assert (in_file["match"]["source"], in_file["match"]["variable"]) == ("flag", "STREAMHUB_RELAY_MATCH")
    assert (in_file["creds"]["value"], in_file["creds"]["source"]) == ("mine.creds", "environment")
    assert ("max-age" in in_file) == (direction == "push")
    several = shown("relay", direction, STREAMHUB_NATS="nats://me:s3cret@a nats://you:s3cret@b,tls://s3cret@c")
    assert several["nats"]["value"] == ["nats://me:********@a", "nats://you:********@b,tls://********@c"]


def test_table(tmp_path: Path) -> None:
    """For people it is a table, in which nothing can do harm."""
    outcome = command(
        "config", "show", "tail", "-f", "m-42", env={"STREAMHUB_TAIL_LINES": "3", "STREAMHUB_DIR": "a\x1b[2J"}
    )
    rows = [line.split() for line in outcome.out.decode().splitlines()]
    assert ["lines", "3", "environment", "STREAMHUB_TAIL_LINES"] in rows
    assert ["dir", r"a\x1b[2J", "environment", "STREAMHUB_DIR"] in rows
    assert ["follow", "yes", "flag", "--follow", "STREAMHUB_TAIL_FOLLOW"] in rows
    assert ["since", "-", "default", "STREAMHUB_TAIL_SINCE"] in rows


@pytest.mark.parametrize("name", ["emit", "demo", "cat", "grep", "check", "stats", "healthcheck", "schema"])
def test_other_commands(name: str) -> None:
    """Every command's settings can be shown, whatever else it needs to be run."""
    assert command("config", "show", name).code == 0


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nope"], "there is no command 'nope'"),
        (["relay"], "relay is several commands: name one of pull, push"),
        (["relay", "nope"], "name one of pull, push"),
        (["serve", "--port", "x"], "'x' is not a valid integer"),
        (["serve", "--nope"], "--nope"),
        (["serve", "--config", "/missing.toml"], "cannot be read"),
    ],
)
def test_wrong_usage(arguments: list[str], said: str) -> None:
    """What the command would refuse is refused here, in the same words."""
    outcome = command("config", "show", *arguments)
    assert outcome.code == 2
    assert said in outcome.complaint


def test_without_a_word() -> None:
    """Who says nothing gets the help, as talk."""
    outcome = command("config")
    assert (outcome.code, outcome.out) == (2, b"")
    assert "show" in outcome.err
