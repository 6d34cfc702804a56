// Reads a stream with the official Durable Streams client: a line of JSON per batch, until the stream is closed.
// node durable-stream.mjs URL (long-poll|sse) OFFSET [COUNT: stop after so many items]
import { stream } from "@durable-streams/client";

const [url, mode, offset, count = "Infinity"] = process.argv.slice(2);
let left = Number(count);
const response = await stream({ url, offset, live: mode, json: true });
response.subscribeJson(({ items, offset, streamClosed }) => {
  console.log(JSON.stringify({ items, offset, streamClosed }));
  left -= items.length;
  if (left <= 0) process.exit(0);
});
await response.closed;
