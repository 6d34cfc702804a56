"""The server: streams over HTTP and WebSocket, on aiohttp."""
