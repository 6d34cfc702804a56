from __future__ import annotations

from streamhub.client.item import Item
from streamhub.events import NavigationEvent, Signal, SignalEvent

HEAD = b'{"timestamp":"2026-01-01T12:00:00.000000Z","mission_id":"m",'


def item(line: bytes) -> Item:
    """An event somewhere."""
    return Item("s", line, "0123abcd_0000000000000100")


def test_an_event_of_the_schema_has_its_type() -> None:
    """What emitters write comes back as what they wrote."""
    event = item(HEAD + b'"event_type":"signal","payload":{"name":"n","value":1}}').event
    assert isinstance(event, SignalEvent)
    assert event.payload == Signal("n", 1)
    navigation = item(HEAD + b'"event_type":"navigation","payload":{"url":"u","action":"a"}}')
    assert isinstance(navigation.event, NavigationEvent)
    assert navigation.event_type == "navigation"


def test_anything_else_is_what_it_says() -> None:
    """Unknown types, stand-ins for malformed lines, and foreign lines are dicts."""
    stand_in = item(b'{"event_type":"malformed","payload":{"offset":"o","bytes":5,"reason":"json"}}')
    assert stand_in.event == {"event_type": "malformed", "payload": {"offset": "o", "bytes": 5, "reason": "json"}}
    assert stand_in.event_type == "malformed"
    assert item(b'{"a":"\\ud800"}').event == {"a": "\ud800"}
    assert item(b'{"event_type":7}').event_type is None
    assert item(b"{}").event_type is None


def test_items_are_values() -> None:
    """The same event of the same stream is equal, and says what it is."""
    assert item(b"{}") == item(b"{}") != item(b"[]")
    assert len({item(b"{}"), item(b"{}")}) == 1
    assert item(b"{}") != b"{}"
    assert repr(item(b"{}")) == "Item('s', b'{}', '0123abcd_0000000000000100')"
