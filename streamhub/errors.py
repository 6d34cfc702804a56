"""The errors of streamhub, one tree.

::

    StreamhubError
    ├── ConfigError            a setting that cannot be used            (exit 2, HTTP none)
    ├── InvalidRequestError    a value that no stream could satisfy     (exit 2, HTTP 400)
    │   ├── InvalidStreamIdError
    │   ├── InvalidOffsetError
    │   └── InvalidEventError
    ├── UnauthorizedError      no token, or one that is not good        (exit 1, HTTP 401)
    ├── ForbiddenError         a server lets this client read nothing   (exit 1, HTTP 403; clients only)
    ├── UnavailableError       a server is away, or cannot answer now   (exit 1, HTTP 5xx, 429; clients only)
    ├── CapacityError          all connections that may be are there    (exit 1, HTTP 503)
    │   └── AddressLimitError  all that one address may have            (exit 1, HTTP 429)
    ├── StreamNotFoundError    no such stream                           (exit 3, HTTP 404)
    ├── OffsetGoneError        the offset names lines that are no more  (exit 4, HTTP 410)
    ├── OffsetAheadError       this copy of the stream lags             (exit 1, HTTP 503)
    ├── StreamClosedError      the stream has its final status          (exit 1, HTTP none)
    ├── StreamReplacedError    the file was cut or replaced             (exit 4, HTTP 410)
    ├── StreamDiffersError     a copy is not what its origin is         (exit 4, HTTP none)
    └── EmitError              a line could not be written (strict emitters only)

A message is one line: the value, the rule it breaks, and what to do.
"""

from __future__ import annotations


class StreamhubError(Exception):
    """Base of every error that streamhub raises on purpose."""


class ConfigError(StreamhubError):
    """A setting is malformed, contradicts another, or names something that is not there."""


class InvalidRequestError(StreamhubError):
    """A value that is wrong whatever the streams hold."""


class InvalidStreamIdError(InvalidRequestError):
    """A live_stream_id that does not match ``[A-Za-z0-9][A-Za-z0-9._-]{0,127}``."""


class InvalidOffsetError(InvalidRequestError):
    """An offset that is malformed, or that is not at the start of a line."""


class InvalidEventError(InvalidRequestError):
    """A line or a field that is not an event; the message names the field."""


class UnauthorizedError(StreamhubError):
    """No token was given, or one that is not good. The message never holds what was given.

    Attributes:
        given: whether there was a token at all.
    """

    def __init__(self, message: str, *, given: bool = False) -> None:
        super().__init__(message)
        self.given = given


class ForbiddenError(StreamhubError):
    """The server does not read streams to this client: it does not know the name it was called by, most often."""


class UnavailableError(StreamhubError):
    """A server cannot be reached, or cannot answer just now.

    Attributes:
        retry_after: for how many seconds it asked to be left alone; None when it did not.
    """

    def __init__(self, message: str, *, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class CapacityError(StreamhubError):
    """The server has as many live connections as it may."""


class AddressLimitError(CapacityError):
    """One address has as many live connections as it may."""


class StreamNotFoundError(StreamhubError):
    """There is no such stream (or nothing that may be opened as one)."""


class OffsetGoneError(StreamhubError):
    """The offset belongs to another generation, or to lines that were cut off.

    Attributes:
        earliest: the token of the earliest offset there is now.
    """

    def __init__(self, message: str, *, earliest: str) -> None:
        super().__init__(message)
        self.earliest = earliest


class OffsetAheadError(StreamhubError):
    """The offset is past the tail, and this host never saw a longer one: its copy lags."""


class StreamClosedError(StreamhubError):
    """The stream ended with a final status; nothing may be written past it."""


class StreamReplacedError(StreamhubError):
    """The file was cut or replaced under a reader that stands in it.

    Attributes:
        earliest: the token of the earliest offset there is now.
    """

    def __init__(self, message: str, *, earliest: str) -> None:
        super().__init__(message)
        self.earliest = earliest


class StreamDiffersError(StreamhubError):
    """A copy of a stream holds other bytes than its origin, or lacks some that nobody has any more."""


class EmitError(StreamhubError):
    """A line could not be written; raised by strict emitters only."""
