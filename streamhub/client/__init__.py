"""Reading streams from a server: catch-up, and following that survives restarts. Needs aiohttp (the extra ``client``).

::

    from streamhub.client import Client

    with Client("http://127.0.0.1:8765") as client:
        for item in client.read("m-42", tail=10):      # what is there
            print(item.event)
        for item in client.follow("m-42"):             # that, and what comes, until the stream is closed
            print(item.offset, item.event)

:class:`AsyncClient` is the same for asyncio.
"""

from streamhub.client.asynchronous import AsyncClient
from streamhub.client.follower import AsyncFollower
from streamhub.client.following import Gap, Reset
from streamhub.client.item import Item
from streamhub.client.listing import StreamEntry
from streamhub.client.synchronous import Client, Follower

__all__ = ["AsyncClient", "AsyncFollower", "Client", "Follower", "Gap", "Item", "Reset", "StreamEntry"]
