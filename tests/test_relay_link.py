"""The connection to NATS: who is let in, and what becomes of it when it is lost."""

from __future__ import annotations

import base64
import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

import nkeys  # type: ignore[import-untyped]
import pytest
from nats.aio.client import Server

from streamhub.errors import StreamhubError, UnauthorizedError
from streamhub.relay import feed, link, reader
from streamhub.relay.backoff import Backoff
from tests.brokers import Broker
from tests.certificates import make_certificate
from tests.relays import Line, contents, pull_once, pulling, push_once, pushing, until_same
from tests.servers import Stream, until

_KINDS = (nkeys.PREFIX_BYTE_OPERATOR, nkeys.PREFIX_BYTE_ACCOUNT, nkeys.PREFIX_BYTE_ACCOUNT)


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Relays that take silence for a loss early."""
    monkeypatch.setattr(link, "_PING", 0.2)
    monkeypatch.setattr(link, "TIMEOUT", 1.0)
    monkeypatch.setattr(feed, "TIMEOUT", 1.0)
    monkeypatch.setattr(reader, "_SILENCE", 1.5)


def make_broker(program: str, directory: Path, config: str) -> Broker:
    """A server with further settings."""
    directory.mkdir(exist_ok=True)
    return Broker(program, directory, config=config)


async def test_user_and_password(origin: Path, edge: Path, tmp_path: Path, nats_server: str) -> None:
    """They may stand in the URL; who has others is told so, without waiting, and the password is not said."""
    config = 'authorization { user: "me", password: "secret" }'
    (origin / "s.jsonl").write_bytes(b'{"n":1}\n')
    async with make_broker(nats_server, tmp_path / "nats", config) as broker:
        url = broker.url.replace("//", "//me:secret@")
        await push_once(origin, url)
        await pull_once(edge, url)
        assert contents(edge) == contents(origin)
        for wrong in (broker.url, broker.url.replace("//", "//me:hidden@")):
            with pytest.raises(UnauthorizedError, match="does not let us in") as caught:
                await push_once(origin, wrong)
            assert "hidden" not in str(caught.value)


async def test_an_nkey(origin: Path, edge: Path, tmp_path: Path, nats_server: str) -> None:
    """A file with a seed lets in whom the server knows by the public key."""
    seed = nkeys.encode_seed(os.urandom(32), nkeys.PREFIX_BYTE_USER)
    public = nkeys.from_seed(bytearray(seed)).public_key.decode()
    file = tmp_path / "seed"
    file.write_bytes(seed)
    (origin / "s.jsonl").write_bytes(b'{"n":1}\n')
    config = f'authorization {{ users: [ {{ nkey: "{public}" }} ] }}'
    async with make_broker(nats_server, tmp_path / "nats", config) as broker:
        await push_once(origin, broker.url, nkey=str(file))
        await pull_once(edge, broker.url, nkey=str(file))
        assert contents(edge) == contents(origin)
        with pytest.raises(UnauthorizedError):
            await push_once(origin, broker.url)


class Signer:
    """A pair of keys as NATS has them, that signs tokens for others."""

    def __init__(self, kind: int) -> None:
        self.seed: bytes = nkeys.encode_seed(os.urandom(32), kind)
        self.public: str = nkeys.from_seed(bytearray(self.seed)).public_key.decode()

    def token(self, subject: str, kind: str, **claims: Any) -> str:
        """A token that says so of somebody."""
        said = {"iss": self.public, "sub": subject, "name": kind, "iat": 1, "jti": "x"}
        body = {**said, "nats": {"type": kind, "version": 2, **claims}}
        parts = [json.dumps(part).encode() for part in ({"typ": "JWT", "alg": "ed25519-nkey"}, body)]
        signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in parts)
        signature = nkeys.from_seed(bytearray(self.seed)).sign(signed)
        return (signed + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


async def test_credentials(origin: Path, edge: Path, tmp_path: Path, nats_server: str) -> None:
    """A file as ``nsc`` makes it, with a token and a seed, lets in whom an operator's account knows."""
    operator, system, account = (Signer(kind) for kind in _KINDS)
    user = Signer(nkeys.PREFIX_BYTE_USER)
    every = dict.fromkeys(("subs", "conn", "leaf", "imports", "exports", "data", "payload"), -1)
    stored = {"mem_storage": -1, "disk_storage": -1, "streams": -1, "consumer": -1}
    accounts = {
        system.public: operator.token(system.public, "account", limits=every),
        account.public: operator.token(account.public, "account", limits={**every, **stored}),
    }
    config = (
        f'operator: "{operator.token(operator.public, "operator")}"\nsystem_account: {system.public}\n'
        f"resolver: MEMORY\nresolver_preload: {json.dumps(accounts)}\n"
    )
    creds = tmp_path / "user.creds"
    token = account.token(user.public, "user", subs=-1, data=-1, payload=-1)
    creds.write_text(
        f"-----BEGIN NATS USER JWT-----\n{token}\n------END NATS USER JWT------\n\n"
        f"-----BEGIN USER NKEY SEED-----\n{user.seed.decode()}\n------END USER NKEY SEED------\n"
    )
    (origin / "s.jsonl").write_bytes(b'{"n":1}\n')
    async with make_broker(nats_server, tmp_path / "nats", config) as broker:
        await push_once(origin, broker.url, creds=str(creds))
        await pull_once(edge, broker.url, creds=str(creds))
        assert contents(edge) == contents(origin)
        with pytest.raises(UnauthorizedError):
            await push_once(origin, broker.url)


async def test_no_more_rights_than_needed(origin: Path, edge: Path, tmp_path: Path, nats_server: str) -> None:
    """What the manual says that each end must be allowed is enough; an edge needs no right to publish a line."""
    api = "$JS.API"
    read = [
        f"{api}.STREAM.INFO.STREAMHUB",
        f"{api}.CONSUMER.CREATE.STREAMHUB.>",
        f"{api}.CONSUMER.DELETE.STREAMHUB.*",
        f"{api}.CONSUMER.MSG.NEXT.STREAMHUB.*",
    ]
    rights = {
        "origin": [*read, "streamhub.*", f"{api}.STREAM.CREATE.STREAMHUB", f"{api}.STREAM.MSG.GET.STREAMHUB"],
        "edge": [*read, f"{api}.DIRECT.GET.STREAMHUB"],
    }
    users = ", ".join(
        f'{{ user: {name}, password: p, permissions: {{ publish: {json.dumps(allowed)}, subscribe: ["_INBOX.>"] }} }}'
        for name, allowed in rights.items()
    )
    async with make_broker(nats_server, tmp_path / "nats", f"authorization {{ users: [ {users} ] }}") as broker:
        origin_url, edge_url = (broker.url.replace("//", f"//{name}:p@") for name in rights)
        with Stream(origin) as stream:
            async with pushing(origin, origin_url), pulling(edge, edge_url) as meter:
                for number in range(10):
                    stream.line(number)
                await until_same(origin, edge)
                (edge / "s.jsonl").write_bytes(b"")  # so that it is searched for
                stream.line(10)
                await until_same(origin, edge)
            assert not meter.refused
            stream.line(11)
            assert (await push_once(origin, origin_url)).lines == 1
            assert (await pull_once(edge, edge_url)).lines == 1


@pytest.mark.slow
async def test_tls_both_ways(
    origin: Path, edge: Path, tmp_path: Path, nats_server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a private authority and a certificate of our own; without them nothing is carried."""
    monkeypatch.setattr(link, "_PATIENCE", 0.3)
    certificate = make_certificate(tmp_path)
    files = f'cert_file: "{certificate.cert}", key_file: "{certificate.key}", ca_file: "{certificate.cert}"'
    (origin / "s.jsonl").write_bytes(b'{"n":1}\n')
    async with make_broker(nats_server, tmp_path / "nats", f"tls {{ {files}, verify: true }}") as broker:
        url = broker.url.replace("nats:", "tls:")
        trust = {"tls_ca": str(certificate.cert)}
        ours = {"tls_cert": str(certificate.cert), "tls_key": str(certificate.key)}
        await push_once(origin, url, **trust, **ours)
        await pull_once(edge, broker.url, **trust, **ours)
        assert contents(edge) == contents(origin)
        for given in ({}, ours, trust):
            with pytest.raises(StreamhubError):
                await push_once(origin, url, **given)


async def test_a_server_that_comes_back(origin: Path, edge: Path, broker: Broker) -> None:
    """When the server is killed and started again, both ends go on by themselves; nothing is lost or doubled."""
    async with pushing(origin, broker.url) as pushed, pulling(edge, broker.url) as pulled:
        with Stream(origin) as stream:
            for number in range(3):
                stream.line(number)
                await until_same(origin, edge)
                await broker.stop()
                await until(lambda: not (pushed.connected or pulled.connected))
                stream.line(number)
                await broker.start()
            await until_same(origin, edge)
        assert pushed.reconnects >= 3
        assert pulled.reconnects >= 3


@pytest.mark.slow
@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("noticed", [False, True])
async def test_a_partition_that_heals(origin: Path, edge: Path, broker: Broker, noticed: bool) -> None:
    """While nothing passes nothing is lost; when it heals all comes, once, though what was held up comes too."""
    async with Line(broker.port) as near, Line(broker.port) as far:
        with Stream(origin) as stream:
            async with pushing(origin, near.url) as pushed, pulling(edge, far.url) as pulled:
                for line, meter in ((near, pushed), (far, pulled)):
                    stream.line(1)
                    await until_same(origin, edge)
                    line.cut()
                    for number in range(50):
                        stream.line(number)
                    if noticed:
                        await until(lambda meter=meter: not meter.connected)  # type: ignore[misc]
                    line.heal()
                    await until_same(origin, edge)
    if noticed:
        assert pushed.reconnects
        assert pulled.reconnects


@pytest.mark.usefixtures("impatient")
async def test_a_puller_that_was_cut_off_for_long(origin: Path, edge: Path, broker: Broker) -> None:
    """What the origin wrote meanwhile comes when the way is free, even if the server forgot the consumer."""
    async with Line(broker.port) as far, pushing(origin, broker.url) as pushed, pulling(edge, far.url) as pulled:
        with Stream(origin) as stream, Stream(origin, "t") as other:
            stream.line(1)
            await until_same(origin, edge)
            far.cut()
            await until(lambda: not pulled.connected)
            for number in range(100):
                stream.line(number)
                other.line(number)
            await until(lambda: pushed.lines == 201)
            await broker.stop()
            await broker.start()
            far.heal()
            await until_same(origin, edge)


def test_waits_grow_and_differ() -> None:
    """Each wait is up to twice the one before, never more than the longest, and left to chance."""
    for _ in range(100):
        backoff = Backoff(least=0.1, most=2.0)
        waits = [backoff.next() for _ in range(10)]
        for number, wait in enumerate(waits):
            assert min(2.0, 0.1 * 2**number) / 2 <= wait <= min(2.0, 0.1 * 2**number)
        backoff.reset()
        assert backoff.is_fresh
        assert backoff.next() <= 0.1
    assert len({Backoff().next() for _ in range(20)}) > 10


def test_the_server_that_failed_least_is_next() -> None:
    """Of several servers that one is tried, after a wait as long as its failures make it."""
    servers = [Server(uri=urlparse("nats://n"), reconnects=count) for count in (3, 1, 2)]
    server, wait = link._choose_server(servers, {})
    assert server is servers[1]
    assert 0.1 <= wait <= 0.2
