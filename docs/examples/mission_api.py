"""An API that starts missions and answers at once, with the stream on which each can be watched; and a page for it.

    pip install fastapi uvicorn
    streamhub serve --allow-origin http://127.0.0.1:8000
    uvicorn mission_api:app --port 8000

The page reads the stream from streamhub itself, with the client that streamhub serves: the API has no part in that.
``STREAMHUB_URL`` says where streamhub is, when it is not at http://127.0.0.1:8765.
"""

from __future__ import annotations

import asyncio
import os
from typing import Any

import msgspec
from fastapi import FastAPI, Response
from fastapi.responses import HTMLResponse

from streamhub import AsyncEmitter, ResponseEnvelope

STREAMHUB_URL = os.environ.get("STREAMHUB_URL", "http://127.0.0.1:8765")

app = FastAPI()
missions: set[asyncio.Task[None]] = set()


async def count_down(stream: AsyncEmitter, seconds: int) -> None:
    """The mission itself. It knows nothing of who watches."""
    async with stream:
        for left in range(seconds, 0, -1):
            stream.signal("seconds_left", left)
            await asyncio.sleep(1)


@app.post("/missions")
async def start(seconds: int = 3) -> Response:
    """Start a mission; the answer says where to watch it."""
    if not 0 < seconds <= 60:
        return answer(ResponseEnvelope(ok=False, error=f"seconds={seconds} is out of range: give 1 to 60"), 422)
    stream = AsyncEmitter(mission_id="count-down")
    await stream.open()  # from now on the stream is there for whoever has its id
    task = asyncio.create_task(count_down(stream, seconds))
    missions.add(task)
    task.add_done_callback(missions.discard)
    return answer(ResponseEnvelope(ok=True, data={"seconds": seconds}, live_stream_id=stream.live_stream_id), 202)


def answer(envelope: ResponseEnvelope[Any], status: int) -> Response:
    """The envelope as JSON."""
    return Response(msgspec.json.encode(envelope), status, media_type="application/json")


@app.get("/")
async def page() -> HTMLResponse:
    """A button, and what the mission tells."""
    return HTMLResponse(PAGE.replace("STREAMHUB_URL", STREAMHUB_URL))


PAGE = """<!doctype html>
<title>Count down</title>
<button>Start a mission</button>
<p role="status">Nothing yet</p>
<ol></ol>
<script type="module">
  import { Client } from "STREAMHUB_URL/static/client.js";

  const client = new Client("STREAMHUB_URL");
  const show = (text) => (document.querySelector("[role=status]").textContent = text);

  document.querySelector("button").onclick = async () => {
    const response = await fetch("/missions?seconds=2", { method: "POST" });
    const { ok, error, live_stream_id } = await response.json();
    if (!ok) return show(error);
    document.querySelector("ol").replaceChildren();
    const follower = client.follow({ streams: [live_stream_id] });
    follower.addEventListener("events", ({ detail }) => {
      for (const { event } of detail.lines) {
        const item = document.createElement("li");
        item.textContent = `${event.event_type}: ${JSON.stringify(event.payload)}`;
        document.querySelector("ol").append(item);
      }
    });
    follower.addEventListener("state", ({ detail }) => show(detail.name));
  };
</script>
"""
