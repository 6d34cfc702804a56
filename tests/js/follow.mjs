// Follows streams with our own client: a line of JSON per event, until all is over.
// node follow.mjs URL OPTIONS [TOKEN]; OPTIONS is JSON, as follow() takes it, and WebSocket: null for having none
import { Client } from "../../streamhub/web/static/client.js";
import { WebSocket as ForOldNode } from "ws";

const [url, text, token = null] = process.argv.slice(2);
const { WebSocket = globalThis.WebSocket ?? ForOldNode, ...options } = JSON.parse(text);
const client = new Client(url, { token, WebSocket });
const follower = client.follow(options);
const print = (value) => console.log(JSON.stringify(value));
follower.addEventListener("events", ({ detail: { stream, lines, next } }) => {
  for (const { text, offset } of lines) print({ type: "line", stream, text, offset, next });
});
for (const type of ["end", "reset", "missing"]) {
  follower.addEventListener(type, ({ detail }) => print({ type, ...detail }));
}
follower.addEventListener("failed", ({ detail: { error: { status, message } } }) => print({ type: "failed", status, message }));
follower.addEventListener("state", ({ detail }) => print({ type: "state", name: detail.name }));
