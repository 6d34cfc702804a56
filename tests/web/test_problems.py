from __future__ import annotations

import errno
import json
import logging
from typing import Any

import pytest
from aiohttp import web

from streamhub import errors
from streamhub.web.problems import problem, problem_of


def body_of(response: web.Response) -> dict[str, Any]:
    """What a problem says."""
    assert response.content_type == "application/problem+json"
    assert response.charset is None
    assert isinstance(response.body, bytes)
    said: dict[str, Any] = json.loads(response.body)
    return said


def test_a_problem() -> None:
    """RFC 9457: its title, its status, what to do; further members and fields as given; not stored."""
    response = problem(429, "later", {"Retry-After": "7"}, earliest="x")
    assert response.status == 429
    assert body_of(response) == {
        "type": "about:blank",
        "title": "Too Many Requests",
        "status": 429,
        "detail": "later",
        "earliest": "x",
    }
    assert (response.headers["Retry-After"], response.headers["Cache-Control"]) == ("7", "no-store")


def test_any_text_can_be_told() -> None:
    """A detail may quote what a client sent, whatever that was."""
    response = problem(400, 'a\ud800"\x00é\u2028')
    assert isinstance(response.body, bytes)
    assert json.loads(response.body.decode())["status"] == 400


@pytest.mark.parametrize(
    ("error", "status", "fields"),
    [
        (errors.InvalidStreamIdError("x"), 400, {}),
        (errors.InvalidOffsetError("x"), 400, {}),
        (errors.InvalidRequestError("x"), 400, {}),
        (errors.StreamNotFoundError("x"), 404, {}),
        (errors.OffsetGoneError("x", earliest="e_1"), 410, {"Stream-Earliest-Offset": "e_1"}),
        (errors.StreamReplacedError("x", earliest="e_2"), 410, {"Stream-Earliest-Offset": "e_2"}),
        (errors.OffsetAheadError("x"), 503, {"Retry-After": "1"}),
    ],
)
def test_our_errors(error: Exception, status: int, fields: dict[str, str]) -> None:
    """Each has its status; the message is the detail."""
    response = problem_of(error)
    said = body_of(response)
    assert (response.status, said["status"], said["detail"]) == (status, status, "x")
    assert {name: response.headers[name] for name in fields} == fields
    if status == 410:
        assert said["earliest"] == fields["Stream-Earliest-Offset"]


def test_every_error_of_ours_has_a_status() -> None:
    """None of the tree is taken for a fault of the server's."""

    def tree(kind: type[Exception]) -> list[type[Exception]]:
        return [kind, *(below for child in kind.__subclasses__() for below in tree(child))]

    for kind in tree(errors.StreamhubError):
        error = kind.__new__(kind)
        Exception.__init__(error, "x")
        error.earliest, error.given = "e_1", True  # type: ignore[attr-defined]
        assert problem_of(error).status != 500, kind


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENFILE, errno.ENOMEM])
def test_a_full_server(number: int, caplog: pytest.LogCaptureFixture) -> None:
    """When descriptors or memory have run out, that is told, and logged."""
    caplog.set_level(logging.WARNING, "streamhub.web")
    response = problem_of(OSError(number, "no more"))
    assert (response.status, response.headers["Retry-After"]) == (503, "1")
    assert "no more" in caplog.text


@pytest.mark.parametrize("error", [OSError(errno.EIO, "the disk's name"), KeyError("secret"), RecursionError("secret")])
def test_what_nobody_foresaw(error: Exception, caplog: pytest.LogCaptureFixture) -> None:
    """The client is told that it failed, the log why."""
    response = problem_of(error)
    assert response.status == 500
    assert isinstance(response.body, bytes)
    assert b"secret" not in response.body
    assert b"disk" not in response.body
    assert caplog.records[-1].exc_info is not None


def test_errors_of_aiohttp() -> None:
    """They keep their status, and the fields that say what to do."""
    refused = web.HTTPMethodNotAllowed("DELETE", ["GET", "HEAD", "OPTIONS"])
    response = problem_of(refused)
    assert (response.status, response.headers["Allow"]) == (405, "GET,HEAD,OPTIONS")
    assert "DELETE" in body_of(response)["detail"]
    assert problem_of(web.HTTPNotFound()).status == 404
    assert body_of(problem_of(web.HTTPRequestEntityTooLarge(max_size=1, actual_size=2)))["status"] == 413
