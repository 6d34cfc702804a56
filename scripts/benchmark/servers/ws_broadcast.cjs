// The broadcast of the ws library's README: lines on stdin go to every client, one at a time.
"use strict";
const { WebSocketServer, WebSocket } = require("ws");

const server = new WebSocketServer({ host: "127.0.0.1", port: 0, backlog: 1024, perMessageDeflate: false });
server.on("listening", () => console.log(server.address().port));

async function main() {
  let rest = "";
  for await (const chunk of process.stdin.setEncoding("utf8")) {
    const lines = (rest + chunk).split("\n");
    rest = lines.pop();
    for (const line of lines) {
      for (const client of server.clients) {
        if (client.readyState === WebSocket.OPEN) client.send(line);
      }
      await new Promise(setImmediate);
    }
  }
  process.exit(0);
}

main();
