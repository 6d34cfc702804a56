/**
 * Addresses within the page:
 *
 * - `#/`: the streams
 * - `#/s/<id>?o=<offset>&type=<type>&q=<text>`: one stream, an event of it, a filter
 * - `#/m/<id>,<id>?view=merged`: several, side by side or merged by time
 */

/** What an address asks for: `{page, …}`. */
export function parseHash(hash) {
  const [path, query = ""] = hash.replace(/^#/, "").split("?", 2);
  const parameters = new URLSearchParams(query);
  const [, page, rest = ""] = path.split("/");
  if (page === "s" && rest) {
    return {
      page: "stream",
      id: decode(rest),
      offset: parameters.get("o"),
      types: parameters.getAll("type"),
      text: parameters.get("q") ?? "",
    };
  }
  if (page === "m" && rest) {
    const ids = [...new Set(decode(rest).split(",").filter(Boolean))];
    return { page: "board", ids, merged: parameters.get("view") === "merged" };
  }
  return { page: "streams" };
}

/** The address of a stream, an event of it, a filter. */
export function streamHash({ id, offset = null, types = [], text = "" }) {
  const query = new URLSearchParams();
  if (offset) query.set("o", offset);
  for (const type of types) query.append("type", type);
  if (text) query.set("q", text);
  const search = String(query);
  return `#/s/${encodeURIComponent(id)}${search && `?${search}`}`;
}

/** The address of several streams. */
export function boardHash(ids, { merged = false } = {}) {
  return `#/m/${ids.map(encodeURIComponent).join(",")}${merged ? "?view=merged" : ""}`;
}

function decode(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
