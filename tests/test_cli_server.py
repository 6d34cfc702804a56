from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from tests.certificates import make_certificate
from tests.commands import command
from tests.servers import Stream, served

if TYPE_CHECKING:
    from pathlib import Path


async def test_token(tmp_path: Path) -> None:
    """A token comes from a file or the environment, as the server has them; a flag's file comes first."""
    with Stream(tmp_path) as stream:
        line = stream.line(1)
    tokens = tmp_path / "tokens"
    tokens.write_text("# who may read\ns3cret team-*  # not this one\n")
    good = tmp_path / "good"
    good.write_text("\n  g00d *\nother\n")
    async with served(tmp_path, tokens=("s3cret team-*", "g00d")) as server:

        async def read(*flags: str, **env: str) -> tuple[int, list[bytes], str]:
            outcome = await asyncio.to_thread(command, "tail", "s", "--url", server.url, *flags, env=env)
            assert "s3cret" not in outcome.err
            return outcome.code, outcome.lines, outcome.err

        assert await read(STREAMHUB_TOKEN="g00d") == (0, [line], "")
        assert await read("--token-file", str(good)) == (0, [line], "")
        assert await read(STREAMHUB_TOKEN_FILE=str(good)) == (0, [line], "")
        assert await read("--token-file", str(good), STREAMHUB_TOKEN="s3cret") == (0, [line], "")
        assert (await read(STREAMHUB_TOKEN_FILE=str(good), STREAMHUB_TOKEN="s3cret"))[0] == 3
        assert (await read("--token-file", str(tokens)))[0] == 3
        code, _lines, said = await read()
        assert (code, "asks for a token: put one into STREAMHUB_TOKEN" in said) == (1, True)
        code, _lines, said = await read(STREAMHUB_TOKEN="wr0ng")
        assert (code, "does not know this token" in said, "wr0ng" in said) == (1, True, False)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read"),
        ("# none\n\n", "holds no token"),
        ("sha256:" + "0" * 64, "begins with the hash of a token"),
        ("h1dden\x1b", "begins with what is no token"),
        ("h1ddén", "begins with what is no token"),
    ],
    ids=["missing", "empty", "hash", "control", "not-ascii"],
)
def test_no_token(tmp_path: Path, content: str | None, said: str) -> None:
    """What holds no token is refused before anything is asked, and not shown."""
    path = tmp_path / "tokens"
    if content is not None:
        path.write_text(content)
    outcome = command("ls", "--url", "http://127.0.0.1:1", "--token-file", path)
    assert outcome.code == 2
    assert said in outcome.complaint
    assert "h1dd" not in outcome.complaint
    # A folder needs none.
    assert command("ls", "--dir", tmp_path, "--token-file", path).code == 0


async def test_tls(tmp_path: Path) -> None:
    """A server's certificate is checked, against the authorities of a file if one is named."""
    made = make_certificate(tmp_path)
    with Stream(tmp_path) as stream:
        line = stream.line(1)
    async with served(tmp_path, tls_cert=str(made.cert), tls_key=str(made.key)) as server:
        outcome = await asyncio.to_thread(command, "tail", "s", "--url", server.url, "--tls-ca", made.cert)
        assert (outcome.code, outcome.lines) == (0, [line])
        outcome = await asyncio.to_thread(command, "tail", "s", "--url", server.url)
        assert outcome.code == 1
        assert "CERTIFICATE_VERIFY_FAILED" in outcome.complaint
        for ca in (tmp_path / "missing", tmp_path / "s.jsonl"):
            outcome = await asyncio.to_thread(command, "tail", "s", "--url", server.url, "--tls-ca", ca)
            assert outcome.code == 2
            assert "cannot be used" in outcome.complaint


def test_a_password_in_the_url() -> None:
    """A URL that holds a user is refused, and what it holds is not shown."""
    outcome = command("ls", "--url", "http://me:s3cret@127.0.0.1:1")
    assert outcome.code == 2
    assert "holds a user" in outcome.complaint
    assert "s3cret" not in outcome.complaint
