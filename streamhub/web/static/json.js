/**
 * JSON laid out for reading. The text itself is laid out, not what it parses to: numbers keep their digits, doubled
 * keys stay, and what is shown is what the line says.
 */

import { h } from "./dom.js";
import { visible } from "./text.js";

/** Tokens that one view lays out; a longer text is cut, and says so. */
const MOST_TOKENS = 6000;
const LONGEST_STRING = 20_000;

/** A `pre` with the text in it; `all` for however long it is. Its `dataset.cut` says that it is not all there. */
export function prettyJson(text, { all = false } = {}) {
  const block = h("pre", { class: "json", tabindex: "0", role: "region", "aria-label": "The event as JSON" });
  const most = all ? Infinity : MOST_TOKENS;
  let depth = 0;
  let tokens = 0;
  let opened = false; // right after a bracket
  const put = (kind, piece) => block.append(kind ? h("span", { class: kind }, piece) : piece);
  const line = () => put("", `\n${"  ".repeat(depth)}`);
  for (const token of tokensOf(text)) {
    if ((tokens += 1) > most) {
      block.dataset.cut = "";
      put("dim", "\n…");
      break;
    }
    if (token === "}" || token === "]") {
      depth -= 1;
      if (!opened) line();
      opened = false;
      put("", token);
    } else if (token === ",") {
      put("", token);
      line();
    } else if (token === ":") put("", ": ");
    else {
      if (opened) line();
      opened = token === "{" || token === "[";
      if (opened) {
        depth += 1;
        put("", token);
      } else put(kindOf(token), shown(token, all, block));
    }
  }
  markKeys(block);
  return block;
}

function shown(token, all, block) {
  if (all || token.length <= LONGEST_STRING) return visible(token);
  block.dataset.cut = "";
  return `${visible(token.slice(0, LONGEST_STRING))}…`;
}

function kindOf(token) {
  if (token[0] === '"') return "string";
  return token === "true" || token === "false" || token === "null" ? "word" : "number";
}

/** A string before a colon is a key. */
function markKeys(block) {
  for (const span of block.querySelectorAll(".string")) {
    if (span.nextSibling?.nodeType === Node.TEXT_NODE && span.nextSibling.data === ": ") span.className = "key";
  }
}

function* tokensOf(text) {
  for (let at = 0; at < text.length;) {
    const character = text[at];
    let end = at + 1;
    if (character === '"') {
      while (end < text.length && text[end] !== '"') end += text[end] === "\\" ? 2 : 1;
      end += 1;
    } else if (/\s/.test(character)) {
      at += 1;
      continue;
    } else if (!"{}[],:".includes(character)) {
      while (end < text.length && !/[\s{}[\],:"]/.test(text[end])) end += 1;
    }
    yield text.slice(at, end);
    at = end;
  }
}
