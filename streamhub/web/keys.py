"""What the application carries, by typed key."""

from __future__ import annotations

from aiohttp import web

from streamhub.config import Config
from streamhub.hub import Hub
from streamhub.tokens import Tokens
from streamhub.web.admission import Admission
from streamhub.web.connections import Connections
from streamhub.web.lobby import Lobby
from streamhub.web.repeats import Repeats
from streamhub.web.timing import Timing

CONFIG: web.AppKey[Config] = web.AppKey("config", Config)
HUB: web.AppKey[Hub] = web.AppKey("hub", Hub)
TIMING: web.AppKey[Timing] = web.AppKey("timing", Timing)
CONNECTIONS: web.AppKey[Connections] = web.AppKey("connections", Connections)
LOBBY: web.AppKey[Lobby] = web.AppKey("lobby", Lobby)
REPEATS: web.AppKey[Repeats] = web.AppKey("repeats", Repeats)
TOKENS: web.AppKey[Tokens] = web.AppKey("tokens", Tokens)
ADMISSION: web.AppKey[Admission] = web.AppKey("admission", Admission)
