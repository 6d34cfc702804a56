from __future__ import annotations

import signal
import socket
import urllib.request
from typing import TYPE_CHECKING

import aiohttp
import pytest

from tests.certificates import make_certificate
from tests.commands import command, end_of, line_of, started
from tests.servers import Stream, free_port

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_serve(tmp_path: Path, number: signal.Signals) -> None:
    """The URL is all that stdout gets; a signal ends the server, and that is a success."""
    with Stream(tmp_path) as stream:
        line = stream.line(1)
    async with started("serve", "--dir", tmp_path, "--port", "0") as process:
        url = (await line_of(process.stdout)).decode()
        assert url.startswith("http://127.0.0.1:")
        with urllib.request.urlopen(f"{url}/v1/stream/s") as response:
            assert response.read() == b"[" + line + b"]"
        process.send_signal(number)
        outcome = await end_of(process)
    assert (outcome.code, outcome.out) == (0, b"")
    assert outcome.err.splitlines() == [f"streamhub: serving {tmp_path}, read-only; Ctrl-C stops it"]


@pytest.mark.slow
async def test_default_folder(tmp_path: Path) -> None:
    """The folder that nobody named is made, so that a server can be started before the first mission; it is said."""
    folder = tmp_path / "outputs" / "execution_streams"
    for made in (" (made)", ""):
        async with started("serve", "--port", "0", cwd=tmp_path) as process:
            assert await line_of(process.stdout)
            assert (await line_of(process.stderr)).decode() == (
                f"streamhub: serving {folder}{made}, read-only; Ctrl-C stops it"
            )
        assert folder.is_dir()
        assert not list(folder.iterdir())


async def test_a_folder_is_said_in_full(tmp_path: Path) -> None:
    """Whoever reads the first line sees which folder it is, also if it was named in relation to another."""
    (tmp_path / "streams").mkdir()
    async with started("serve", "--port", "0", "--dir", "streams", cwd=tmp_path) as process:
        said = (await line_of(process.stderr)).decode()
    assert said == f"streamhub: serving {tmp_path}/streams, read-only; Ctrl-C stops it"


def test_missing_folder(tmp_path: Path) -> None:
    """A folder that was named, and is not there, is a mistake: it is not made."""
    typo = str(tmp_path / "typo")
    for outcome in (command("serve", "--dir", typo), command("serve", env={"STREAMHUB_DIR": typo})):
        assert outcome.code == 2
        assert f"there is no folder '{tmp_path}/typo'" in outcome.complaint
    assert not (tmp_path / "typo").exists()


def test_no_folder(tmp_path: Path) -> None:
    """A file, or a link that leads nowhere, is no folder."""
    (tmp_path / "file").touch()
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    for name in ("file", "link"):
        outcome = command("serve", "--dir", tmp_path / name)
        assert outcome.code == 2
        assert "is no folder" in outcome.complaint


@pytest.mark.parametrize("name", ["serve", "demo"])
def test_port_in_use(tmp_path: Path, name: str) -> None:
    """A port that somebody else has is said in one line, with exit code 1."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        outcome = command(name, "--dir", tmp_path, "--port", str(port))
    assert outcome.code == 1
    assert f"127.0.0.1 port {port} is in use" in outcome.complaint


def test_no_such_address(tmp_path: Path) -> None:
    """An address that is not this machine's cannot be listened on."""
    outcome = command("serve", "--dir", tmp_path, "--host", "192.0.2.1", "--no-auth", "--port", str(free_port()))
    assert outcome.code == 1
    assert "cannot listen on 192.0.2.1" in outcome.complaint


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.5", "example.com", ""])
def test_exposed(tmp_path: Path, host: str) -> None:
    """What others could reach is refused, unless it is said aloud that everybody may read."""
    outcome = command("serve", "--dir", tmp_path, "--host", host)
    assert outcome.code == 2
    assert "--no-auth" in outcome.complaint
    # Past that check comes the next one.
    outcome = command("serve", "--dir", tmp_path / "missing", "--host", host, "--no-auth")
    assert "there is no folder" in outcome.complaint


def test_exposed_with_tokens(tmp_path: Path) -> None:
    """Who says who may read need not say more; to say both that and that everybody may is a contradiction."""
    tokens = tmp_path / "tokens"
    tokens.write_text("s3cret\n")
    exposed = ("serve", "--dir", tmp_path / "missing", "--host", "0.0.0.0")
    for flags, env in (
        (("--token-file", tokens), {}),
        ((), {"STREAMHUB_TOKEN": "s3cret team-*"}),
        (("--jwt-key", "s3cret" * 6), {}),
    ):
        outcome = command(*exposed, *flags, env=env)
        assert (outcome.code, "there is no folder" in outcome.complaint) == (2, True)
        outcome = command(*exposed, *flags, "--no-auth", env=env)
        assert (outcome.code, "--no-auth contradicts" in outcome.complaint) == (2, True)
        assert "s3cret" not in outcome.complaint


@pytest.mark.parametrize(
    ("flags", "env", "said"),
    [
        (["--token-file", "missing"], {}, "token file 'missing' cannot be read"),
        ([], {"STREAMHUB_TOKEN": "s3cret a b"}, "STREAMHUB_TOKEN has 3 words"),
        ([], {"STREAMHUB_TOKEN": "s3cret /x"}, "is no glob of streams"),
        (["--jwt-key", "s3cret"], {}, "jwt-key is a secret of 6 bytes"),
        (["--jwt-key", "s3cret/s3cret"], {}, "jwt-key names a file that cannot be read"),
        (["--tls-cert", "missing"], {}, "TLS cannot be had with 'missing'"),
        (["--tls-key", "missing"], {}, "give tls-cert too"),
    ],
)
def test_bad_credentials(tmp_path: Path, flags: list[str], env: dict[str, str], said: str) -> None:
    """A token, a key or a certificate that cannot be used is one line and exit code 2, and is not shown."""
    outcome = command("serve", "--dir", tmp_path, *flags, env=env)
    assert outcome.code == 2
    assert said in outcome.complaint
    assert "s3cret" not in outcome.complaint


@pytest.mark.slow
async def test_serve_with_a_token_and_tls(tmp_path: Path) -> None:
    """The token of the environment opens what its glob says, behind TLS, and is not printed."""
    made = make_certificate(tmp_path)
    flags = ("--dir", tmp_path, "--port", "0", "--tls-cert", made.cert, "--tls-key", made.key)
    async with started("serve", *flags, STREAMHUB_TOKEN="s3cret team-*") as process:
        url = (await line_of(process.stdout)).decode()
        assert url.startswith("https://127.0.0.1:")
        connector = aiohttp.TCPConnector(ssl=made.client())
        async with aiohttp.ClientSession(connector=connector) as session:
            for token, status in (("", 401), ("wrong", 401), ("s3cret", 200)):
                async with session.get(f"{url}/v1/streams", headers={"Authorization": f"Bearer {token}"}) as response:
                    assert response.status == status
        process.send_signal(signal.SIGTERM)
        outcome = await end_of(process)
    assert outcome.code == 0
    assert "s3cret" not in outcome.err


@pytest.mark.parametrize(
    ("flags", "said"),
    [
        (["--port", "x"], "--port"),
        (["--port", "70000"], "port 70000 is out of range"),
        (["--max-line", "3x"], "size '3x' is none"),
        (["--max-line", "1"], "max-line 1 is out of range"),
        (["--poll-floor", "-1"], "duration '-1' is none"),
        (["--poll-floor", "2s"], "poll-ceiling 1.0 is out of range"),
        (["--workers", "0"], "workers 0 is out of range"),
        (["--inbound", "echo"], "--inbound"),
        (["--allow-origin", "ui.example"], "'ui.example' is no origin that a browser sends: write https://ui.example,"),
        (["--allow-origin", "ui.example:8080"], "write https://ui.example:8080,"),
        (["--allow-origin", "https://ui.example/app"], "with no path"),
        (["--allow-origin", "*"], "'*' is no origin"),
        (["--nope"], "--nope"),
        (["extra"], "extra"),
    ],
)
def test_bad_flag(tmp_path: Path, flags: list[str], said: str) -> None:
    """A bad flag is one line that names the value, and exit code 2."""
    outcome = command("serve", "--dir", tmp_path, *flags)
    assert outcome.code == 2
    assert said in outcome.complaint
