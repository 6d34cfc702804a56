// Reads a stream with the npm package eventsource: a line of JSON per event, until it is told to stop by a 204.
// node event-source.mjs URL [LAST-EVENT-ID]
import { EventSource } from "eventsource";

const [url, lastEventId] = process.argv.slice(2);
const headers = lastEventId ? { "Last-Event-ID": lastEventId } : {};
const source = new EventSource(url, {
  fetch: (input, init) => fetch(input, { ...init, headers: { ...headers, ...init.headers } }),
});
const print = ({ type, data, lastEventId }) => console.log(JSON.stringify({ type, data, id: lastEventId }));
for (const type of ["message", "closed", "reset"]) source.addEventListener(type, print);
source.addEventListener("error", ({ code }) => {
  if (source.readyState === EventSource.CLOSED) console.log(JSON.stringify({ type: "stopped", code }));
});
