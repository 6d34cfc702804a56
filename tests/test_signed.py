from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from streamhub.errors import ConfigError, UnauthorizedError
from streamhub.signed import LEEWAY, Verifier, load_verifier
from streamhub.tokens import Tokens
from tests.jwts import SECRET, PrivateKey, part, public_pem, signed

if TYPE_CHECKING:
    from pathlib import Path

RSA = rsa.generate_private_key(65537, 2048)
OTHER_RSA = rsa.generate_private_key(65537, 2048)
ED = ed25519.Ed25519PrivateKey.generate()
OTHER_ED = ed25519.Ed25519PrivateKey.generate()

#: What signs, what checks, how, and somebody else's key of the same kind.
KINDS: list[tuple[str | PrivateKey, str, str, str | PrivateKey]] = [
    (SECRET, SECRET, "HS256", SECRET + "x"),
    (RSA, public_pem(RSA), "RS256", OTHER_RSA),
    (ED, public_pem(ED), "EdDSA", OTHER_ED),
]


def claims(**more: Any) -> dict[str, Any]:
    """What a good token says."""
    return {"exp": int(time.time()) + 60, "streams": "a*", **more}


def refused(verifier: Verifier, token: str) -> str:
    """Why a token is not taken."""
    with pytest.raises(UnauthorizedError) as caught:
        verifier.verify(token)
    assert caught.value.given
    return str(caught.value)


@pytest.mark.parametrize(("key", "check", "algorithm", "other"), KINDS)
def test_kinds(key: str | PrivateKey, check: str, algorithm: str, other: str | PrivateKey) -> None:
    """The kind of the key decides on the algorithm; what it signed is taken, what another signed is not."""
    verifier = load_verifier(check)
    assert verifier.algorithm == algorithm
    found = verifier.verify(signed(claims(), key))
    assert found.streams == ("a*",)
    assert 50 < found.expires - time.time() <= 60
    refused(verifier, signed(claims(), other))
    good = signed(claims(), key)
    head, body, signature = good.split(".")
    refused(verifier, f"{head}.{part(claims(streams='*'))}.{signature}")
    refused(verifier, f"{head}.{body}.")
    refused(verifier, f"{head}.{body}")


@pytest.mark.parametrize(("key", "check", "algorithm", "other"), KINDS)
def test_no_confusion(key: str | PrivateKey, check: str, algorithm: str, other: str | PrivateKey) -> None:
    """No token talks the server into another algorithm: not into none, nor into taking a public key for a secret."""
    del other
    verifier = load_verifier(check)
    for named in {"HS256", "HS384", "RS256", "RS512", "PS256", "ES256", "EdDSA", "none", "None", "NONE", ""} - {
        algorithm
    }:
        refused(verifier, signed(claims(), key, named))
        for text in (check, check.strip(), check + "\n"):
            refused(verifier, signed(claims(), text + "" if algorithm != "HS256" else "x" + text, named))
    for named in ("none", "nOnE", "NONE"):
        refused(verifier, f"{part({'alg': named, 'typ': 'JWT'})}.{part(claims())}.")
    jwk = {"kty": "oct", "k": part(b"x" * 32)}
    refused(verifier, signed(claims(), "x" * 32, "HS256", jwk=jwk, kid="../../dev/null", jku="http://evil.example"))


@pytest.mark.parametrize(
    ("shift", "good"), [(3600, True), (2, True), (-2, True), (-LEEWAY - 2, False), (-3600, False), (1e15, True)]
)
def test_expiry(shift: float, good: bool) -> None:
    """A token is good until its end, and for the few seconds by which clocks differ; it never lasts in the past."""
    verifier, now = load_verifier(SECRET), time.time()
    token = signed(claims(exp=int(now + shift)))
    if good:
        assert verifier.verify(token).expires > time.time() - 1
    else:
        assert "expired" in refused(verifier, token)


def test_not_before() -> None:
    """A token whose time is to come is not good yet, but for the seconds by which clocks differ."""
    verifier = load_verifier(SECRET)
    verifier.verify(signed(claims(nbf=time.time() + 1, iat=time.time() + 1)))
    refused(verifier, signed(claims(nbf=time.time() + 60)))
    refused(verifier, signed(claims(iat=time.time() + 60)))


@pytest.mark.parametrize(
    "exp", [None, "soon", "", [], {}, True, float("nan"), float("inf"), -1, 0, 10**400, "9" * 5000]
)
def test_bad_expiry(exp: Any) -> None:
    """A token whose end is none, or no time, is not good, or is only for as long as there are dates."""
    verifier = load_verifier(SECRET)
    if exp == 10**400:
        assert verifier.verify(signed(claims(exp=exp))).expires < 3e11
    else:
        refused(verifier, signed(claims(exp=exp)))


def test_end_is_required() -> None:
    """A token that would be good for ever is not."""
    refused(load_verifier(SECRET), signed({"streams": "*"}))


@pytest.mark.parametrize(
    ("streams", "globs"),
    [("*", ("*",)), ("a", ("a",)), (["a", "b*"], ("a", "b*")), ([], ()), (["/etc/*", "a"], ("a",)), ("{a}", ())],
)
def test_streams(streams: Any, globs: tuple[str, ...]) -> None:
    """A token names a glob or several; what can be none is good for no stream."""
    grant = Tokens((), "tokens", load_verifier(SECRET)).grant(signed(claims(streams=streams)))
    assert grant.globs == globs
    assert grant.expires is not None


@pytest.mark.parametrize("streams", [None, 1, True, {}, {"a": 1}, [1], ["a", None], [["a"]]])
def test_bad_streams(streams: Any) -> None:
    """A token that names no streams was made for something else: it is not good for all of them, but for nothing."""
    assert "streams" in refused(load_verifier(SECRET), signed(claims(streams=streams)))
    assert "streams" in refused(load_verifier(SECRET), signed({"exp": int(time.time()) + 60}))


@pytest.mark.parametrize("audience", ["somebody else", ["a", "b"], [], "", None])
def test_audience(audience: Any) -> None:
    """A token for an audience is for somebody else, or for nobody."""
    refused(load_verifier(SECRET), signed(claims(aud=audience)))


@pytest.mark.parametrize(
    "body", [b"", b"null", b"[]", b'"x"', b"{", b"\xff", b"[" * 3000, b'{"exp":1e999,"streams":"*"}', b"1" * 5000]
)
def test_bodies_that_are_no_claims(body: bytes) -> None:
    """Whatever was signed: no claims, no entry."""
    refused(load_verifier(SECRET), signed(body))


@given(st.text() | st.binary().map(part) | st.lists(st.binary().map(part), min_size=3, max_size=3).map(".".join))
def test_anything_else_is_refused(token: str) -> None:
    """Whatever a stranger sends, the answer is no."""
    refused(load_verifier(SECRET), token)


def test_a_deep_header_is_refused() -> None:
    """A header that no parser can take is refused like any other."""
    refused(load_verifier(SECRET), f"{part(b'[' * 5000)}.{part(claims())}.{part(b'x')}")
    refused(load_verifier(SECRET), f"{part({'alg': 'HS256', 'crit': ['b64'], 'b64': False})}.{part(claims())}.x")


def test_key_from_a_file(tmp_path: Path) -> None:
    """A key is read from the file that is named; white space around it is no part of it."""
    path = tmp_path / "key"
    for key, check, algorithm, _other in KINDS:
        path.write_text(f"\n{check}\n\n")
        verifier = load_verifier(str(path))
        assert verifier.algorithm == algorithm
        verifier.verify(signed(claims(), key))


def _private(key: PrivateKey | ec.EllipticCurvePrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


BAD_KEYS: list[tuple[str | bytes, str]] = [
    ("x" * 31, "31 bytes"),
    ("", "0 bytes"),
    (_private(ED), "private key"),
    (_private(RSA), "private key"),
    ("-----BEGIN PUBLIC KEY-----\nrubbish\n-----END PUBLIC KEY-----", "no public key"),
    ("-----BEGIN CERTIFICATE-----\nrubbish\n-----END CERTIFICATE-----", "no public key"),
    (
        ec.generate_private_key(ec.SECP256R1())
        .public_key()
        .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
        .decode(),
        "give an RSA key",
    ),
    (public_pem(rsa.generate_private_key(65537, 1024)), "1024 bits"),
    (
        ED.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode(),
        "convert it to PEM",
    ),
    (RSA.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo), "convert it to PEM"),
    (json.dumps({"kty": "oct", "k": "x" * 43}), "convert it to PEM"),
]


@pytest.mark.parametrize(("content", "said"), BAD_KEYS, ids=[said for _, said in BAD_KEYS])
def test_bad_keys(tmp_path: Path, content: str | bytes, said: str) -> None:
    """What is no key to check with is refused when the server starts, in one line that does not show it."""
    path = tmp_path / "key"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError, match=said) as caught:
        load_verifier(str(path))
    message = str(caught.value)
    assert "\n" not in message
    assert "rubbish" not in message
    assert "x" * 31 not in message


@pytest.mark.parametrize(
    "name",
    ["/nowhere/at/all/with/a/long/name/key", "secrets/production/streamhub-key-1", "k" * 32 + ".pem", "a/" * 5000],
)
def test_a_mistyped_path_is_no_secret(name: str) -> None:
    """What looks like a file's name is never taken for a secret, which anybody could guess."""
    with pytest.raises(ConfigError, match="cannot be read") as caught:
        load_verifier(name)
    assert name not in str(caught.value)
