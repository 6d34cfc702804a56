from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from streamhub.cli.cautions import cautions
from tests.commands import line_of, started

if TYPE_CHECKING:
    from pathlib import Path

LONG = "n0body-guesses-this-one"


def tokens(directory: Path, text: str, mode: int = 0o600) -> str:
    """A token file."""
    path = directory / "tokens"
    path.write_text(text)
    path.chmod(mode)
    return str(path)


@pytest.mark.parametrize(
    "text", [f"{LONG} team-*\n", f"# x\n\n{LONG}\n", "sha256:" + "0" * 64, "sixteen.letters.\n"], ids=range(4)
)
def test_nothing_to_say(tmp_path: Path, text: str) -> None:
    """A token that is long, or of which the hash alone is known, in a file for its reader alone."""
    assert list(cautions(tokens(tmp_path, text), text)) == []
    assert list(cautions("", "")) == []


def test_a_short_token(tmp_path: Path) -> None:
    """It is told by its place and length, not shown: the first one of each source."""
    path = tokens(tmp_path, f"{LONG}\n# short\nsh0rt m-*\nx\n")
    in_file, in_environment = cautions(path, "an0ther")
    assert in_file.startswith(f"token file {path!r}, line 3, has a token of 5 characters")
    assert in_environment.startswith("STREAMHUB_TOKEN, line 1, has a token of 7 characters")
    for said in (in_file, in_environment):
        assert "secrets.token_urlsafe(32)" in said
        assert "sh0rt" not in said
        assert "an0ther" not in said


@pytest.mark.parametrize(("mode", "said"), [(0o600, False), (0o640, False), (0o644, True), (0o604, True)])
def test_a_file_that_everybody_can_read(tmp_path: Path, mode: int, said: bool) -> None:
    """The owner's group may be the server's; everybody is too many."""
    path = tokens(tmp_path, LONG, mode)
    assert list(cautions(path, "")) == ([f"everybody here can read token file {path!r}: chmod 600 it"] if said else [])


@pytest.mark.parametrize("form", ["text", "json"])
async def test_serve_says_it_and_goes_on(tmp_path: Path, form: str) -> None:
    """A caution is a line on stderr, in the log's form; the server starts."""
    path = tokens(tmp_path, "sh0rt\n", 0o644)
    flags = ("--dir", tmp_path, "--port", "0", "--token-file", path, "--log-format", form)
    async with started("serve", *flags) as process:
        assert await line_of(process.stdout)
        said = [(await line_of(process.stderr)).decode() for _ in range(3)]
    if form == "json":
        entries = list(map(json.loads, said))
        assert [entry["level"] for entry in entries] == ["warning", "warning", "info"]
        said = [f"streamhub: {entry['message']}" for entry in entries]
    assert said[0].startswith("streamhub: everybody here can read token file")
    assert said[1].startswith("streamhub: token file")
    assert said[2].startswith("streamhub: serving")
