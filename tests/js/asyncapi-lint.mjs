// Reads an array of AsyncAPI documents from stdin; writes what the official parser has against each, as JSON.
import { text } from "node:stream/consumers";

import { Parser } from "@asyncapi/parser";

const parser = new Parser();
const found = [];
for (const document of JSON.parse(await text(process.stdin))) {
  const { diagnostics } = await parser.parse(document);
  found.push(diagnostics.map(({ code, message, path, severity }) => ({ code, message, path: path.join("/"), severity })));
}
process.stdout.write(JSON.stringify(found));
