"""JSON Web Tokens for tests, made by hand: it shares no code with what judges them."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ed25519, padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

SECRET = "a secret of more than thirty-two bytes"

PrivateKey = rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def part(data: bytes | dict[str, Any]) -> str:
    """One of a token's parts."""
    data = data if isinstance(data, bytes) else json.dumps(data).encode()
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def signed(
    claims: dict[str, Any] | bytes,
    key: str | bytes | PrivateKey = SECRET,
    algorithm: str | None = None,
    **header: Any,
) -> str:
    """A token with these claims. Whatever it says of its algorithm, it is signed as the key can."""
    own = {rsa.RSAPrivateKey: "RS256", ed25519.Ed25519PrivateKey: "EdDSA"}
    named = next((name for kind, name in own.items() if isinstance(key, kind)), "HS256")
    named = named if algorithm is None else algorithm
    content = f"{part({'typ': 'JWT', 'alg': named, **header})}.{part(claims)}"
    return f"{content}.{part(_signature(content.encode(), key))}"


def _signature(content: bytes, key: str | bytes | PrivateKey) -> bytes:
    match key:
        case rsa.RSAPrivateKey():
            return key.sign(content, padding.PKCS1v15(), hashes.SHA256())
        case ed25519.Ed25519PrivateKey():
            return key.sign(content)
        case str():
            return hmac.digest(key.encode(), content, hashlib.sha256)
        case _:
            return hmac.digest(key, content, hashlib.sha256)


def public_pem(key: PrivateKey) -> str:
    """The public half, as a file holds it."""
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
