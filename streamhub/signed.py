"""JSON Web Tokens: somebody else signs what a reader may see and for how long; the server has the key to check it.

The key alone decides on the algorithm, and each key is fit for one: what a token says of its own algorithm is
compared, never followed, so that a public key cannot be taken for a secret, nor ``none`` for a signature.
PyJWT is imported when there is a key: a server without one does not need it.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from streamhub.errors import ConfigError, UnauthorizedError

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

    Key = bytes | RSAPublicKey | Ed25519PublicKey | Ed448PublicKey

#: Seconds by which the clocks of who signs and who checks may differ.
LEEWAY: Final = 5.0
#: The shortest secret for HS256, in bytes (RFC 7518 section 3.2), and the shortest RSA key, in bits (section 3.3).
_MIN_SECRET: Final = 32
_MIN_RSA_BITS: Final = 2048
#: The latest end that is looked at: 31 December 9999.
_LATEST: Final = 253_402_300_799
_PEM: Final = b"-----BEGIN "
#: What ends like this, or has a slash in it, is the name of a file.
_SUFFIXES: Final = (".pem", ".key", ".pub", ".txt", ".json")
_MAX_FILE: Final = 1 << 20


@dataclass(frozen=True, slots=True)
class Claims:
    """What a token says, once it is proven.

    Attributes:
        streams: globs of the streams that may be read.
        expires: when that ends, in seconds since 1970 on this machine's clock.
    """

    streams: tuple[str, ...]
    expires: float


class Verifier:
    """Judges tokens by one key, with the one algorithm that it is for."""

    def __init__(self, key: Key, algorithm: str) -> None:
        self._key = key
        self.algorithm = algorithm

    def verify(self, token: str) -> Claims:
        """What a token says.

        Raises:
            UnauthorizedError: it is malformed, is signed by somebody else or in another way, or its time is over.
        """
        claims = self._decode(token)
        streams = claims.get("streams")
        globs = [streams] if isinstance(streams, str) else streams
        if not isinstance(globs, list) or not all(isinstance(glob, str) for glob in globs):
            # Without the claim it was made for some other purpose: that it is signed with this key gives no right here.
            raise UnauthorizedError(
                "this token names no streams: it needs a claim 'streams', a glob or a list", given=True
            )
        return Claims(tuple(globs), _end(claims["exp"]))

    def _decode(self, token: str) -> dict[str, Any]:
        import jwt  # noqa: PLC0415 - see the module's docstring

        try:
            claims = jwt.decode(
                token, self._key, algorithms=[self.algorithm], leeway=LEEWAY, options={"require": ["exp"]}
            )
        except jwt.ExpiredSignatureError:
            raise UnauthorizedError("this token has expired: get a new one", given=True) from None
        except Exception:  # noqa: BLE001 - whatever a stranger's bytes do to the parser, they open nothing
            claims = None
        # Of an audience that names nobody PyJWT takes no notice.
        if claims is None or isinstance(claims.get("exp"), bool) or "aud" in claims:
            raise UnauthorizedError("this token is not good here: get one from whoever runs the server", given=True)
        return claims


def load_verifier(text: str) -> Verifier:
    """What judges by a key: a file that holds it, or the key itself.

    Args:
        text: the name of a file; a public key in PEM (RS256, EdDSA); or a secret (HS256). What looks like a path is
            never taken for a secret: a mistyped name must not become one that anybody can guess.

    Raises:
        ConfigError: there is no such file, or what is found is no key to check signatures with.
    """
    material = _material(text)
    return _public(material) if material.startswith(_PEM) else _secret(material)


def _material(text: str) -> bytes:
    material = text.strip().encode("utf-8", "surrogateescape")
    is_path = os.sep in text or text.endswith(_SUFFIXES) or os.path.exists(text)
    if material.startswith(_PEM) or not is_path:
        return material
    try:
        with open(text, "rb") as file:
            return file.read(_MAX_FILE).strip()
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "it is no file's name"
        # Without the name: it may be a secret that has a slash in it.
        raise ConfigError(f"jwt-key names a file that cannot be read: {reason} (put a secret into a file)") from None


def _secret(material: bytes) -> Verifier:
    from jwt.algorithms import HMACAlgorithm  # noqa: PLC0415
    from jwt.exceptions import InvalidKeyError  # noqa: PLC0415

    if len(material) < _MIN_SECRET:
        raise ConfigError(f"jwt-key is a secret of {len(material)} bytes: HS256 needs {_MIN_SECRET} at least")
    try:
        return Verifier(HMACAlgorithm(HMACAlgorithm.SHA256).prepare_key(material), "HS256")
    except InvalidKeyError:
        raise ConfigError("jwt-key is a key, but neither a secret nor a public key in PEM: convert it to PEM") from None


def _public(material: bytes) -> Verifier:
    from cryptography.exceptions import UnsupportedAlgorithm  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey  # noqa: PLC0415
    from cryptography.hazmat.primitives.serialization import load_pem_public_key  # noqa: PLC0415

    if b"PRIVATE KEY-----" in material:
        raise ConfigError("jwt-key is a private key: give the public one, which is all that it takes to check a token")
    try:
        key = load_pem_public_key(material)
    except (ValueError, UnsupportedAlgorithm):
        raise ConfigError("jwt-key is no public key in PEM: give what begins with -----BEGIN PUBLIC KEY-----") from None
    if isinstance(key, RSAPublicKey):
        if key.key_size < _MIN_RSA_BITS:
            raise ConfigError(f"jwt-key is an RSA key of {key.key_size} bits: RS256 needs {_MIN_RSA_BITS} at least")
        return Verifier(key, "RS256")
    if isinstance(key, Ed25519PublicKey | Ed448PublicKey):
        return Verifier(key, "EdDSA")
    raise ConfigError(f"jwt-key is an {type(key).__name__}: give an RSA key (RS256) or an Ed25519 key (EdDSA)")


def _end(expires: float) -> float:
    """When a token's connections end: when it does, or, if it was taken within the leeway, with that."""
    end = float(min(int(expires), _LATEST))
    return end if end > time.time() else end + LEEWAY
