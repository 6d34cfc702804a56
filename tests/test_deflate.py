"""permessage-deflate: what is negotiated, and that what is deflated comes out as it was."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st

from streamhub.batch import make_batch
from streamhub.deflate import Deflated, deflated_frame, negotiate
from streamhub.wire import events_message, events_messages, line_messages, text_frames
from tests.servers import Stream, served

if TYPE_CHECKING:
    from pathlib import Path


def unframe(data: bytes) -> list[bytes]:
    """A small reader of unmasked text frames, deflated or not."""
    messages = []
    while data:
        first, size, data = data[0], data[1], data[2:]
        if size >= 126:
            width = 2 if size == 126 else 8
            size, data = int.from_bytes(data[:width]), data[width:]
        payload, data = data[:size], data[size:]
        assert first in {0x81, 0xC1}
        messages.append(zlib.decompressobj(-15).decompress(payload + b"\0\0\xff\xff") if first == 0xC1 else payload)
    return messages


@given(st.binary(max_size=5000), st.integers(9, 15))
def test_what_is_deflated_comes_out_as_it_was(message: bytes, bits: int) -> None:
    """A message is inflated on its own, and is never longer than it was."""
    frame = deflated_frame(message, bits)
    assert unframe(frame) == [message]
    assert len(frame) <= len(message) + 10


def test_forms_hold_the_same_messages() -> None:
    """Deflated or not, a batch has the same messages; equal encoders share what they made."""
    data = b"".join(
        b'{"url":"https://example.com/a/page/that/repeats/a/page/that/repeats/%d"}\n' % n for n in range(50)
    )
    batch = make_batch("s", "0badcafe", 0, data, 1 << 20)
    assert unframe(Deflated(line_messages)(batch, False)) == unframe(text_frames(batch, False)) == batch.lines
    assert unframe(Deflated(events_messages)(batch, True)) == unframe(events_message(batch, True))
    first = batch.encoded(Deflated(line_messages), at_tail=True)
    assert batch.encoded(Deflated(line_messages), at_tail=True) is first
    assert len(Deflated(events_messages)(batch, True)) < len(events_message(batch, True)) / 4


@pytest.mark.parametrize(
    ("offers", "bits"),
    [
        ("permessage-deflate", 15),
        ("permessage-deflate; client_max_window_bits", 15),
        ("permessage-deflate; client_max_window_bits=10; server_no_context_takeover", 15),
        ("permessage-deflate; server_max_window_bits=10", 10),
        ('permessage-deflate; server_max_window_bits="9"', 9),
        ("x-webkit-deflate-frame, permessage-deflate", 15),
        ("permessage-deflate; server_max_window_bits=8, permessage-deflate", 15),
        ("permessage-deflate; server_max_window_bits=16", None),
        ("permessage-deflate; server_max_window_bits", None),
        ("permessage-deflate; server_max_window_bits=010", None),
        (f"permessage-deflate; server_max_window_bits={'1' * 5000}", None),
        (f"permessage-deflate; client_max_window_bits={'1' * 5000}, permessage-deflate", 15),
        ("permessage-deflate; unknown", None),
        ("permessage-deflate; server_no_context_takeover; server_no_context_takeover", None),
        ("", None),
    ],
)
def test_negotiation(offers: str, bits: int | None) -> None:
    """The first offer that can be met is met, the server's messages standing alone; others are declined."""
    chosen = negotiate(offers)
    assert (chosen and chosen[0]) == bits
    if chosen:
        assert "server_no_context_takeover" in chosen[1]


@pytest.mark.parametrize("path", ["/v1/stream/s/ws", "/v1/ws?stream=s"])
async def test_compressing_server(tmp_path: Path, path: str) -> None:
    """With ``compress`` a client that offers it gets deflated messages, history and live; one that does not, plain."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(500)]
        async with served(tmp_path, compress=True) as server:
            deflated = await server.session.ws_connect(server.url + path, compress=15)
            plain = await server.session.ws_connect(server.url + path)
            assert (deflated.compress, plain.compress) == (15, 0)
            lines += [stream.line(number) for number in range(500, 520)]
            await deflated.send_str("a message of the client's own, deflated, which nobody reads" * 5)
            lines.append(stream.final())
            got = [[message.data async for message in socket] for socket in (deflated, plain)]
            for messages in got:
                text = "".join(messages)
                assert all(text.count(line.decode()) == 1 for line in lines)
            if "stream" in path and "?" not in path:
                assert got[0] == got[1] == [line.decode() for line in lines]
            assert (deflated.close_code, plain.close_code) == (1000, 1000)


async def test_no_compression_unless_told(tmp_path: Path) -> None:
    """Without ``compress`` an offer is declined, and polling is plain."""
    with Stream(tmp_path) as stream:
        stream.line(1)
        async with served(tmp_path) as server:
            socket = await server.session.ws_connect(server.url + "/v1/stream/s/ws", compress=15)
            assert socket.compress == 0
            await socket.close()
            _status, headers, _body = await server.get("/v1/stream/s", headers={"Accept-Encoding": "gzip"})
            assert "Content-Encoding" not in headers


async def test_polling_is_gzipped(tmp_path: Path) -> None:
    """With ``compress`` a polling client that accepts gzip gets it, under an entity tag of its own."""
    with Stream(tmp_path) as stream:
        lines = [stream.line(number) for number in range(500)]
        async with served(tmp_path, compress=True) as server:
            _status, headers, body = await server.get("/v1/stream/s", headers={"Accept-Encoding": "gzip"})
            assert headers["Content-Encoding"] == "gzip"
            assert body == b"[" + b",".join(lines) + b"]"
            _status, plain, _body = await server.get("/v1/stream/s", headers={"Accept-Encoding": "identity"})
            assert plain["ETag"] != headers["ETag"]
            assert "Accept-Encoding" in headers["Vary"]
