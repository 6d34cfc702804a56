from __future__ import annotations

import inspect
import json
import re
from typing import Any

import msgspec
import pytest

from streamhub import envelope as envelope_module
from streamhub.envelope import ResponseEnvelope
from streamhub.errors import InvalidStreamIdError


class Mission(msgspec.Struct):
    mission_id: str


def test_fields_in_order() -> None:
    """A full reply has its fields in the documented order."""
    reply = ResponseEnvelope(ok=True, data={"a": 1}, error="half of it", live_stream_id="m-42")
    assert msgspec.json.encode(reply) == b'{"ok":true,"data":{"a":1},"error":"half of it","live_stream_id":"m-42"}'


def test_empty_fields_are_left_out() -> None:
    """What is not there is not written."""
    assert msgspec.json.encode(ResponseEnvelope[Any](ok=False)) == b'{"ok":false}'


@pytest.mark.parametrize("data", [0, False, "", [], {}])
def test_falsy_data_is_data(data: Any) -> None:
    """Only None is no data: zero, false and the empty collections are answers."""
    body = msgspec.json.encode(ResponseEnvelope(ok=True, data=data))
    assert json.loads(body) == {"ok": True, "data": data}


def test_typed_data() -> None:
    """The data decode into the type that the reader names, and wrong data say where."""
    body = b'{"ok":true,"data":{"mission_id":"m-42"},"live_stream_id":"m-42","added_later":1}'
    reply = msgspec.json.decode(body, type=ResponseEnvelope[Mission])
    assert reply == ResponseEnvelope(ok=True, data=Mission("m-42"), live_stream_id="m-42")
    with pytest.raises(msgspec.ValidationError, match=r"\$\.data\.mission_id"):
        msgspec.json.decode(b'{"ok":true,"data":{"mission_id":7}}', type=ResponseEnvelope[Mission])


@pytest.mark.parametrize("stream_id", ["../../etc/passwd", "a\n", "", "a/b"])
def test_hostile_stream_id(stream_id: str) -> None:
    """An id that is none is refused, in a reply that is made and in one that is read."""
    with pytest.raises(InvalidStreamIdError):
        ResponseEnvelope[Any](ok=True, live_stream_id=stream_id)
    with pytest.raises(InvalidStreamIdError):
        msgspec.json.decode(json.dumps({"ok": True, "live_stream_id": stream_id}), type=ResponseEnvelope[Any])


def test_documented_examples() -> None:
    """The JSON in the module's documentation decodes, and encodes to the same bytes."""
    text = inspect.getdoc(envelope_module) or ""
    examples = re.findall(r"^ {4}(\{.*\})$", text, re.MULTILINE)
    assert len(examples) == 2
    for example in examples:
        reply = msgspec.json.decode(example, type=ResponseEnvelope[Any])
        assert msgspec.json.encode(reply) == example.encode()


def test_schema() -> None:
    """The JSON Schema requires ok alone, and says what an id looks like."""
    schema = msgspec.json.schema(ResponseEnvelope[Any])
    (envelope,) = schema["$defs"].values()
    assert envelope["required"] == ["ok"]
    assert re.compile(envelope["properties"]["live_stream_id"]["pattern"]).search("a/b") is None
