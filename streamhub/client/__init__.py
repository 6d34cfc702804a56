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

try:
    from streamhub.client.asynchronous import AsyncClient
    from streamhub.client.follower import AsyncFollower
    from streamhub.client.following import Gap, Reset
    from streamhub.client.item import Item
    from streamhub.client.listing import StreamEntry
    from streamhub.client.synchronous import Client, Follower
except ModuleNotFoundError as error:
    if error.name not in {"aiohttp", "yarl"}:
        raise
    # By its path, not by its name: another project bears that name in the package index.
    extra = "install streamhub's checkout with its extra: pip install '.[client]'"
    raise ModuleNotFoundError(f"{error.name} is not installed: {extra}", name=error.name) from error

__all__ = ["AsyncClient", "AsyncFollower", "Client", "Follower", "Gap", "Item", "Reset", "StreamEntry"]
