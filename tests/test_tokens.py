from __future__ import annotations

import hmac
import logging
import pickle
import time
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.config import Config
from streamhub.errors import ConfigError, UnauthorizedError
from streamhub.tokens import EVERYTHING, Grant, Tokens, hashed, tokens_of

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    ("glob", "stream", "allowed"),
    [
        ("*", "anything", True),
        ("a", "a", True),
        ("a", "ab", False),
        ("a", "A", False),
        ("team-*", "team-", True),
        ("team-*", "team-1.2", True),
        ("team-*", "other-team-1", False),
        ("?", "a", True),
        ("?", "ab", False),
        ("[ab]*", "b1", True),
        ("[!ab]*", "b1", False),
    ],
)
def test_globs(glob: str, stream: str, allowed: bool) -> None:
    """A grant is good for the ids that fit a glob as a whole; case matters."""
    assert Grant((glob,)).allows(stream) is allowed
    assert Grant(("nothing", glob)).allows(stream) is allowed


def test_no_globs() -> None:
    """A grant without a glob is good for nothing; the one for everybody is good for all, and for ever."""
    assert not Grant(()).allows("a")
    assert EVERYTHING.allows("a")
    assert EVERYTHING.seconds_left() is None


def test_seconds_left() -> None:
    """What is left of a grant runs down to nothing, and no further."""
    left = Grant(expires=time.time() + 100).seconds_left()
    assert left is not None
    assert 90 < left <= 100
    assert Grant(expires=time.time() - 100).seconds_left() == 0


def test_known_and_unknown() -> None:
    """A token that was named grants its globs, of several lines all of them; any other nothing."""
    tokens = Tokens(["one a*", "two", "", "# three", "  four   b?  # a comment", "one c"])
    assert tokens
    assert tokens.grant("one") == Grant(("a*", "c"))
    assert tokens.grant("two") == Grant(("*",))
    assert tokens.grant("four") == Grant(("b?",))
    for wrong in ("three", "on", "onee", "ONE", "one a*", " one", "one\n", "\udcff", "é", "#", "one\0", "x" * 10**6):
        with pytest.raises(UnauthorizedError) as caught:
            tokens.grant(wrong)
        assert caught.value.given
    for nothing in (None, ""):
        with pytest.raises(UnauthorizedError, match="asks for a token") as caught:
            tokens.grant(nothing)
        assert not caught.value.given


def test_none() -> None:
    """Without tokens none is asked for, and none is taken."""
    assert not Tokens()
    assert not Tokens(["# nothing", ""])
    with pytest.raises(UnauthorizedError):
        Tokens().grant("x")


@pytest.mark.parametrize("hidden", ["first", "second", "unknown"])
def test_each_is_compared_in_constant_time(monkeypatch: pytest.MonkeyPatch, hidden: str) -> None:
    """Whether it is the first, the last or none: every known hash goes once through hmac.compare_digest."""
    compared: list[tuple[bytes, bytes]] = []
    genuine = hmac.compare_digest

    def compare(known: bytes, given: bytes) -> bool:
        compared.append((known, given))
        return genuine(known, given)

    tokens = Tokens(["first", "second"])
    monkeypatch.setattr(hmac, "compare_digest", compare)
    try:
        tokens.grant(hidden)
    except UnauthorizedError:
        assert hidden == "unknown"
    assert len(compared) == 2
    assert all(len(known) == len(given) == 32 for known, given in compared)


@given(st.text(), st.text())
def test_only_the_same_text_is_the_same_token(named: str, given_: str) -> None:
    """Whatever is named, nothing else opens."""
    try:
        tokens = Tokens([f"{named} a"])
    except ConfigError:
        return
    try:
        granted = bool(tokens) and tokens.grant(given_) == Grant(("a",))
    except UnauthorizedError:
        granted = False
    assert granted == (bool(given_) and given_ == named.partition("#")[0].strip())


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("s3cret a b", "line 2 has 3 words"),
        ("s3cr:et", "line 2 begins with what is no token"),
        ("s3cr,et", "line 2 begins with what is no token"),
        ("=s3cret", "line 2 begins with what is no token"),
        ("sha256:s3cret", "line 2 begins with what is no token"),
        ("s3cret /etc/*", "is no glob of streams"),
        ("s3cret {a,b}", "is no glob of streams"),
    ],
)
def test_bad_lines(tmp_path: Path, line: str, said: str) -> None:
    """What is wrong is said by file and line, in one line, and never with the token."""
    path = tmp_path / "tokens"
    path.write_text(f"fine\n{line}\n")
    with pytest.raises(ConfigError) as caught:
        tokens_of(Config(token_file=str(path)))
    message = str(caught.value)
    assert said in message
    assert repr(str(path)) in message
    assert "s3cret" not in message.replace(str(path), "")
    assert message.isprintable()


def test_files(tmp_path: Path) -> None:
    """A file is read as it is; one that is missing, empty or no text is refused, since it would open or shut all."""
    path = tmp_path / "tokens"
    config = Config(token_file=str(path))
    for content, said in ((None, "cannot be read: No such file"), (b"# none\n", "names no token"), (b"\xff", "ASCII")):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(ConfigError, match=said):
            tokens_of(config)
    path.write_bytes(b"one a*\r\ntwo\n")
    assert tokens_of(config).grant("one") == Grant(("a*",))
    with pytest.raises(ConfigError, match="Is a directory"):
        tokens_of(Config(token_file=str(tmp_path)))


def test_file_and_environment(tmp_path: Path) -> None:
    """Tokens of both are good; neither is in the way of the other."""
    path = tmp_path / "tokens"
    path.write_text("one a\n")
    tokens = tokens_of(Config(token_file=str(path), tokens=hashed("two b\nthree")))
    assert [tokens.grant(name).globs for name in ("one", "two", "three")] == [("a",), ("b",), ("*",)]


def test_hashed() -> None:
    """Only hashes are kept of what the environment says; a hash is good in a line, and no token itself."""
    (line,) = hashed("s3cret-s3cret team-*")
    assert line.startswith("sha256:")
    assert "s3cret" not in line
    tokens = Tokens([line])
    assert tokens.grant("s3cret-s3cret") == Grant(("team-*",))
    for wrong in (line, line.split()[0], line.split()[0].removeprefix("sha256:")):
        with pytest.raises(UnauthorizedError):
            tokens.grant(wrong)
    assert hashed("") == hashed("\n# nothing\n") == ()


def test_nothing_secret_is_shown(caplog: pytest.LogCaptureFixture) -> None:
    """Neither the settings nor the tokens nor errors say what a token or a key is."""
    caplog.set_level(logging.DEBUG)
    secret = "s3cret-s3cret-s3cret-s3cret-s3cret-s3cret"
    config = Config(tokens=hashed(secret), jwt_key=secret)
    tokens = tokens_of(config)
    digest = config.tokens[0].removeprefix("sha256:")[:64]
    shown = [repr(config), str(config), repr(tokens), str(tokens), repr(tokens.grant(secret))]
    for wrong in (secret[1:], f"{secret}.{secret}.{secret}", "eyJhbGciOiJub25lIn0.e30."):
        with pytest.raises(UnauthorizedError) as caught:
            tokens.grant(wrong)
        shown += [str(caught.value), repr(caught.value)]
        assert caught.value.__cause__ is None
    shown += [record.getMessage() for record in caplog.records]
    assert not [text for text in shown if "s3cret" in text or digest in text]
    assert secret.encode() not in pickle.dumps(Config(tokens=hashed(secret)))


@pytest.mark.parametrize("settings", [{"token_file": "x"}, {"tokens": ("x",)}, {"jwt_key": "x"}])
def test_protected(settings: dict[str, Any]) -> None:
    """A server is protected as soon as one of them is set."""
    assert Config(**settings).protected
    assert not Config().protected
