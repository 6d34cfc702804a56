"""Who may read, and what: tokens, each good for the streams that fit its globs.

A token is either named to the server, which keeps no more of it than its SHA-256, or a JSON Web Token that somebody
else has signed (:mod:`streamhub.signed`). What a token is never stands in a message: messages end up in logs.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import time
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Final

from streamhub.errors import ConfigError, UnauthorizedError
from streamhub.signed import load_verifier

if TYPE_CHECKING:
    from collections.abc import Iterable

    from streamhub.config import Config
    from streamhub.signed import Verifier

#: What a Bearer token may consist of (RFC 6750 section 2.1).
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)
#: A token that is given by its SHA-256 alone.
_HASHED: Final = re.compile(r"sha256:([0-9a-f]{64})", re.ASCII)
_GLOB: Final = re.compile(r"[A-Za-z0-9._*?!\[\]-]+", re.ASCII)
_EVERY: Final = "*"


@dataclass(frozen=True, slots=True)
class Grant:
    """What one token is good for.

    Attributes:
        globs: the streams whose ids fit one of them may be read; the others do not exist.
        expires: seconds since 1970 at which it ends; None: it does not.
    """

    globs: tuple[str, ...] = (_EVERY,)
    expires: float | None = None

    def allows(self, stream: str) -> bool:
        """Whether a stream may be read."""
        return any(glob == _EVERY or fnmatchcase(stream, glob) for glob in self.globs)

    def seconds_left(self) -> float | None:
        """How long it is good for yet; None: for good."""
        return None if self.expires is None else max(0.0, self.expires - time.time())


#: What everybody has who can reach a server that asks for no token.
EVERYTHING: Final = Grant()


class Tokens:
    """The tokens that a server takes. Without any it asks for none.

    Args:
        lines: ``token [glob]`` each, the token as it is or as ``sha256:`` and its hash; a comment begins with ``#``.
        source: where the lines stand, for messages.
        verifier: what judges JSON Web Tokens.

    Raises:
        ConfigError: a line is malformed.
    """

    def __init__(self, lines: Iterable[str] = (), source: str = "tokens", verifier: Verifier | None = None) -> None:
        self._known: list[tuple[bytes, str]] = []
        for number, line in enumerate(lines, 1):
            self._known += _parse(line, f"{source}, line {number}")
        self._verifier = verifier

    def __bool__(self) -> bool:
        """Whether a reader needs one."""
        return bool(self._known) or self._verifier is not None

    def grant(self, token: str | None) -> Grant:
        """What a token is good for.

        Raises:
            UnauthorizedError: it is none of these, or there is none.
        """
        if not token:
            raise UnauthorizedError("this server asks for a token: send Authorization: Bearer, or open /?token=… once")
        digest = _hash(token)
        # Each is compared, in constant time, whether or not one was found: how long it takes says nothing.
        globs = tuple(glob for known, glob in self._known if hmac.compare_digest(known, digest))
        if globs:
            return Grant(globs)
        if self._verifier is None:
            raise UnauthorizedError("this token is not known here: ask whoever runs the server for one", given=True)
        claims = self._verifier.verify(token)
        return Grant(tuple(filter(_GLOB.fullmatch, claims.streams)), claims.expires)


def tokens_of(config: Config) -> Tokens:
    """The tokens that a server was told to take.

    Raises:
        ConfigError: a file cannot be read, names no token, or holds what is none; the key is unfit.
    """
    lines = list(config.tokens)
    source = "STREAMHUB_TOKEN"
    if config.token_file:
        source = f"token file {config.token_file!r}"
        named = _read(config.token_file, source)
        Tokens(lines)  # so that what is wrong in them is not laid to the file
        if not Tokens(named, source):
            raise ConfigError(f"{source} names no token: write one a line, and after it a glob of streams if you like")
        lines = named + lines
    return Tokens(lines, source, load_verifier(config.jwt_key) if config.jwt_key else None)


def hashed(lines: str) -> tuple[str, ...]:
    """The same lines with each token by its hash alone, so that it need not be kept.

    Raises:
        ConfigError: a line is malformed.
    """
    parsed = [found for line in lines.splitlines() for found in _parse(line, "STREAMHUB_TOKEN")]
    return tuple(f"sha256:{digest.hex()} {glob}" for digest, glob in parsed)


def _read(path: str, source: str) -> list[str]:
    try:
        with open(path, encoding="ascii") as file:
            return file.read().splitlines()
    except OSError as error:
        raise ConfigError(f"{source} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ConfigError(f"{source} is no ASCII text: a token consists of letters, digits and ._~+/-=") from None


def _parse(line: str, where: str) -> list[tuple[bytes, str]]:
    """The hash and the glob of a line; nothing when it holds none."""
    words = line.partition("#")[0].split()
    if not words:
        return []
    token, *globs = words
    if len(globs) > 1:
        raise ConfigError(f"{where} has {len(words)} words: write a token, and one glob of streams if you like")
    known = _HASHED.fullmatch(token)
    if known is None and _TOKEN.fullmatch(token) is None:
        raise ConfigError(f"{where} begins with what is no token: use letters, digits and ._~+/-, and = at its end")
    glob = globs[0] if globs else _EVERY
    if _GLOB.fullmatch(glob) is None:
        raise ConfigError(f"{where}: {ascii(glob)[:80]} is no glob of streams: use what ids have, and *, ? and [...]")
    return [(bytes.fromhex(known[1]) if known else _hash(token), glob)]


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).digest()
