"""How long the server waits of its own accord: the protocol says it, so these are no settings; tests shorten them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timing:
    """Spans of time, in seconds.

    Attributes:
        heartbeat: a connection that says nothing for so long gets a sign of life.
        sweep: how often connections are looked through for stalled and quiet ones.
        farewell: how long a client may take to hear the end, once it is sent.
        long_poll: a long-poll is answered after so long, come what may.
        rotation: Durable Streams over SSE ends after so long, so that caches can collapse readers.
        vanished: a peer that has confirmed nothing of what it was sent for so long is gone, without a word.
        drain: how long clients may take to go when the server shuts down.
    """

    heartbeat: float = 15.0
    sweep: float = 1.0
    farewell: float = 5.0
    long_poll: float = 20.0
    rotation: float = 60.0
    vanished: float = 120.0
    drain: float = 5.0
